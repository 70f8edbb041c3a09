//! How long a retry waits.

#[path = "../shared/woken.rs"]
mod woken;

use crate::twins::{Script, always, fails, millis};
use resilience::{Category, Retry, circuit_breaker, with_retry};
use std::cell::Cell;
use std::future::{Future, ready};
use std::io::{Error, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Context;
use std::time::Duration;
use woken::Woken;

fn down() -> Script {
    always(Category::Transient)
}

/// All waits of `call` over 60 seeds.
fn sampled(call: fn(&Script) -> crate::twins::Seen) -> Vec<Duration> {
    (0..60).flat_map(|seed| call(&down().seed(seed)).waits).collect()
}

#[test]
fn waits_double_from_100_ms_by_default() {
    twins!(plain: with_retry(max = 5, jitter = none));
    assert_eq!(plain(&down()).waits, millis([100, 200, 400, 800, 1600]));
}

#[test]
fn a_backoff_factor_multiplies_the_wait() {
    twins!(thirds: with_retry(max = 4, backoff = 3.0, base = 50ms, jitter = none));
    twins!(once: with_retry(max = 3, backoff = 1.0, jitter = none));
    assert_eq!(thirds(&down()).waits, millis([50, 150, 450, 1350]));
    assert_eq!(once(&down()).waits, millis([100, 100, 100]));
}

#[test]
fn constant_linear_and_fibonacci_backoffs_grow_as_documented() {
    twins!(constant_: with_retry(max = 3, backoff = constant, base = 70ms, jitter = none));
    twins!(linear_: with_retry(max = 4, backoff = linear, base = 1s, jitter = none));
    twins!(fibonacci_: with_retry(max = 6, backoff = fibonacci, base = 10ms, jitter = none));
    assert_eq!(constant_(&down()).waits, millis([70, 70, 70]));
    assert_eq!(linear_(&down()).waits, millis([1000, 2000, 3000, 4000]));
    assert_eq!(fibonacci_(&down()).waits, millis([10, 10, 20, 30, 50, 80]));
}

#[test]
fn decorrelated_waits_lie_between_base_and_three_times_the_last() {
    twins!(decorrelated_: with_retry(max = 8, backoff = decorrelated, base = 100ms, cap = 2s));
    let (base, cap) = (Duration::from_millis(100), Duration::from_secs(2));
    let mut capped = 0;
    for seed in 0..40 {
        let mut last = base;
        for wait in decorrelated_(&down().seed(seed)).waits {
            assert!(wait >= base && wait <= cap.min(3 * last), "{wait:?} after {last:?}");
            capped += u32::from(wait == cap);
            last = wait;
        }
    }
    assert!(capped > 0, "none of 40 runs reached the cap");
}

#[test]
fn a_backoff_function_sets_the_wait() {
    fn squares(retry: u32) -> Duration {
        Duration::from_millis(u64::from(retry * retry))
    }
    fn linear(_: u32) -> Duration {
        Duration::from_millis(7)
    }
    twins!(by_path: with_retry(max = 4, backoff = squares, jitter = none));
    // A word wins over a function of that name; a path reaches the function.
    twins!(by_word: with_retry(max = 2, backoff = linear, jitter = none));
    assert_eq!(by_path(&down()).waits, millis([0, 1, 4, 9]));
    assert_eq!(by_word(&down()).waits, millis([100, 200]));
    let _ = linear;
}

mod named_as_a_word {
    use std::time::Duration;

    pub fn linear(_: u32) -> Duration {
        Duration::from_millis(7)
    }
}

#[test]
fn a_path_may_name_a_function_called_like_a_keyword() {
    twins!(by_path: with_retry(max = 2, backoff = named_as_a_word::linear, jitter = none));
    assert_eq!(by_path(&down()).waits, millis([7, 7]));
}

#[test]
fn cap_bounds_every_wait() {
    twins!(low: with_retry(max = 4, base = 1s, cap = 3s, jitter = none));
    twins!(as_it_comes: with_retry(max = 9, base = 5s, jitter = none));
    assert_eq!(low(&down()).waits, millis([1000, 2000, 3000, 3000]));
    assert_eq!(as_it_comes(&down()).waits.iter().max(), Some(&Duration::from_secs(10)));
}

#[test]
fn cap_bounds_the_wait_after_jitter_too() {
    fn long(_: u32) -> Duration {
        Duration::from_secs(3600)
    }
    twins!(spread: with_retry(max = 3, base = 1s, cap = 1s, jitter = 0.5..3.0));
    twins!(own: with_retry(max = 3, backoff = long, cap = 2s, jitter = none));
    let waits = sampled(spread);
    assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(1)));
    assert!(waits.iter().any(|wait| *wait < Duration::from_secs(1)));
    assert_eq!(own(&down()).waits, millis([2000, 2000, 2000]));
}

