//! Behaviour on the manual clock of a test world; what other libraries' tests expect of a breaker, too.

use super::*;
use crate::policy::keyed::{Keyed, PerKey};
use crate::policy::stateful::Instance;
use crate::testing::{World, isolate};
use std::panic::{AssertUnwindSafe, catch_unwind};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug, PartialEq)]
enum Oops {
    Failed(Category),
    Wait(Duration),
    Refused(Rejected),
}

impl Classify for Oops {
    fn classify(&self) -> Classification {
        match self {
            Self::Failed(category) => Classification::new(*category),
            Self::Wait(wait) => Classification::new(Category::RateLimited).retry_after(*wait),
            Self::Refused(rejected) => rejected.classify(),
        }
    }
}

impl From<Rejected> for Oops {
    fn from(rejected: Rejected) -> Self {
        Self::Refused(rejected)
    }
}

const DOWN: Oops = Oops::Failed(Category::Connection);

fn breaker(threshold: u32) -> CircuitBreaker {
    CircuitBreaker::new("test").threshold(threshold)
}

fn ok(breaker: &CircuitBreaker) {
    assert_eq!(breaker.call(|| Ok::<_, Oops>(1)), Ok(1));
}

fn fail(breaker: &CircuitBreaker) {
    assert_eq!(breaker.call(|| Err::<(), _>(DOWN)), Err(DOWN));
}

/// Returns the time until the next call, as a rejected call reports it.
fn refused(breaker: &CircuitBreaker) -> Option<Duration> {
    match breaker.call(|| Ok::<_, Oops>(())) {
        Err(Oops::Refused(rejected @ Rejected::CircuitOpen { .. })) => rejected.retry_after(),
        other => panic!("admitted: {other:?}"),
    }
}

/// Returns the transitions of the world so far: `open`, `half_open`, `closed`.
fn transitions(world: &World) -> Vec<&'static str> {
    let name = |event: Event| match event {
        Event::Opened { .. } => Some("open"),
        Event::HalfOpened { .. } => Some("half_open"),
        Event::Closed { .. } => Some("closed"),
        _ => None,
    };
    world.events().into_iter().filter_map(name).collect()
}

#[test]
fn the_breaker_opens_after_consecutive_failures() {
    let world = isolate();
    let breaker = breaker(6);
    (0..5).for_each(|_| fail(&breaker));
    assert_eq!(breaker.snapshot().failures, 5);
    ok(&breaker);
    assert_eq!(breaker.snapshot().failures, 0);
    (0..5).for_each(|_| fail(&breaker));
    assert_eq!(breaker.state(), State::Closed);
    fail(&breaker);
    assert_eq!(breaker.state(), State::Open);
    assert_eq!(refused(&breaker), Some(60 * SECOND));
    world.advance(59 * SECOND);
    assert_eq!(refused(&breaker), Some(SECOND));
    assert!(!breaker.is_available());
    world.advance(SECOND);
    assert!(breaker.is_available());
    ok(&breaker);
    assert_eq!(breaker.state(), State::Closed);
    assert_eq!(transitions(&world), ["open", "half_open", "closed"]);
}

#[test]
fn a_success_does_not_clear_failures_in_a_window() {
    let world = isolate();
    let breaker = breaker(2).window(2 * SECOND);
    fail(&breaker);
    ok(&breaker);
    world.advance(2 * SECOND);
    fail(&breaker);
    ok(&breaker);
    assert_eq!(breaker.snapshot().failures, 1);
    assert_eq!(breaker.state(), State::Closed);
    world.advance(SECOND);
    fail(&breaker);
    assert_eq!(breaker.state(), State::Open);
    assert_eq!(breaker.snapshot().failures, 2);
    world.advance(60 * SECOND);
    ok(&breaker);
    assert_eq!((breaker.state(), breaker.snapshot().failures), (State::Closed, 0));
}

