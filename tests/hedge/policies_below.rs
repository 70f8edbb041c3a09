//! Policies below a hedge: how they count its calls.

use super::*;

#[tokio::test(start_paused = true)]
async fn losers_do_not_count_for_the_breaker() {
    #[hedge(after = 10ms, idempotent, name = "guarded")]
    #[circuit_breaker(threshold = 1)]
    async fn guarded(script: &Script) -> Outcome {
        script.call().await
    }
    let _world = testing::isolate();
    assert_eq!(guarded(&Script::taking([100, 5])).await, Ok(1));
    assert_eq!(guarded(&Script::taking([20, 50])).await, Ok(0));
    let shown = point("guarded").unwrap().snapshot().policies[1].to_string();
    assert_eq!(
        shown,
        "circuit_breaker closed: opened 0, rejected 0, failures 0, cancelled 2, panicked 0, slow 0, ignored 0"
    );
}

#[tokio::test(start_paused = true)]
async fn a_slow_loser_counts_as_slow_but_not_as_a_failure() {
    #[hedge(after = 50ms, idempotent, name = "slow losers")]
    #[circuit_breaker(threshold = 1, slow = 40ms, slow_rate = 90%, window = 10, min_calls = 2)]
    async fn guarded(script: &Script) -> Outcome {
        script.call().await
    }
    let _world = testing::isolate();
    let breaker = point("slow losers").unwrap().breaker().unwrap();
    let now = || {
        let now = breaker.snapshot();
        (now.state, now.failures, now.calls, now.slow_rate)
    };
    assert_eq!(guarded(&Script::taking([100, 5])).await, Ok(1));
    assert_eq!(now(), (State::Closed, 0, Some(2), Some(0.5)), "it ran for 55 ms");
    assert_eq!(guarded(&Script::taking([60, 20])).await, Ok(0));
    let (state, failures, calls, rate) = now();
    assert_eq!((state, failures, calls), (State::Closed, 0, Some(3)), "one that lost after 10 ms is nothing");
    assert!(rate.is_some_and(|rate| rate > 0.6), "two of three are slow: {rate:?}");
}

#[tokio::test(start_paused = true)]
async fn a_loser_returns_its_probe() {
    #[hedge(after = 10ms, idempotent, name = "probed")]
    #[circuit_breaker(threshold = 1, recovery = 1s, probes = 2, successes = 2)]
    async fn probed(script: &Script) -> Outcome {
        script.call().await
    }
    #[hedge(after = 10ms, idempotent, name = "one probe")]
    #[circuit_breaker(threshold = 1, recovery = 1s)]
    async fn one_probe(script: &Script) -> Outcome {
        script.call().await
    }
    let _world = testing::isolate();
    assert_eq!(probed(&Script::new([(0, DOWN)])).await, DOWN);
    assert_eq!(one_probe(&Script::new([(0, DOWN)])).await, DOWN);
    sleep(MS * 1_000).await;
    let breaker = point("probed").unwrap().breaker().unwrap();
    assert_eq!(probed(&Script::taking([100, 5])).await, Ok(1));
    assert_eq!((breaker.state(), breaker.is_available()), (State::HalfOpen, true));
    assert_eq!(probed(&Script::taking([5])).await, Ok(0));
    assert_eq!(breaker.state(), State::Closed);
    let script = Script::taking([30, 5]);
    assert_eq!(one_probe(&script).await, Ok(0));
    assert_eq!((script.seen().0, counts("one probe")), (1, (0, 0, 1)), "the probe is under way");
}

#[tokio::test(start_paused = true)]
async fn an_outer_timeout_ends_every_call() {
    #[timeout(50ms)]
    #[hedge(after = 10ms, idempotent, name = "cut")]
    #[circuit_breaker(threshold = 9)]
    async fn cut(script: &Script) -> Outcome {
        script.call().await
    }
    let _world = testing::isolate();
    let script = Script::taking([100, 100]);
    let (outcome, after) = timed(cut(&script)).await;
    assert!(matches!(outcome, Err(Failure::Rejected(Rejected::TimedOut { .. }))));
    assert_eq!((after, script.seen()), (50, (2, 2)));
    assert_eq!(point("cut").unwrap().breaker().unwrap().snapshot().failures, 2);
}

#[tokio::test(start_paused = true)]
async fn every_call_has_its_own_timeout_and_slot() {
    #[timeout(1s)]
    #[hedge(after = 10ms, idempotent)]
    #[bulkhead(4, name = "contexts")]
    #[timeout(30ms)]
    async fn contexts(left: &Mutex<Vec<u128>>) -> Outcome {
        let bulkhead = point("contexts").unwrap().bulkhead().unwrap();
        for _ in 0..2 {
            left.lock().unwrap().push(resilience::remaining().unwrap().as_millis());
            sleep(MS * 15).await;
        }
        Ok(bulkhead.snapshot().in_use)
    }
    let left = Mutex::default();
    assert_eq!(timed(contexts(&left)).await, (Ok(2), 30));
    assert_eq!(left.into_inner().unwrap(), [30, 30, 15, 15]);
    assert_eq!(point("contexts").unwrap().bulkhead().unwrap().snapshot().in_use, 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_inside_an_extra_one_waits_for_its_own_admission() {
    #[bulkhead(1, wait = 1s)]
    async fn inner(script: &Script) -> Outcome {
        script.call().await
    }
    #[hedge(after = 10ms, idempotent)]
    async fn outer(script: &Script) -> Outcome {
        inner(script).await
    }
    let _world = testing::isolate();
    let script = Script::new([(30, DOWN), (5, Ok(1))]);
    assert_eq!(
        timed(outer(&script)).await,
        (Ok(1), 35),
        "the extra call waits for the slot of another function"
    );
}

#[tokio::test(start_paused = true)]
async fn degrade_and_fallback_compose_with_hedge() {
    #[derive(Debug)]
    struct Plan(u32);
    impl Simplify for Plan {
        fn simplify(&self, level: u32) -> Option<Self> {
            Some(Plan(self.0 >> level))
        }
    }
    #[with_fallback(value = 99)]
    #[degrade(plan, max = 1)]
    #[hedge(after = 10ms, idempotent)]
    async fn above(plan: &Plan, script: &Script) -> Outcome {
        script.call().await.map(|number| number + plan.0)
    }
    #[hedge(after = 10ms, idempotent)]
    #[degrade(plan, max = 1)]
    async fn below(plan: &Plan, script: &Script) -> Outcome {
        script.call().await.map(|number| number + plan.0)
    }
    let _world = testing::isolate();
    let script = Script::new([(15, DOWN), (15, DOWN), (30, Ok(2)), (5, Ok(3))]);
    assert_eq!(timed(above(&Plan(100), &script)).await, (Ok(53), 25 + 15));
    assert_eq!(above(&Plan(100), &Script::new([(1, DOWN)])).await, Ok(99));
    let script = Script::new([(5, DOWN), (30, Ok(1)), (20, DOWN), (60, Ok(3))]);
    assert_eq!(timed(below(&Plan(100), &script)).await, (Ok(51), 35));
}
