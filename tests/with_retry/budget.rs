//! The budget: about 100 failed retries at once, then one a second until successes return.

use crate::twins::{always, fails};
use resilience::{Budget, Category, Classification, circuit_breaker, point, testing, with_retry};
use std::cell::Cell;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

twins!(endless: with_retry(max = u32::MAX, base = 0s));

#[test]
fn a_hundred_retries_at_once() {
    let seen = endless(&always(Category::Transient));
    assert_eq!(seen.calls, 101);
    assert_eq!(seen.outcome.unwrap_err().call, 101);
}

#[test]
fn a_retry_after_a_timeout_costs_twice() {
    assert_eq!(endless(&always(Category::Timeout)).calls, 51);
}

#[test]
fn none_means_none() {
    twins!(free: with_retry(max = 1000, base = 0s, budget = none));
    assert_eq!(free(&always(Category::Transient)).calls, 1001);
}

#[test]
fn errors_that_are_not_retried_cost_nothing() {
    #[with_retry(max = 1000, base = 0s)]
    fn call(calls: &Cell<u32>, category: Category) -> Result<(), Error> {
        calls.set(calls.get() + 1);
        Err(Error(category))
    }
    let _world = testing::isolate();
    let calls = Cell::new(0);
    for _ in 0..1000 {
        assert!(call(&calls, Category::NotFound).is_err());
    }
    calls.set(0);
    assert!(call(&calls, Category::Transient).is_err());
    assert_eq!(calls.get(), 101);
}

struct Error(Category);

impl resilience::Classify for Error {
    fn classify(&self) -> Classification {
        self.0.into()
    }
}

#[with_retry(max = 1000, base = 0s)]
fn broken(calls: &Cell<u32>) -> Option<()> {
    calls.set(calls.get() + 1);
    None
}

#[with_retry(max = 1000, base = 0s)]
async fn broken_later(calls: &Cell<u32>) -> Option<()> {
    calls.set(calls.get() + 1);
    None
}

fn counted(call: impl Fn(&Cell<u32>) -> Option<()>) -> u32 {
    let calls = Cell::new(0);
    call(&calls);
    calls.get()
}

#[test]
fn then_one_a_second_for_each_point() {
    let world = testing::isolate();
    let later = |calls: &Cell<u32>| futures::executor::block_on(broken_later(calls));
    assert_eq!(counted(broken), 101);
    assert_eq!(counted(broken), 1, "an empty budget pays for nothing");
    world.advance(SECOND);
    assert_eq!(counted(broken), 2);
    assert_eq!(counted(later), 101, "another point has its own budget");
    world.advance(3 * SECOND);
    assert_eq!(counted(broken), 4);
    assert_eq!(counted(later), 4);
    world.advance(1000 * SECOND);
    assert_eq!(counted(broken), 101, "it never holds more than when full");
}

#[test]
fn successes_give_back() {
    #[with_retry(max = 1000, base = 0s)]
    fn call(calls: &Cell<u32>, fails: bool) -> Option<()> {
        calls.set(calls.get() + 1);
        (!fails).then_some(())
    }
    let _world = testing::isolate();
    assert_eq!(counted(|calls| call(calls, true)), 101);
    for _ in 0..10 {
        assert_eq!(counted(|calls| call(calls, false)), 1);
    }
    assert_eq!(counted(|calls| call(calls, true)), 3, "ten successes pay for two retries");
}

#[test]
fn a_budget_can_be_shared() {
    static SHARED: Budget = Budget::new().capacity(50);
    #[with_retry(max = 1000, base = 0s, budget = SHARED)]
    fn one(calls: &Cell<u32>) -> Option<()> {
        calls.set(calls.get() + 1);
        None
    }
    #[with_retry(max = 1000, base = 0s, budget = SHARED)]
    async fn other(calls: &Cell<u32>) -> Option<()> {
        calls.set(calls.get() + 1);
        None
    }
    let _world = testing::isolate();
    assert_eq!(counted(one), 11);
    assert_eq!(counted(|calls| futures::executor::block_on(other(calls))), 1);
    assert_eq!(SHARED.denied(), 2);
    assert_eq!(SHARED.tokens(), 0);
}

#[test]
fn denied_retries_are_counted_in_the_snapshot() {
    #[with_retry(max = 1000, base = 0s, name = "denied in the snapshot")]
    fn call(calls: &Cell<u32>) -> Option<()> {
        calls.set(calls.get() + 1);
        None
    }
    let _world = testing::isolate();
    counted(call);
    counted(call);
    let point = resilience::point("denied in the snapshot").unwrap().snapshot();
    let counters = &point.policies[0].counters;
    assert!(counters.iter().any(|(name, count)| name.contains("denied") && *count == 2), "{counters:?}");
}

#[test]
fn an_empty_budget_does_not_delay_the_answer() {
    let seen = endless(&always(Category::Transient));
    assert_eq!(seen.elapsed, Duration::ZERO);
    assert_eq!(endless(&fails(50, Category::Transient)).outcome, Ok(51));
}

#[test]
fn each_world_has_a_full_budget() {
    for _ in 0..3 {
        let _world = testing::isolate();
        assert_eq!(counted(broken), 101);
    }
}

#[test]
fn a_shared_budget_is_full_in_a_new_world_too() {
    static SHARED: Budget = Budget::new().capacity(50);
    #[with_retry(max = 1000, base = 0s, budget = SHARED)]
    fn call(calls: &Cell<u32>) -> Option<()> {
        calls.set(calls.get() + 1);
        None
    }
    for _ in 0..2 {
        let _world = testing::isolate();
        assert_eq!(counted(call), 11);
    }
}

#[test]
fn a_budget_per_key_leaves_other_keys_their_retries() {
    #[with_retry(base = 0s, budget = per_key)]
    #[circuit_breaker(threshold = 1000, key = tenant)]
    fn keyed(tenant: &str, runs: &Cell<u32>) -> Option<()> {
        runs.set(runs.get() + 1);
        None
    }
    let _world = testing::isolate();
    let retries = |calls: u32, tenant: &str| {
        let runs = Cell::new(0);
        (0..calls).for_each(|_| assert_eq!(keyed(tenant, &runs), None));
        runs.get() - calls
    };
    assert_eq!(retries(200, "a"), 100);
    assert_eq!(retries(10, "b"), 30);
    let info = point("with_retry::budget::keyed").expect("a point").info();
    assert!(info.stack[0].settings.contains(&("budget", "per_key".to_owned())));
}

#[test]
fn the_handle_tells_what_is_left() {
    let _world = testing::isolate();
    counted(broken);
    let budget = point("with_retry::budget::broken").and_then(|point| point.budget()).expect("a budget");
    assert_eq!((budget.tokens(), budget.max_tokens()), (0, 500));
    assert!(
        point("with_retry::budget::the_handle_tells_what_is_left::broken").is_none(),
        "named after its module"
    );
}