#[test]
fn full_jitter_is_the_default() {
    twins!(as_it_comes: with_retry(max = 1, base = 1s));
    twins!(full_: with_retry(max = 1, base = 1s, jitter = full));
    let waits = sampled(as_it_comes);
    assert_eq!(waits, sampled(full_));
    assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(1)));
    assert!(waits.iter().any(|wait| *wait < Duration::from_millis(200)));
    assert!(waits.iter().any(|wait| *wait > Duration::from_millis(800)));
}

#[test]
fn equal_jitter_keeps_at_least_half_of_the_wait() {
    twins!(equal_: with_retry(max = 1, base = 1s, jitter = equal));
    let waits = sampled(equal_);
    assert!(waits.iter().all(|wait| *wait >= Duration::from_millis(500) && *wait <= Duration::from_secs(1)));
    assert!(waits.iter().any(|wait| *wait < Duration::from_millis(600)));
    assert!(waits.iter().any(|wait| *wait > Duration::from_millis(900)));
}

#[test]
fn a_jitter_range_multiplies_the_wait() {
    twins!(range: with_retry(max = 1, base = 1s, jitter = 0.8..1.2));
    let waits = sampled(range);
    assert!(
        waits.iter().all(|wait| *wait >= Duration::from_millis(800) && *wait <= Duration::from_millis(1200))
    );
    assert!(waits.iter().any(|wait| *wait < Duration::from_millis(900)));
    assert!(waits.iter().any(|wait| *wait > Duration::from_millis(1100)));
}

#[test]
fn give_up_after_includes_the_time_of_attempts() {
    twins!(short: with_retry(max = 10, jitter = none, give_up_after = 1s));
    // 0.4 + 0.1 + 0.4 s are gone; 0.2 s more would pass the second.
    let seen = short(&down().taking(Duration::from_millis(400)));
    assert_eq!((seen.calls, &seen.waits), (2, &millis([100])));
    assert_eq!(seen.elapsed, Duration::from_millis(900));
    assert_eq!(seen.outcome.unwrap_err().call, 2);
    // Instant failures get more: 0.1 + 0.2 + 0.4 s, and 0.8 s more would pass it.
    assert_eq!(short(&down()).waits, millis([100, 200, 400]));
}

#[test]
fn give_up_after_does_not_cut_off_a_running_attempt() {
    twins!(short: with_retry(max = 10, jitter = none, give_up_after = 1s));
    let slow = Duration::from_secs(5);
    assert_eq!(short(&fails(0, Category::Transient).taking(slow)).outcome, Ok(1));
    let seen = short(&down().taking(slow));
    assert_eq!((seen.calls, seen.elapsed), (1, slow));
}

#[test]
fn extreme_factors_and_waits_are_handled() {
    const NANOSECOND: Duration = Duration::from_nanos(1);
    twins!(huge: with_retry(max = 3, backoff = 1e300, jitter = none));
    twins!(huge_jitter: with_retry(max = 3, backoff = 1e300));
    twins!(nothing: with_retry(max = 3, base = 0s));
    twins!(nothing_grows: with_retry(max = 3, base = 0s, backoff = 1e300, jitter = none));
    twins!(tiny: with_retry(max = 3, base = NANOSECOND, jitter = none));
    assert_eq!(huge(&down()).waits, millis([100, 10_000, 10_000]));
    assert!(huge_jitter(&down()).waits.iter().all(|wait| *wait <= Duration::from_secs(10)));
    assert_eq!(nothing(&down()).waits, millis([0, 0, 0]));
    assert_eq!(nothing_grows(&down()).waits, millis([0, 0, 0]));
    assert_eq!(tiny(&down()).waits, [1, 2, 4].map(Duration::from_nanos));
}

#[test]
fn many_retries_do_not_overflow_the_schedule() {
    twins!(doubles: with_retry(max = 3000, cap = 1ms, base = 1ms, budget = none, jitter = none));
    twins!(fibonacci_: with_retry(max = 3000, backoff = fibonacci, cap = 1ms, base = 1ms, budget = none, jitter = none));
    twins!(linear_: with_retry(max = 3000, backoff = linear, cap = 1ms, base = 1ms, budget = none, jitter = none));
    for call in [doubles, fibonacci_, linear_] {
        let seen = call(&down());
        assert_eq!(seen.calls, 3001);
        assert!(seen.waits.iter().all(|wait| *wait == Duration::from_millis(1)));
    }
}

