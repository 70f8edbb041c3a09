//! A breaker that opens by the share of failures.

use super::guarded::{Failure, down};
use resilience::{Category, CircuitBreaker, State, circuit_breaker, testing};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

guarded!(half_of_ten: circuit_breaker(rate = 50%, window = 10, min_calls = 4));
guarded!(half_of_a_minute: circuit_breaker(rate = 0.5, window = 60s, min_calls = 4));
guarded!(as_it_comes: circuit_breaker(rate = 50%));
guarded!(beside_a_threshold: circuit_breaker(threshold = 2, rate = 50%, window_calls = 50, min_calls = 10));

#[test]
fn the_breaker_opens_at_the_rate_after_min_calls() {
    half_of_ten(&|it| {
        it.fail(Category::Unavailable);
        it.fail(Category::Unavailable);
        it.fail(Category::Unavailable);
        assert!(!it.rejects_without_counting(), "three calls are too few");
        it.fail(Category::Unavailable);
        assert!(it.refuses());
    });
}

#[test]
fn the_success_that_reaches_min_calls_is_judged() {
    half_of_ten(&|it| {
        it.fail(Category::Unavailable);
        it.fail(Category::Unavailable);
        it.succeed().unwrap();
        assert!(!it.rejects_without_counting());
        assert_eq!(it.succeed(), Ok(1), "it is the function's own");
        assert!(it.refuses());
    });
}

#[test]
fn only_the_last_calls_of_the_window_count() {
    half_of_ten(&|it| {
        (0..50).for_each(|_| assert_eq!(it.succeed(), Ok(1)));
        (0..4).for_each(|_| assert!(it.fail(Category::Unavailable)));
        assert!(!it.rejects_without_counting(), "4 of the last 10");
        it.fail(Category::Unavailable);
        assert!(it.refuses());
    });
}

#[test]
fn only_calls_within_the_time_window_count() {
    half_of_a_minute(&|it| {
        (0..3).for_each(|_| assert!(it.fail(Category::Unavailable)));
        it.pass(60 * SECOND);
        (0..3).for_each(|_| assert!(it.fail(Category::Unavailable)));
        assert!(!it.rejects_without_counting(), "3 calls inside the window");
        it.pass(59 * SECOND);
        it.fail(Category::Unavailable);
        assert!(it.refuses());
    });
}

#[test]
fn the_default_is_half_of_the_last_hundred_calls() {
    as_it_comes(&|it| {
        (0..10).for_each(|_| assert!(it.fail(Category::Timeout)));
        assert!(!it.rejects_without_counting(), "no threshold holds");
        (0..9).for_each(|_| assert_eq!(it.succeed(), Ok(1)));
        assert!(!it.rejects_without_counting());
        it.succeed().unwrap();
        assert!(it.refuses(), "10 of 20");
    });
}

#[test]
fn an_explicit_threshold_stays_active_beside_a_rate() {
    beside_a_threshold(&|it| {
        (0..9).for_each(|_| assert_eq!(it.succeed(), Ok(1)));
        it.fail(Category::Unavailable);
        it.succeed().unwrap();
        it.fail(Category::Unavailable);
        assert!(!it.rejects_without_counting());
        it.fail(Category::Unavailable);
        assert!(it.refuses(), "two in a row");
    });
}

#[test]
fn each_transition_empties_the_window() {
    half_of_ten(&|it| {
        (0..4).for_each(|_| assert!(it.fail(Category::Unavailable)));
        assert!(it.refuses());
        it.pass(60 * SECOND);
        it.succeed().unwrap();
        (0..3).for_each(|_| assert!(it.fail(Category::Unavailable)));
        assert!(!it.rejects_without_counting(), "three calls since it closed, and the probe is none of them");
        it.fail(Category::Unavailable);
        assert!(it.refuses());
    });
}

#[test]
fn ignored_results_do_not_count() {
    half_of_ten(&|it| {
        (0..3).for_each(|_| assert!(it.fail(Category::Unavailable)));
        (0..20).for_each(|_| assert!(it.fail(Category::Cancelled)));
        assert!(!it.rejects_without_counting());
        it.fail(Category::NotFound);
        assert!(it.refuses(), "the answer is the fourth call: 3 of 4");
    });
}

guarded!(with_exemption: circuit_breaker(rate = 50%, window = 10, min_calls = 4, unless = Failure::is_not_found));
guarded!(two_of_two: circuit_breaker(rate = 50%, min_calls = 2, probes = 2, successes = 2));

#[test]
fn panicked_exempt_and_rejected_calls_do_not_count() {
    with_exemption(&|it| {
        (0..3).for_each(|_| assert!(it.fail(Category::Unavailable)));
        for _ in 0..20 {
            let panics = || it.run(|| panic!("the body"));
            assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
            assert!(it.fail(Category::NotFound), "exempt");
            let rejected = testing::rejected::bulkhead_full("below");
            let outcome = Err(Failure::Rejected(rejected));
            assert_eq!(it.run(|| outcome.clone()), outcome);
        }
        assert!(!it.rejects_without_counting(), "three calls are too few");
        it.fail(Category::Unavailable);
        assert!(it.refuses());
    });
}

#[test]
fn probes_decide_in_the_half_open_state() {
    two_of_two(&|it| {
        (0..2).for_each(|_| assert!(it.fail(Category::Unavailable)));
        assert!(it.refuses());
        it.pass(60 * SECOND);
        it.succeed().unwrap();
        it.fail(Category::Unavailable);
        assert!(it.refuses(), "a failed probe is enough, whatever the share");
        it.pass(60 * SECOND);
        it.succeed().unwrap();
        it.succeed().unwrap();
        it.fail(Category::Unavailable);
        assert!(!it.rejects_without_counting(), "closed: one call of two, and the probes are none of them");
        it.fail(Category::Unavailable);
        assert!(it.refuses());
    });
}

