//! Functions of all shapes, and bulkheads as values.

use super::*;

struct Client {
    bulkhead: Bulkhead,
}

impl Client {
    #[bulkhead(instance = self.bulkhead)]
    async fn get(&self, ends: oneshot::Receiver<()>) -> Outcome {
        let _ = ends.await;
        Ok(1)
    }
}

#[async_trait::async_trait]
trait Fetch {
    async fn fetch<T: Send + Sync + Clone>(&self, value: &T) -> Result<T, Failure>;
}

#[async_trait::async_trait]
impl Fetch for Client {
    #[bulkhead(1, wait = 1s)]
    async fn fetch<T: Send + Sync + Clone>(&self, value: &T) -> Result<T, Failure> {
        tokio::task::yield_now().await;
        Ok(value.clone())
    }
}

#[bulkhead(1, wait = 1s)]
fn future(n: u32) -> impl Future<Output = Option<u32>> + Send {
    async move { Some(n) }
}

#[bulkhead(1, rejected = |r| r.to_string())]
fn text(depth: u32) -> Result<u32, String> {
    if depth == 0 { Ok(0) } else { text(depth - 1) }
}

#[bulkhead(1)]
fn option(depth: u32) -> Option<u32> {
    if depth == 0 { Some(0) } else { option(depth - 1) }
}

#[tokio::test]
async fn methods_traits_futures_and_other_error_types_work() {
    let client = Arc::new(Client { bulkhead: Bulkhead::try_new("own", 1).unwrap() });
    let (end, ends) = oneshot::channel();
    let running = tokio::spawn({
        let client = client.clone();
        async move { client.get(ends).await }
    });
    tokio::task::yield_now().await;
    assert!(is_full(&client.get(oneshot::channel().1).await));
    end.send(()).unwrap();
    assert_eq!(running.await.unwrap(), Ok(1));
    assert_eq!(client.fetch(&"a".to_owned()).await, Ok("a".to_owned()));
    assert_eq!(tokio::spawn(future(3)).await.unwrap(), Some(3));
    assert_eq!(text(1), Err("too many calls of `bulkhead::shapes::text` are running".to_owned()));
    assert_eq!((option(0), option(1)), (Some(0), None));
}

#[test]
fn the_inventory_lists_the_bulkhead() {
    #[bulkhead(16, wait = 100ms, name = "shown")]
    async fn shown() -> Outcome {
        Ok(1)
    }
    #[timeout(1s)]
    #[bulkhead(4, key = n, name = "shown for each")]
    async fn for_each(n: u8) -> Outcome {
        Ok(n.into())
    }
    let _world = testing::isolate();
    assert_eq!(futures::executor::block_on(shown()), Ok(1));
    assert_eq!(futures::executor::block_on(for_each(1)), Ok(1));
    let text = |name: &str| point(name).unwrap().to_string();
    assert!(text("shown").contains("bulkhead(slots = 16, wait = 100ms, queue = 16)"), "{}", text("shown"));
    assert!(text("shown for each").contains("bulkhead(slots = 4, wait = 0s, max_keys = 1024)"));
    let state = point("shown").unwrap().snapshot().to_string();
    assert!(state.contains("bulkhead free: in_use 0, waiting 0, rejected 0, waited 0"), "{state}");
    let own = Arc::new(Bulkhead::new("my own", 3));
    resilience::Point::register(&own);
    assert_eq!(point("my own").unwrap().bulkhead().unwrap().snapshot().slots, 3);
}
