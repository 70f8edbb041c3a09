//! A service that gets too many calls, or becomes slow for good, and the policies in front of it together.

use super::*;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use resilience::{
    AdaptiveTimeout, Bulkhead, CircuitBreaker, Hedge, RateLimit, State, bulkhead, circuit_breaker, hedge,
    point, rate_limit, timeout,
};
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::time::sleep;

#[timeout(adaptive, floor = 50ms, cap = 10s, name = "steps")]
#[hedge(after = p95, idempotent)]
#[bulkhead(adaptive, cap = 40)]
async fn steps(latency: Duration) -> Outcome {
    sleep(latency).await;
    Ok(1)
}

/// Makes `calls` calls, `at_once` of them at a time, and returns how many succeeded.
async fn run<F: Future<Output = Outcome>>(calls: u32, at_once: usize, call: impl Fn() -> F) -> u32 {
    let (mut running, mut begun, mut good) = (FuturesUnordered::new(), 0, 0);
    loop {
        while running.len() < at_once && begun < calls {
            begun += 1;
            running.push(call());
        }
        match running.next().await {
            Some(outcome) => good += u32::from(outcome.is_ok()),
            None => return good,
        }
    }
}

/// Of 15 at once more have begun, and are cut, before the first of them shows what has changed.
#[tokio::test(start_paused = true)]
async fn adaptive_policies_recover_within_100_calls() {
    for (at_once, calls) in [(1, 100), (4, 100), (15, 150)] {
        let _world = testing::isolate();
        let now = || {
            let point = point("steps").unwrap();
            let timeout = point.adaptive_timeout().unwrap().snapshot();
            (timeout.limit, point.hedge().unwrap().snapshot(), point.bulkhead().unwrap().snapshot())
        };
        assert_eq!(run(1_000, at_once, || steps(MS * 100)).await, 1_000);
        let (limit, hedge, _) = now();
        assert!(limit < MS * 300 && hedge.after.unwrap() < MS * 150, "{limit:?} {hedge}");
        run(calls, at_once, || steps(MS * 500)).await;
        let (limit, hedge, slots) = now();
        assert!(limit > MS * 500, "{limit:?} with {at_once} at once");
        assert!(hedge.after.unwrap() >= MS * 500, "{hedge} with {at_once} at once");
        assert!(slots.slots as usize >= at_once, "{slots} with {at_once} at once");
        assert_eq!(run(1_000, at_once, || steps(MS * 500)).await, 1_000, "{at_once} at once");
        let (_, hedge, slots) = now();
        assert!(hedge.hedged * 10 < 1_100, "{hedge}");
        assert!(slots.slots as usize >= at_once, "{slots} with {at_once} at once");
    }
}

#[circuit_breaker(threshold = 1, rate = 1%, min_calls = 1, slow = 150ms, slow_rate = 1%, name = "overloaded")]
#[rate_limit(20, per = 1s, burst = 2, wait = 100ms)]
#[bulkhead(2, wait = 50ms)]
async fn overloaded(runs: &AtomicU32) -> Outcome {
    sleep(MS * 100).await;
    Ok(runs.fetch_add(1, Ordering::Relaxed))
}

#[circuit_breaker(threshold = 1, rate = 1%, min_calls = 1, name = "overloaded sync")]
#[rate_limit(20, per = 1s, burst = 2)]
#[bulkhead(2)]
fn overloaded_sync(runs: &AtomicU32) -> Outcome {
    Ok(runs.fetch_add(1, Ordering::Relaxed))
}

