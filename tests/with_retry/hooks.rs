//! Hooks, panics and dropped futures.

use crate::twins::{always, fails};
use futures::executor::block_on;
use resilience::{Category, Event, testing, with_retry};
use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

thread_local! {
    static HEARD: Cell<(u32, u32)> = const { Cell::new((0, 0)) };
}

fn hear_retry(event: &Event) {
    assert!(matches!(event, Event::Retrying { .. }), "{event:?}");
    HEARD.set((HEARD.get().0 + 1, HEARD.get().1));
}

fn hear_give_up(event: &Event) {
    assert!(matches!(event, Event::GaveUp { .. }), "{event:?}");
    HEARD.set((HEARD.get().0, HEARD.get().1 + 1));
}

fn fall_over(_: &Event) {
    panic!("a hook that panics is ignored");
}

#[test]
fn hooks_receive_retries_and_giving_up() {
    twins!(heard: with_retry(max = 3, on_retry = hear_retry, on_give_up = hear_give_up));
    HEARD.set((0, 0));
    heard(&always(Category::Transient));
    assert_eq!(HEARD.get(), (6, 2), "from both functions");
    heard(&fails(2, Category::Transient));
    assert_eq!(HEARD.get(), (10, 2));
    heard(&always(Category::NotFound));
    assert_eq!(HEARD.get(), (10, 2), "an error that is not retried at the first attempt");
}

#[test]
fn a_hook_that_panics_is_counted_and_ignored() {
    twins!(shaky: with_retry(max = 2, on_retry = fall_over, on_give_up = fall_over));
    let before = resilience::event::hook_panics();
    let seen = shaky(&always(Category::Transient));
    assert_eq!((seen.calls, seen.outcome.unwrap_err().call), (3, 3));
    assert!(resilience::event::hook_panics() >= before + 6);
}

#[with_retry(max = 3)]
fn body_panics(calls: &Cell<u32>) -> Option<u32> {
    calls.set(calls.get() + 1);
    assert!(calls.get() != 2, "body");
    (calls.get() > 2).then_some(calls.get())
}

#[with_retry(max = 3)]
async fn body_panics_later(calls: &Cell<u32>) -> Option<u32> {
    tokio::task::yield_now().await;
    calls.set(calls.get() + 1);
    assert!(calls.get() != 2, "body");
    (calls.get() > 2).then_some(calls.get())
}

#[test]
fn a_panic_in_the_body_is_not_retried() {
    let _world = testing::isolate();
    let calls = Cell::new(0);
    assert!(catch_unwind(AssertUnwindSafe(|| body_panics(&calls))).is_err());
    assert_eq!(calls.get(), 2);
    assert_eq!(body_panics(&calls), Some(3));
    calls.set(0);
    assert!(catch_unwind(AssertUnwindSafe(|| block_on(body_panics_later(&calls)))).is_err());
    assert_eq!(calls.get(), 2);
    assert_eq!(block_on(body_panics_later(&calls)), Some(3));
}

#[test]
fn a_panic_in_when_or_classify_leaves_the_function_usable() {
    static ARMED: AtomicBool = AtomicBool::new(true);
    fn armed() -> bool {
        assert!(!ARMED.load(Ordering::Relaxed), "judge");
        true
    }
    #[with_retry(max = 3, when = |_| armed())]
    fn when(calls: &Cell<u32>) -> Result<(), u8> {
        calls.set(calls.get() + 1);
        Err(1)
    }
    #[with_retry(max = 3, classify = |_| { armed(); Category::Transient })]
    fn classify(calls: &Cell<u32>) -> Result<(), u8> {
        calls.set(calls.get() + 1);
        Err(1)
    }
    let _world = testing::isolate();
    let (by_when, by_classify) = (Cell::new(0), Cell::new(0));
    let _ = catch_unwind(AssertUnwindSafe(|| when(&by_when)));
    let _ = catch_unwind(AssertUnwindSafe(|| classify(&by_classify)));
    ARMED.store(false, Ordering::Relaxed);
    by_when.set(0);
    by_classify.set(0);
    assert!(when(&by_when).is_err() && classify(&by_classify).is_err());
    assert_eq!((by_when.get(), by_classify.get()), (4, 4));
}

#[test]
fn a_panicking_backoff_function_does_not_end_the_call() {
    fn falls_over(_: u32) -> Duration {
        panic!("backoff")
    }
    twins!(shaky: with_retry(max = 1, backoff = falls_over, jitter = none));
    assert_eq!(shaky(&fails(1, Category::Transient)).outcome, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn a_future_dropped_between_attempts_makes_no_further_call() {
    #[with_retry(max = 3, base = 1s, jitter = none)]
    async fn call(calls: &Cell<u32>) -> Option<u32> {
        calls.set(calls.get() + 1);
        (calls.get() > 2).then_some(calls.get())
    }
    let world = testing::isolate();
    let calls = Cell::new(0);
    {
        let mut future = pin!(call(&calls));
        assert_eq!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending);
    }
    assert_eq!(calls.get(), 1);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(calls.get(), 1);
    assert!(!world.events().iter().any(|event| matches!(event, Event::GaveUp { .. })));
    assert_eq!(call(&calls).await, Some(3));
}

#[tokio::test(start_paused = true)]
async fn waits_use_the_tokio_clock() {
    #[with_retry(max = 2, base = 1s, jitter = none)]
    async fn call() -> Option<()> {
        None
    }
    let start = tokio::time::Instant::now();
    assert_eq!(call().await, None);
    assert_eq!(start.elapsed(), Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn concurrent_calls_of_one_function_are_independent() {
    #[with_retry(max = 3, jitter = none)]
    async fn call(fails: u32, calls: &Cell<u32>) -> Option<u32> {
        calls.set(calls.get() + 1);
        tokio::task::yield_now().await;
        (calls.get() > fails).then_some(calls.get())
    }
    let counts: [Cell<u32>; 4] = Default::default();
    let (a, b, c, d) =
        tokio::join!(call(0, &counts[0]), call(1, &counts[1]), call(3, &counts[2]), call(9, &counts[3]));
    assert_eq!([a, b, c, d], [Some(1), Some(2), Some(4), None]);
}