#[test]
fn categories_and_rulings_decide_what_counts() {
    let _world = isolate();
    for category in Category::ALL {
        let breaker = breaker(1);
        let _ = breaker.call(|| Err::<(), _>(Oops::Failed(category)));
        let counted = category.counts() == Counts::Failure;
        assert_eq!(breaker.state() == State::Open, counted, "{category:?}");
    }
    let after = |category, ruling| {
        let breaker = breaker(2);
        fail(&breaker);
        let call = || Err::<(), _>(Oops::Failed(category));
        let _ = match ruling {
            Ruling::ByCategory | Ruling::Last => breaker.call_judged(call, |_| Some(category.into())),
            Ruling::Yes | Ruling::No => breaker.when(|_: &Oops| ruling == Ruling::Yes).call(call),
            Ruling::Exempt => breaker.unless(|_: &Oops| true).when(|_: &Oops| true).call(call),
        };
        (breaker.state(), breaker.snapshot().failures)
    };
    assert_eq!(after(Category::Invalid, Ruling::ByCategory), (State::Closed, 0));
    assert_eq!(after(Category::Invalid, Ruling::Yes), (State::Open, 2));
    assert_eq!(after(Category::Timeout, Ruling::No), (State::Closed, 0));
    assert_eq!(after(Category::Timeout, Ruling::Exempt), (State::Closed, 1));
    assert_eq!(after(Category::Rejected, Ruling::ByCategory), (State::Closed, 1));
}

