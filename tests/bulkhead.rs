//! `#[bulkhead]`: no more calls run at once than there are slots.

use resilience::classify::Delivered;
use resilience::testing::{self, World};
use resilience::{
    Bulkhead, Category, Classification, Classify, Event, Rejected, bulkhead, circuit_breaker, point,
    shutdown_blocking, timeout, with_fallback, with_retry,
};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::oneshot;

#[path = "bulkhead/adaptive.rs"]
mod adaptive;
#[path = "bulkhead/beside_other_policies.rs"]
mod beside_other_policies;
#[path = "bulkhead/in_the_queue.rs"]
mod in_the_queue;
#[path = "bulkhead/keys.rs"]
mod keys;
#[path = "bulkhead/shapes.rs"]
mod shapes;

#[derive(Debug, PartialEq)]
enum Failure {
    Own(Category),
    Rejected(Rejected),
}

impl From<Rejected> for Failure {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

impl Classify for Failure {
    fn classify(&self) -> Classification {
        match self {
            Self::Own(category) => (*category).into(),
            Self::Rejected(rejected) => rejected.classify(),
        }
    }
}

type Outcome = Result<u32, Failure>;

fn is_full<T: std::fmt::Debug>(outcome: &Result<T, Failure>) -> bool {
    matches!(outcome, Err(Failure::Rejected(Rejected::BulkheadFull { .. })))
}

/// What the bulkhead of the point `name` has in use, and how many calls wait.
fn usage(name: &str) -> (u32, usize) {
    let now = point(name).expect("a point").bulkhead().expect("a bulkhead").snapshot();
    (now.in_use, now.waiting)
}

/// Polls `future` once.
fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// A sync call on a thread of its own, in the world of the test: it runs until it is let end.
struct Running {
    end: Sender<()>,
    thread: JoinHandle<Outcome>,
}

impl Running {
    fn start(world: &World, call: fn(Receiver<()>) -> Outcome) -> Self {
        let (end, ends) = channel();
        let handle = world.handle();
        Self { end, thread: thread::spawn(move || handle.run(|| call(ends))) }
    }

    fn end(self) -> Outcome {
        drop(self.end);
        self.thread.join().expect("a call that does not panic")
    }
}

/// Waits until `is` is true, which another thread sees to.
fn until(is: impl Fn() -> bool) {
    while !is() {
        thread::yield_now();
    }
}

mod without_waiting {
    use super::*;

    #[bulkhead(2, name = "two")]
    fn two(calls: &dyn Fn() -> Outcome) -> Outcome {
        calls()
    }

    #[test]
    fn a_call_beyond_the_slots_is_refused_at_once() {
        let world = testing::isolate();
        let third = || two(&|| Ok(3));
        let outcome = two(&|| {
            let inner = two(&|| {
                assert_eq!(usage("two"), (2, 0));
                assert!(is_full(&third()));
                Ok(2)
            });
            assert_eq!(inner, Ok(2));
            third()
        });
        assert_eq!(outcome, Ok(3));
        assert_eq!(usage("two"), (0, 0));
        let [Event::Rejected { policy, key, retry_after, .. }] = &world.events()[..] else { panic!() };
        assert_eq!((*policy, key, retry_after), ("bulkhead", &None, &None));
        assert_eq!(point("two").unwrap().bulkhead().unwrap().snapshot().rejected, 1);
    }

    #[tokio::test]
    async fn an_async_call_beyond_the_slots_is_refused_at_once() {
        #[bulkhead(1, name = "one")]
        async fn one(ends: oneshot::Receiver<()>) -> Outcome {
            ends.await.map(|()| 1).map_err(|_| Failure::Own(Category::Cancelled))
        }
        let _world = testing::isolate();
        let (end, ends) = oneshot::channel();
        let mut first = pin!(one(ends));
        assert!(poll(first.as_mut()).is_pending());
        let refused = one(oneshot::channel().1).await;
        assert!(is_full(&refused), "{refused:?}");
        let Err(Failure::Rejected(rejected)) = refused else { panic!() };
        assert_eq!((rejected.point(), rejected.classify().category), ("one", Category::Rejected));
        end.send(()).unwrap();
        assert_eq!(first.await, Ok(1));
        assert_eq!(usage("one"), (0, 0));
    }

    #[test]
    fn a_panic_and_a_dropped_call_free_the_slot() {
        #[bulkhead(1, name = "dropped")]
        async fn dropped() -> Outcome {
            std::future::pending().await
        }
        let _world = testing::isolate();
        assert!(catch_unwind(AssertUnwindSafe(|| two(&|| panic!("body")))).is_err());
        assert_eq!(usage("two"), (0, 0));
        for _ in 0..3 {
            let mut call = Box::pin(dropped());
            assert!(poll(call.as_mut()).is_pending());
            assert_eq!(usage("dropped"), (1, 0));
            drop(call);
            assert_eq!(usage("dropped"), (0, 0));
        }
    }

    #[test]
    fn a_panicking_hook_does_not_affect_the_call() {
        fn broken(event: &Event) {
            panic!("{event}");
        }
        #[bulkhead(1, on_reject = broken)]
        fn inside(depth: u32) -> Outcome {
            if depth == 0 { Ok(0) } else { inside(depth - 1) }
        }
        let _world = testing::isolate();
        assert!(is_full(&inside(1)));
        assert_eq!(inside(0), Ok(0));
    }
}

mod with_little_time {
    use super::*;

