//! Every shape of function, executed: how often the body ran, and what came back.

use resilience::{
    bulkhead, checkpoint, circuit_breaker, rate_limit, testing, timeout, with_fallback, with_retry,
};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};

/// Counts a run, and fails the first two.
fn run(runs: &AtomicU32) -> io::Result<u32> {
    let run = runs.fetch_add(1, Ordering::Relaxed) + 1;
    if run < 3 { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(run) }
}

#[async_trait::async_trait]
trait Service {
    async fn fetch(&self, name: String) -> io::Result<u32>;
    async fn change(&mut self, by: u32) -> io::Result<u32>;
    async fn pair(&self, (a, b): (u32, u32)) -> io::Result<u32>;
    async fn owned(&self, name: String) -> io::Result<usize>;

    #[with_retry(max = 3)]
    async fn provided(&self, runs: &AtomicU32) -> io::Result<u32> {
        run(runs)
    }
}

struct Counting {
    runs: AtomicU32,
    host: String,
}

#[async_trait::async_trait]
impl Service for Counting {
    #[with_fallback(Self::last)]
    #[timeout(10s)]
    #[with_retry(max = 3)]
    #[circuit_breaker(threshold = 5, key = self.host)]
    #[timeout(2s)]
    async fn fetch(&self, name: String) -> io::Result<u32> {
        let found = run(&self.runs)?;
        Ok(found + u32::try_from(name.len()).unwrap_or(0))
    }

    #[with_retry(max = 3, context(host = self.host))]
    async fn change(&mut self, mut by: u32) -> io::Result<u32> {
        by += 1;
        self.host.push('!');
        tokio::task::yield_now().await;
        run(&self.runs)?;
        Ok(by)
    }

    #[with_retry(max = 3)]
    async fn pair(&self, (a, b): (u32, u32)) -> io::Result<u32> {
        run(&self.runs).map(|run| run + a + b)
    }

    #[with_retry(max = 3, clone(name))]
    async fn owned(&self, name: String) -> io::Result<usize> {
        run(&self.runs)?;
        Ok(name.into_bytes().len())
    }
}

impl Counting {
    fn new() -> Self {
        Self { runs: AtomicU32::new(0), host: "h".to_owned() }
    }

    async fn last(&self, _name: String) -> Option<u32> {
        Some(0)
    }
}

#[tokio::test(start_paused = true)]
async fn async_trait_methods_are_supported() {
    let _world = testing::isolate();
    assert_eq!(Counting::new().fetch("ab".to_owned()).await.unwrap(), 5);
    let mut service = Counting::new();
    assert_eq!(service.change(7).await.unwrap(), 8);
    assert_eq!(service.host, "h!!!");
    assert_eq!(Counting::new().pair((1, 2)).await.unwrap(), 6);
    assert_eq!(Counting::new().owned("abc".to_owned()).await.unwrap(), 3);
    assert_eq!(Counting::new().provided(&AtomicU32::new(0)).await.unwrap(), 3);
    let service: Box<dyn Service + Send + Sync> = Box::new(Counting::new());
    let spawned = tokio::spawn(async move { service.fetch("a".to_owned()).await });
    assert_eq!(spawned.await.unwrap().unwrap(), 4);
}

#[with_retry(max = 3)]
fn gives_a_future(runs: &AtomicU32) -> impl Future<Output = io::Result<u32>> + Send {
    async move { run(runs) }
}

#[with_retry(max = 3)]
#[timeout(2s)]
fn gives_a_box<'a>(runs: &'a AtomicU32) -> Pin<Box<dyn Future<Output = io::Result<u32>> + Send + 'a>> {
    Box::pin(async move {
        let found = run(runs)?;
        Ok(found)
    })
}

#[with_retry(max = 3)]
fn boxes_what_it_likes(runs: &AtomicU32) -> Pin<Box<dyn Future<Output = io::Result<u32>> + '_>> {
    let future = async move { run(runs) };
    Box::pin(future)
}

#[tokio::test(start_paused = true)]
async fn functions_that_return_a_future_are_supported() {
    let _world = testing::isolate();
    assert_eq!(gives_a_future(&AtomicU32::new(0)).await.unwrap(), 3);
    assert_eq!(gives_a_box(&AtomicU32::new(0)).await.unwrap(), 3);
    assert_eq!(boxes_what_it_likes(&AtomicU32::new(0)).await.unwrap(), 3);
}
