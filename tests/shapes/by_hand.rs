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

struct Host {
    port: u32,
    known: Option<u32>,
}

impl Host {
    #[with_retry(max = 3)]
    fn begins_with_if_let(&self) -> Pin<Box<dyn Future<Output = io::Result<u32>> + Send + '_>> {
        Box::pin(async move {
            if let None | Some(0) = self.known {
                return Err(io::ErrorKind::NotFound.into());
            }
            Ok(self.port)
        })
    }

    #[with_retry(max = 3, context(port = self.port))]
    fn begins_with_let(&self, by: u32) -> Pin<Box<dyn Future<Output = io::Result<u32>> + Send + '_>> {
        Box::pin(async move {
            let this = self;
            let mut by = by;
            by += self.port;
            Ok(this.port + by)
        })
    }
}

#[with_retry(max = 3)]
fn begins_with_cfg(id: u32, other: u32) -> Pin<Box<dyn Future<Output = io::Result<u32>> + Send>> {
    Box::pin(async move {
        #[cfg(any())]
        let id = other;
        #[cfg(test)]
        let other = other;
        Ok(id + 10 * other)
    })
}

#[tokio::test(start_paused = true)]
async fn the_first_statements_of_a_boxed_body_are_kept() {
    let _world = testing::isolate();
    let host = |known| Host { port: 4, known };
    assert_eq!(host(Some(1)).begins_with_if_let().await.unwrap(), 4);
    assert_eq!(host(None).begins_with_if_let().await.unwrap_err().kind(), io::ErrorKind::NotFound);
    assert_eq!(host(None).begins_with_let(1).await.unwrap(), 9);
    assert_eq!(begins_with_cfg(1, 2).await.unwrap(), 21);
}

#[async_trait::async_trait]
trait Inner {
    async fn items(&self) -> io::Result<String>;
    async fn conditional(&self, by: u32, #[cfg(any())] absent: u32) -> io::Result<u32>;
}

#[async_trait::async_trait]
impl Inner for Host {
    #[with_retry(max = 3, context(port = self.port))]
    async fn items(&self) -> io::Result<String> {
        use std::fmt::{self, Display};
        struct Shown(u32);
        impl Display for Shown {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, "port {}", self.0)
            }
        }
        Ok(Shown(self.port).to_string())
    }

    #[with_retry(max = 3)]
    async fn conditional(&self, mut by: u32, #[cfg(any())] mut absent: u32) -> io::Result<u32> {
        by += self.port;
        Ok(by)
    }
}

#[tokio::test(start_paused = true)]
async fn items_and_conditions_in_async_trait_methods_are_kept() {
    let _world = testing::isolate();
    let host = Host { port: 4, known: None };
    assert_eq!(host.items().await.unwrap(), "port 4");
    assert_eq!(host.conditional(1).await.unwrap(), 5);
}

#[with_retry(max = 3)]
fn copies_a_part(&mut (mut seen, ref runs): &mut (u32, AtomicU32)) -> io::Result<u32> {
    seen += 1;
    run(runs).map(|run| run + 10 * seen)
}

#[timeout(2s)]
async fn copies_a_part_later(&mut (mut seen, _): &mut (u32, u32)) -> io::Result<u32> {
    seen += 1;
    Ok(seen)
}

#[tokio::test(start_paused = true)]
async fn a_pattern_of_a_reference_may_copy_a_part() {
    let _world = testing::isolate();
    let mut pair = (1, AtomicU32::new(0));
    assert_eq!(copies_a_part(&mut pair).unwrap(), 23, "each attempt has a copy of its own");
    assert_eq!(pair.0, 1);
    assert_eq!(copies_a_part_later(&mut (1, 0)).await.unwrap(), 2);
}
