//! The policies around a failover: those below have state for each value, those above have not.

use super::*;
use resilience::State;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

#[tokio::test]
async fn policies_below_have_state_for_each_value() {
    #[failover(value = ["a", "b"], name = "sync")]
    #[with_retry(max = 1, base = 0s)]
    #[circuit_breaker(threshold = 3)]
    #[bulkhead(2)]
    #[rate_limit(100, per = 1m)]
    fn sync(value: &str, seen: &Mutex<String>) -> Result<String, Fails> {
        ask(value, "a", seen)
    }
    #[failover(value = ["a", "b"], name = "async")]
    #[with_retry(max = 1, base = 0s)]
    #[circuit_breaker(threshold = 3)]
    #[bulkhead(2, wait = 1s)]
    #[rate_limit(100, per = 1m, wait = 1s)]
    async fn waiting(value: String, seen: &Mutex<String>) -> Result<String, Fails> {
        ask(&value, "a", seen)
    }
    let _world = testing::isolate();
    let (one, other) = (Mutex::default(), Mutex::default());
    for _ in 0..3 {
        assert_eq!(sync("a", &one), ok("b"));
        assert_eq!(waiting("a".to_owned(), &other).await, ok("b"));
    }
    for (name, seen) in [("sync", one), ("async", other)] {
        assert_eq!(
            seen.into_inner().unwrap(),
            "aabab b".replace(' ', ""),
            "{name}: open after three failures"
        );
        let point = point(name).unwrap();
        let (a, b) = (point.key("a"), point.key("b"));
        assert_eq!((a.to_string(), b.to_string()), ("a: open".to_owned(), "b: closed".to_owned()));
        assert_eq!((a.budget().unwrap().tokens(), b.budget().unwrap().tokens()), (480, 500), "{name}");
        let available = |key: &resilience::PointKey| key.rate_limit().unwrap().snapshot().available;
        assert_eq!((available(&a), available(&b)), (97, 97), "{name}");
        assert_eq!(a.bulkhead().unwrap().snapshot().in_use, 0);
        assert!(point.breaker().is_none() && point.bulkhead().is_none(), "one for each value");
        let keys: Vec<_> = point.keys().iter().map(|key| key.key().to_owned()).collect();
        assert_eq!(keys, ["a", "b"]);
    }
}

#[tokio::test]
async fn percentiles_and_hedge_budgets_are_kept_for_each_value() {
    #[failover(value = ["a", "b"], name = "measured")]
    #[timeout(adaptive, floor = 1s, cap = 5s)]
    async fn measured(value: &str) -> Result<String, Fails> {
        if value == "a" { fails(Category::Timeout, value) } else { ok(value) }
    }
    #[failover(value = ["a", "b"], name = "hedged")]
    #[with_retry(max = 1, base = 0s)]
    #[hedge(after = p95, idempotent)]
    async fn hedged(value: &str) -> Result<String, Fails> {
        if value == "a" { fails(Category::Timeout, value) } else { ok(value) }
    }
    let _world = testing::isolate();
    assert_eq!((measured("a").await, hedged("a").await), (ok("b"), ok("b")));
    for name in ["measured", "hedged"] {
        let keys: Vec<_> = point(name).unwrap().keys().iter().map(|key| key.key().to_owned()).collect();
        assert_eq!(keys, ["a", "b"], "{name}");
    }
}

#[test]
fn the_value_is_appended_to_an_explicit_key() {
    #[failover(value = ["a", "b/c"], name = "tenants")]
    #[with_retry(max = 1, base = 0s)]
    #[circuit_breaker(threshold = 2, key = tenant)]
    #[rate_limit(10, per = 1m, key = "{tenant}:{number}")]
    fn tenants(value: &str, tenant: &str, number: u32) -> Result<String, Fails> {
        let _ = number;
        if value == "a" && tenant == "acme" { fails(Category::Timeout, value) } else { ok(value) }
    }
    let _world = testing::isolate();
    assert_eq!(tenants("a", "acme", 1), ok("b/c"));
    assert_eq!(tenants("a", "other", 2), ok("a"));
    let point = point("tenants").unwrap();
    let state = |key: &str| point.key(key).to_string();
    assert_eq!(state("acme/a"), "acme/a: open");
    assert_eq!(state("acme/b%2Fc"), "acme/b%2Fc: closed");
    assert_eq!(state("other/a"), "other/a: closed");
    assert_eq!(point.key("acme/a").budget().unwrap().tokens(), 490);
    assert_eq!(point.key("acme:1/a").rate_limit().unwrap().snapshot().available, 8);
    assert!(point.key("acme").breaker().is_none());
}

