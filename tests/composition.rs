//! Stacks of policies: the top attribute is the outermost, for every pair and for all together.

use futures::executor::block_on;
use resilience::{
    Category, Classification, Classify, Event, Rejected, circuit_breaker, remaining, testing, timeout,
    with_fallback, with_retry,
};
use std::cell::Cell;
use std::future::pending;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug, PartialEq)]
enum Failure {
    Own(Classification),
    Rejected(Rejected),
}

impl Classify for Failure {
    fn classify(&self) -> Classification {
        match self {
            Self::Own(class) => *class,
            Self::Rejected(rejected) => rejected.classify(),
        }
    }
}

impl From<Rejected> for Failure {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

type Outcome = Result<u32, Failure>;

fn down() -> Outcome {
    Err(Failure::Own(Category::Connection.into()))
}

fn count(calls: &Cell<u32>) -> u32 {
    calls.set(calls.get() + 1);
    calls.get()
}

fn own(outcome: &Outcome) -> bool {
    matches!(outcome, Err(Failure::Own(_)))
}

fn is_open(outcome: &Outcome) -> bool {
    matches!(outcome, Err(Failure::Rejected(Rejected::CircuitOpen { .. })))
}

fn limit(outcome: &Outcome) -> Option<Duration> {
    match outcome {
        Err(Failure::Rejected(Rejected::TimedOut { limit, .. })) => Some(*limit),
        _ => None,
    }
}

// Timeout and retry.

#[tokio::test(start_paused = true)]
async fn a_timeout_below_a_retry_limits_one_attempt() {
    #[with_retry(max = 2, jitter = none)]
    #[timeout(1s)]
    async fn call(calls: &Cell<u32>) -> Outcome {
        count(calls);
        pending().await
    }
    let (_world, calls, start) = (testing::isolate(), Cell::new(0), Instant::now());
    assert_eq!(limit(&call(&calls).await), Some(SECOND));
    assert_eq!((calls.get(), start.elapsed()), (3, Duration::from_millis(3_300)));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_above_a_retry_limits_the_whole_call() {
    #[timeout(1s)]
    #[with_retry(max = 9, base = 10ms, backoff = constant, jitter = none)]
    async fn call(calls: &Cell<u32>) -> Outcome {
        count(calls);
        sleep(Duration::from_millis(300)).await;
        down()
    }
    let (_world, calls, start) = (testing::isolate(), Cell::new(0), Instant::now());
    assert_eq!(limit(&call(&calls).await), Some(SECOND));
    assert_eq!((calls.get(), start.elapsed()), (4, SECOND));
}

#[tokio::test(start_paused = true)]
async fn inner_and_outer_timeouts_both_apply() {
    #[timeout(5s)]
    #[with_retry(max = 9, base = 0s)]
    #[timeout(2s)]
    async fn call(calls: &Cell<u32>) -> Outcome {
        count(calls);
        pending().await
    }
    let (_world, calls, start) = (testing::isolate(), Cell::new(0), Instant::now());
    assert_eq!(limit(&call(&calls).await), Some(Duration::from_secs(5)));
    assert_eq!((calls.get(), start.elapsed()), (3, Duration::from_secs(5)));
}

#[tokio::test(start_paused = true)]
async fn no_wait_starts_that_would_exceed_the_total() {
    #[timeout(1s, strict)]
    #[with_retry(max = 2, base = 400ms, backoff = constant, jitter = none)]
    async fn call(calls: &Cell<u32>) -> Outcome {
        count(calls);
        sleep(Duration::from_millis(300)).await;
        down()
    }
    // 0.3 + 0.4 + 0.3 s are the whole second.
    let (_world, calls, start) = (testing::isolate(), Cell::new(0), Instant::now());
    let outcome = call(&calls).await;
    assert!(own(&outcome) || limit(&outcome).is_some());
    assert_eq!(calls.get(), 2);
    assert!(start.elapsed() <= SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_beyond_the_deadline_ends_the_call_at_once() {
    #[timeout(10s)]
    #[with_retry(max = 3)]
    async fn call(calls: &Cell<u32>, wait: u64) -> Outcome {
        count(calls);
        let class = Classification::new(Category::RateLimited).retry_after(Duration::from_secs(wait));
        sleep(SECOND).await;
        Err(Failure::Own(class))
    }
    let (world, calls, start) = (testing::isolate(), Cell::new(0), Instant::now());
    assert!(own(&call(&calls, 30).await), "the function's own error");
    assert_eq!((calls.get(), start.elapsed(), world.waits()), (1, SECOND, vec![]));
    assert!(own(&call(&calls, u64::MAX).await));
    assert_eq!(calls.get(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_time_left_to_an_outer_function_counts_too() {
    #[timeout(2s)]
    async fn outer(calls: &Cell<u32>) -> Outcome {
        sleep(SECOND).await;
        inner(calls).await
    }
    #[with_retry(max = 3, base = 3s, jitter = none)]
    async fn inner(calls: &Cell<u32>) -> Outcome {
        count(calls);
        down()
    }
    let (_world, calls, start) = (testing::isolate(), Cell::new(0), Instant::now());
    assert!(own(&outer(&calls).await));
    assert_eq!((calls.get(), start.elapsed()), (1, SECOND));
}

#[tokio::test(start_paused = true)]
async fn the_timeout_of_an_attempt_can_grow() {
    #[with_retry(max = 3, base = 0s)]
    #[timeout(1s, growth = 2.0, cap = 3s)]
    async fn call(log: &mut Vec<Duration>) -> Outcome {
        sleep(Duration::ZERO).await;
        log.extend(remaining());
        pending().await
    }
    let (_world, start) = (testing::isolate(), Instant::now());
    let mut log = Vec::new();
    let outcome = call(&mut log).await;
    assert_eq!(limit(&outcome), Some(3 * SECOND));
    assert_eq!(start.elapsed().as_secs(), 9);
    assert_eq!(log.len(), 4);
    for (left, at_most) in log.iter().zip([1, 2, 3, 3]) {
        assert!(*left <= at_most * SECOND && *left > at_most * SECOND - SECOND / 10, "{log:?}");
    }
    let mut log = Vec::new();
    let _ = call(&mut log).await;
    assert!(log[0] <= SECOND, "every call starts from the beginning");
}

// Breaker with the others.

#[test]
fn retry_and_breaker_compose_in_either_order() {
    #[with_retry(max = 9)]
    #[circuit_breaker(threshold = 2)]
    fn retry_above(calls: &Cell<u32>) -> Outcome {
        count(calls);
        down()
    }
    #[circuit_breaker(threshold = 2)]
    #[with_retry(max = 9)]
    async fn breaker_above(calls: &Cell<u32>) -> Outcome {
        count(calls);
        down()
    }
    let _world = testing::isolate();
    let calls = Cell::new(0);
    assert!(is_open(&retry_above(&calls)));
    assert_eq!(calls.replace(0), 2, "each attempt passes the breaker");
    assert!(own(&block_on(breaker_above(&calls))));
    assert!(own(&block_on(breaker_above(&calls))));
    assert!(is_open(&block_on(breaker_above(&calls))));
    assert_eq!(calls.get(), 20, "each call passes the breaker");
}

#[tokio::test(start_paused = true)]
async fn timeout_and_breaker_compose_in_either_order() {
    #[timeout(1s)]
    #[circuit_breaker(threshold = 1)]
    async fn timeout_above() -> Outcome {
        pending().await
    }
    #[circuit_breaker(threshold = 1)]
    #[timeout(1s)]
    async fn breaker_above() -> Outcome {
        pending().await
    }
    let (_world, start) = (testing::isolate(), Instant::now());
    assert!(limit(&timeout_above().await).is_some() && limit(&breaker_above().await).is_some());
    assert!(is_open(&timeout_above().await) && is_open(&breaker_above().await));
    assert_eq!(start.elapsed(), 2 * SECOND, "a refused call takes no time");
}

// Fallback over each, and over all.

fn instead() -> Option<u32> {
    Some(99)
}

#[tokio::test(start_paused = true)]
async fn a_fallback_answers_for_every_policy_below() {
    #[with_fallback(instead())]
    #[with_retry(max = 2)]
    fn over_retry(calls: &Cell<u32>) -> Outcome {
        count(calls);
        down()
    }
    #[with_fallback(instead())]
    #[circuit_breaker(threshold = 1)]
    fn over_breaker(calls: &Cell<u32>) -> Outcome {
        count(calls);
        down()
    }
    #[with_fallback(instead())]
    #[timeout(1s)]
    async fn over_timeout(calls: &Cell<u32>) -> Outcome {
        count(calls);
        pending().await
    }
    let (_world, calls) = (testing::isolate(), Cell::new(0));
    assert_eq!((over_retry(&calls), calls.replace(0)), (Ok(99), 3));
    assert_eq!((over_breaker(&calls), over_breaker(&calls), calls.replace(0)), (Ok(99), Ok(99), 1));
    assert_eq!((over_timeout(&calls).await, calls.get()), (Ok(99), 1));
}

#[with_fallback(instead())]
#[timeout(10s)]
#[with_retry(max = 3, backoff = 2.0, jitter = none)]
#[circuit_breaker(threshold = 5, recovery = 60s)]
#[timeout(2s)]
async fn everything(calls: &Cell<u32>, mode: &str) -> Outcome {
    match (mode, count(calls)) {
        ("hangs", _) => pending().await,
        ("recovers", 1 | 2) | ("fails", _) => down(),
        ("hopeless", _) => Err(Failure::Own(Category::NotFound.into())),
        (_, call) => Ok(call),
    }
}

#[tokio::test(start_paused = true)]
async fn a_stack_of_several_policies_composes() {
    let calls = Cell::new(0);
    {
        let world = testing::isolate();
        assert_eq!((everything(&calls, "works").await, calls.replace(0)), (Ok(1), 1));
        assert_eq!(world.events(), []);
        assert_eq!((everything(&calls, "recovers").await, calls.replace(0)), (Ok(3), 3));
        assert_eq!((everything(&calls, "hopeless").await, calls.replace(0)), (Ok(99), 1));
    }
    {
        let (_world, start) = (testing::isolate(), Instant::now());
        assert_eq!((everything(&calls, "hangs").await, calls.replace(0)), (Ok(99), 4));
        assert_eq!(start.elapsed(), Duration::from_millis(8_700));
    }
    let (world, start) = (testing::isolate(), Instant::now());
    assert_eq!((everything(&calls, "fails").await, calls.replace(0)), (Ok(99), 4));
    assert_eq!((everything(&calls, "fails").await, calls.replace(0)), (Ok(99), 1), "the fifth opens it");
    assert_eq!((everything(&calls, "works").await, calls.replace(0)), (Ok(99), 0));
    assert!(start.elapsed() < 2 * SECOND);
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!((everything(&calls, "works").await, calls.replace(0)), (Ok(1), 1));
    let kinds: Vec<_> = world.events().iter().map(|event| format!("{event:?}")).collect();
    assert!(kinds.last().unwrap().starts_with("Closed"), "{kinds:#?}");
}

#[test]
fn a_sync_stack_of_several_policies_composes() {
    #[with_fallback(value = 99)]
    #[with_retry(max = 3, jitter = none)]
    #[circuit_breaker(threshold = 5)]
    fn call(calls: &Cell<u32>, fails: u32) -> Outcome {
        let call = count(calls);
        if call <= fails { down() } else { Ok(call) }
    }
    let _world = testing::isolate();
    let calls = Cell::new(0);
    assert_eq!((call(&calls, 2), calls.replace(0)), (Ok(3), 3));
    assert_eq!((call(&calls, 99), calls.replace(0)), (Ok(99), 4));
    assert_eq!((call(&calls, 99), calls.replace(0)), (Ok(99), 1));
    assert_eq!((call(&calls, 0), calls.replace(0)), (Ok(99), 0));
}

// The class travels beside the error.

/// An error that says nothing, whatever it is made of.
#[derive(Debug, PartialEq)]
struct Opaque(String);

impl From<Rejected> for Opaque {
    fn from(rejected: Rejected) -> Self {
        Self(rejected.to_string())
    }
}

#[test]
fn a_rejection_that_was_converted_ends_the_retries() {
    #[with_retry(max = 9)]
    #[circuit_breaker(threshold = 2)]
    fn by_from(calls: &Cell<u32>) -> Result<u32, Opaque> {
        count(calls);
        Err(Opaque("own".to_owned()))
    }
    #[with_retry(max = 9)]
    #[circuit_breaker(threshold = 2, rejected = |r| r.to_string())]
    async fn by_closure(calls: &Cell<u32>) -> Result<u32, String> {
        count(calls);
        Err("own".to_owned())
    }
    #[with_retry(max = 9)]
    #[circuit_breaker(threshold = 2)]
    fn by_option(calls: &Cell<u32>) -> Option<u32> {
        count(calls);
        None
    }
    #[with_retry(max = 9)]
    #[circuit_breaker(threshold = 2)]
    async fn by_anyhow(calls: &Cell<u32>) -> anyhow::Result<u32> {
        count(calls);
        anyhow::bail!("own")
    }
    #[with_retry(max = 9)]
    #[circuit_breaker(threshold = 2)]
    fn by_io(calls: &Cell<u32>) -> std::io::Result<u32> {
        count(calls);
        Err(std::io::ErrorKind::ConnectionReset.into())
    }
    let world = testing::isolate();
    let calls = Cell::new(0);
    assert!(by_from(&calls).unwrap_err().0.contains("is open"));
    assert_eq!(calls.replace(0), 2);
    assert!(block_on(by_closure(&calls)).unwrap_err().contains("is open"));
    assert_eq!(calls.replace(0), 2);
    assert_eq!((by_option(&calls), calls.replace(0)), (None, 2));
    assert!(block_on(by_anyhow(&calls)).unwrap_err().is::<Rejected>());
    assert_eq!(calls.replace(0), 2);
    assert!(by_io(&calls).unwrap_err().get_ref().unwrap().is::<Rejected>());
    assert_eq!(calls.replace(0), 2);
    assert_eq!(world.waits().len(), 10, "two waits before each refusal, none after");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_that_was_converted_is_still_a_timeout() {
    #[with_retry(max = 1000, base = 0s)]
    #[timeout(1s)]
    async fn call(calls: &Cell<u32>) -> Result<u32, Opaque> {
        count(calls);
        pending().await
    }
    let (world, calls) = (testing::isolate(), Cell::new(0));
    #[with_retry(max = 1)]
    #[timeout(1s)]
    async fn once_more() -> Result<u32, Opaque> {
        pending().await
    }
    assert!(once_more().await.unwrap_err().0.contains("timed out"));
    let classes: Vec<_> = world
        .events()
        .iter()
        .filter_map(
            |event| if let Event::AttemptFailed { class, .. } = event { Some(class.category) } else { None },
        )
        .collect();
    assert_eq!(classes, [Category::Timeout, Category::Timeout]);
    // A retry after a timeout costs 10 of 500 tokens, and 5 come back in each second.
    assert!(call(&calls).await.is_err());
    assert!((95..=105).contains(&calls.get()), "{}", calls.get());
}

#[tokio::test(start_paused = true)]
async fn a_fallback_is_limited_by_the_class_and_not_by_the_error() {
    #[with_fallback(value = 99, on(timeout))]
    #[timeout(1s)]
    async fn call(hangs: bool) -> Result<u32, Opaque> {
        if hangs { pending().await } else { Err(Opaque("own".to_owned())) }
    }
    #[with_fallback(value = 99, on(rejected))]
    #[circuit_breaker(threshold = 1)]
    fn refused() -> Result<u32, Opaque> {
        Err(Opaque("own".to_owned()))
    }
    let _world = testing::isolate();
    assert_eq!(call(true).await, Ok(99));
    assert_eq!(call(false).await, Err(Opaque("own".to_owned())));
    assert_eq!(refused(), Err(Opaque("own".to_owned())));
    assert_eq!(refused(), Ok(99));
}

#[test]
fn function_keys_may_be_in_any_attribute() {
    #[with_fallback(value = 0)]
    #[with_retry(max = 3, when_ok = |value| *value == 7)]
    #[circuit_breaker(threshold = 2, classify = |_| Category::Auth, rejected = |_| "open")]
    fn call(calls: &Cell<u32>, outcome: Result<u32, &'static str>) -> Result<u32, &'static str> {
        count(calls);
        outcome
    }
    #[with_fallback(value = 0)]
    #[with_retry(max = 1, clone(text))]
    fn moves(calls: &Cell<u32>, text: String) -> Option<u32> {
        count(calls);
        drop(text);
        None
    }
    let _world = testing::isolate();
    let calls = Cell::new(0);
    assert_eq!((moves(&calls, String::new()), calls.replace(0)), (Some(0), 2));
    // `classify` holds for the retry above it: nothing is repeated, and the breaker counts a success.
    for _ in 0..5 {
        assert_eq!((call(&calls, Err("denied")), calls.replace(0)), (Ok(0), 1));
    }
    // `when_ok` holds for the breaker and the fallback too.
    assert_eq!((call(&calls, Ok(7)), calls.replace(0)), (Ok(0), 2));
    assert_eq!((call(&calls, Ok(1)), calls.replace(0)), (Ok(0), 0), "open");
}

mod own_path {
    use super::SECOND;
    use resilience::{Rejected, Retry, bulkhead, circuit_breaker, hedge, rate_limit, timeout, with_retry};
    use std::time::Duration;

    const COUNT: u32 = 1;
    const HALF: f64 = 0.5;
    const LIMIT: Duration = Duration::from_secs(2);
    const POLICY: Retry = Retry::new().max(2);

    #[with_retry(policy = self::POLICY, max = self::COUNT, base = self::SECOND)]
    #[hedge(after = self::SECOND, max = self::COUNT, idempotent)]
    #[circuit_breaker(rate = self::HALF, window_calls = self::COUNT, recovery = self::SECOND)]
    #[rate_limit(self::COUNT, per = self::SECOND)]
    #[bulkhead(self::COUNT, wait = self::SECOND)]
    #[timeout(self::LIMIT)]
    pub(super) async fn call() -> Result<u32, Rejected> {
        Ok(1)
    }
}

#[test]
fn settings_may_begin_with_the_path_of_the_module() {
    let _world = testing::isolate();
    assert_eq!(block_on(own_path::call()), Ok(1));
}
