//! A refusal by a policy of our own is a failure of no service: nothing has reached it.

use super::*;
use resilience::testing::rejected;
use resilience::{
    AdaptiveTimeout, Budget, Bulkhead, CircuitBreaker, State, bulkhead, circuit_breaker, hedge, point,
    rate_limit, timeout, with_retry,
};
use std::sync::atomic::{AtomicU32, Ordering};

/// Each of them, as a function inside may return it.
fn refusals() -> Vec<Rejected> {
    let wait = Some(SECOND);
    vec![
        rejected::circuit_open("inside", wait),
        rejected::circuit_open("inside", None),
        rejected::circuit_open_for("inside", "key", wait),
        rejected::bulkhead_full("inside"),
        rejected::rate_limited("inside", wait),
        rejected::rate_limited("inside", None),
        rejected::throttled("inside"),
        rejected::lock_timeout("inside"),
        rejected::shutting_down("inside"),
    ]
}

#[circuit_breaker(threshold = 1, recovery = 10s, name = "refused breaker")]
#[bulkhead(adaptive)]
fn guarded(outcome: Outcome) -> Outcome {
    outcome
}

#[timeout(adaptive, floor = 50ms, cap = 10s, name = "refused breaker async")]
#[hedge(after = p95, idempotent)]
#[circuit_breaker(rate = 1%, slow = 1s, slow_rate = 1%, min_calls = 1, recovery = 10s)]
#[bulkhead(adaptive, wait = 1s)]
async fn guarded_async(outcome: &Outcome) -> Outcome {
    tokio::task::yield_now().await;
    outcome.clone()
}

#[test]
fn refusals_are_not_failures() {
    type Call = fn(Outcome) -> Outcome;
    let calls: [(&str, Call); 2] = [
        ("refused breaker", guarded),
        ("refused breaker async", |outcome| futures::executor::block_on(guarded_async(&outcome))),
    ];
    for (name, call) in calls {
        for refusal in refusals() {
            let world = testing::isolate();
            let refused = || assert_eq!(call(Err(refusal.clone().into())), Err(refusal.clone().into()));
            for _ in 0..30 {
                refused();
                world.advance(SECOND * 2);
            }
            let point = point(name).unwrap();
            let (breaker, slots) = (point.breaker().unwrap(), point.bulkhead().unwrap());
            assert_eq!((breaker.state(), breaker.snapshot().failures), (State::Closed, 0), "{refusal}");
            assert_eq!((slots.snapshot().slots, slots.snapshot().usual_latency), (20, None), "{refusal}");
            if let Some(timeout) = point.adaptive_timeout() {
                assert_eq!(timeout.snapshot().samples, 0, "{refusal}");
                assert_eq!(point.hedge().unwrap().snapshot().after, None, "{refusal}");
            }
            assert_eq!(call(DOWN), DOWN);
            assert_eq!(breaker.state(), State::Open, "{refusal}: a failure is one");
            world.advance(SECOND * 10);
            refused();
            assert_eq!(
                breaker.state(),
                State::HalfOpen,
                "{refusal}: a probe that was refused decides nothing"
            );
            assert_eq!(call(Ok(1)), Ok(1), "{refusal}: and has given its place back");
            assert_eq!(breaker.state(), State::Closed);
        }
    }
}

#[with_retry(max = 2, base = 0s, jitter = none, throttle = 2.0, on(rejected, max = 2), name = "refused retries")]
fn retried(attempts: &AtomicU32, outcome: &Outcome) -> Outcome {
    attempts.fetch_add(1, Ordering::Relaxed);
    outcome.clone()
}

#[with_retry(max = 2, base = 0s, jitter = none, throttle = 2.0, on(rejected, max = 2), name = "refused retries async")]
async fn retried_async(attempts: &AtomicU32, outcome: &Outcome) -> Outcome {
    tokio::task::yield_now().await;
    attempts.fetch_add(1, Ordering::Relaxed);
    outcome.clone()
}

#[test]
fn retries_of_refusals_cost_no_budget() {
    type Call = fn(&AtomicU32, &Outcome) -> Outcome;
    let calls: [(&str, Call); 2] = [
        ("refused retries", retried),
        ("refused retries async", |attempts, outcome| {
            futures::executor::block_on(retried_async(attempts, outcome))
        }),
    ];
    for (name, call) in calls {
        for refusal in refusals() {
            let (_world, attempts) = (testing::isolate(), AtomicU32::new(0));
            for _ in 0..200 {
                let _ = call(&attempts, &Err(refusal.clone().into()));
            }
            let budget = point(name).unwrap().budget().unwrap();
            assert_eq!((budget.tokens(), budget.refusal()), (500, 0.0), "{refusal}");
            assert_eq!(attempts.into_inner(), 600, "{refusal}");
        }
    }
}