#[test]
fn a_key_that_is_the_argument_is_not_repeated() {
    #[failover(value = ["a", "b"], name = "same")]
    #[circuit_breaker(threshold = 1, key = value)]
    fn same(value: &str) -> Result<String, Fails> {
        if value == "a" { fails(Category::Timeout, value) } else { ok(value) }
    }
    let _world = testing::isolate();
    assert_eq!(same("a"), ok("b"));
    let keys: Vec<_> = point("same").unwrap().keys().iter().map(ToString::to_string).collect();
    assert_eq!(keys, ["a: open", "b: closed"]);
}

#[tokio::test]
async fn values_are_labelled_and_bounded_without_a_key() {
    #[failover(value = ["a", "b"], on(unavailable), name = "labels")]
    #[hedge(after = 1s, idempotent, max_keys = 3, key_label)]
    #[circuit_breaker(threshold = 1, max_keys = 3, key_label)]
    #[rate_limit(9, per = 1s, max_keys = 3, key_label)]
    #[bulkhead(9, max_keys = 3, key_label)]
    #[timeout(adaptive, floor = 1s, cap = 9s, max_keys = 3)]
    async fn labelled(value: &str) -> Result<String, Fails> {
        fails(Category::Unavailable, value)
    }

    let _world = testing::isolate();
    labelled("a").await.unwrap_err();
    let Err(Fails::Rejected(rejected)) = labelled("a").await else { panic!("both breakers are open") };
    let text = rejected.to_string();
    assert!(text.starts_with("circuit breaker of `labels` (key `a`) is open"), "{text}");
}

#[test]
fn policies_above_share_their_state() {
    #[with_retry(max = 1, base = 0s, name = "state above")]
    #[circuit_breaker(threshold = 2)]
    #[bulkhead(4)]
    #[rate_limit(10, per = 1m)]
    #[failover(value = ["a", "b"])]
    fn above(value: &str, down: &str) -> Result<String, Fails> {
        ask(value, down, &Mutex::default())
    }
    let _world = testing::isolate();
    assert_eq!(above("a", "a"), ok("b"));
    let point = point("state above").unwrap();
    assert_eq!(point.breaker().unwrap().snapshot().failures, 0, "the other value has answered");
    assert_eq!(point.rate_limit().unwrap().snapshot().available, 9);
    assert_eq!(point.budget().unwrap().tokens(), 500);
    assert!(above("a", "ab").is_err());
    assert!(!point.breaker().unwrap().is_available());
}

#[test]
fn a_dead_first_value_does_not_affect_the_second() {
    #[failover(model = ["dead", "lives"], name = "dead")]
    #[with_retry(max = 2, base = 0s)]
    #[circuit_breaker(threshold = 5)]
    #[bulkhead(1)]
    #[rate_limit(20_000, per = 1h)]
    fn call(model: &str, bodies: &AtomicU32) -> Result<String, Fails> {
        let is_dead = model == "dead";
        bodies.fetch_add(u32::from(is_dead), Ordering::Relaxed);
        if is_dead { fails(Category::Connection, model) } else { ok(model) }
    }
    let _world = testing::isolate();
    let bodies = AtomicU32::new(0);
    for _ in 0..10_000 {
        assert_eq!(call("dead", &bodies), ok("lives"));
    }
    assert_eq!(bodies.into_inner(), 5, "then the breaker is open");
    let point = point("dead").unwrap();
    let lives = point.key("lives");
    assert_eq!(lives.budget().unwrap().tokens(), 500);
    assert_eq!(
        (lives.bulkhead().unwrap().snapshot().rejected, lives.rate_limit().unwrap().snapshot().rejected),
        (0, 0)
    );
    assert_eq!(lives.breaker().unwrap().snapshot().failures, 0);
    assert_eq!(point.key("dead").rate_limit().unwrap().snapshot().available, 19_995);
    let now = point.failover().unwrap().snapshot();
    assert_eq!((now.failed_over, now.answered["lives"]), (10_000, 10_000));
}

