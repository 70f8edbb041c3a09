//! Calls that wait until they are let through.

use super::*;

#[rate_limit(10, per = 1s, burst = 1, wait = 250ms, name = "queued")]
async fn queued(n: u32) -> Outcome {
    Ok(n)
}

#[rate_limit(10, per = 1s, burst = 1, wait = 250ms, name = "blocking")]
fn blocking(n: u32) -> Outcome {
    Ok(n)
}

#[tokio::test(start_paused = true)]
async fn callers_pass_in_the_order_of_their_arrival() {
    let _world = testing::isolate();
    let (start, order) = (Instant::now(), Arc::new(Mutex::new(Vec::new())));
    let calls = (1..=3).map(|n| {
        let order = order.clone();
        tokio::spawn(async move {
            assert_eq!(queued(n).await, Ok(n));
            order.lock().unwrap().push((n, start.elapsed().as_millis()));
        })
    });
    let calls: Vec<_> = calls.collect();
    tokio::task::yield_now().await;
    // The next one would have to wait for 300 ms.
    assert_eq!(retry_after(queued(4).await), 300 * MILLI);
    for call in calls {
        call.await.unwrap();
    }
    let (passed, late) = (order.lock().unwrap().clone(), 2);
    assert_eq!(passed.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [1, 2, 3]);
    for ((_, at), expected) in passed.iter().zip([0, 100, 200]) {
        assert!((expected..=expected + late).contains(at), "{passed:?}");
    }
    assert_eq!(point("queued").unwrap().rate_limit().unwrap().snapshot().waited, 2);
}

#[test]
fn a_cancelled_caller_moves_up_the_queue() {
    let world = testing::isolate();
    let mut calls: Vec<_> = (0..3).map(|n| Box::pin(queued(n))).collect();
    assert_eq!(poll(calls[0].as_mut()), Poll::Ready(Ok(0)));
    assert!(poll(calls[1].as_mut()).is_pending());
    assert!(poll(calls[2].as_mut()).is_pending());
    assert_eq!(usage("queued").1, 2);
    drop(calls.remove(1));
    assert_eq!(usage("queued").1, 1);
    world.advance(99 * MILLI);
    assert!(poll(calls[1].as_mut()).is_pending());
    world.advance(MILLI);
    assert_eq!(poll(calls[1].as_mut()), Poll::Ready(Ok(2)), "in the place of the one that left");
}

#[test]
fn an_unpolled_caller_blocks_no_other() {
    let world = testing::isolate();
    let (mut first, mut held, mut behind) = (pin!(queued(0)), pin!(queued(1)), pin!(queued(2)));
    assert!(poll(first.as_mut()).is_ready());
    assert!(poll(held.as_mut()).is_pending());
    assert!(poll(behind.as_mut()).is_pending());
    world.advance(200 * MILLI);
    assert_eq!(poll(behind.as_mut()), Poll::Ready(Ok(2)));
    // It would have to wait for another 100 ms, and may for 50.
    let Poll::Ready(refused) = poll(held.as_mut()) else { panic!("it waits") };
    assert_eq!(retry_after(refused), 100 * MILLI);
}

#[test]
fn an_unpolled_caller_blocks_no_call_that_may_not_wait_for_it() {
    static SLOW: RateLimit =
        RateLimit::new("slow", 1, Duration::from_secs(1)).wait(Duration::from_millis(500));
    let world = testing::isolate();
    SLOW.acquire().unwrap();
    world.advance(600 * MILLI);
    let (mut held, mut other) = (pin!(SLOW.acquire_async()), pin!(SLOW.acquire_async()));
    assert!(poll(held.as_mut()).is_pending());
    assert!(poll(other.as_mut()).is_ready(), "it would have to wait for more than a second");
    world.advance(499 * MILLI);
    assert!(!SLOW.is_available() && SLOW.acquire().is_err(), "it keeps its place for 100 ms");
    world.advance(MILLI);
    let now = SLOW.snapshot();
    assert_eq!((now.available, now.waiting, now.retry_after), (1, 1, None));
    assert!(SLOW.is_available());
    SLOW.acquire().unwrap();
    assert_eq!((SLOW.snapshot().waiting, SLOW.acquire().is_ok()), (0, false));
}

thread_local! {
    /// The clock that a [`MovesClock`] moves.
    static WORLD: RefCell<Option<testing::World>> = const { RefCell::new(None) };
}

/// A waker that moves the clock, as if its thread had been suspended there.
struct MovesClock(AtomicU32);

impl Wake for MovesClock {
    fn wake(self: Arc<Self>) {
        let millis = self.0.swap(0, Ordering::Relaxed);
        WORLD.with_borrow(|world| world.as_ref().map(|world| world.advance(millis * MILLI)));
    }
}

