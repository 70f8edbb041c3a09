//! Calls that are cut, dropped, or panic; retries above; keys and instances.

use crate::guarded::{Failure, down};
use resilience::{Category, CircuitBreaker, Event, Rejected, circuit_breaker, testing, timeout, with_retry};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

fn is_open<T>(outcome: &Result<T, Failure>) -> bool {
    matches!(outcome, Err(Failure::Rejected(Rejected::CircuitOpen { .. })))
}

fn timed_out<T>(outcome: &Result<T, Failure>) -> bool {
    matches!(outcome, Err(Failure::Rejected(Rejected::TimedOut { .. })))
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_by_its_caller_is_not_counted() {
    #[circuit_breaker(threshold = 1)]
    async fn hangs(hangs: bool) -> Result<u32, Failure> {
        if hangs { std::future::pending().await } else { Ok(1) }
    }
    let _world = testing::isolate();
    for _ in 0..10 {
        let outside = tokio::time::timeout(Duration::from_secs(1), hangs(true)).await;
        assert!(outside.is_err());
    }
    assert_eq!(hangs(false).await, Ok(1));
}

#[test]
fn a_panic_is_not_counted() {
    guarded!(shaky: circuit_breaker(threshold = 1));
    shaky(&|it| {
        for _ in 0..10 {
            assert!(catch_unwind(AssertUnwindSafe(|| it.run(|| panic!("body")))).is_err());
        }
        assert_eq!(it.succeed(), Ok(1));
        it.fail(down());
        assert!(it.refuses());
    });
}

#[test]
fn a_panic_does_not_clear_consecutive_failures() {
    guarded!(shaky: circuit_breaker(threshold = 2));
    shaky(&|it| {
        it.fail(down());
        assert!(catch_unwind(AssertUnwindSafe(|| it.run(|| panic!("body")))).is_err());
        it.fail(down());
        assert!(it.refuses());
    });
}

#[tokio::test(start_paused = true)]
async fn an_outer_timeout_counts_as_a_failure() {
    #[timeout(1s)]
    #[circuit_breaker(threshold = 2)]
    async fn hangs() -> Result<u32, Failure> {
        std::future::pending().await
    }
    let world = testing::isolate();
    assert!(timed_out(&hangs().await));
    assert!(timed_out(&hangs().await));
    let third = hangs().await;
    assert!(is_open(&third), "{third:?}");
    let events = world.events();
    let opened = events.iter().find_map(|event| match event {
        Event::Opened { class, .. } => Some(class.unwrap().category),
        _ => None,
    });
    assert_eq!(opened, Some(Category::Timeout), "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_further_out_counts_as_a_failure() {
    #[timeout(1s)]
    #[with_retry(max = 3, jitter = none)]
    #[circuit_breaker(threshold = 2)]
    async fn hangs() -> Result<u32, Failure> {
        std::future::pending().await
    }
    let _world = testing::isolate();
    assert!(timed_out(&hangs().await));
    assert!(timed_out(&hangs().await));
    assert!(is_open(&hangs().await));
}

#[tokio::test(start_paused = true)]
async fn an_inner_timeout_counts_as_a_failure() {
    #[circuit_breaker(threshold = 2)]
    #[timeout(1s)]
    async fn hangs() -> Result<u32, Failure> {
        std::future::pending().await
    }
    let _world = testing::isolate();
    assert!(timed_out(&hangs().await));
    assert!(timed_out(&hangs().await));
    assert!(is_open(&hangs().await));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_of_another_stack_is_not_counted() {
    #[circuit_breaker(threshold = 1)]
    async fn hangs() -> Result<u32, Failure> {
        std::future::pending().await
    }
    #[timeout(1s)]
    async fn caller() -> Result<u32, Failure> {
        hangs().await
    }
    let world = testing::isolate();
    for _ in 0..3 {
        assert!(timed_out(&caller().await));
    }
    assert!(!world.events().iter().any(|event| matches!(event, Event::Opened { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_probe_cut_off_by_its_own_timeout_reopens_the_breaker() {
    #[timeout(1s)]
    #[circuit_breaker(threshold = 1, recovery = 10s)]
    async fn hangs() -> Result<u32, Failure> {
        std::future::pending().await
    }
    let _world = testing::isolate();
    assert!(timed_out(&hangs().await));
    assert!(is_open(&hangs().await));
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(timed_out(&hangs().await), "the probe");
    assert!(is_open(&hangs().await));
}

#[test]
fn each_attempt_counts_and_an_open_breaker_ends_the_retries() {
    #[with_retry(max = 5, jitter = none)]
    #[circuit_breaker(threshold = 3)]
    fn now(calls: &Cell<u32>) -> Result<u32, Failure> {
        calls.set(calls.get() + 1);
        Err(Failure::Own(down().into()))
    }
    #[with_retry(max = 5, jitter = none)]
    #[circuit_breaker(threshold = 3)]
    async fn later(calls: &Cell<u32>) -> Result<u32, Failure> {
        calls.set(calls.get() + 1);
        Err(Failure::Own(down().into()))
    }
    let calls: [&dyn Fn(&Cell<u32>) -> Result<u32, Failure>; 2] =
        [&now, &|calls| futures::executor::block_on(later(calls))];
    for call in calls {
        let world = testing::isolate();
        let count = Cell::new(0);
        let outcome = call(&count);
        assert!(is_open(&outcome), "a rejection is what the caller gets: {outcome:?}");
        assert_eq!((count.get(), world.waits().len()), (3, 3));
        assert!(is_open(&call(&count)));
        assert_eq!((count.get(), world.waits().len()), (3, 3), "nothing is waited for");
    }
}

#[test]
fn a_retry_rule_can_wait_for_an_open_breaker() {
    #[with_retry(max = 0, jitter = none, on(rejected, max = 1))]
    #[circuit_breaker(threshold = 1, recovery = 10s)]
    fn now(calls: &Cell<u32>) -> Result<u32, Failure> {
        calls.set(calls.get() + 1);
        if calls.get() == 1 { Err(Failure::Own(down().into())) } else { Ok(calls.get()) }
    }
    #[with_retry(max = 0, jitter = none, on(rejected, max = 1))]
    #[circuit_breaker(threshold = 1, recovery = 10s)]
    async fn later(calls: &Cell<u32>) -> Result<u32, Failure> {
        calls.set(calls.get() + 1);
        if calls.get() == 1 { Err(Failure::Own(down().into())) } else { Ok(calls.get()) }
    }
    let calls: [&dyn Fn(&Cell<u32>) -> Result<u32, Failure>; 2] =
        [&now, &|calls| futures::executor::block_on(later(calls))];
    for call in calls {
        let world = testing::isolate();
        let count = Cell::new(0);
        assert!(matches!(call(&count), Err(Failure::Own(_))));
        assert_eq!(call(&count), Ok(2));
        assert_eq!(world.waits(), [Duration::from_secs(10)], "as long as the breaker said");
    }
}

#[test]
fn a_breaker_above_a_retry_counts_a_call_once() {
    #[circuit_breaker(threshold = 2)]
    #[with_retry(max = 3)]
    fn call(calls: &Cell<u32>) -> Result<u32, Failure> {
        calls.set(calls.get() + 1);
        Err(Failure::Own(down().into()))
    }
    let _world = testing::isolate();
    let calls = Cell::new(0);
    assert!(matches!(call(&calls), Err(Failure::Own(_))));
    assert!(matches!(call(&calls), Err(Failure::Own(_))));
    assert!(is_open(&call(&calls)));
    assert_eq!(calls.get(), 8);
}

#[test]
fn each_key_has_its_own_breaker() {
    #[circuit_breaker(threshold = 2, key = host)]
    fn now(host: &str, fails: bool) -> Result<u32, Failure> {
        let _ = host;
        if fails { Err(Failure::Own(down().into())) } else { Ok(1) }
    }
    struct Client {
        host: String,
    }
    impl Client {
        #[circuit_breaker(threshold = 2, key = self.host)]
        async fn later(&self, fails: bool) -> Result<u32, Failure> {
            tokio::task::yield_now().await;
            if fails { Err(Failure::Own(down().into())) } else { Ok(1) }
        }
    }
    let client = |host: &str| Client { host: host.to_owned() };
    let calls: [&dyn Fn(&str, bool) -> Result<u32, Failure>; 2] =
        [&now, &|host, fails| futures::executor::block_on(client(host).later(fails))];
    for call in calls {
        let world = testing::isolate();
        let _ = (call("a", true), call("b", true), call("a", true));
        assert!(is_open(&call("a", false)));
        assert_eq!(call("b", false), Ok(1));
        assert_eq!(call("c", false), Ok(1));
        let events = world.events();
        let keys: Vec<_> = events
            .iter()
            .filter_map(|event| if let Event::Opened { key, .. } = event { key.as_deref() } else { None })
            .collect();
        assert_eq!(keys, ["a"]);
    }
}

#[test]
fn a_number_can_be_a_key() {
    #[circuit_breaker(threshold = 1, key = id)]
    fn call(id: u64, fails: bool) -> Option<u64> {
        (!fails).then_some(id)
    }
    let _world = testing::isolate();
    assert_eq!((call(1, true), call(1, false), call(2, false)), (None, None, Some(2)));
}

#[test]
fn all_instances_share_one_breaker_unless_each_brings_its_own() {
    struct Client {
        breaker: CircuitBreaker,
    }
    impl Client {
        fn new() -> Self {
            Self { breaker: CircuitBreaker::new("client").threshold(1) }
        }
        #[circuit_breaker(threshold = 1)]
        fn shared(&self, fails: bool) -> Result<u32, Failure> {
            if fails { Err(Failure::Own(down().into())) } else { Ok(1) }
        }
        #[circuit_breaker(instance = self.breaker)]
        fn own(&self, fails: bool) -> Result<u32, Failure> {
            if fails { Err(Failure::Own(down().into())) } else { Ok(1) }
        }
        #[circuit_breaker(instance = self.breaker)]
        async fn own_too(&self, fails: bool) -> Result<u32, Failure> {
            if fails { Err(Failure::Own(down().into())) } else { Ok(1) }
        }
    }
    let _world = testing::isolate();
    let (a, b) = (Client::new(), Client::new());
    assert!(a.shared(true).is_err());
    assert!(is_open(&b.shared(false)));
    assert!(a.own(true).is_err());
    assert_eq!(b.own(false), Ok(1));
    assert!(is_open(&a.own(false)));
    assert!(is_open(&futures::executor::block_on(a.own_too(false))), "two functions may use one breaker");
    assert_eq!(futures::executor::block_on(b.own_too(false)), Ok(1));
}

#[test]
fn a_static_can_be_the_instance() {
    static SHARED: CircuitBreaker = CircuitBreaker::new("shared").threshold(2);
    #[circuit_breaker(instance = SHARED)]
    fn one() -> Result<u32, Failure> {
        Err(Failure::Own(down().into()))
    }
    #[circuit_breaker(instance = SHARED)]
    fn other() -> Result<u32, Failure> {
        Err(Failure::Own(down().into()))
    }
    let _world = testing::isolate();
    assert!(matches!(one(), Err(Failure::Own(_))));
    assert!(matches!(other(), Err(Failure::Own(_))));
    assert!(is_open(&one()));
    SHARED.reset();
    assert!(matches!(one(), Err(Failure::Own(_))));
}

#[test]
fn a_static_instance_is_closed_in_a_new_world_too() {
    static SHARED: CircuitBreaker = CircuitBreaker::new("shared in worlds").threshold(1);
    #[circuit_breaker(instance = SHARED)]
    fn call() -> Result<u32, Failure> {
        Err(Failure::Own(down().into()))
    }
    for _ in 0..2 {
        let _world = testing::isolate();
        assert!(matches!(call(), Err(Failure::Own(_))), "refused by the state of another world");
        assert!(is_open(&call()));
    }
}
