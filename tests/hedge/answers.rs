//! The answer of a hedged call.

use super::*;

#[tokio::test(start_paused = true)]
async fn the_first_success_is_returned() {
    for (times, answer, after, begun) in [
        ([0, 0, 0], 0, 0, 1),
        ([10, 0, 0], 0, 10, 1),
        ([11, 0, 0], 1, 10, 2),
        ([100, 50, 0], 1, 60, 2),
        ([60, 55, 0], 0, 60, 2),
    ] {
        let world = testing::isolate();
        let script = Script::taking(times);
        assert_eq!(timed(one(&script)).await, (Ok(answer), after), "{times:?}");
        assert_eq!(script.seen(), (begun, begun - 1), "the loser of {times:?} is dropped");
        assert_eq!(world.events().len(), script.seen().1 as usize);
        let extra = u64::from(begun - 1);
        assert_eq!(counts("one"), (extra, if answer == 1 { extra } else { 0 }, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_extra_call_follows_after_the_same_delay() {
    let world = testing::isolate();
    let script = Script::taking([100, 500, 500]);
    assert_eq!(timed(two(&script)).await, (Ok(0), 100));
    assert_eq!((script.seen(), counts("two")), ((3, 2), (2, 0, 0)));
    let lines: Vec<_> = world.events().iter().map(ToString::to_string).collect();
    assert_eq!(lines, ["two: extra call 1 after 10ms", "two: extra call 2 after 10ms"]);
    let script = Script::taking([100, 100, 5]);
    assert_eq!(timed(two(&script)).await, (Ok(2), 25));
}

#[tokio::test(start_paused = true)]
async fn an_error_waits_for_the_calls_that_run() {
    let _world = testing::isolate();
    let other = Err(Failure::Own(Category::Timeout));
    for (steps, outcome, after, begun) in [
        ([(5, DOWN), (0, Ok(1))], DOWN, 5, 1),
        ([(15, DOWN), (15, Ok(1))], Ok(1), 25, 2),
        ([(30, Ok(0)), (5, DOWN)], Ok(0), 30, 2),
        ([(15, DOWN), (15, other.clone())], DOWN, 25, 2),
        ([(30, DOWN), (5, other.clone())], other, 30, 2),
    ] {
        let script = Script::new(steps);
        assert_eq!(timed(one(&script)).await, (outcome, after), "{script:?}");
        assert_eq!(script.seen().0, begun);
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_refused_by_when_ok_is_a_failure() {
    #[hedge(after = 10ms, idempotent, when_ok = |value| *value == 1)]
    async fn judged(script: &Script) -> Outcome {
        script.call().await
    }
    let _world = testing::isolate();
    assert_eq!(timed(judged(&Script::taking([30, 5]))).await, (Ok(0), 30));
    assert_eq!(timed(judged(&Script::new([(30, DOWN), (5, Ok(1))]))).await, (Ok(1), 30), "the first failure");
}

#[tokio::test(start_paused = true)]
async fn none_is_a_failure() {
    #[hedge(after = 10ms, idempotent)]
    async fn optional(script: &Script) -> Option<u32> {
        script.call().await.ok()
    }
    assert_eq!(timed(optional(&Script::new([(15, DOWN), (15, Ok(1))]))).await, (Some(1), 25));
    assert_eq!(timed(optional(&Script::new([(15, DOWN), (15, DOWN)]))).await, (None, 25));
}

#[tokio::test(start_paused = true)]
async fn dropping_a_call_drops_its_extra_calls() {
    let _world = testing::isolate();
    let script = Script::taking([100, 100, 100]);
    let cut = tokio::time::timeout(MS * 25, two(&script)).await;
    assert!(cut.is_err());
    assert_eq!(script.seen(), (3, 3));
}

#[tokio::test]
async fn a_panic_in_the_body_reaches_the_caller() {
    #[hedge(after = 1ms, idempotent)]
    async fn panics() -> Outcome {
        tokio::task::yield_now().await;
        panic!("the body");
    }
    assert!(tokio::spawn(panics()).await.unwrap_err().is_panic());
}

#[tokio::test(start_paused = true)]
async fn a_panicking_callback_drops_the_other_calls() {
    #[hedge(after = 10ms, idempotent, when_ok = |value| *value / (*value - 1) == 0, name = "judge panics")]
    #[bulkhead(2)]
    async fn judged(script: &Script) -> Outcome {
        script.call().await
    }
    fn no_class() -> Category {
        panic!("no class")
    }
    #[hedge(after = 10ms, idempotent, classify = |_| no_class())]
    async fn classified(script: &Script) -> Outcome {
        script.call().await
    }
    let _world = testing::isolate();
    // The extra call ends first, and 1 / 0 is judged while the call itself runs.
    let script = Script::new([(100, Ok(2)), (5, Ok(1))]);
    assert!(AssertUnwindSafe(judged(&script)).catch_unwind().await.is_err());
    assert_eq!(script.seen(), (2, 1));
    assert_eq!(point("judge panics").unwrap().bulkhead().unwrap().snapshot().in_use, 0);
    assert_eq!(judged(&Script::new([(5, Ok(2))])).await, Ok(2));
    let script = Script::new([(100, DOWN), (5, DOWN)]);
    assert!(AssertUnwindSafe(classified(&script)).catch_unwind().await.is_err());
    assert_eq!(script.seen(), (2, 1));
}