#[test]
fn policy_constants_set_their_numbers() {
    use resilience::{Jitter, Retry, presets};
    const EXACT: Retry = Retry::new().max(1).jitter(Jitter::None).base(Duration::from_millis(3));
    twins!(quick: with_retry(policy = presets::QUICK, jitter = none));
    twins!(local: with_retry(policy = presets::LOCAL, jitter = none));
    twins!(network: with_retry(policy = presets::NETWORK, jitter = none));
    twins!(database: with_retry(policy = presets::DATABASE, jitter = none));
    twins!(external: with_retry(policy = presets::EXTERNAL_API, jitter = none));
    twins!(slow: with_retry(policy = presets::SLOW, jitter = none));
    twins!(download: with_retry(policy = presets::DOWNLOAD, jitter = none));
    twins!(own: with_retry(policy = EXACT));
    twins!(overridden: with_retry(policy = EXACT, max = 2));
    assert_eq!(quick(&down()).waits, millis([500, 1000, 2000]));
    assert_eq!(local(&down()).waits, millis([100, 200]));
    assert_eq!(network(&down()).waits, millis([500, 1000, 2000, 4000]));
    assert_eq!(database(&down()).waits, millis([500, 1000, 2000]));
    assert_eq!(external(&down()).waits, millis([2000, 4000, 8000, 16000, 32000]));
    assert_eq!(slow(&down()).waits, millis([2000, 4000, 8000]));
    assert_eq!(download(&down()).waits, millis([5000, 10_000, 20_000, 40_000, 80_000]));
    assert_eq!(own(&down()).waits, millis([3]));
    assert_eq!(overridden(&down()).waits, millis([3, 6]));
}

#[test]
fn presets_have_their_own_caps() {
    use resilience::presets;
    twins!(quick: with_retry(policy = presets::QUICK, jitter = none, max = 12));
    twins!(local: with_retry(policy = presets::LOCAL, jitter = none, max = 12));
    twins!(network: with_retry(policy = presets::NETWORK, jitter = none, max = 12));
    twins!(external: with_retry(policy = presets::EXTERNAL_API, jitter = none, max = 12));
    twins!(slow: with_retry(policy = presets::SLOW, jitter = none, max = 12));
    twins!(download: with_retry(policy = presets::DOWNLOAD, jitter = none, max = 12));
    let longest =
        |call: fn(&Script) -> crate::twins::Seen| call(&down()).waits.into_iter().max().unwrap().as_secs();
    assert_eq!([quick, local, network, external, slow, download].map(longest), [5, 1, 10, 120, 60, 300]);
}

#[test]
fn a_retry_without_a_wait_lets_other_tasks_run_first() {
    #[with_retry(max = 2, base = 0s)]
    async fn alone(calls: &Cell<u32>) -> Option<()> {
        calls.set(calls.get() + 1);
        None
    }
    #[with_retry(max = 2, base = 0s)]
    #[circuit_breaker(threshold = 9)]
    async fn in_a_stack(calls: &Cell<u32>) -> Result<(), Error> {
        calls.set(calls.get() + 1);
        Err(ErrorKind::ConnectionReset.into())
    }
    let by_hand = Retry::new().max(2).base(Duration::ZERO);
    let called = |calls: &Cell<u32>| {
        calls.set(calls.get() + 1);
        ready(None::<()>)
    };
    let calls = &Cell::new(0);
    let all: [Pin<Box<dyn Future<Output = ()>>>; 3] = [
        Box::pin(async { assert_eq!(alone(calls).await, None) }),
        Box::pin(async { drop(in_a_stack(calls).await) }),
        Box::pin(async { assert_eq!(by_hand.call_async(|| called(calls)).await, None) }),
    ];
    for mut call in all {
        calls.set(0);
        let woken = Arc::new(Woken::default());
        let waker = woken.clone().into();
        let mut poll = || call.as_mut().poll(&mut Context::from_waker(&waker));
        for attempt in 1..=2 {
            assert!(poll().is_pending());
            assert_eq!((calls.get(), woken.0.load(Ordering::Relaxed)), (attempt, attempt));
        }
        assert!(poll().is_ready());
        assert_eq!(calls.get(), 3);
    }
}