#[test]
fn an_instance_is_not_split_by_value() {
    use resilience::{CircuitBreaker, CircuitBreakers};
    static BREAKERS: CircuitBreakers = CircuitBreakers::new().threshold(1);
    static ONE: CircuitBreaker = CircuitBreaker::new("one").threshold(1);
    #[failover(value = ["a", "b"])]
    #[circuit_breaker(instance = BREAKERS.get(value))]
    fn each(value: &str) -> Result<String, Fails> {
        if value == "a" { fails(Category::Timeout, value) } else { ok(value) }
    }
    #[failover(value = ["a", "b"])]
    #[circuit_breaker(instance = ONE)]
    fn shared(value: &str) -> Result<String, Fails> {
        fails(Category::Timeout, value)
    }
    let _world = testing::isolate();
    assert_eq!((each("a"), each("a")), (ok("b"), ok("b")));
    assert!(!BREAKERS.get("a").is_available() && BREAKERS.get("b").is_available());
    assert_eq!(
        shared("a"),
        fails(Category::Timeout, "a"),
        "the second value was refused by the same breaker"
    );
}

/// Polls `future` so many times, an eighth of a second apart, and drops it.
fn drop_after<T>(polls: u32, world: &testing::World, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    for _ in 0..polls {
        if let Poll::Ready(outcome) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Some(outcome);
        }
        world.advance(SECOND / 8);
    }
    None
}

