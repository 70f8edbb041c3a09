//! The budget: about 100 failed retries at once, then one a second until successes return.

use crate::twins::{always, fails};
use resilience::policy::BudgetOf;
use resilience::{
    Budget, Category, Classification, Classify, Event, Jitter, Retry, circuit_breaker, point, testing,
    with_retry,
};
use std::cell::Cell;
use std::future::Future;
use std::task::{Context, Waker};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

twins!(endless: with_retry(max = u32::MAX, base = 0s));

#[test]
fn a_full_budget_allows_a_hundred_retries_at_once() {
    let seen = endless(&always(Category::Transient));
    assert_eq!(seen.calls, 101);
    assert_eq!(seen.outcome.unwrap_err().call, 101);
}

#[test]
fn a_retry_after_a_timeout_costs_twice() {
    assert_eq!(endless(&always(Category::Timeout)).calls, 51);
}

#[test]
fn budget_none_is_unlimited() {
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

impl Classify for Error {
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
fn an_empty_budget_allows_one_retry_a_second_per_point() {
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
fn successes_return_tokens() {
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

type Call = fn(&str, &Cell<u32>) -> Option<()>;

/// The retries that `calls` failing calls make for one tenant.
fn retries(call: Call, calls: u32, tenant: &str) -> u32 {
    let runs = Cell::new(0);
    (0..calls).for_each(|_| assert_eq!(call(tenant, &runs), None));
    runs.get() - calls
}

fn shown(point_name: &str) -> String {
    let info = point(point_name).expect("a point").info();
    let settings = &info.stack[0].settings;
    settings.iter().find(|setting| setting.name == "budget").expect("a budget").value.to_string()
}

macro_rules! keyed {
    ($name:ident, $later:ident: $($settings:tt)*) => {
        #[with_retry(base = 0s, $($settings)*)]
        #[circuit_breaker(threshold = 1000, key = tenant)]
        fn $name(tenant: &str, runs: &Cell<u32>) -> Option<()> {
            runs.set(runs.get() + 1);
            None
        }
        fn $later(tenant: &str, runs: &Cell<u32>) -> Option<()> {
            #[with_retry(base = 0s, $($settings)*)]
            #[circuit_breaker(threshold = 1000, key = tenant)]
            async fn later(tenant: &str, runs: &Cell<u32>) -> Option<()> {
                runs.set(runs.get() + 1);
                None
            }
            futures::executor::block_on(later(tenant, runs))
        }
    };
}

const PLAIN: Retry = Retry::new();
const UNPAID: Retry = Retry::new().budget_of(BudgetOf::None);
static ALL: Budget = Budget::new();
const FROM_ONE: Retry = Retry::new().budget(&ALL);

keyed!(as_it_comes, as_it_comes_later:);
keyed!(by_default, by_default_later: budget = default);
keyed!(per_key, per_key_later: budget = per_key);
keyed!(from_settings, from_settings_later: policy = PLAIN);
keyed!(over_settings, over_settings_later: policy = UNPAID, budget = per_key);
keyed!(shared, shared_later: budget = shared);
keyed!(unpaid, unpaid_later: budget = none);
keyed!(unpaid_settings, unpaid_settings_later: policy = UNPAID);
keyed!(one_static, one_static_later: budget = ALL);
keyed!(static_in_settings, static_in_settings_later: policy = FROM_ONE);

#[test]
fn each_key_of_a_stack_has_its_own_budget() {
    let calls: [(Call, Call, &str); 5] = [
        (as_it_comes, as_it_comes_later, "as_it_comes"),
        (by_default, by_default_later, "by_default"),
        (per_key, per_key_later, "per_key"),
        (from_settings, from_settings_later, "from_settings"),
        (over_settings, over_settings_later, "over_settings"),
    ];
    for (now, later, name) in calls {
        let _world = testing::isolate();
        for call in [now, later] {
            assert_eq!((retries(call, 200, "a"), retries(call, 10, "b")), (100, 30), "{name}");
        }
        assert_eq!(shown(&format!("with_retry::budget::{name}")), "per_key");
    }
}

#[test]
fn the_events_of_a_retry_have_the_key_of_its_budget() {
    const KEY: Option<&str> = Some("a.example");
    #[with_retry(max = 1, base = 0s, name = "key in events")]
    #[circuit_breaker(threshold = 1000, key = host, rejected = |r| Error(r.classify().category))]
    fn by_host(host: &str, works: &Cell<bool>) -> Result<(), Error> {
        let _ = host;
        if works.replace(true) { Ok(()) } else { Err(Error(Category::Transient)) }
    }
    #[with_retry(max = 1, base = 0s, name = "key in async events")]
    #[circuit_breaker(threshold = 1000, key = host, rejected = |r| Error(r.classify().category))]
    async fn by_host_async(host: &str, works: &Cell<bool>) -> Result<(), Error> {
        let _ = host;
        if works.replace(true) { Ok(()) } else { Err(Error(Category::Transient)) }
    }
    #[with_retry(max = 1, base = 0s, budget = shared)]
    #[circuit_breaker(threshold = 1000, key = host, rejected = |r| Error(r.classify().category))]
    fn with_one_budget(host: &str) -> Result<(), Error> {
        let _ = host;
        Err(Error(Category::Transient))
    }
    type Call = fn(&Cell<bool>) -> Result<(), Error>;
    let calls: [(&str, Call); 2] = [
        ("key in events", |works| by_host("a.example", works)),
        ("key in async events", |works| futures::executor::block_on(by_host_async("a.example", works))),
    ];
    for (name, call) in calls {
        let world = testing::isolate();
        assert!(call(&Cell::new(true)).is_ok());
        assert!(call(&Cell::new(false)).is_ok());
        let keys = || world.events().iter().map(|event| event.key().map(str::to_owned)).collect::<Vec<_>>();
        assert_eq!(keys(), [(); 3].map(|()| KEY.map(str::to_owned)), "failed, retried, recovered: {name}");
        let budget = point(name).unwrap().key("a.example").budget().unwrap();
        while budget.denied() == 0 {
            let _ = call(&Cell::new(false));
        }
        let events = world.events();
        assert!(matches!(events.last(), Some(Event::GaveUp { .. })));
        assert!(events.iter().all(|event| event.key() == KEY));
    }
    let world = testing::isolate();
    assert!(with_one_budget("a.example").is_err());
    assert!(world.events().iter().all(|event| event.key().is_none()), "one budget for all keys");
}

#[test]
fn a_named_budget_replaces_the_default() {
    let calls: [(Call, Call, &str, (u32, u32), &str); 5] = [
        (shared, shared_later, "shared", (100, 0), "default"),
        (unpaid, unpaid_later, "unpaid", (600, 30), "none"),
        (unpaid_settings, unpaid_settings_later, "unpaid_settings", (600, 30), "none"),
        (one_static, one_static_later, "one_static", (100, 0), "shared"),
        (static_in_settings, static_in_settings_later, "static_in_settings", (100, 0), "shared"),
    ];
    for (now, later, name, expected, word) in calls {
        for call in [now, later] {
            let _world = testing::isolate();
            assert_eq!((retries(call, 200, "a"), retries(call, 10, "b")), expected, "{name}");
        }
        assert_eq!(shown(&format!("with_retry::budget::{name}")), word);
    }
}

#[test]
fn dead_keys_do_not_use_up_the_budget_of_healthy_ones() {
    #[with_retry(max = 3)]
    #[circuit_breaker(threshold = 5, recovery = 30s, key = agent, rejected = |r| Error(r.classify().category))]
    fn ask(agent: u32, runs: &Cell<u32>) -> Result<u32, Error> {
        runs.set(runs.get() + 1);
        if agent < 25 || runs.get() == 1 { Err(Error(Category::Unavailable)) } else { Ok(agent) }
    }
    let _world = testing::isolate();
    for dead in 0..25 {
        (0..20).for_each(|_| assert!(ask(dead, &Cell::new(0)).is_err()));
    }
    for healthy in 25..100 {
        assert!(ask(healthy, &Cell::new(0)).is_ok(), "{healthy} needs one retry");
    }
}

#[test]
fn the_budget_of_a_key_has_a_handle() {
    let _world = testing::isolate();
    retries(as_it_comes, 200, "a");
    let point = point("with_retry::budget::as_it_comes").expect("a point");
    assert_eq!(point.key("a").budget().map(|budget| budget.tokens()), Some(0));
    assert!(point.key("b").budget().is_none(), "never used");
    assert!(point.budget().is_none(), "no budget pays for all keys");
}

#[test]
fn keys_with_a_refilled_budget_are_evicted() {
    let world = testing::isolate();
    for host in 0..1_024 {
        retries(as_it_comes, 1, &format!("gone {host}"));
    }
    world.advance(SECOND * 3_600);
    assert_eq!(retries(as_it_comes, 200, "a"), 100);
    for host in 0..100 {
        retries(as_it_comes, 1, &format!("new {host}"));
    }
    assert_eq!(retries(as_it_comes, 1, "a"), 0, "a used budget is kept");
}

#[with_retry(base = 1s, jitter = none, name = "dropped in its wait")]
async fn slow_to_retry() -> Option<()> {
    None
}

#[with_retry(base = 1s, jitter = none)]
#[circuit_breaker(threshold = 1000, key = tenant)]
async fn slow_to_retry_for(tenant: &str) -> Option<()> {
    let _ = tenant;
    None
}

fn dropped_in_its_wait(future: impl Future) {
    let mut future = Box::pin(future);
    assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

#[tokio::test(start_paused = true)]
async fn a_retry_dropped_in_its_wait_returns_its_tokens() {
    static SHARED: Budget = Budget::new();
    let _world = testing::isolate();
    for _ in 0..120 {
        dropped_in_its_wait(slow_to_retry());
        dropped_in_its_wait(slow_to_retry_for("a"));
        let by_hand = Retry::new().base(SECOND).jitter(Jitter::None).budget(&SHARED);
        dropped_in_its_wait(by_hand.call_async(async || None::<()>));
    }
    let own = point("dropped in its wait").expect("a point");
    let keyed = point("with_retry::budget::slow_to_retry_for").expect("a point").key("a");
    assert_eq!(own.budget().map(Budget::tokens), Some(500));
    assert_eq!(keyed.budget().map(|budget| budget.tokens()), Some(500));
    assert_eq!((SHARED.tokens(), SHARED.denied()), (500, 0));
    let counters = &own.snapshot().policies[0].counters;
    assert!(counters.contains(&("retries", 0)), "no retry was made: {counters:?}");
}

#[test]
fn the_handle_shows_the_remaining_tokens() {
    let _world = testing::isolate();
    counted(broken);
    let budget = point("with_retry::budget::broken").and_then(|point| point.budget()).expect("a budget");
    assert_eq!((budget.tokens(), budget.max_tokens()), (0, 500));
    assert!(
        point("with_retry::budget::the_handle_shows_the_remaining_tokens::broken").is_none(),
        "named after its module"
    );
}
