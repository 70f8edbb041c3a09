//! When an extra call is made, and when not.

use super::*;

#[tokio::test(start_paused = true)]
async fn extra_calls_need_a_free_slot() {
    static FULL: Bulkhead = Bulkhead::new("full", 1).wait(Duration::from_secs(1));
    #[hedge(after = 10ms, idempotent, name = "slots")]
    #[bulkhead(1, wait = 1s)]
    async fn slots(script: &Script) -> Outcome {
        script.call().await
    }
    #[hedge(after = 10ms, idempotent, name = "refused slots")]
    #[bulkhead(1)]
    async fn refused(script: &Script) -> Outcome {
        script.call().await
    }
    #[hedge(after = 10ms, idempotent, name = "given slots")]
    #[bulkhead(instance = FULL)]
    async fn given(script: &Script) -> Outcome {
        script.call().await
    }
    let world = testing::isolate();
    let times = [30, 1];
    assert_eq!(timed(slots(&Script::taking(times))).await, (Ok(0), 30));
    assert_eq!(timed(refused(&Script::taking(times))).await, (Ok(0), 30));
    assert_eq!(timed(given(&Script::taking(times))).await, (Ok(0), 30));
    for name in ["slots", "refused slots", "given slots"] {
        assert_eq!(counts(name), (0, 0, 1), "{name}");
        assert_eq!(point(name).unwrap().hedge().unwrap().snapshot().tokens, 500, "it was not made");
    }
    let rejected = point("slots").unwrap().bulkhead().unwrap().snapshot();
    assert_eq!((rejected.rejected, rejected.waited, FULL.snapshot().rejected), (0, 0, 0));
    assert_eq!(world.events(), []);
}

