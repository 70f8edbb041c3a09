//! Calls that wait for a slot.

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

/// A call that may not wait takes a free slot, also while the count of the slots is kept for callers that wait.
#[test]
fn a_call_that_may_not_wait_gets_a_free_slot_beside_an_unused_turn() {
    static THREE: Bulkhead = Bulkhead::new("three", 3).wait(Duration::from_secs(10));
    let world = testing::isolate();
    let slots: Vec<_> = (0..3).map(|_| THREE.acquire().unwrap()).collect();
    let mut held = pin!(THREE.acquire_async());
    assert!(poll(held.as_mut()).is_pending());
    drop(slots);
    assert_eq!(THREE.snapshot().in_use, 1, "it is the turn of a caller that is not polled");
    shutdown_blocking(Duration::ZERO);
    let take = || {
        assert!(THREE.is_available());
        let Poll::Ready(slot) = poll(pin!(THREE.acquire_async())) else { panic!("it waits") };
        (THREE.acquire().unwrap(), slot.unwrap())
    };
    let both = take();
    assert!(THREE.acquire().is_err(), "the third slot is that of the turn");
    drop(both);
    world.advance(Duration::from_millis(100));
    assert_eq!(THREE.snapshot().in_use, 0, "no caller has used the turn");
    let both = take();
    assert!(THREE.acquire().is_ok());
    drop(both);
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
fn a_reset_gives_waiting_callers_the_slots_that_it_adds() {
    static SHRUNK: Bulkhead =
        Bulkhead::new("shrunk", 4).adaptive().floor(1).wait(Duration::from_secs(10)).queue(8);
    let world = testing::isolate();
    while SHRUNK.snapshot().slots > 1 {
        SHRUNK.acquire().unwrap().failure(&Category::Unavailable);
        world.advance(Duration::from_secs(1));
    }
    let slot = SHRUNK.acquire().unwrap();
    let mut waiting: Vec<_> = (0..4).map(|_| Box::pin(SHRUNK.acquire_async())).collect();
    assert!(waiting.iter_mut().all(|call| poll(call.as_mut()).is_pending()));
    SHRUNK.reset();
    assert_eq!((SHRUNK.snapshot().in_use, SHRUNK.snapshot().waiting), (4, 1));
    let entered: Vec<_> = waiting[..3].iter_mut().map(|call| poll(call.as_mut()).is_ready()).collect();
    assert_eq!(entered, [true; 3]);
    drop(slot);
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

/// A future may be polled again on a thread that is in no test world.
#[test]
fn a_slot_is_freed_in_the_world_in_which_its_caller_waited() {
    static SLOTS: Bulkhead = Bulkhead::new("worlds", 1).wait(Duration::from_secs(10)).queue(2);
    fn polled<T>(call: &mut Pin<Box<impl Future<Output = T>>>) -> Poll<T> {
        call.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }
    let counts = || (SLOTS.snapshot().in_use, SLOTS.snapshot().rejected);
    let world = testing::isolate();
    let first = SLOTS.acquire().unwrap();
    let [mut second, mut third] = [(); 2].map(|()| Box::pin(SLOTS.acquire_async()));
    assert!(polled(&mut second).is_pending() && polled(&mut third).is_pending());
    drop(first);
    let Poll::Ready(Ok(slot)) = thread::spawn(move || polled(&mut second)).join().unwrap() else {
        panic!("no slot");
    };
    world.advance(Duration::from_secs(10));
    let outside = thread::spawn(move || {
        assert!(matches!(polled(&mut third), Poll::Ready(Err(_))));
        drop(slot);
        (counts(), SLOTS.acquire().is_ok())
    });
    assert_eq!(outside.join().unwrap(), ((0, 0), true));
    assert_eq!(counts(), (0, 1));
}
