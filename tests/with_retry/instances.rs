//! `instance = ..`: a retry that the program owns, with settings known only at run time.

use resilience::policy::with_retry::{Budget, RetryConfig};
use resilience::{
    Category, Classification, Classify, Rejected, Retry, circuit_breaker, point, testing, with_retry,
};
use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

#[derive(Debug, PartialEq)]
struct Down;

impl Classify for Down {
    fn classify(&self) -> Classification {
        Category::Connection.into()
    }
}

impl From<Rejected> for Down {
    fn from(_: Rejected) -> Self {
        Self
    }
}

static RETRY: LazyLock<Retry> = LazyLock::new(|| {
    let max = std::env::var("NO_SUCH_MAX").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    let config = RetryConfig { max, base: Duration::from_secs(1), ..RetryConfig::default() };
    Retry::try_new(config).unwrap()
});

thread_local! { static CALLS: Cell<u32> = const { Cell::new(0) }; }

fn down() -> Result<u32, Down> {
    CALLS.set(CALLS.get() + 1);
    Err(Down)
}

#[with_retry(instance = RETRY, name = "retry of the environment")]
fn fetch() -> Result<u32, Down> {
    down()
}

#[with_retry(instance = *RETRY)]
async fn fetch_later() -> Result<u32, Down> {
    down()
}

#[test]
fn settings_can_be_run_time_values() {
    let _world = testing::isolate();
    CALLS.set(0);
    let info = || point("retry of the environment").unwrap().info();
    assert_eq!(info().stack[0].to_string(), "with_retry(instance = ..)");
    assert!(info().to_string().contains("any number of calls"), "{}", info());
    assert_eq!((fetch(), CALLS.take()), (Err(Down), 3));
    assert_eq!((futures::executor::block_on(fetch_later()), CALLS.take()), (Err(Down), 3));
    assert_eq!(info().max_calls, 3);
    assert!(info().stack[0].to_string().contains("base = 1s"), "{}", info());
    let counters = point("retry of the environment").unwrap().snapshot().policies[0].counters.clone();
    assert!(counters.contains(&("retries", 2)) && counters.contains(&("gave_up", 1)), "{counters:?}");
}

struct Client {
    retry: Arc<Retry>,
}

static SMALL: Budget = Budget::new().capacity(5).cost(5).deposit(0).refill(1);

impl Client {
    fn new(retry: Retry) -> Self {
        Self { retry: Arc::new(retry.base(Duration::ZERO)) }
    }

    #[with_retry(instance = self.retry, unless = |_: &Down| stop, clone(text))]
    async fn send(&self, text: String, stop: bool) -> Result<u32, Down> {
        tokio::task::yield_now().await;
        assert_eq!(text.into_bytes(), b"text");
        down()
    }

    #[with_retry(instance = self.retry)]
    #[circuit_breaker(threshold = 1000, key = host)]
    fn keyed(&self, host: &str) -> Result<u32, Down> {
        let _ = host;
        down()
    }
}

fn is_send<T: Send>(future: T) -> T {
    future
}

#[tokio::test]
async fn each_object_has_its_own_retry() {
    let _world = testing::isolate();
    for (max, stop, calls) in [(0, false, 1), (1, false, 2), (4, false, 5), (4, true, 1)] {
        let client = Client::new(Retry::new().max(max));
        assert_eq!(is_send(client.send("text".to_owned(), stop)).await, Err(Down));
        assert_eq!(CALLS.take(), calls, "max = {max}");
    }
    let client = Arc::new(Client::new(Retry::new().max(1)));
    let runs = Arc::new(AtomicU32::new(0));
    let counted = runs.clone();
    let spawned = tokio::spawn(async move {
        counted.fetch_add(u32::from(client.send("text".to_owned(), true).await.is_err()), Ordering::Relaxed);
    });
    spawned.await.unwrap();
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

#[test]
fn an_instance_uses_the_budget_of_its_settings() {
    let _world = testing::isolate();
    CALLS.set(0);
    let calls = |retry: Retry| {
        let _ = Client::new(retry).keyed("a.example");
        CALLS.take()
    };
    assert_eq!(calls(Retry::new().max(3).budget(&SMALL)), 2, "one retry is paid for");
    assert_eq!(calls(Retry::new().max(3).budget(&SMALL)), 1);
    assert_eq!(calls(Retry::new().max(300)), 101, "500 tokens of the key, 5 for each retry");
    let _ = Client::new(Retry::new().max(1)).keyed("b.example");
    assert_eq!(CALLS.take(), 2, "another key has its own");
}