#[test]
fn a_returned_value_can_count_as_failure() {
    let _world = isolate();
    let breaker = breaker(1);
    let judge = |outcome: &Result<u32, Oops>| {
        matches!(outcome, Ok(0)).then(|| Classification::new(Category::Corrupt))
    };
    assert_eq!(breaker.call_judged(|| Ok(1), judge), Ok(1));
    assert_eq!(breaker.call_judged(|| Ok(0), judge), Ok(0));
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn a_failed_probe_reopens_and_closing_resets_the_growth() {
    let world = isolate();
    let breaker = breaker(1).recovery(SECOND).growth(2.0);
    for wait in [1, 2, 4] {
        fail(&breaker);
        assert_eq!(refused(&breaker), Some(wait * SECOND));
        world.advance(wait * SECOND);
    }
    ok(&breaker);
    fail(&breaker);
    assert_eq!(refused(&breaker), Some(SECOND));
}

#[test]
fn the_error_that_opens_the_breaker_may_lengthen_the_open_time() {
    let _world = isolate();
    let opened_by = |wait| {
        let breaker = breaker(1);
        let _ = breaker.call(|| Err::<(), _>(Oops::Wait(wait)));
        refused(&breaker)
    };
    assert_eq!(opened_by(90 * SECOND), Some(90 * SECOND));
    assert_eq!(opened_by(SECOND), Some(60 * SECOND));
    assert_eq!(opened_by(86_400 * SECOND), Some(300 * SECOND));
}

#[test]
fn the_number_of_concurrent_probes_is_limited() {
    let _world = isolate();
    let breaker = breaker(1).probes(3).successes(4);
    breaker.set_state(State::HalfOpen);
    let mut probes: Vec<_> = (0..3).map(|_| breaker.acquire().unwrap()).collect();
    assert!(!breaker.is_available());
    assert_eq!(refused(&breaker), None);
    for left in [3, 3, 3] {
        probes.remove(0).success();
        assert!(breaker.is_available());
        probes.push(breaker.acquire().unwrap());
        assert_eq!(probes.len(), left);
    }
    assert_eq!(breaker.snapshot().successes, 3);
    probes.remove(0).success();
    assert_eq!(breaker.state(), State::Closed);
    probes.remove(0).failure(&DOWN);
    assert_eq!(breaker.state(), State::Closed, "its probe time is over");
    assert_eq!(breaker.snapshot().failures, 0);
}

#[test]
fn a_failed_half_open_period_discards_its_successes() {
    let world = isolate();
    let breaker = breaker(1).recovery(SECOND).probes(3).successes(3);
    fail(&breaker);
    world.advance(SECOND);
    ok(&breaker);
    ok(&breaker);
    assert_eq!(breaker.state(), State::HalfOpen);
    fail(&breaker);
    world.advance(SECOND);
    ok(&breaker);
    ok(&breaker);
    assert_eq!(breaker.state(), State::HalfOpen);
    ok(&breaker);
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn a_late_result_causes_no_transition() {
    let world = isolate();
    let breaker = breaker(1).recovery(SECOND);
    let [a, b, c, d] = [(); 4].map(|()| breaker.acquire().unwrap());
    a.failure(&DOWN);
    world.advance(SECOND / 2);
    b.failure(&DOWN);
    assert_eq!(refused(&breaker), Some(SECOND / 2), "not prolonged");
    c.success();
    assert_eq!(breaker.state(), State::Open);
    world.advance(SECOND);
    let probe = breaker.acquire().unwrap();
    d.failure(&DOWN);
    assert_eq!(breaker.state(), State::HalfOpen);
    probe.success();
    assert_eq!(breaker.state(), State::Closed);
    assert_eq!(transitions(&world), ["open", "half_open", "closed"]);
}

#[test]
fn a_probe_that_never_reports_is_replaced() {
    let world = isolate();
    let breaker = breaker(1).recovery(SECOND).probe_timeout(10 * SECOND);
    fail(&breaker);
    world.advance(SECOND);
    let lost = breaker.acquire().unwrap();
    world.advance(9 * SECOND);
    assert_eq!(refused(&breaker), None);
    world.advance(SECOND);
    let next = breaker.acquire().unwrap();
    drop(lost);
    assert!(!breaker.is_available(), "a late probe has no slot to free");
    next.success();
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn the_result_of_a_late_probe_counts_in_its_own_half_open_period() {
    let world = isolate();
    let breaker = breaker(1).recovery(SECOND).successes(2);
    let late_and_next = || {
        world.advance(SECOND);
        let late = breaker.acquire().unwrap();
        world.advance(SECOND);
        (late, breaker.acquire().unwrap())
    };
    fail(&breaker);
    let (late, next) = late_and_next();
    late.success();
    assert_eq!((breaker.state(), breaker.snapshot().successes), (State::HalfOpen, 1));
    next.success();
    assert_eq!(breaker.state(), State::Closed);

    fail(&breaker);
    let (late, next) = late_and_next();
    late.failure(&DOWN);
    assert_eq!(refused(&breaker), Some(SECOND));
    let (later, last) = late_and_next();
    next.success();
    assert_eq!((breaker.state(), breaker.snapshot().successes), (State::HalfOpen, 0), "of another period");
    later.success();
    last.success();
    assert_eq!(breaker.state(), State::Closed);
    assert_eq!(
        transitions(&world),
        ["open", "half_open", "closed", "open", "half_open", "open", "half_open", "closed"]
    );
}

#[test]
fn a_service_slower_than_the_recovery_closes_its_breaker() {
    let world = isolate();
    let breaker = breaker(1).recovery(SECOND);
    fail(&breaker);
    let mut running = std::collections::VecDeque::new();
    for tick in 0..100 {
        world.advance(SECOND / 10);
        running.extend(breaker.acquire().ok().map(|permit| (tick, permit)));
        while running.front().is_some_and(|(began, _)| tick - began >= 25) {
            running.pop_front().unwrap().1.success();
        }
    }
    assert_eq!(breaker.state(), State::Closed);
    assert_eq!(transitions(&world), ["open", "half_open", "closed"]);
}

#[test]
fn metrics_only_counts_failures_in_a_row() {
    let _world = isolate();
    for window in [None, Some(SECOND)] {
        let breaker = CircuitBreaker::try_new(
            "test",
            CircuitBreakerConfig { threshold: 5, window, ..CircuitBreakerConfig::DEFAULT },
        )
        .unwrap();
        let before = breaker.acquire().unwrap();
        breaker.metrics_only();
        (0..4).for_each(|_| fail(&breaker));
        before.success();
        assert_eq!(breaker.snapshot().failures, 4, "admitted before the change of state");
        ok(&breaker);
        let (counted, state) = (breaker.snapshot().failures, breaker.state());
        assert_eq!((counted, state), (if window.is_some() { 4 } else { 0 }, State::MetricsOnly));
        breaker.reset();
        assert_eq!(breaker.snapshot().failures, 0);
    }
}

#[test]
fn a_success_in_metrics_only_mode_takes_no_lock() {
    let _world = isolate();
    let breaker = breaker(5);
    breaker.metrics_only();
    fail(&breaker);
    breaker.live.gate.while_locked(|| {
        ok(&breaker);
        ok(&breaker);
    });
    assert_eq!(breaker.snapshot().failures, 0);
}

#[test]
fn a_success_of_a_window_with_enough_results_takes_no_lock() {
    for window in [None, Some(60 * SECOND)] {
        let world = isolate();
        let config = CircuitBreakerConfig { rate: Some(0.5), window, ..CircuitBreakerConfig::default() };
        let breaker = CircuitBreaker::try_new("test", config).unwrap();
        (0..20).for_each(|_| ok(&breaker));
        breaker.live.gate.while_locked(|| (0..1_000).for_each(|_| ok(&breaker)));
        assert_eq!(breaker.snapshot().calls, Some(if window.is_some() { 1_020 } else { 100 }));
        world.advance(SECOND);
        (0..1_000).for_each(|_| ok(&breaker));
        world.advance(59 * SECOND);
        assert_eq!(breaker.snapshot().calls, Some(if window.is_some() { 1_000 } else { 100 }));
    }
}

/// Outside of a test world, where an expansion need not settle each success.
#[test]
fn every_32nd_success_of_a_rate_is_settled_for_a_look() {
    let config = CircuitBreakerConfig { rate: Some(0.5), ..CircuitBreakerConfig::default() };
    let breaker = CircuitBreaker::try_new("looks", config).unwrap();
    (0..20).for_each(|_| ok(&breaker));
    let mut settled = 0;
    for _ in 0..320 {
        let mut permit = breaker.admit().unwrap();
        if permit.counted() {
            permit.passed();
        } else {
            assert_eq!(permit.settle(None, Ruling::ByCategory), None);
            settled += 1;
        }
    }
    assert_eq!(settled, 10);
    let mut permit = breaker.admit().unwrap();
    breaker.force_open();
    assert!(!permit.counted(), "the word of another state");
    drop(permit);
}

#[test]
fn a_success_is_judged_when_it_makes_the_results_of_a_window_enough_again() {
    let world = isolate();
    let config = CircuitBreakerConfig {
        rate: Some(0.5),
        window: Some(10 * SECOND),
        min_calls: 2,
        ..CircuitBreakerConfig::default()
    };
    let breaker = CircuitBreaker::try_new("test", config).unwrap();
    (0..2).for_each(|_| ok(&breaker));
    world.advance(20 * SECOND);
    fail(&breaker);
    assert_eq!(breaker.state(), State::Closed, "one result");
    ok(&breaker);
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn a_slow_probe_whose_slot_was_not_reused_still_counts() {
    let world = isolate();
    let breaker = breaker(1).recovery(SECOND);
    breaker.set_state(State::HalfOpen);
    let probe = breaker.acquire().unwrap();
    world.advance(100 * SECOND);
    probe.success();
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn a_dropped_permit_counts_as_cancelled_and_frees_its_probe() {
    let _world = isolate();
    let breaker = breaker(1);
    drop(breaker.acquire());
    breaker.set_state(State::HalfOpen);
    drop(breaker.acquire());
    assert_eq!(breaker.state(), State::HalfOpen);
    assert!(breaker.is_available());
    assert_eq!(counter(&breaker, "cancelled"), 2);
}

#[test]
fn a_panic_counts_as_panicked_and_frees_its_probe() {
    let _world = isolate();
    let breaker = breaker(1);
    breaker.set_state(State::HalfOpen);
    let panicked = catch_unwind(AssertUnwindSafe(|| breaker.call(|| -> Result<(), Oops> { panic!("body") })));
    assert!(panicked.is_err());
    assert_eq!(breaker.state(), State::HalfOpen);
    assert!(breaker.is_available());
    assert_eq!((counter(&breaker, "panicked"), counter(&breaker, "cancelled")), (1, 0));
}

#[test]
fn a_timeout_of_the_same_stack_counts_as_a_failure() {
    static OTHER: PointSite = PointSite::new("m", "f", &[]);
    let _world = isolate();
    let breaker = breaker(1);
    let permit = breaker.acquire().unwrap();
    crate::base::scope::cutting(OTHER.stack(), || drop(permit));
    assert_eq!(breaker.state(), State::Closed);
    let permit = breaker.acquire().unwrap();
    crate::base::scope::cutting(breaker.owner.name.stack(), || drop(permit));
    assert_eq!(breaker.state(), State::Open);
    assert_eq!((counter(&breaker, "failures"), counter(&breaker, "cancelled")), (1, 1));
}

#[test]
fn a_user_provided_breaker_knows_its_stack() {
    static POINT: PointSite = PointSite::new("m", "f", &[]);
    static SITE: Instance<CircuitBreakerConfig> = Instance::of(&POINT);
    let _world = isolate();
    let breaker = Arc::new(breaker(1));
    SITE.admit(&breaker).unwrap().settle(None, Ruling::ByCategory);
    drop(SITE.admit(&breaker));
    assert_eq!((breaker.state(), counter(&breaker, "cancelled")), (State::Closed, 1));
    let permit = SITE.admit(&breaker).unwrap();
    crate::base::scope::cutting(POINT.stack(), || drop(permit));
    assert_eq!((breaker.state(), counter(&breaker, "cancelled")), (State::Open, 1));
}

fn counter(breaker: &CircuitBreaker, name: &str) -> u64 {
    breaker.live.counters.read().into_iter().find(|(other, _)| *other == name).unwrap().1
}

#[test]
fn an_operator_can_set_every_state() {
    let world = isolate();
    let breaker = breaker(2);
    breaker.force_open();
    assert_eq!(refused(&breaker), None);
    world.advance(3600 * SECOND);
    assert_eq!(refused(&breaker), None);
    breaker.disable();
    (0..9).for_each(|_| fail(&breaker));
    assert_eq!((breaker.state(), breaker.snapshot().failures), (State::Disabled, 0));
    breaker.metrics_only();
    (0..9).for_each(|_| fail(&breaker));
    assert_eq!((breaker.state(), breaker.snapshot().failures), (State::MetricsOnly, 9));
    ok(&breaker);
    assert_eq!(breaker.snapshot().failures, 0);
    breaker.reset();
    fail(&breaker);
    assert_eq!((breaker.state(), breaker.snapshot().failures), (State::Closed, 1));
    assert_eq!(counter(&breaker, "rejected"), 2);
}

#[test]
fn metrics_only_counts_inside_the_window() {
    let world = isolate();
    let breaker = breaker(3).window(10 * SECOND);
    breaker.metrics_only();
    (0..9).for_each(|_| fail(&breaker));
    assert_eq!(breaker.snapshot().failures, 3);
    world.advance(10 * SECOND);
    assert_eq!(breaker.snapshot().failures, 0);
}

#[test]
fn setting_the_current_state_is_not_a_transition() {
    let world = isolate();
    let breaker = breaker(5);
    for state in [State::Open, State::HalfOpen, State::Closed] {
        breaker.set_state(state);
        world.advance(SECOND);
        let since = breaker.snapshot().since;
        breaker.set_state(state);
        assert_eq!(breaker.snapshot().since, since);
    }
    assert_eq!(transitions(&world), ["open", "half_open", "closed"]);
}

#[test]
fn a_reset_clears_failures_and_ignores_running_calls() {
    let world = isolate();
    let breaker = breaker(3);
    fail(&breaker);
    let running = breaker.acquire().unwrap();
    fail(&breaker);
    breaker.reset();
    running.failure(&DOWN);
    fail(&breaker);
    fail(&breaker);
    assert_eq!(breaker.state(), State::Closed);
    fail(&breaker);
    assert_eq!(breaker.state(), State::Open);
    assert_eq!(transitions(&world), ["open"]);
}

#[test]
fn open_until_keeps_the_breaker_open_until_that_time() {
    let world = isolate();
    let breaker = breaker(3);
    breaker.open_until(world.now() + 100 * SECOND);
    assert_eq!(refused(&breaker), Some(100 * SECOND));
    breaker.open_until(world.now() + 5 * SECOND);
    assert_eq!(refused(&breaker), Some(5 * SECOND));
    breaker.open_until(world.now());
    ok(&breaker);
    assert_eq!(transitions(&world), ["open", "half_open", "closed"]);
    breaker.open_until(world.now() + Duration::from_secs(u64::from(u32::MAX)));
    assert!(refused(&breaker).unwrap() > Duration::from_secs(3_000_000_000));
}

#[test]
fn setting_open_renews_only_an_open_time_that_is_over() {
    let world = isolate();
    let breaker = breaker(1);
    fail(&breaker);
    world.advance(59 * SECOND);
    breaker.set_state(State::Open);
    assert_eq!(refused(&breaker), Some(SECOND));
    world.advance(SECOND);
    assert_eq!((breaker.state(), breaker.is_available()), (State::Open, true));
    breaker.set_state(State::Open);
    assert_eq!(refused(&breaker), Some(60 * SECOND));
    world.advance(60 * SECOND);
    ok(&breaker);
    assert_eq!(transitions(&world), ["open", "half_open", "closed"]);
}

#[test]
fn events_carry_the_details_of_a_transition() {
    let world = isolate();
    let breaker = breaker(1).for_key("k".into(), &breaker(1));
    fail(&breaker);
    refused(&breaker);
    let [opened, rejected] = &world.events()[..] else { panic!("{:?}", world.events()) };
    let (point, key) = (PointName::new("test"), Some(PointName::new("k")));
    let class = Some(DOWN.classify());
    let recovery = Some(60 * SECOND);
    assert_eq!(
        *opened,
        Event::Opened { point: point.clone(), key: key.clone(), class, failures: 1, slow: 0, recovery }
    );
    let retry_after = Some(60 * SECOND);
    assert_eq!(*rejected, Event::Rejected { point, key, policy: "circuit_breaker", retry_after });
}

#[test]
fn hooks_may_use_their_own_breaker() {
    static BREAKER: CircuitBreaker = CircuitBreaker::new("hooks").threshold(1).on_open(look).on_close(look);
    fn look(_: &Event) {
        BREAKER.snapshot();
        assert_ne!(BREAKER.state(), State::HalfOpen);
        BREAKER.set_state(BREAKER.state());
        if BREAKER.state() == State::Open {
            BREAKER.force_open();
        }
    }
    let world = isolate();
    let panics = crate::event::hook_panics();
    fail(&BREAKER);
    assert_eq!(BREAKER.state(), State::ForcedOpen);
    BREAKER.reset();
    assert_eq!(crate::event::hook_panics(), panics);
    assert_eq!(transitions(&world).len(), 3);
}

#[test]
fn a_snapshot_has_every_count() {
    let world = isolate();
    let breaker = CircuitBreaker::named(format!("{}:{}", "llm", 7)).threshold(1);
    assert_eq!(breaker.snapshot().since, None);
    fail(&breaker);
    refused(&breaker);
    let opened = world.now();
    world.advance(SECOND);
    let snapshot = breaker.snapshot();
    assert_eq!(&*snapshot.name, "llm:7");
    assert_eq!((snapshot.state, snapshot.state.as_str()), (State::Open, "open"));
    assert_eq!(snapshot.since, Some(opened));
    assert_eq!((snapshot.failures, snapshot.threshold, snapshot.rejected), (1, 1, 1));
    assert_eq!(snapshot.retry_after, Some(59 * SECOND));
    world.advance(60 * SECOND);
    assert_eq!(breaker.snapshot().retry_after, None);
}

#[test]
fn setters_work_in_any_order_and_reject_invalid_values() {
    let fine = [
        CircuitBreaker::new("a").cap(30 * SECOND).recovery(10 * SECOND),
        CircuitBreaker::new("b").recovery(3600 * SECOND),
        CircuitBreaker::new("c").recovery(3600 * SECOND).cap(7200 * SECOND),
    ];
    let _ = fine.map(CircuitBreaker::checked);
    let refused =
        |make: fn() -> CircuitBreaker| *catch_unwind(make).unwrap_err().downcast::<String>().unwrap();
    assert!(refused(|| breaker(0)).contains("`threshold`"));
    assert!(refused(|| breaker(1).cap(SECOND).recovery(2 * SECOND)).contains("`cap`"));
    assert!(refused(|| breaker(1).recovery(2 * SECOND).cap(SECOND)).contains("`cap`"));
    assert!(refused(|| breaker(1).cap(SECOND).checked()).contains("`cap`"));
    assert!(refused(|| breaker(1).growth(f64::NAN)).contains("`growth`"));
    let zero = CircuitBreakerConfig { probes: 0, ..CircuitBreakerConfig::default() };
    assert!(CircuitBreaker::try_new("x", zero).is_err());
}

#[cfg(target_pointer_width = "64")]
#[test]
fn the_size_of_a_breaker_is_bounded() {
    // The word, the end of the open time, the lock with what it guards (who opened it, too), where a rate counts, the
    // counters, and with `ops` the transitions and the time in each state.
    let for_metrics = if cfg!(feature = "ops") { 40 } else { 0 };
    assert!(
        size_of::<Gate>() + size_of::<Counters>() <= 184 + for_metrics,
        "{}",
        size_of::<Gate>() + size_of::<Counters>()
    );
    assert!(size_of::<CircuitBreaker>() <= 472 + for_metrics, "{}", size_of::<CircuitBreaker>());
    // With `testing` a permit knows its world, too.
    let world = size_of::<Option<crate::testing::WorldHandle>>();
    assert_eq!(
        (size_of::<PermitOf<&CircuitBreaker, ()>>(), size_of::<PermitOf<Arc<CircuitBreaker>, ()>>()),
        (16 + world, 16 + world)
    );
    // A permit of a direct call knows when it began.
    assert_eq!((size_of::<Permit<'_>>(), size_of::<OwnedPermit>()), (32 + world, 32 + world));
}

#[tokio::test]
async fn async_calls_are_counted() {
    let _world = isolate();
    let breaker = breaker(1);
    assert_eq!(breaker.call_async(async || Ok::<_, Oops>(1)).await, Ok(1));
    {
        let mut call = Box::pin(breaker.call_async(async || {
            std::future::pending::<()>().await;
            Ok::<_, Oops>(1)
        }));
        assert!(futures_poll(call.as_mut()).is_pending());
    }
    assert_eq!(counter(&breaker, "cancelled"), 1);
    assert_eq!(breaker.call_async(async || Err::<(), _>(DOWN)).await, Err(DOWN));
    assert!(matches!(breaker.call_async(async || Ok(1)).await, Err(Oops::Refused(_))));
}

fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
    future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
}

#[test]
fn an_owned_permit_outlives_the_handle() {
    let _world = isolate();
    let breaker = Arc::new(breaker(1));
    let permit = breaker.clone().acquire_owned().unwrap();
    std::thread::spawn(move || permit.failure(&DOWN)).join().unwrap();
    assert_eq!(breaker.state(), State::Open);
    assert_eq!(Arc::strong_count(&breaker), 1);
}

#[test]
fn no_count_is_lost_across_threads() {
    let world = isolate();
    let breaker = breaker(3_000);
    let each = |work: &(dyn Fn() + Sync)| {
        std::thread::scope(|scope| {
            for _ in 0..3 {
                let handle = world.handle();
                scope.spawn(move || handle.run(|| (0..500).for_each(|_| work())));
            }
        });
    };
    each(&|| fail(&breaker));
    assert_eq!(breaker.snapshot().failures, 1_500);
    assert_eq!(counter(&breaker, "failures"), 1_500);
    each(&|| fail(&breaker));
    assert_eq!((breaker.state(), breaker.snapshot().failures), (State::Open, 3_000));
    each(&|| {
        refused(&breaker);
    });
    assert_eq!(breaker.snapshot().rejected, 1_500);
    assert_eq!(transitions(&world), ["open"]);
}

#[test]
fn threads_that_trip_and_probe_together_make_one_transition_each() {
    let world = isolate();
    let breaker = breaker(5).probes(2).successes(2).window(10 * SECOND);
    for round in 1..50 {
        let running: Vec<_> = (0..20).map(|_| breaker.acquire().unwrap()).collect();
        std::thread::scope(|scope| {
            for permit in running {
                let handle = world.handle();
                scope.spawn(move || handle.run(|| permit.failure(&DOWN)));
            }
        });
        assert_eq!(breaker.snapshot().failures, 5);
        world.advance(60 * SECOND);
        let admitted = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                let (handle, breaker, admitted) = (world.handle(), &breaker, &admitted);
                scope.spawn(move || {
                    handle.run(|| {
                        if let Ok(permit) = breaker.acquire() {
                            admitted.fetch_add(1, Ordering::Relaxed);
                            std::mem::forget(permit);
                        }
                    });
                });
            }
        });
        assert_eq!(admitted.into_inner(), 2);
        breaker.reset();
        assert_eq!(counter(&breaker, "opened"), round);
    }
    let count = |word| transitions(&world).iter().filter(|other| **other == word).count();
    assert_eq!(["open", "half_open", "closed"].map(count), [49; 3]);
}

#[test]
fn each_key_has_its_own_breaker() {
    const fn keyed() -> Keyed<CircuitBreaker> {
        Keyed::new(|| CircuitBreaker::new("keyed").threshold(1)).max_keys(2)
    }
    static BREAKERS: Site<Keyed<CircuitBreaker>> = Site::new(keyed(), keyed);
    fn fail(key: &str) {
        BREAKERS.admit(key).unwrap().failure(&DOWN);
    }
    use crate::point::Layer as _;

    let counted = || BREAKERS.counters().into_iter().map(|(_, count)| count).collect::<Vec<_>>();
    {
        let world = isolate();
        fail("a");
        assert!(BREAKERS.admit("a").is_err());
        BREAKERS.admit(&7).unwrap().success();
        let Event::Rejected { key, .. } = &world.events()[1] else { panic!("{:?}", world.events()) };
        assert_eq!(key.as_deref(), Some("a"));
        BREAKERS.admit("b").unwrap().success();
        assert!(BREAKERS.admit("a").is_err(), "the open one stays");
        fail("b");
        assert_eq!(counted(), [2, 2, 2, 0, 0, 0, 0]);
        fail("c");
        assert_eq!(counted(), [3, 2, 3, 0, 0, 0, 0], "what was counted stays when its key goes");
        BREAKERS.get("c").reset();
        assert!(BREAKERS.admit("c").is_ok());
    }
    assert_eq!(counted(), [0; 7], "the test's world is gone");
}

#[test]
fn settings_are_spelled_as_in_the_attribute() {
    let breaker = breaker(3);
    let site: &dyn crate::point::Layer = &breaker;
    let spelled: Vec<_> = site.settings().iter().map(ToString::to_string).collect();
    assert_eq!(
        spelled.join(", "),
        "threshold = 3, recovery = 60s, growth = 1.0, cap = 10m, retry_after_cap = 5m, probes = 1, \
         successes = 1, probe_timeout = 60s"
    );
    assert_eq!((site.kind(), site.state()), ("circuit_breaker", Some("closed")));
    assert!(site.policy::<CircuitBreaker>().is_some());
}