    #[timeout(1ms)]
    #[bulkhead(1, wait = 1s, name = "hurried")]
    async fn hurried(ends: oneshot::Receiver<()>) -> Outcome {
        let _ = ends.await;
        Ok(1)
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_waits_no_longer_than_its_deadline() {
        let _world = testing::isolate();
        let bulkhead = point("hurried").unwrap().bulkhead().unwrap();
        let slot = bulkhead.acquire().unwrap();
        let start = tokio::time::Instant::now();
        let outcome = hurried(oneshot::channel().1).await;
        assert!(is_full(&outcome), "{outcome:?}");
        assert_eq!(start.elapsed(), Duration::from_millis(1));
        drop(slot);
        assert_eq!(usage("hurried"), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_hopeless_wait_is_rejected_at_once() {
        static SLOW: Bulkhead = Bulkhead::new("slow", 1).wait(Duration::from_secs(1));
        #[bulkhead(instance = SLOW)]
        async fn slow() -> Outcome {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok(1)
        }
        #[timeout(50ms)]
        #[bulkhead(instance = SLOW)]
        async fn hurried() -> Outcome {
            Ok(1)
        }
        let _world = testing::isolate();
        // How long calls take is measured while they wait.
        let (mut first, mut second, mut waiting) = (pin!(slow()), pin!(slow()), pin!(slow()));
        assert!(poll(first.as_mut()).is_pending());
        assert!(poll(second.as_mut()).is_pending());
        tokio::time::advance(Duration::from_millis(100)).await;
        assert!(poll(first.as_mut()).is_ready());
        assert!(poll(second.as_mut()).is_pending(), "it runs");
        assert!(poll(waiting.as_mut()).is_pending());
        tokio::time::advance(Duration::from_millis(100)).await;
        assert!(poll(second.as_mut()).is_ready());
        assert!(poll(waiting.as_mut()).is_pending(), "it runs");
        assert_eq!(SLOW.snapshot().mean_hold, Some(Duration::from_millis(100)));
        let start = tokio::time::Instant::now();
        let outcome = hurried().await;
        assert!(is_full(&outcome), "{outcome:?}");
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(waiting.await, Ok(1));
        SLOW.reset();
        assert_eq!(SLOW.snapshot().mean_hold, None);
    }
}

mod inside_itself {
    use super::*;

    #[bulkhead(2, wait = 1h, name = "nested")]
    fn nested(depth: u32) -> Outcome {
        if depth == 0 { Ok(0) } else { nested(depth - 1) }
    }

    #[bulkhead(2, wait = 1h, name = "nested_later")]
    async fn nested_later(depth: u32) -> Outcome {
        tokio::task::yield_now().await;
        if depth == 0 { Ok(0) } else { Box::pin(nested_later(depth - 1)).await }
    }

    #[test]
    fn a_nested_call_never_waits_for_a_slot() {
        let _world = testing::isolate();
        assert_eq!(nested(1), Ok(0));
        assert!(is_full(&nested(2)));
        assert_eq!(nested(0), Ok(0), "the slots are free again");
        assert_eq!(usage("nested"), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_nested_async_call_never_waits_for_a_slot() {
        let _world = testing::isolate();
        let start = tokio::time::Instant::now();
        assert_eq!(nested_later(1).await, Ok(0));
        assert!(is_full(&nested_later(2).await));
        assert_eq!(start.elapsed(), Duration::ZERO);
        // Another task that holds nothing waits, also while this one holds a slot.
        let (a, b, c) = tokio::join!(nested_later(0), nested_later(0), nested_later(0));
        assert_eq!((a, b, c), (Ok(0), Ok(0), Ok(0)));
    }

    #[test]
    fn values_recognize_nested_calls() {
        static ONE: Bulkhead = Bulkhead::new("one", 1).wait(Duration::from_secs(3600));
        let _world = testing::isolate();
        let inner = || ONE.call(|| Ok::<_, Rejected>(1));
        assert!(ONE.call(inner).is_err());
        let later = futures::executor::block_on(ONE.call_async(async || inner()));
        assert!(later.is_err());
        assert_eq!(inner(), Ok(1));
    }

    #[test]
    fn nested_calls_are_recognized_on_a_helper_thread() {
        #[bulkhead(1, wait = 1h)]
        #[timeout(60s, thread)]
        fn on_thread(depth: u32) -> Outcome {
            if depth == 0 { Ok(0) } else { on_thread(depth - 1) }
        }
        let _world = testing::isolate();
        assert!(is_full(&on_thread(1)));
        assert_eq!(on_thread(0), Ok(0));
    }
}

/// What awaits a slot is `Send` where the body is.
#[test]
fn futures_of_values_are_send() {
    fn is_send<T: Send>(_: &T) {}
    static OWN: Bulkhead = Bulkhead::new("own", 1);
    is_send(&OWN.call_async(async || Ok::<_, Rejected>(1)));
    is_send(&OWN.acquire_async());
    is_send(&Arc::new(Bulkhead::new("own", 1)).acquire_owned_async());
    futures::executor::block_on(poll_fn(|_| Poll::Ready(())));
}
