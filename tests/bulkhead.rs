//! `#[bulkhead]`: no more calls run at once than there are slots.

use resilience::classify::Delivered;
use resilience::testing::{self, World};
use resilience::{
    Bulkhead, Category, Classification, Classify, Event, Rejected, bulkhead, circuit_breaker, point, timeout,
    with_fallback, with_retry,
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

mod in_the_queue {
    use super::*;

    #[bulkhead(1, wait = 10s, queue = 4, name = "blocking")]
    fn blocking(ends: Receiver<()>) -> Outcome {
        let _ = ends.recv();
        Ok(1)
    }

    #[bulkhead(1, wait = 10s, queue = 4, name = "queued")]
    async fn queued(n: u32, ends: oneshot::Receiver<()>) -> Outcome {
        let _ = ends.await;
        Ok(n)
    }

    #[test]
    fn sync_callers_block_until_their_turn() {
        let world = testing::isolate();
        let calls: Vec<_> = (1..=3)
            .map(|n| {
                let call = Running::start(&world, blocking);
                until(|| usage("blocking") == (1, n - 1));
                call
            })
            .collect();
        for (n, call) in calls.into_iter().enumerate() {
            assert_eq!(call.end(), Ok(1));
            until(|| usage("blocking") == (u32::from(n < 2), 1_usize.saturating_sub(n)));
        }
        assert_eq!(point("blocking").unwrap().bulkhead().unwrap().snapshot().waited, 2);
    }

    #[test]
    fn a_sync_caller_is_rejected_after_its_wait() {
        let world = testing::isolate();
        let first = Running::start(&world, blocking);
        until(|| usage("blocking") == (1, 0));
        let second = Running::start(&world, blocking);
        until(|| usage("blocking") == (1, 1));
        world.advance(Duration::from_millis(9999));
        assert_eq!(usage("blocking"), (1, 1));
        world.advance(Duration::from_millis(1));
        assert!(is_full(&second.end()));
        assert_eq!(first.end(), Ok(1));
        assert_eq!(usage("blocking"), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn callers_are_served_in_the_order_of_their_arrival() {
        let _world = testing::isolate();
        let order = Arc::new(Mutex::new(Vec::new()));
        let (ends, calls): (Vec<_>, Vec<_>) = (1..=5_u32)
            .map(|n| {
                let (end, ended) = oneshot::channel();
                let order = order.clone();
                let call = async move {
                    assert_eq!(queued(n, ended).await, Ok(n));
                    order.lock().unwrap().push(n);
                };
                (end, tokio::spawn(call))
            })
            .unzip();
        tokio::task::yield_now().await;
        assert_eq!(usage("queued"), (1, 4));
        let sixth = queued(6, oneshot::channel().1).await;
        assert!(is_full(&sixth), "the queue has four places: {sixth:?}");
        for end in ends.into_iter().rev() {
            end.send(()).unwrap();
        }
        for call in calls {
            call.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [1, 2, 3, 4, 5]);
        assert_eq!(usage("queued"), (0, 0));
    }

    #[test]
    fn sync_and_async_callers_wait_in_one_queue() {
        static BOTH: Bulkhead = Bulkhead::new("both", 1).wait(Duration::from_secs(10)).queue(4);
        #[bulkhead(instance = BOTH)]
        fn now(ends: Receiver<()>) -> Outcome {
            let _ = ends.recv();
            Ok(1)
        }
        #[bulkhead(instance = BOTH)]
        async fn later() -> Outcome {
            Ok(2)
        }
        let world = testing::isolate();
        let slot = BOTH.acquire().unwrap();
        let mut first = pin!(later());
        assert!(poll(first.as_mut()).is_pending());
        let second = Running::start(&world, now);
        until(|| BOTH.snapshot().waiting == 2);
        let mut third = pin!(later());
        assert!(poll(third.as_mut()).is_pending());
        drop(slot);
        assert!(poll(third.as_mut()).is_pending(), "behind the two others");
        assert_eq!(BOTH.snapshot().waiting, 2, "the first has its turn");
        assert_eq!(poll(first.as_mut()), Poll::Ready(Ok(2)));
        until(|| BOTH.snapshot().waiting == 1);
        assert!(poll(third.as_mut()).is_pending());
        assert_eq!(second.end(), Ok(1));
        assert_eq!(poll(third.as_mut()), Poll::Ready(Ok(2)));
        assert_eq!(BOTH.snapshot().in_use, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_async_caller_is_rejected_after_its_wait() {
        let _world = testing::isolate();
        let (_end, ends) = oneshot::channel();
        let mut first = pin!(queued(1, ends));
        assert!(poll(first.as_mut()).is_pending());
        let start = tokio::time::Instant::now();
        assert!(is_full(&queued(2, oneshot::channel().1).await));
        assert_eq!(start.elapsed(), Duration::from_secs(10));
        assert_eq!(usage("queued"), (1, 0));
    }

    #[test]
    fn a_future_that_is_not_polled_loses_its_turn() {
        let world = testing::isolate();
        let (end, ends) = oneshot::channel();
        let mut running = Box::pin(queued(1, ends));
        assert!(poll(running.as_mut()).is_pending());
        let mut held = pin!(queued(2, oneshot::channel().1));
        let mut behind = pin!(queued(3, oneshot::channel().1));
        assert!(poll(held.as_mut()).is_pending());
        assert!(poll(behind.as_mut()).is_pending());
        end.send(()).unwrap();
        assert_eq!(poll(running.as_mut()), Poll::Ready(Ok(1)));
        assert!(poll(behind.as_mut()).is_pending());
        world.advance(Duration::from_millis(99));
        assert!(poll(behind.as_mut()).is_pending(), "the other one still has its turn");
        world.advance(Duration::from_millis(1));
        assert_eq!(poll(behind.as_mut()), Poll::Ready(Ok(3)));
        // It queues again, and finds a free slot.
        assert_eq!(poll(held.as_mut()), Poll::Ready(Ok(2)));
        assert_eq!(usage("queued"), (0, 0));
    }

    #[test]
    fn callers_that_are_polled_late_get_a_free_slot() {
        let world = testing::isolate();
        let (end, ends) = oneshot::channel();
        let mut running = Box::pin(queued(0, ends));
        assert!(poll(running.as_mut()).is_pending());
        let mut calls: Vec<_> = (1..=3).map(|n| Box::pin(queued(n, oneshot::channel().1))).collect();
        assert!(calls.iter_mut().all(|call| poll(call.as_mut()).is_pending()));
        end.send(()).unwrap();
        assert_eq!(poll(running.as_mut()), Poll::Ready(Ok(0)));
        let mut ended = Vec::new();
        // A busy executor polls one of them every 150 ms, the last one first.
        for _ in 0..3 {
            for at in (0..calls.len()).rev() {
                world.advance(Duration::from_millis(150));
                if let Poll::Ready(outcome) = poll(calls[at].as_mut()) {
                    ended.push(outcome.unwrap());
                    drop(calls.remove(at));
                }
            }
        }
        ended.sort_unstable();
        assert_eq!(ended, [1, 2, 3]);
        assert_eq!(usage("queued"), (0, 0));
    }

    #[test]
    fn a_caller_whose_turn_another_takes_keeps_its_place() {
        let world = testing::isolate();
        let (end, ends) = oneshot::channel();
        let mut running = Box::pin(queued(1, ends));
        assert!(poll(running.as_mut()).is_pending());
        let (late_end, late_ends) = oneshot::channel();
        let mut late = Box::pin(queued(2, late_ends));
        let mut next = pin!(queued(3, oneshot::channel().1));
        let mut last = pin!(queued(4, oneshot::channel().1));
        assert!(poll(late.as_mut()).is_pending());
        assert!(poll(next.as_mut()).is_pending());
        assert!(poll(last.as_mut()).is_pending());
        end.send(()).unwrap();
        assert_eq!(poll(running.as_mut()), Poll::Ready(Ok(1)));
        world.advance(Duration::from_millis(100));
        assert!(poll(late.as_mut()).is_pending(), "its body runs");
        assert_eq!(usage("queued"), (1, 2));
        assert!(poll(next.as_mut()).is_pending());
        assert!(poll(last.as_mut()).is_pending());
        late_end.send(()).unwrap();
        assert_eq!(poll(late.as_mut()), Poll::Ready(Ok(2)));
        assert!(poll(last.as_mut()).is_pending(), "behind the other one");
        assert_eq!(poll(next.as_mut()), Poll::Ready(Ok(3)));
        assert_eq!(poll(last.as_mut()), Poll::Ready(Ok(4)));
        assert_eq!(usage("queued"), (0, 0));
    }

    #[test]
    fn futures_that_are_never_polled_again_hold_no_slot() {
        let world = testing::isolate();
        let (end, ends) = oneshot::channel();
        let mut running = Box::pin(queued(0, ends));
        assert!(poll(running.as_mut()).is_pending());
        let mut calls: Vec<_> = (1..=4).map(|n| Box::pin(queued(n, oneshot::channel().1))).collect();
        assert!(calls.iter_mut().all(|call| poll(call.as_mut()).is_pending()));
        end.send(()).unwrap();
        assert_eq!(poll(running.as_mut()), Poll::Ready(Ok(0)));
        for waiting in [3, 2, 1, 0] {
            assert_eq!(usage("queued"), (1, waiting));
            world.advance(Duration::from_millis(100));
        }
        assert_eq!(usage("queued"), (0, 0), "no caller has used its turn");
    }

    #[test]
    fn dropping_a_woken_caller_wakes_the_next() {
        let _world = testing::isolate();
        let (end, ends) = oneshot::channel();
        let mut running = Box::pin(queued(1, ends));
        assert!(poll(running.as_mut()).is_pending());
        let mut woken = Box::pin(queued(2, oneshot::channel().1));
        let mut next = pin!(queued(3, oneshot::channel().1));
        assert!(poll(woken.as_mut()).is_pending());
        assert!(poll(next.as_mut()).is_pending());
        end.send(()).unwrap();
        assert_eq!(poll(running.as_mut()), Poll::Ready(Ok(1)));
        drop(woken);
        assert_eq!(poll(next.as_mut()), Poll::Ready(Ok(3)));
        assert_eq!(usage("queued"), (0, 0));
    }

    #[test]
    fn dropping_a_waiting_caller_moves_up_the_queue() {
        let _world = testing::isolate();
        let (_end, ends) = oneshot::channel();
        let mut running = Box::pin(queued(1, ends));
        assert!(poll(running.as_mut()).is_pending());
        for _ in 0..10 {
            let mut calls: Vec<_> = (0..4).map(|n| Box::pin(queued(n, oneshot::channel().1))).collect();
            assert!(calls.iter_mut().all(|call| poll(call.as_mut()).is_pending()));
            assert_eq!(usage("queued"), (1, 4));
        }
        assert_eq!(usage("queued"), (1, 0));
        drop(running);
        assert_eq!(usage("queued"), (0, 0));
    }

    #[test]
    fn a_panicking_waker_frees_its_slot() {
        struct Panics(AtomicU32);
        impl std::task::Wake for Panics {
            fn wake(self: Arc<Self>) {
                assert_ne!(self.0.fetch_add(1, Ordering::Relaxed), 0, "a waker");
            }
        }
        let world = testing::isolate();
        let (end, ends) = oneshot::channel();
        let mut running = Box::pin(queued(1, ends));
        assert!(poll(running.as_mut()).is_pending());
        let waker = Waker::from(Arc::new(Panics(AtomicU32::new(0))));
        let mut broken = pin!(queued(2, oneshot::channel().1));
        assert!(broken.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        end.send(()).unwrap();
        assert_eq!(poll(running.as_mut()), Poll::Ready(Ok(1)));
        world.advance(Duration::from_millis(100));
        assert_eq!(usage("queued"), (0, 0));
        assert_eq!(poll(broken.as_mut()), Poll::Ready(Ok(2)));
    }

    /// Threads and tasks on real clocks: all calls run, and never more than two at once.
    #[test]
    fn no_slot_is_lost_across_many_threads() {
        static MOST: AtomicU32 = AtomicU32::new(0);
        static RUNNING: AtomicU32 = AtomicU32::new(0);
        static BUSY: Bulkhead = Bulkhead::new("busy", 2).wait(Duration::from_secs(600)).queue(1000);
        fn work() -> Outcome {
            MOST.fetch_max(RUNNING.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            thread::yield_now();
            RUNNING.fetch_sub(1, Ordering::SeqCst);
            Ok(1)
        }
        #[bulkhead(instance = BUSY)]
        fn now() -> Outcome {
            work()
        }
        #[bulkhead(instance = BUSY)]
        async fn later() -> Outcome {
            tokio::task::yield_now().await;
            work()
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                runtime.spawn(async {
                    for _ in 0..200 {
                        later().await.unwrap();
                    }
                })
            })
            .collect();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..200).for_each(|_| assert_eq!(now(), Ok(1))));
            }
        });
        runtime.block_on(async {
            for task in tasks {
                task.await.unwrap();
            }
        });
        assert!(MOST.load(Ordering::SeqCst) <= 2);
        assert_eq!((BUSY.snapshot().in_use, BUSY.snapshot().waiting), (0, 0));
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

mod beside_other_policies {
    use super::*;

    /// Ten calls for each slot of a healthy service.
    #[tokio::test(start_paused = true)]
    async fn a_breaker_above_a_full_bulkhead_never_opens() {
        #[circuit_breaker(threshold = 1, name = "overload")]
        #[bulkhead(2, wait = 10ms)]
        async fn overload() -> Outcome {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok(1)
        }
        let _world = testing::isolate();
        for _ in 0..10 {
            let calls = (0..20).map(|_| tokio::spawn(overload()));
            let outcomes = futures::future::join_all(calls).await;
            let refused = outcomes.iter().filter(|outcome| is_full(outcome.as_ref().unwrap())).count();
            assert_eq!(refused, 18);
        }
        let breaker = point("overload").unwrap().breaker().unwrap();
        assert_eq!((breaker.snapshot().failures, breaker.is_available()), (0, true));
    }

    #[test]
    fn retrying_a_rejection_costs_no_budget() {
        #[with_retry(max = 3, base = 0s, on(rejected, max = 3), name = "again")]
        #[bulkhead(1)]
        fn again(depth: u32) -> Outcome {
            if depth == 0 { Ok(0) } else { again(depth - 1) }
        }
        let _world = testing::isolate();
        assert!(is_full(&again(1)));
        let point = point("again").unwrap();
        let retries = &point.snapshot().policies[0].counters;
        assert!(retries.contains(&("retries", 15)), "four attempts, each with three retries: {retries:?}");
        assert_eq!(point.budget().unwrap().tokens(), 500);
    }

    #[test]
    fn a_slot_is_held_by_each_attempt_below_a_retry() {
        #[with_retry(max = 2, base = 0s, name = "attempts")]
        #[bulkhead(1)]
        fn attempts(left: &AtomicU32) -> Outcome {
            assert_eq!(usage("attempts"), (1, 0));
            if left.fetch_sub(1, Ordering::Relaxed) == 1 {
                Ok(1)
            } else {
                Err(Failure::Own(Category::Timeout))
            }
        }
        let _world = testing::isolate();
        assert_eq!(attempts(&AtomicU32::new(3)), Ok(1));
        assert_eq!(usage("attempts"), (0, 0));
    }

    #[test]
    fn an_outer_fallback_answers_a_rejection() {
        #[with_fallback(value = 7)]
        #[bulkhead(1)]
        fn inner(depth: u32) -> Outcome {
            if depth == 0 { Ok(0) } else { inner(depth - 1) }
        }
        let _world = testing::isolate();
        assert_eq!((inner(0), inner(1)), (Ok(0), Ok(7)));
    }

    #[test]
    fn an_abandoned_body_holds_its_slot_until_it_ends() {
        #[bulkhead(1, name = "abandoned")]
        #[with_retry(max = 1, base = 0s, clone(ends))]
        #[timeout(5ms, thread)]
        fn abandoned(ends: Arc<Mutex<Receiver<()>>>) -> Outcome {
            let _ = ends.lock().unwrap().recv();
            Ok(1)
        }
        let _world = testing::isolate();
        let (end, ends) = channel();
        let ends = Arc::new(Mutex::new(ends));
        let outcome = abandoned(ends.clone());
        assert!(matches!(outcome, Err(Failure::Rejected(Rejected::TimedOut { .. }))), "{outcome:?}");
        assert_eq!(usage("abandoned"), (1, 0));
        assert!(is_full(&abandoned(ends)));
        drop(end);
        until(|| usage("abandoned") == (0, 0));
    }

    type Guarded = fn(Arc<Mutex<Receiver<()>>>, Arc<AtomicU32>) -> Outcome;

    /// The first call keeps the slot; a later one is abandoned while it waits for it. How often that one's body ran.
    fn runs_of_one_that_was_left_in_the_queue(call: Guarded, bulkhead: &str) -> u32 {
        let (end, ends) = channel();
        let ends = Arc::new(Mutex::new(ends));
        drop(call(ends.clone(), Arc::default()));
        until(|| usage(bulkhead).0 == 1);
        // On a busy machine the limit can come before the thread waits: then it may still run, and another one is tried.
        // The wait in the queue ends at the limit, too, and can be first: then the bulkhead has refused the call.
        let left = (0..500).find_map(|_| {
            let ran = Arc::default();
            let class = call(ends.clone(), Arc::clone(&ran)).unwrap_err().classify();
            (class.category == Category::Timeout && class.delivered == Delivered::No).then_some(ran)
        });
        let left = left.expect("a call that was abandoned in the queue");
        drop(end);
        until(|| usage(bulkhead) == (0, 0) && Arc::strong_count(&left) == 1);
        left.load(Ordering::Relaxed)
    }

    #[test]
    fn a_body_that_is_abandoned_in_the_queue_never_runs() {
        #[timeout(20ms, thread, threads = 1000)]
        #[bulkhead(1, wait = 60s, queue = 1000, name = "left in the queue")]
        fn guarded(ends: Arc<Mutex<Receiver<()>>>, ran: Arc<AtomicU32>) -> Outcome {
            ran.fetch_add(1, Ordering::Relaxed);
            let _ = ends.lock().unwrap().recv();
            Ok(1)
        }
        #[timeout(adaptive, floor = 20ms, cap = 20ms, thread, threads = 1000)]
        #[bulkhead(1, wait = 60s, queue = 1000, name = "left in a measured queue")]
        fn measured(ends: Arc<Mutex<Receiver<()>>>, ran: Arc<AtomicU32>) -> Outcome {
            ran.fetch_add(1, Ordering::Relaxed);
            let _ = ends.lock().unwrap().recv();
            Ok(1)
        }
        let _world = testing::isolate();
        let calls: [(Guarded, _); 2] =
            [(guarded, "left in the queue"), (measured, "left in a measured queue")];
        for (call, bulkhead) in calls {
            let ran = runs_of_one_that_was_left_in_the_queue(call, bulkhead);
            assert_eq!(ran, 0, "nothing may reach the service of a call that was reported as not sent");
        }
        let policies = point("left in a measured queue").unwrap().snapshot().policies;
        let counter = |name| policies[0].counters.iter().find(|(counter, _)| *counter == name).unwrap().1;
        assert_eq!(counter("samples") + 1, counter("timed_out"), "the wait says nothing of the service");
    }
}

mod keys {
    use super::*;

    #[bulkhead(1, key = host, max_keys = 3, name = "hosts")]
    fn fetch(host: &str, inside: &dyn Fn() -> Outcome) -> Outcome {
        let _ = host;
        inside()
    }

    #[bulkhead(1, key = "{host}:{port}", key_label, wait = 1s, name = "ports")]
    async fn connect(host: &str, port: u16, ends: oneshot::Receiver<()>) -> Outcome {
        let _ = (host, port, ends.await);
        Ok(1)
    }

    #[test]
    fn each_key_has_its_own_slots() {
        let world = testing::isolate();
        let outcome = fetch("a", &|| {
            assert_eq!(fetch("b", &|| Ok(2)), Ok(2));
            fetch("a", &|| Ok(3))
        });
        let Err(Failure::Rejected(rejected)) = outcome else { panic!("{outcome:?}") };
        assert_eq!(
            (rejected.key(), rejected.to_string()),
            (Some("a"), "too many calls of `hosts` are running".to_owned())
        );
        let keys: Vec<_> = point("hosts").unwrap().keys().iter().map(|key| key.key().to_owned()).collect();
        assert_eq!(keys, ["a", "b"]);
        assert_eq!(point("hosts").unwrap().key("a").bulkhead().unwrap().snapshot().rejected, 1);
        assert_eq!(world.events()[0].key(), Some("a"));
    }

    /// How many keys come; `KEYS=1000000` asks for a million.
    fn many() -> u32 {
        std::env::var("KEYS").map_or(20_000, |keys| keys.parse().expect("a number of keys"))
    }

    #[test]
    fn a_key_in_use_is_never_evicted() {
        let _world = testing::isolate();
        let outcome = fetch("busy", &|| {
            for n in 0..many() {
                assert_eq!(fetch(&n.to_string(), &|| Ok(n)), Ok(n));
            }
            fetch("busy", &|| Ok(1))
        });
        assert!(is_full(&outcome), "the key at its limit stays limited");
        assert_eq!(point("hosts").unwrap().keys().len(), 3);
    }

    #[test]
    fn keys_without_room_share_one_entry() {
        let _world = testing::isolate();
        let full = fetch("a", &|| {
            fetch("b", &|| {
                fetch("c", &|| {
                    let fourth = fetch("d", &|| {
                        let fifth = fetch("e", &|| Ok(5));
                        assert!(is_full(&fifth), "shares the slot of the fourth: {fifth:?}");
                        Ok(4)
                    });
                    assert_eq!(fourth, Ok(4));
                    let policy = &point("hosts").unwrap().snapshot().policies[0];
                    let row = policy.keys.iter().find(|row| row.key == "(overflow)");
                    assert!(row.is_some_and(|row| row.counters.contains(&("rejected", 1))), "{policy}");
                    assert!(policy.counters.contains(&("overflowed", 2)), "{policy}");
                    Ok(3)
                })
            })
        });
        assert_eq!(full, Ok(3));
        assert_eq!(fetch("d", &|| fetch("e", &|| Ok(5))), Ok(5), "there is room again");
    }

    #[test]
    fn the_message_shows_the_key_with_key_label() {
        let world = testing::isolate();
        let (_end, ends) = oneshot::channel();
        let mut running = pin!(connect("a", 1, ends));
        let mut late = pin!(connect("a", 1, oneshot::channel().1));
        assert!(poll(running.as_mut()).is_pending());
        assert!(poll(late.as_mut()).is_pending());
        world.advance(Duration::from_secs(1));
        let Poll::Ready(Err(Failure::Rejected(rejected))) = poll(late.as_mut()) else {
            panic!("not refused")
        };
        assert_eq!(rejected.to_string(), "too many calls of `ports` (key `a:1`) are running");
    }

    #[test]
    fn a_key_with_a_queue_is_never_evicted() {
        let _world = testing::isolate();
        let (end, ends) = oneshot::channel();
        let mut running = Box::pin(connect("a", 1, ends));
        let mut waiting = pin!(connect("a", 1, oneshot::channel().1));
        assert!(poll(running.as_mut()).is_pending());
        assert!(poll(waiting.as_mut()).is_pending());
        for port in 2..3000 {
            let mut other = pin!(connect("a", port, oneshot::channel().1));
            assert_eq!(poll(other.as_mut()), Poll::Ready(Ok(1)));
        }
        let key = point("ports").unwrap().key("a:1").bulkhead().expect("still there");
        assert_eq!((key.snapshot().in_use, key.snapshot().waiting), (1, 1));
        end.send(()).unwrap();
        assert_eq!(poll(running.as_mut()), Poll::Ready(Ok(1)));
        assert_eq!(poll(waiting.as_mut()), Poll::Ready(Ok(1)));
    }
}

mod shapes {
    use super::*;

    struct Client {
        bulkhead: Bulkhead,
    }

    impl Client {
        #[bulkhead(instance = self.bulkhead)]
        async fn get(&self, ends: oneshot::Receiver<()>) -> Outcome {
            let _ = ends.await;
            Ok(1)
        }
    }

    #[async_trait::async_trait]
    trait Fetch {
        async fn fetch<T: Send + Sync + Clone>(&self, value: &T) -> Result<T, Failure>;
    }

    #[async_trait::async_trait]
    impl Fetch for Client {
        #[bulkhead(1, wait = 1s)]
        async fn fetch<T: Send + Sync + Clone>(&self, value: &T) -> Result<T, Failure> {
            tokio::task::yield_now().await;
            Ok(value.clone())
        }
    }

    #[bulkhead(1, wait = 1s)]
    fn future(n: u32) -> impl Future<Output = Option<u32>> + Send {
        async move { Some(n) }
    }

    #[bulkhead(1, rejected = |r| r.to_string())]
    fn text(depth: u32) -> Result<u32, String> {
        if depth == 0 { Ok(0) } else { text(depth - 1) }
    }

    #[bulkhead(1)]
    fn option(depth: u32) -> Option<u32> {
        if depth == 0 { Some(0) } else { option(depth - 1) }
    }

    #[tokio::test]
    async fn methods_traits_futures_and_other_error_types_work() {
        let client = Arc::new(Client { bulkhead: Bulkhead::try_new("own", 1).unwrap() });
        let (end, ends) = oneshot::channel();
        let running = tokio::spawn({
            let client = client.clone();
            async move { client.get(ends).await }
        });
        tokio::task::yield_now().await;
        assert!(is_full(&client.get(oneshot::channel().1).await));
        end.send(()).unwrap();
        assert_eq!(running.await.unwrap(), Ok(1));
        assert_eq!(client.fetch(&"a".to_owned()).await, Ok("a".to_owned()));
        assert_eq!(tokio::spawn(future(3)).await.unwrap(), Some(3));
        assert_eq!(text(1), Err("too many calls of `bulkhead::shapes::text` are running".to_owned()));
        assert_eq!((option(0), option(1)), (Some(0), None));
    }

    #[test]
    fn the_inventory_lists_the_bulkhead() {
        #[bulkhead(16, wait = 100ms, name = "shown")]
        async fn shown() -> Outcome {
            Ok(1)
        }
        #[timeout(1s)]
        #[bulkhead(4, key = n, name = "shown for each")]
        async fn for_each(n: u8) -> Outcome {
            Ok(n.into())
        }
        let _world = testing::isolate();
        assert_eq!(futures::executor::block_on(shown()), Ok(1));
        assert_eq!(futures::executor::block_on(for_each(1)), Ok(1));
        let text = |name: &str| point(name).unwrap().to_string();
        assert!(
            text("shown").contains("bulkhead(slots = 16, wait = 100ms, queue = 16)"),
            "{}",
            text("shown")
        );
        assert!(text("shown for each").contains("bulkhead(slots = 4, wait = 0s, max_keys = 1024)"));
        let state = point("shown").unwrap().snapshot().to_string();
        assert!(state.contains("bulkhead free: in_use 0, waiting 0, rejected 0, waited 0"), "{state}");
        let own = Arc::new(Bulkhead::new("my own", 3));
        resilience::Point::register(&own);
        assert_eq!(point("my own").unwrap().bulkhead().unwrap().snapshot().slots, 3);
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