#[tokio::test(start_paused = true)]
async fn extra_calls_take_a_free_slot_beside_an_unused_turn() {
    static THREE: Bulkhead = Bulkhead::new("three", 3).wait(Duration::from_secs(1));
    #[hedge(after = 10ms, idempotent, name = "beside a turn")]
    #[bulkhead(instance = THREE)]
    async fn beside(script: &Script) -> Outcome {
        script.call().await
    }
    let _world = testing::isolate();
    let slots: Vec<_> = (0..3).map(|_| THREE.acquire().unwrap()).collect();
    let mut held = pin!(THREE.acquire_async());
    assert!(futures::poll!(held.as_mut()).is_pending());
    drop(slots);
    assert_eq!(timed(beside(&Script::taking([30, 1]))).await, (Ok(1), 11));
    assert_eq!(counts("beside a turn"), (1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn extra_calls_need_a_free_permit_of_the_rate_limit() {
    #[hedge(after = 10ms, idempotent, name = "rate")]
    #[rate_limit(1, per = 1m, wait = 2m)]
    async fn rate(script: &Script) -> Outcome {
        script.call().await
    }
    let world = testing::isolate();
    assert_eq!(timed(rate(&Script::taking([30, 1]))).await, (Ok(0), 30));
    let limit = point("rate").unwrap().rate_limit().unwrap().snapshot();
    assert_eq!((counts("rate"), limit.rejected, limit.waited), ((0, 0, 1), 0, 0));
    assert_eq!(world.events(), []);
}

#[tokio::test(start_paused = true)]
async fn extra_calls_are_not_made_while_the_first_call_waits() {
    #[hedge(after = 10ms, idempotent, name = "queued")]
    #[bulkhead(1, wait = 1s)]
    async fn queued(script: &Script) -> Outcome {
        script.call().await
    }
    let _world = testing::isolate();
    let script = Script::taking([35, 5]);
    let (first, second) = tokio::join!(queued(&script), queued(&script));
    assert_eq!((first, second, script.seen()), (Ok(0), Ok(1), (2, 0)));
    assert_eq!(counts("queued"), (0, 0, 2));
}

#[tokio::test(start_paused = true)]
async fn extra_calls_are_not_made_through_an_open_breaker() {
    #[hedge(after = 10ms, idempotent, name = "opens")]
    #[circuit_breaker(threshold = 1, recovery = 1m)]
    async fn opens(script: &Script) -> Outcome {
        script.call().await
    }
    let world = testing::isolate();
    let script = Script::new([(30, Ok(0)), (5, DOWN)]);
    let call = async {
        sleep(MS * 5).await;
        opens(&Script::new([(0, DOWN)])).await
    };
    let (answer, failed) = tokio::join!(opens(&script), call);
    assert_eq!((answer, failed, script.seen()), (Ok(0), DOWN, (1, 0)));
    assert_eq!(counts("opens"), (0, 0, 1));
    let shown = point("opens").unwrap().snapshot().policies[1].to_string();
    assert!(shown.contains("rejected 0"), "{shown}");
    assert_eq!(world.events().len(), 1, "only that it opened");
    let refused = opens(&script).await;
    assert!(matches!(refused, Err(Failure::Rejected(Rejected::CircuitOpen { .. }))), "the call itself is");
}

#[tokio::test(start_paused = true)]
async fn extra_calls_are_not_made_without_time_left() {
    #[timeout(25ms)]
    #[hedge(after = 10ms, max = 2, idempotent, name = "limited")]
    async fn limited(script: &Script) -> Outcome {
        script.call().await
    }
    let _world = testing::isolate();
    let script = Script::taking([100, 100, 0]);
    assert!(limited(&script).await.is_err());
    assert_eq!((script.seen().0, counts("limited")), (2, (1, 0, 1)), "5 ms are left for the third");
    const SHORT: Timeout = Timeout::new(Duration::from_millis(20));
    let script = Script::taking([15, 0]);
    assert_eq!(SHORT.call_async(|| one(&script)).await, Ok(0));
    assert_eq!((script.seen().0, counts("one")), (1, (0, 0, 1)), "10 ms are left of 20");
}

#[tokio::test(start_paused = true)]
async fn extra_calls_need_a_budget_more_than_half_full() {
    static SMALL: Budget = Budget::new().capacity(20).refill(0);
    #[hedge(after = 10ms, idempotent, budget = SMALL, name = "budgeted")]
    async fn budgeted(script: &Script) -> Outcome {
        script.call().await
    }
    let _world = testing::isolate();
    let slow = || Script::new([(30, DOWN), (30, DOWN)]);
    for (tokens, made) in [(15, 2), (10, 2), (10, 1)] {
        let script = slow();
        assert_eq!(budgeted(&script).await, DOWN);
        assert_eq!((SMALL.tokens(), script.seen().0), (tokens, made));
    }
    assert_eq!((counts("budgeted"), SMALL.denied()), ((2, 0, 1), 0), "no retry was denied");
    assert_eq!(budgeted(&Script::taking([1])).await, Ok(0));
    assert_eq!(SMALL.tokens(), 11);
    assert_eq!(budgeted(&Script::taking([30, 1])).await, Ok(1));
    assert_eq!(SMALL.tokens(), 11 - 5 + 1, "one call returns one token");
}

#[tokio::test(start_paused = true)]
async fn extra_calls_are_paid_by_the_budget_of_the_retry() {
    #[with_retry(max = 1, base = 0s, name = "retried")]
    #[hedge(after = 10ms, idempotent)]
    async fn retried(script: &Script) -> Outcome {
        script.call().await
    }
    #[with_retry(max = 1, base = 0s, name = "keyed")]
    #[hedge(after = 10ms, idempotent, key = host)]
    async fn keyed(host: &str, script: &Script) -> Outcome {
        let _ = host;
        script.call().await
    }
    let _world = testing::isolate();
    let script = Script::new([(30, DOWN), (30, DOWN), (30, Ok(2)), (5, Ok(3))]);
    assert_eq!(timed(retried(&script)).await, (Ok(3), 40 + 15), "each attempt is hedged");
    let tokens = point("retried").unwrap().budget().unwrap().tokens();
    assert_eq!((tokens, counts("retried")), (500 - 3 * 5 + 1, (2, 1, 0)));
    assert_eq!(point("retried").unwrap().hedge().unwrap().snapshot().tokens, 500);
    let info = point("retried").unwrap().info();
    assert_eq!((info.max_calls, &*info.stack[1].to_string()), (4, "hedge(after = 10ms, max = 1)"));
    assert_eq!(keyed("a", &Script::taking([30, 1])).await, Ok(1));
    let keyed = point("keyed").unwrap();
    assert_eq!(keyed.key("a").budget().unwrap().tokens(), 496);
    assert_eq!(keyed.key("a").hedge().unwrap().snapshot().hedged, 1);
}