/// Ten times as many calls as there are permits and slots, for ten seconds.
#[tokio::test(start_paused = true)]
async fn a_breaker_above_a_limit_and_slots_never_opens() {
    let world = testing::isolate();
    let (runs, refused) = (AtomicU32::new(0), AtomicU32::new(0));
    let arrivals = (0..2_000_u32).map(|n| {
        let (runs, refused) = (&runs, &refused);
        async move {
            sleep(MS * 5 * n).await;
            if overloaded(runs).await.is_err() {
                refused.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    futures::future::join_all(arrivals).await;
    let now = point("overloaded").unwrap().breaker().unwrap().snapshot();
    assert_eq!((now.state, now.failures, now.slow_rate), (State::Closed, 0, Some(0.0)));
    let (ran, refused) = (runs.swap(0, Ordering::Relaxed), refused.into_inner());
    assert_eq!(ran + refused, 2_000);
    assert!((150..=205).contains(&ran), "{ran}");
    for n in 0..2_000 {
        let slots = point("overloaded sync").unwrap().bulkhead().unwrap();
        let held = (n % 3 == 0).then(|| [slots.acquire().unwrap(), slots.acquire().unwrap()]);
        let _ = overloaded_sync(&runs);
        drop(held);
        tokio::time::advance(MS * 5).await;
    }
    let now = point("overloaded sync").unwrap().breaker().unwrap().snapshot();
    assert_eq!((now.state, now.failures), (State::Closed, 0));
    assert!(runs.into_inner() > 90);
    assert!(world.events().iter().all(|event| matches!(event, resilience::Event::Rejected { .. })));
}

/// The same with values that closures are passed through.
#[tokio::test(start_paused = true)]
async fn policy_values_survive_overload() {
    static BREAKER: CircuitBreaker = CircuitBreaker::new("by hand").threshold(1);
    static LIMIT: RateLimit = RateLimit::new("by hand", 20, SECOND).burst(2).wait(Duration::from_millis(100));
    static SLOTS: Bulkhead = Bulkhead::new("by hand", 2).wait(Duration::from_millis(50));
    static HEDGE: Hedge = Hedge::at_percentile("by hand", 95);
    static TIMEOUT: AdaptiveTimeout = AdaptiveTimeout::new("by hand", MS, SECOND);
    let _world = testing::isolate();
    let call = async |n: u32| -> Outcome {
        sleep(MS * 5 * n).await;
        let body = async || {
            sleep(MS * 100).await;
            Ok(n)
        };
        let slots = async || SLOTS.call_async(body).await;
        let limited = async || LIMIT.call_async(slots).await;
        let guarded = async || BREAKER.call_async(limited).await;
        TIMEOUT.call_async(async || HEDGE.call_async(guarded).await).await
    };
    let outcomes = futures::future::join_all((0..2_000).map(call)).await;
    let good = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert!((150..=205).contains(&good), "{good}");
    assert_eq!((BREAKER.state(), BREAKER.snapshot().failures), (State::Closed, 0));
    assert_eq!((SLOTS.snapshot().in_use, SLOTS.snapshot().waiting, LIMIT.snapshot().waiting), (0, 0, 0));
}

/// A task that has used its budget of tokio finds every resource of tokio not ready: that is no overload.
#[tokio::test(start_paused = true)]
async fn an_exhausted_tokio_task_budget_causes_no_rejection() {
    static SLOTS: Bulkhead = Bulkhead::new("without budget", 2);
    #[timeout(1s)]
    #[circuit_breaker(threshold = 1, slow = 1ms, min_calls = 1)]
    #[rate_limit(1_000, per = 1s, wait = 1s)]
    #[bulkhead(2, wait = 1s)]
    async fn at_once() -> Outcome {
        Ok(1)
    }
    let _world = testing::isolate();
    let used_up = async || {
        while futures::future::poll_immediate(tokio::task::consume_budget()).await.is_some() {}
    };
    for _ in 0..100 {
        used_up().await;
        assert_eq!(futures::future::poll_immediate(at_once()).await, Some(Ok(1)));
        let by_hand = futures::future::poll_immediate(SLOTS.call_async(async || Outcome::Ok(1))).await;
        assert_eq!(by_hand, Some(Ok(1)));
        tokio::task::yield_now().await;
    }
}

/// Writers of few keys, and clears between them, in one moment of the clock.
#[test]
fn a_cache_that_is_written_by_many_threads_keeps_its_bound() {
    static CACHE: resilience::Cache = resilience::Cache::new("bounded").max(50);
    let world = testing::isolate();
    std::thread::scope(|scope| {
        for thread in 0..4_u32 {
            let handle = world.handle();
            scope.spawn(move || {
                handle.run(|| {
                    for n in 0..3_000_u32 {
                        let key = (n * 7 + thread) % 120;
                        CACHE.put(&key, n);
                        let call = CACHE.call::<Outcome>(&key, || Ok(n));
                        assert!(call.is_ok());
                        if n % 1_000 == 0 {
                            CACHE.invalidate(&key);
                        }
                    }
                });
            });
        }
    });
    assert_eq!(CACHE.snapshot().entries, 50);
    CACHE.clear();
    assert_eq!((CACHE.get::<u32>(&1_u32, Duration::MAX), CACHE.snapshot().entries), (None, 0));
    CACHE.put(&1_u32, 7_u32);
    assert_eq!(CACHE.get::<u32>(&1_u32, Duration::MAX), Some(7), "what comes at the moment of a clear stays");
}
