//! `#[bulkhead(adaptive)]`: the number of slots follows how calls end.

use super::{Failure, Outcome, poll};
use resilience::testing::{self, World};
use resilience::{Bulkhead, Category, Rejected, bulkhead, circuit_breaker, point, timeout, with_retry};
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::time::Duration;
use tokio::sync::oneshot;

fn slots(name: &str) -> u32 {
    point(name).unwrap().bulkhead().unwrap().snapshot().slots
}

fn fails(category: Category) -> Outcome {
    Err(Failure::Own(category))
}

#[bulkhead(adaptive, name = "judged")]
fn judged(outcome: Outcome) -> Outcome {
    outcome
}

#[bulkhead(adaptive, wait = 1s, name = "judged async")]
async fn judged_async(outcome: Outcome) -> Outcome {
    outcome
}

#[bulkhead(adaptive, name = "judged at once")]
async fn judged_at_once(outcome: Outcome) -> Outcome {
    outcome
}

/// A second between any two calls, so that each may lower the number.
fn play(world: &World, name: &str, mut call: impl FnMut(Outcome)) {
    let mut after = |outcome| {
        world.advance(Duration::from_secs(1));
        call(outcome);
        slots(name)
    };
    assert_eq!(after(Ok(1)), 20, "where it begins");
    let overloads = [Category::Timeout, Category::RateLimited, Category::Unavailable];
    assert_eq!(overloads.map(|category| after(fails(category))), [18, 16, 14]);
    let others = Category::ALL.iter().filter(|category| !overloads.contains(category));
    for category in others {
        assert_eq!(after(fails(*category)), 14, "{category} says nothing of the load");
    }
    let refused = testing::rejected::bulkhead_full("below");
    assert_eq!(after(Err(Failure::Rejected(refused))), 14, "nothing reached the service");
    let cut = testing::rejected::rate_limited("below", Some(Duration::from_secs(1)));
    assert_eq!(after(Err(Failure::Rejected(cut))), 14, "nor this");
    point(name).unwrap().bulkhead().unwrap().reset();
    assert_eq!(slots(name), 20);
}

#[test]
fn only_overload_lowers_the_number_of_slots() {
    let world = testing::isolate();
    play(&world, "judged", |outcome| drop(judged(outcome)));
    let block_on = |future| drop(futures::executor::block_on(future));
    play(&world, "judged async", |outcome| block_on(judged_async(outcome)));
    let block_on = |future| drop(futures::executor::block_on(future));
    play(&world, "judged at once", |outcome| block_on(judged_at_once(outcome)));
}

#[test]
fn a_window_counts_at_most_one_overload() {
    let _world = testing::isolate();
    for _ in 0..10 {
        let _ = judged(fails(Category::Unavailable));
    }
    assert_eq!(slots("judged"), 18);
}

