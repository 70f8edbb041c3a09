//! Caches among other policies, and on functions of every shape.

use super::*;
use resilience::{circuit_breaker, timeout, with_fallback, with_retry};

#[test]
fn a_hit_does_not_reach_the_policies_below() {
    static DOWN: AtomicU32 = AtomicU32::new(0);
    #[with_fallback(value = 0)]
    #[cached(ttl = 60s)]
    #[with_retry(max = 2, base = 0s)]
    #[circuit_breaker(threshold = 100, name = "stacked")]
    fn stacked(id: u32) -> Result<u32, Fails> {
        if DOWN.fetch_add(1, Ordering::Relaxed) == 0 { Err(Fails(Category::Unavailable)) } else { Ok(id) }
    }
    let _world = testing::isolate();
    assert_eq!((stacked(7), DOWN.load(Ordering::Relaxed)), (Ok(7), 2), "a retry below counts");
    let breaker = point("stacked").unwrap().breaker().unwrap();
    breaker.force_open();
    assert_eq!((stacked(7), stacked(8)), (Ok(7), Ok(0)), "kept, and not kept");
    assert_eq!(breaker.snapshot().rejected, 1);
    breaker.reset();
    assert_eq!(stacked(8), Ok(8), "the fallback's value was not kept");
}

#[test]
fn an_open_breaker_is_answered_stale() {
    #[cached(ttl = 60s, stale_if_error = 1h)]
    #[circuit_breaker(threshold = 1, name = "broken")]
    fn broken() -> Result<u32, Fails> {
        Ok(7)
    }
    let world = testing::isolate();
    broken().unwrap();
    world.advance(60 * SECOND);
    point("broken").unwrap().breaker().unwrap().force_open();
    assert_eq!(broken(), Ok(7));
}

#[test]
fn degraded_keeps_the_value_of_a_fallback() {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    #[cached(ttl = 60s, degraded)]
    #[with_fallback(value = 1)]
    fn poor() -> Result<u32, Fails> {
        CALLS.fetch_add(1, Ordering::Relaxed);
        Err(Fails(Category::Unavailable))
    }
    let _world = testing::isolate();
    assert_eq!((poor(), poor(), CALLS.load(Ordering::Relaxed)), (Ok(1), Ok(1), 1));
}

#[tokio::test(start_paused = true)]
async fn the_timeout_of_an_attempt_below_is_answered_stale() {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    #[cached(ttl = 60s, stale_if_error = 1h)]
    #[timeout(2s)]
    async fn hangs() -> Result<u32, Fails> {
        if CALLS.fetch_add(1, Ordering::Relaxed) == 0 { Ok(7) } else { std::future::pending().await }
    }
    let _world = testing::isolate();
    hangs().await.unwrap();
    sleep(60 * SECOND).await;
    let start = Instant::now();
    assert_eq!((hangs().await, start.elapsed()), (Ok(7), 2 * SECOND));
}

#[test]
fn waiting_needs_no_runtime() {
    static SHARED: Cache = Cache::new("without a runtime");
    let _world = testing::isolate();
    let answers = futures::executor::block_on(join_all((0..3).map(|n| async move {
        let yields = async || {
            futures::pending!();
            Ok::<u32, Fails>(n)
        };
        let mut call = Box::pin(SHARED.call_async("a", yields));
        std::future::poll_fn(|cx| {
            cx.waker().wake_by_ref();
            call.as_mut().poll(cx)
        })
        .await
    })));
    assert_eq!(answers, vec![Ok(0); 3]);
}

#[tokio::test]
async fn the_future_is_send_if_the_body_is() {
    /// An error that cannot be sent does not make the future of a call unable to be sent.
    #[derive(Debug)]
    struct Local(#[allow(dead_code)] std::rc::Rc<()>);
    impl Classify for Local {
        fn classify(&self) -> Classification {
            Category::Unknown.into()
        }
    }
    #[cached(ttl = 60s)]
    async fn sent(id: u32) -> Result<u32, Fails> {
        tokio::task::yield_now().await;
        Ok(id)
    }
    #[cached(ttl = 60s)]
    async fn local_error(id: u32) -> Result<u32, Local> {
        Ok(id)
    }
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    assert_eq!(tokio::spawn(is_send(sent(7))).await.unwrap(), Ok(7));
    assert!(is_send(async { local_error(7).await.is_ok() }).await);
}

#[tokio::test]
async fn functions_of_every_shape_are_supported() {
    #[async_trait::async_trait]
    trait Load {
        async fn load(&self, id: u32) -> Result<String, Fails>;
    }
    struct Store;
    #[async_trait::async_trait]
    impl Load for Store {
        #[cached(key = id)]
        async fn load(&self, id: u32) -> Result<String, Fails> {
            Ok(id.to_string())
        }
    }
    #[cached]
    fn future(id: u32) -> impl Future<Output = io::Result<u32>> {
        async move { Ok(id) }
    }
    #[cached]
    fn boxed(id: u32) -> Pin<Box<dyn Future<Output = io::Result<u32>> + Send>> {
        Box::pin(async move { Ok(id) })
    }
    #[cached]
    fn question(text: String) -> io::Result<u32> {
        let number: u32 = text.parse().map_err(io::Error::other)?;
        if number == 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        drop(text);
        Ok(number)
    }
    #[cached(key = (a, b))]
    fn pattern((a, b): (u32, u32), list: &mut Vec<u32>) -> Option<u32> {
        list.push(a);
        Some(a + b)
    }
    #[cached]
    fn unit() -> Result<(), Fails> {
        Ok(())
    }
    #[cached]
    fn shared(mut id: u32) -> Result<Arc<str>, Fails> {
        id += 1;
        Ok(id.to_string().into())
    }
    let _world = testing::isolate();
    let mut list = Vec::new();
    assert_eq!((Store.load(7).await.unwrap(), Store.load(7).await.unwrap()), ("7".into(), "7".into()));
    assert_eq!((future(7).await.unwrap(), boxed(7).await.unwrap()), (7, 7));
    assert_eq!(question("7".into()).unwrap(), 7);
    assert!(question("x".into()).is_err() && question("0".into()).is_err());
    assert_eq!((pattern((1, 2), &mut list), pattern((1, 2), &mut list), list.len()), (Some(3), Some(3), 1));
    assert_eq!((unit(), unit(), &*shared(6).unwrap()), (Ok(()), Ok(()), "7"));
}