#[test]
fn policy_values_ignore_refusals() {
    for refusal in refusals() {
        let _world = testing::isolate();
        let refused = || Err::<u32, Failure>(refusal.clone().into());
        let breaker = CircuitBreaker::new("by hand").threshold(1);
        assert!(breaker.call(refused).is_err());
        assert!(futures::executor::block_on(breaker.call_async(async || refused())).is_err());
        breaker.acquire().unwrap().failure(&refusal);
        assert_eq!(breaker.state(), State::Closed, "{refusal}");
        let slots = Bulkhead::new("by hand", 20).adaptive();
        let judge = |outcome: &Outcome| outcome.as_ref().err().map(Classify::classify);
        assert!(slots.call_judged(refused, judge).is_err());
        slots.acquire().unwrap().failure(&refusal);
        assert_eq!(slots.snapshot().slots, 20, "{refusal}");
        let budget = Budget::new().throttle(1.0);
        (0..50).for_each(|_| assert!(budget.call(refused).is_err()));
        assert_eq!(budget.refusal(), 0.0, "{refusal}");
        let timeout = AdaptiveTimeout::new("by hand", MS, SECOND);
        assert!(futures::executor::block_on(timeout.call_async(async || refused())).is_err());
        assert_eq!(timeout.snapshot().samples, 0, "{refusal}");
    }
}

#[timeout(100ms)]
#[with_retry(max = 0, throttle = 2.0)]
#[circuit_breaker(threshold = 1, rate = 1%, min_calls = 1, slow = 10ms, slow_rate = 1%, name = "cut in a queue")]
#[bulkhead(adaptive, cap = 10)]
#[rate_limit(1, per = 150ms, burst = 1, wait = 10s)]
async fn queues(runs: &AtomicU32) -> Outcome {
    Ok(runs.fetch_add(1, Ordering::Relaxed))
}

/// Whatever the wait was expected to be, the timeout is over before the turn comes: the clock stands still for the limit.
#[tokio::test(start_paused = true)]
async fn a_call_timed_out_while_waiting_was_not_delivered() {
    #[timeout(100ms)]
    #[with_retry(max = 0, throttle = 2.0)]
    #[circuit_breaker(threshold = 1, rate = 1%, min_calls = 1, slow = 10ms, slow_rate = 1%, name = "cut for a slot")]
    #[bulkhead(1, wait = 10s)]
    async fn waits(runs: &AtomicU32) -> Outcome {
        Ok(runs.fetch_add(1, Ordering::Relaxed))
    }
    let _world = testing::isolate();
    let runs = AtomicU32::new(0);
    let slot = point("cut for a slot").unwrap().bulkhead().unwrap();
    let held = slot.acquire().unwrap();
    let late = async {
        for _ in 0..20 {
            let left = waits(&runs).await.unwrap_err().classify();
            assert_eq!(left.delivered, Delivered::No);
        }
        assert_eq!(queues(&runs).await, Ok(0));
        for _ in 0..20 {
            let left = queues(&runs).await;
            if let Err(left) = left {
                assert_eq!(left.classify().delivered, Delivered::No);
            }
        }
    };
    late.await;
    drop(held);
    for name in ["cut for a slot", "cut in a queue"] {
        let point = point(name).unwrap();
        let now = point.breaker().unwrap().snapshot();
        assert_eq!(
            (now.state, now.failures, now.slow_rate.unwrap_or(0.0)),
            (State::Closed, 0, 0.0),
            "{name}"
        );
        assert_eq!(point.budget().unwrap().refusal(), 0.0, "{name}");
    }
    assert_eq!(point("cut in a queue").unwrap().bulkhead().unwrap().snapshot().slots, 10);
}

/// A bulkhead waits for the time that its callers have left, and its own rejection says why no call was made.
#[tokio::test(start_paused = true)]
async fn a_wait_for_a_slot_that_ends_with_the_time_limit_is_rejected_by_the_bulkhead() {
    #[timeout(100ms)]
    #[bulkhead(1, wait = 10s, name = "waits until the limit")]
    async fn waits() -> Outcome {
        Ok(1)
    }
    let _world = testing::isolate();
    let held = point("waits until the limit").unwrap().bulkhead().unwrap();
    let held = held.acquire().unwrap();
    let rejected = waits().await.unwrap_err();
    assert!(matches!(rejected, Failure::Rejected(Rejected::BulkheadFull { .. })), "{rejected:?}");
    drop(held);
    assert_eq!(waits().await, Ok(1));
}