#[test]
fn a_call_dropped_at_any_poll_frees_its_resources() {
    #[cached(ttl = 1h, key = value)]
    #[failover(value = ["a", "b", "c"], sticky = 60s, name = "dropped")]
    #[with_retry(max = 1, base = 100ms, jitter = none)]
    #[circuit_breaker(threshold = 4)]
    #[bulkhead(1, wait = 10s)]
    #[timeout(1s)]
    async fn dropped(value: &str, steps: &AtomicU32) -> Result<String, Fails> {
        for _ in 0..2 {
            steps.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
        match value {
            "a" => fails(Category::Unavailable, value),
            "b" => std::future::pending().await,
            _ => ok(value),
        }
    }
    let mut ended = 0;
    for polls in 0..60 {
        let world = testing::isolate();
        let steps = AtomicU32::new(0);
        let outcome = drop_after(polls, &world, dropped("a", &steps));
        let point = point("dropped").unwrap();
        for key in point.keys() {
            let slots = key.bulkhead().unwrap().snapshot();
            assert_eq!((slots.in_use, slots.waiting), (0, 0), "{key} after {polls} polls");
            assert_eq!(key.state(), Some(State::Closed), "{key} after {polls} polls");
        }
        let sticks = point.failover().unwrap().snapshot().sticky.len();
        assert_eq!(sticks, usize::from(outcome.is_some()), "after {polls} polls");
        ended += usize::from(outcome.is_some());
        // Neither the running call of the cache nor a slot is waited for.
        steps.store(0, Ordering::Relaxed);
        let again = drop_after(60, &world, dropped("a", &steps));
        assert_eq!(again, Some(ok("c")), "after {polls} polls");
    }
    assert!((1..50).contains(&ended), "some calls were dropped and some not: {ended}");
}

#[test]
fn a_dropped_probe_is_followed_by_another() {
    #[failover(value = ["a", "b"], sticky = 60s, name = "probes")]
    async fn probes(value: &str, seen: &Mutex<String>) -> Result<String, Fails> {
        tokio::task::yield_now().await;
        ask(value, "a", seen)
    }
    for polls in 1..3 {
        let world = testing::isolate();
        let seen = Mutex::default();
        assert_eq!(drop_after(9, &world, probes("a", &seen)), Some(ok("b")));
        world.advance(60 * SECOND);
        assert_eq!(drop_after(polls, &world, probes("a", &Mutex::default())), None);
        assert_eq!(drop_after(9, &world, probes("a", &seen)), Some(ok("b")));
        assert_eq!(*seen.lock().unwrap(), "abab", "the next one probes, after {polls} polls");
        assert_eq!(drop_after(9, &world, probes("a", &seen)), Some(ok("b")));
        assert_eq!(*seen.lock().unwrap(), "ababb", "and the others begin with the good value");
    }
}

#[test]
fn a_skipped_value_uses_no_probe_of_its_breaker() {
    #[failover(value = ["a", "b"], name = "skipped")]
    #[circuit_breaker(threshold = 1, recovery = 10s, probes = 1)]
    fn skipped(value: &str, down: &str, inside: &dyn Fn()) -> Result<String, Fails> {
        inside();
        ask(value, down, &Mutex::default())
    }
    #[failover(value = ["a", "b"], name = "skipped async")]
    #[circuit_breaker(threshold = 1, recovery = 10s, probes = 1)]
    async fn skipped_async(value: &str, down: &str, inside: &dyn Fn()) -> Result<String, Fails> {
        inside();
        ask(value, down, &Mutex::default())
    }
    let now = |value: &str, down: &str, inside: &dyn Fn()| skipped(value, down, inside);
    let later = |value: &str, down: &str, inside: &dyn Fn()| {
        futures::FutureExt::now_or_never(skipped_async(value, down, inside)).unwrap()
    };
    type Call<'c> = &'c dyn Fn(&str, &str, &dyn Fn()) -> Result<String, Fails>;
    for (name, call) in [("skipped", &now as Call<'_>), ("skipped async", &later)] {
        let world = testing::isolate();
        let breaker = || point(name).unwrap().key("a").breaker().unwrap().snapshot();
        assert_eq!(call("a", "a", &|| {}), ok("b"));
        assert_eq!(call("a", "", &|| {}), ok("b"), "skipped while open");
        world.advance(10 * SECOND);
        // The only probe is running: another call skips the value, and the probe is still the one that decides.
        let in_between = || assert_eq!(call("a", "", &|| {}), ok("b"));
        assert_eq!(call("a", "", &in_between), ok("a"), "{name}: {}", breaker());
        assert_eq!(breaker().state, resilience::State::Closed, "{name}");
        assert_eq!(call("a", "", &|| {}), ok("a"));
    }
}

#[test]
fn a_panicking_callback_frees_the_resources_of_the_call() {
    #[failover(value = ["a", "b"], classify = class_of, name = "class panics")]
    #[bulkhead(1)]
    fn now(value: &str) -> Result<String, Fails> {
        ask(value, "ax", &Mutex::default())
    }
    #[failover(value = ["a", "b"], classify = class_of, name = "class panics later")]
    #[bulkhead(1)]
    async fn later(value: &str) -> Result<String, Fails> {
        tokio::task::yield_now().await;
        ask(value, "ax", &Mutex::default())
    }
    fn class_of(error: &Fails) -> Classification {
        assert_ne!(*error, Fails::Body(Category::Timeout, "x".to_owned()), "no class");
        error.classify()
    }
    let world = testing::isolate();
    let call = |value: &'static str| {
        let now = catch_unwind(AssertUnwindSafe(|| now(value))).ok();
        let later = catch_unwind(AssertUnwindSafe(|| drop_after(9, &world, later(value)))).ok().flatten();
        assert_eq!(now, later);
        now
    };
    assert_eq!((call("a"), call("x"), call("a")), (Some(ok("b")), None, Some(ok("b"))));
    for name in ["class panics", "class panics later"] {
        assert_eq!(point(name).unwrap().key("x").bulkhead().unwrap().snapshot().in_use, 0);
    }
}