#[timeout(1s)]
#[bulkhead(adaptive, floor = 2, cap = 10, name = "cut")]
async fn cut() -> Outcome {
    pending().await
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_by_its_own_timeout_is_an_overload() {
    let _world = testing::isolate();
    assert_eq!(slots("cut"), 10, "20, within its bounds");
    let point = resilience::point("cut").expect("a point").to_string();
    assert!(point.contains("bulkhead(slots = 10,"), "{point}");
    assert!(matches!(cut().await, Err(Failure::Rejected(Rejected::TimedOut { .. }))));
    assert_eq!(slots("cut"), 9);
    let mut dropped = Box::pin(cut());
    assert!(poll(dropped.as_mut()).is_pending());
    drop(dropped);
    assert_eq!(slots("cut"), 9, "its caller has no more use for it, which says nothing");
    for _ in 0..40 {
        let _ = cut().await;
    }
    assert_eq!(slots("cut"), 2, "not below `floor`");
}

#[timeout(1s)]
#[bulkhead(2, adaptive, cap = 2, wait = 5s, name = "waits")]
async fn waits(end: oneshot::Receiver<()>) -> Outcome {
    end.await.map(|()| 1).map_err(|_| Failure::Own(Category::Cancelled))
}

#[tokio::test(start_paused = true)]
async fn a_call_cut_off_while_waiting_changes_no_slots() {
    let _world = testing::isolate();
    let (one, other) = (oneshot::channel(), oneshot::channel());
    let (mut first, mut second) = (pin!(waits(one.1)), pin!(waits(other.1)));
    assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
    let third = waits(oneshot::channel().1).await;
    assert!(third.is_err());
    assert_eq!(slots("waits"), 2);
}

#[test]
fn a_panic_changes_no_slots() {
    #[bulkhead(adaptive, name = "panics")]
    fn panics() -> Outcome {
        panic!("body")
    }
    let _world = testing::isolate();
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    let now = point("panics").unwrap().bulkhead().unwrap().snapshot();
    assert_eq!((now.slots, now.in_use), (20, 0));
}

#[bulkhead(4, adaptive, name = "grows")]
async fn grows() -> Outcome {
    tokio::time::sleep(Duration::from_millis(100)).await;
    Ok(1)
}

#[tokio::test(start_paused = true)]
async fn slots_grow_while_they_are_used_and_latency_is_stable() {
    let _world = testing::isolate();
    for _ in 0..200 {
        let calls = (0..40).map(|_| grows());
        futures::future::join_all(calls).await;
    }
    let now = point("grows").unwrap().bulkhead().unwrap().snapshot();
    assert!(now.slots >= 40, "{now}");
    assert_eq!(now.usual_latency, Some(Duration::from_millis(100)));
}

#[bulkhead(2, adaptive, wait = 10s, queue = 100, name = "lets in")]
async fn lets_in() -> Outcome {
    tokio::time::sleep(Duration::from_millis(100)).await;
    Ok(1)
}

#[tokio::test(start_paused = true)]
async fn waiting_callers_get_added_slots() {
    let _world = testing::isolate();
    let outcomes = futures::future::join_all((0..90).map(|_| lets_in())).await;
    assert!(outcomes.iter().all(Result::is_ok));
    let now = point("lets in").unwrap().bulkhead().unwrap().snapshot();
    assert!(now.slots > 2, "{now}");
    assert_eq!((now.in_use, now.waiting, now.rejected), (0, 0, 0));
}

#[bulkhead(1, adaptive, cap = 1, wait = 60s, queue = 100, name = "measures")]
async fn measures() -> Outcome {
    tokio::time::sleep(Duration::from_millis(100)).await;
    Ok(1)
}

#[tokio::test(start_paused = true)]
async fn time_in_the_queue_does_not_count_as_latency() {
    let _world = testing::isolate();
    let start = tokio::time::Instant::now();
    let outcomes = futures::future::join_all((0..100).map(|_| measures())).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(start.elapsed(), Duration::from_secs(10), "most have waited for seconds");
    let now = point("measures").unwrap().bulkhead().unwrap().snapshot();
    assert_eq!((now.slots, now.usual_latency), (1, Some(Duration::from_millis(100))), "{now}");
}

#[bulkhead(adaptive, cap = 10, key = host, name = "for each")]
fn for_each(host: &str, outcome: Outcome) -> Outcome {
    let _ = host;
    outcome
}

#[test]
fn each_key_has_its_own_number_of_slots() {
    let _world = testing::isolate();
    let _ = for_each("a", fails(Category::Unavailable));
    let _ = for_each("b", Ok(1));
    let slots = |key: &str| point("for each").unwrap().key(key).bulkhead().unwrap().snapshot().slots;
    assert_eq!((slots("a"), slots("b")), (9, 10));
}

#[test]
fn a_shared_instance_learns_from_every_function() {
    static OWN: Bulkhead = Bulkhead::new("own adaptive", 10).adaptive().cap(10).checked();
    #[bulkhead(instance = OWN)]
    fn one(outcome: Outcome) -> Outcome {
        outcome
    }
    #[bulkhead(instance = OWN)]
    async fn other(outcome: Outcome) -> Outcome {
        outcome
    }
    let world = testing::isolate();
    let _ = one(fails(Category::Unavailable));
    assert_eq!(OWN.snapshot().slots, 9);
    world.advance(Duration::from_secs(1));
    let _ = futures::executor::block_on(other(fails(Category::Timeout)));
    assert_eq!(OWN.snapshot().slots, 8);
    world.advance(Duration::from_secs(1));
    OWN.acquire().unwrap().failure(&Category::RateLimited);
    assert_eq!(OWN.snapshot().slots, 7);
    OWN.acquire().unwrap().success();
    let judge = |outcome: &Outcome| outcome.as_ref().err().map(resilience::Classify::classify);
    world.advance(Duration::from_secs(1));
    let _ = OWN.call_judged(|| fails(Category::Unavailable), judge);
    assert_eq!(OWN.snapshot().slots, 6);
    world.advance(Duration::from_secs(1));
    let call = OWN.call_async_judged(async || fails(Category::Unavailable), judge);
    let _ = futures::executor::block_on(call);
    assert_eq!(OWN.snapshot().slots, 5);
    world.advance(Duration::from_secs(1));
    let _ = OWN.call(|| fails(Category::Unavailable));
    assert_eq!(OWN.snapshot().slots, 5, "`call` knows only of successes");
}

#[with_retry(max = 2, base = 1s, jitter = none)]
#[circuit_breaker(threshold = 5, name = "stack")]
#[bulkhead(adaptive, floor = 1, cap = 10)]
fn stack(calls: &dyn Fn() -> Outcome) -> Outcome {
    calls()
}

#[test]
fn each_attempt_below_a_retry_counts() {
    let _world = testing::isolate();
    assert!(stack(&|| fails(Category::Unavailable)).is_err());
    assert_eq!(slots("stack"), 7, "10, 9, 8.1, 7.29");
}

#[test]
fn the_inventory_shows_the_bounds_and_the_current_slots() {
    let _world = testing::isolate();
    let _ = for_each("a", fails(Category::Unavailable));
    let shown = point("judged").unwrap().to_string();
    assert!(
        shown.contains("bulkhead(slots = 20, wait = 0s, adaptive = true, floor = 1, cap = 200)"),
        "{shown}"
    );
    let fixed = point("two").unwrap().to_string();
    assert!(fixed.contains("bulkhead(slots = 2, wait = 0s)"), "{fixed}");
    let state = point("judged").unwrap().snapshot().to_string();
    assert!(state.contains("slots 20"), "{state}");
}