/// A breaker made for a program of its own, as settings of the run would make it.
fn made(config: resilience::policy::CircuitBreakerConfig) -> CircuitBreaker {
    CircuitBreaker::try_new("made", config).expect("settings that make sense")
}

#[test]
fn a_default_threshold_is_off_beside_a_run_time_rate() {
    let _world = testing::isolate();
    let default = resilience::policy::CircuitBreakerConfig::default();
    let fail = |breaker: &CircuitBreaker| breaker.acquire().map(|permit| permit.failure(&Category::Timeout));
    let rate = made(resilience::policy::CircuitBreakerConfig { rate: Some(1.0), ..default });
    (0..19).for_each(|_| fail(&rate).expect("closed"));
    assert_eq!(rate.snapshot().threshold, 0);
    fail(&rate).expect("closed");
    assert_eq!(rate.state(), State::Open);
    let both = made(resilience::policy::CircuitBreakerConfig { rate: Some(1.0), threshold: 6, ..default });
    (0..6).for_each(|_| fail(&both).expect("closed"));
    assert_eq!((both.state(), both.snapshot().threshold), (State::Open, 6));
}

#[test]
fn a_snapshot_has_the_calls_and_the_rate() {
    let world = testing::isolate();
    let breaker = CircuitBreaker::new("quotes").rate(0.9).window(60 * SECOND).min_calls(4);
    let fail = || breaker.acquire().expect("closed").failure(&Category::Timeout);
    let succeed = || breaker.acquire().expect("closed").success();
    fail();
    succeed();
    let now = breaker.snapshot();
    assert_eq!((now.calls, now.failures, now.failure_rate), (Some(2), 1, None), "too few to tell");
    succeed();
    succeed();
    let now = breaker.snapshot();
    assert_eq!((now.calls, now.failure_rate), (Some(4), Some(0.25)));
    assert_eq!(now.to_string(), "quotes: closed, failures 1 of 4 calls, rejected 0");
    world.advance(60 * SECOND);
    let now = breaker.snapshot();
    assert_eq!((now.calls, now.failures, now.failure_rate), (Some(0), 0, None));
    breaker.disable();
    fail();
    assert_eq!(breaker.snapshot().calls, None, "it does not count");
}

#[circuit_breaker(rate = 50%, min_calls = 150, name = "more than the default window")]
fn more_than_the_window(result: Result<u32, Failure>) -> Result<u32, Failure> {
    result
}

#[test]
fn the_default_window_has_at_least_min_calls() {
    let _world = testing::isolate();
    let point = resilience::point("more than the default window").expect("a point");
    let breaker = point.breaker().expect("a breaker");
    for _ in 0..149 {
        let _ = more_than_the_window(Err(Failure::Own(down().into())));
    }
    assert_eq!(breaker.state(), State::Closed, "149 calls are too few");
    assert!(point.to_string().contains("rate = 0.5, window_calls = 150, min_calls = 150,"), "{point}");
    let _ = more_than_the_window(Err(Failure::Own(down().into())));
    assert_eq!(breaker.state(), State::Open);
}

#[circuit_breaker(rate = 50%, window_calls = 10, name = "fewer than min_calls")]
fn fewer_than_min_calls(result: Result<u32, Failure>) -> Result<u32, Failure> {
    result
}

#[test]
fn the_inventory_shows_the_lowered_default_of_min_calls() {
    let _world = testing::isolate();
    let point = resilience::point("fewer than min_calls").expect("a point");
    assert!(point.to_string().contains("window_calls = 10, min_calls = 10,"), "{point}");
    for _ in 0..10 {
        let _ = fewer_than_min_calls(Err(Failure::Own(down().into())));
    }
    assert_eq!(point.breaker().expect("a breaker").state(), State::Open);
}

#[test]
fn a_metrics_only_breaker_counts_and_never_opens() {
    let _world = testing::isolate();
    let breaker = CircuitBreaker::new("quotes").rate(0.5).min_calls(2);
    breaker.metrics_only();
    for _ in 0..30 {
        breaker.acquire().expect("it admits all").failure(&Category::Timeout);
        breaker.acquire().expect("it admits all").success();
    }
    let now = breaker.snapshot();
    assert_eq!((now.state, now.calls, now.failures), (State::MetricsOnly, Some(60), 30));
    breaker.reset();
    assert_eq!(breaker.snapshot().calls, Some(0));
}

#[test]
fn threads_count_every_success() {
    let world = testing::isolate();
    let breaker = CircuitBreaker::new("quotes").rate(0.5).window(3_600 * SECOND);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let (handle, breaker) = (world.handle(), &breaker);
            scope.spawn(move || {
                handle.run(|| {
                    for n in 0..1_000 {
                        let permit = breaker.acquire().expect("closed");
                        if n % 10 == 9 { permit.failure(&Category::Timeout) } else { permit.success() }
                    }
                });
            });
        }
    });
    let now = breaker.snapshot();
    assert_eq!((now.state, now.calls, now.failures), (State::Closed, Some(4_000), 400));
}

#[circuit_breaker(rate = 50%, window = 60s, min_calls = 2, key = host)]
fn by_host(host: &str, result: Result<u32, Failure>) -> Result<u32, Failure> {
    let _ = host;
    result
}

#[test]
fn each_key_has_its_own_window() {
    let _world = testing::isolate();
    for _ in 0..2 {
        let _ = by_host("a", Err(Failure::Own(down().into())));
        assert_eq!(by_host("b", Ok(1)), Ok(1));
    }
    assert!(matches!(by_host("a", Ok(1)), Err(Failure::Rejected(_))));
    assert_eq!(by_host("b", Ok(1)), Ok(1));
}