#[test]
fn a_caller_whose_turn_comes_while_it_is_queued_passes_at_once() {
    let (world, moves) = (testing::isolate(), Arc::new(MovesClock(AtomicU32::new(0))));
    let (mut first, mut held, mut behind) = (pin!(queued(0)), pin!(queued(1)), pin!(queued(2)));
    assert!(poll(first.as_mut()).is_ready());
    assert!(poll(held.as_mut()).is_pending());
    assert!(behind.as_mut().poll(&mut Context::from_waker(&moves.clone().into())).is_pending());
    world.advance(200 * MILLI);
    WORLD.set(Some(world));
    moves.0.store(150, Ordering::Relaxed);
    // The caller takes the place of the one that is held, for 100 ms, and wakes the one behind that.
    let mut last = pin!(queued(3));
    assert_eq!(poll(last.as_mut()), Poll::Ready(Ok(3)));
    assert_eq!(moves.0.load(Ordering::Relaxed), 0);
    WORLD.set(None);
}

#[test]
fn sync_callers_block_until_they_pass() {
    let world = testing::isolate();
    assert_eq!(blocking(0), Ok(0));
    let handle = world.handle();
    let waits = thread::spawn(move || handle.run(|| blocking(1)));
    while usage("blocking").1 == 0 {
        thread::yield_now();
    }
    world.advance(100 * MILLI);
    assert_eq!(waits.join().unwrap(), Ok(1));
}

#[test]
fn a_sync_caller_that_would_wait_too_long_is_refused_at_once() {
    let _world = testing::isolate();
    let limit = point("blocking").unwrap().rate_limit().unwrap();
    assert_eq!(blocking(0), Ok(0));
    let mut waiting: Vec<_> = (0..2).map(|_| Box::pin(limit.acquire_async())).collect();
    assert!(waiting.iter_mut().all(|call| poll(call.as_mut()).is_pending()));
    assert_eq!(retry_after(blocking(1)), 300 * MILLI);
}

#[tokio::test(start_paused = true)]
async fn a_caller_with_too_little_time_left_is_rejected_at_once() {
    #[timeout(50ms)]
    #[rate_limit(10, per = 1s, burst = 1, wait = 250ms)]
    async fn hurried() -> Outcome {
        Ok(1)
    }
    let _world = testing::isolate();
    let start = Instant::now();
    assert_eq!(hurried().await, Ok(1));
    assert_eq!(retry_after(hurried().await), 100 * MILLI);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

/// On the real clock: all pass, and not sooner than they may.
#[test]
fn a_body_that_is_abandoned_before_its_turn_never_runs() {
    #[timeout(20ms, thread, threads = 1000)]
    #[rate_limit(1, per = 20ms, wait = 60s, name = "left before its turn")]
    fn limited(ran: Arc<AtomicU32>) -> Outcome {
        Ok(ran.fetch_add(1, Ordering::Relaxed))
    }
    let world = testing::isolate();
    // The wait ends with the limit: the call may pass before, or may not wait yet. Then another one is tried.
    let left = (0..500).find_map(|_| {
        let ran = Arc::default();
        let class = limited(Arc::clone(&ran)).err()?.classify();
        (class.category == Category::Timeout && class.delivered == Delivered::No).then_some(ran)
    });
    let left = left.expect("a call that was abandoned before its turn");
    while Arc::strong_count(&left) > 1 {
        world.advance(MILLI * 20);
        thread::yield_now();
    }
    assert_eq!(left.load(Ordering::Relaxed), 0, "it was reported as not sent");
}

#[test]
fn many_callers_on_many_threads_all_pass() {
    static FAST: RateLimit =
        RateLimit::new("fast", 100_000, Duration::from_secs(1)).burst(1).wait(Duration::from_secs(600));
    static PASSED: AtomicU32 = AtomicU32::new(0);
    #[rate_limit(instance = FAST)]
    fn now() -> Outcome {
        Ok(PASSED.fetch_add(1, Ordering::Relaxed))
    }
    #[rate_limit(instance = FAST)]
    async fn later() -> Outcome {
        Ok(PASSED.fetch_add(1, Ordering::Relaxed))
    }
    let start = std::time::Instant::now();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..100).for_each(|_| assert!(now().is_ok())));
            scope.spawn(|| {
                let calls = futures::future::join_all((0..100).map(|_| later()));
                assert!(futures::executor::block_on(calls).iter().all(Result::is_ok));
            });
        }
    });
    assert_eq!(PASSED.load(Ordering::Relaxed), 400);
    assert!(start.elapsed() >= Duration::from_micros(399 * 10));
    assert_eq!(FAST.snapshot().waiting, 0);
}

/// A future may be polled again on a thread that is in no test world.
#[test]
fn a_rejection_counts_in_the_world_in_which_its_caller_waited() {
    static LIMIT: RateLimit =
        RateLimit::new("worlds", 1, Duration::from_secs(1)).wait(Duration::from_secs(9));
    fn polled<T>(call: &mut Pin<Box<impl Future<Output = T>>>) -> Poll<T> {
        call.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }
    let world = testing::isolate();
    LIMIT.acquire().unwrap();
    let mut call = Box::pin(LIMIT.acquire_async());
    assert!(polled(&mut call).is_pending());
    world.advance(Duration::from_secs(60));
    LIMIT.acquire().unwrap();
    let outside = thread::spawn(move || {
        assert!(matches!(polled(&mut call), Poll::Ready(Err(_))));
        LIMIT.snapshot().rejected
    });
    assert_eq!((outside.join().unwrap(), LIMIT.snapshot().rejected), (0, 1));
}
