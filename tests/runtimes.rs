//! All four policies wherever a future can be polled: none panics, none hangs, all keep their promises.

#[path = "runtimes/always_ready.rs"]
mod always_ready;
#[path = "runtimes/on_every_clock.rs"]
mod on_every_clock;

use resilience::{
    Bulkhead, Cache, RateLimit, Rejected, bulkhead, circuit_breaker, rate_limit, testing, timeout,
    with_fallback, with_retry,
};
use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

type Calls = Arc<AtomicU32>;

fn count(calls: &Calls) -> u32 {
    calls.fetch_add(1, Ordering::Relaxed) + 1
}

/// Succeeds at the third call, after two that hang.
#[with_fallback(value = 99)]
#[timeout(60s)]
#[with_retry(max = 3, base = 1ms)]
#[circuit_breaker(threshold = 1000, key = id)]
#[timeout(2ms)]
async fn recovers(id: u32, calls: &Calls) -> Result<u32, Rejected> {
    let _ = id;
    match count(calls) {
        1 | 2 => pending().await,
        call => Ok(call),
    }
}

/// Never succeeds: the attempts hang.
#[with_fallback(value = 99)]
#[timeout(60s)]
#[with_retry(max = 2, base = 1ms)]
#[circuit_breaker(threshold = 1000, key = id)]
#[timeout(2ms)]
async fn falls_back(id: u32, calls: &Calls) -> Result<u32, Rejected> {
    let _ = id;
    count(calls);
    pending().await
}

/// The breaker opens at the second failure, which ends the retries.
#[with_retry(max = 9, base = 1ms)]
#[circuit_breaker(threshold = 2, recovery = 1h, key = id)]
async fn opens(id: u32, calls: &Calls) -> Result<u32, Rejected> {
    let _ = id;
    count(calls);
    Err(timed_out().await)
}

async fn timed_out() -> Rejected {
    #[timeout(1ms)]
    async fn hangs() -> Result<(), Rejected> {
        pending().await
    }
    hangs().await.unwrap_err()
}

/// Without any runtime: a thread that sleeps until it is woken.
fn by_parking<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// Every story once; `id` keeps the breakers of the runtimes apart.
async fn everything(id: u32) {
    let calls = Calls::default();
    assert_eq!(recovers(id, &calls).await, Ok(3));
    assert_eq!((falls_back(id, &calls).await, calls.swap(0, Ordering::Relaxed)), (Ok(99), 6));
    assert!(matches!(opens(id, &calls).await, Err(Rejected::CircuitOpen { .. })));
    assert_eq!(calls.swap(0, Ordering::Relaxed), 2);
    assert!(opens(id, &calls).await.is_err());
    assert_eq!(calls.swap(0, Ordering::Relaxed), 0);
}

#[test]
fn everything_works_without_a_runtime() {
    by_parking(everything(1));
}

#[test]
fn everything_works_on_a_foreign_executor() {
    futures::executor::block_on(everything(2));
    let mut pool = futures::executor::LocalPool::new();
    pool.run_until(everything(3));
}

#[test]
fn everything_works_on_a_tokio_runtime_without_timers() {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(everything(4));
    let bare = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    bare.block_on(async { tokio::spawn(everything(5)).await.unwrap() });
}

#[test]
fn everything_works_on_a_current_thread_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(everything(6));
    runtime.block_on(tokio::task::LocalSet::new().run_until(async {
        tokio::task::spawn_local(everything(7)).await.unwrap();
    }));
}

#[test]
fn spawned_calls_work_on_a_multi_thread_runtime() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let calls: Vec<_> = (100..110).map(|id| tokio::spawn(everything(id))).collect();
        for call in calls {
            call.await.unwrap();
        }
    });
}

#[test]
fn a_call_can_be_dropped_outside_its_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let calls = Calls::default();
    let mut call = Box::pin(falls_back(9, &calls));
    runtime.block_on(async {
        assert!(futures::future::poll_immediate(call.as_mut()).await.is_none());
    });
    drop(runtime);
    drop(call);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[test]
fn a_body_that_is_always_ready_is_ended() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(always_ready::end());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { tokio::spawn(always_ready::end()).await.unwrap() });
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(always_ready::end());
}

#[test]
fn timers_fire_while_a_current_thread_runtime_is_blocked() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        futures::executor::block_on(everything(10));
        by_parking(everything(11));
    });
}

#[test]
fn a_panicking_waker_does_not_stop_other_waits() {
    struct Panics(std::sync::Mutex<std::sync::mpsc::Sender<()>>);
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            let _ = self.0.lock().unwrap().send(());
            panic!("the executor is gone");
        }
    }
    #[timeout(2ms)]
    async fn hangs() -> Result<(), Rejected> {
        pending().await
    }
    let (sender, woken) = std::sync::mpsc::channel();
    let waker = Waker::from(Arc::new(Panics(sender.into())));
    let mut calls: Vec<_> = (0..3).map(|_| Box::pin(hangs())).collect();
    for call in &mut calls {
        let _ = call.as_mut().poll(&mut Context::from_waker(&waker));
    }
    let is_woken = woken.recv_timeout(Duration::from_secs(60)).is_ok();
    let is_over =
        calls.iter_mut().any(|call| call.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
    assert!(is_woken || is_over);
    by_parking(everything(12));
}

#[test]
fn a_paused_clock_moves_with_the_waits() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    #[with_retry(max = 2, base = 1h, cap = 1h, backoff = constant, jitter = none, budget = none)]
    #[timeout(24h)]
    async fn hangs() -> Result<(), Rejected> {
        pending().await
    }
    runtime.block_on(async {
        let start = tokio::time::Instant::now();
        assert!(hangs().await.is_err());
        assert_eq!(start.elapsed(), Duration::from_secs(3600 * (3 * 24 + 2)));
    });
    // A runtime with a paused clock but without timers moves it by hand only; waits pass in real time.
    let mut bare = tokio::runtime::Builder::new_current_thread();
    bare.start_paused(true).build().unwrap().block_on(async {
        #[timeout(2ms)]
        async fn hangs() -> Result<(), Rejected> {
            pending().await
        }
        assert!(hangs().await.is_err());
    });
}

/// A breaker reads the clocks of two runtimes as if they were one: it stays open for as much longer as the first
/// clock was ahead. In worlds of their own the two do not meet.
#[test]
fn a_breaker_works_on_two_paused_clocks() {
    const HOUR: Duration = Duration::from_secs(3600);
    #[circuit_breaker(threshold = 1, recovery = 60s)]
    async fn load(calls: &Calls) -> Option<()> {
        (count(calls) > 1).then_some(())
    }
    let opens_an_hour_ahead = |calls: &Calls| {
        paused().block_on(async {
            tokio::time::advance(HOUR).await;
            assert_eq!(load(calls).await, None);
        });
    };
    let calls = Calls::default();
    opens_an_hour_ahead(&calls);
    paused().block_on(async {
        tokio::time::advance(HOUR).await;
        assert_eq!(load(&calls).await, None);
        assert_eq!(calls.load(Ordering::Relaxed), 1, "open");
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(load(&calls).await, Some(()));
    });
    let calls = Calls::default();
    let world = testing::isolate();
    opens_an_hour_ahead(&calls);
    drop(world);
    let _world = testing::isolate();
    assert_eq!(paused().block_on(load(&calls)), Some(()));
}

fn paused() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

#[test]
fn sync_waits_advance_a_paused_clock() {
    #[with_retry(max = 1000, base = 1ms, backoff = constant, jitter = none, give_up_after = 10ms, budget = none)]
    fn gives_up(calls: &Calls) -> Option<()> {
        count(calls);
        None
    }
    #[circuit_breaker(threshold = 1, recovery = 10ms)]
    fn guarded(fails: bool) -> Option<u32> {
        (!fails).then_some(1)
    }
    fn story() {
        let calls = Calls::default();
        assert_eq!(gives_up(&calls), None);
        assert_eq!(calls.swap(0, Ordering::Relaxed), 11, "ten waits of one millisecond");
        assert_eq!((guarded(true), guarded(false)), (None, None), "open");
        assert_eq!(gives_up(&calls), None);
        assert_eq!(guarded(false), Some(1), "after its recovery");
    }
    paused().block_on(async {
        story();
        tokio::task::spawn_blocking(story).await.unwrap();
        assert_eq!((guarded(true), guarded(false)), (None, None));
        tokio::time::advance(Duration::from_millis(10)).await;
        assert_eq!(guarded(false), Some(1), "the clock moves it, too");
    });
}

#[test]
fn sync_waits_for_admission_advance_a_paused_clock() {
    const MOMENT: Duration = Duration::from_millis(1);
    static SLOTS: Bulkhead = Bulkhead::new("paused", 1).wait(MOMENT);
    static VALUES: Cache = Cache::new("paused").wait(MOMENT);
    #[rate_limit(1000, per = 1s, burst = 1, wait = 1s)]
    fn paced() -> Result<(), Rejected> {
        Ok(())
    }
    #[with_retry(max = 3, base = 1ms, jitter = none, on(rejected), give_up_after = 2ms, budget = none)]
    #[bulkhead(instance = SLOTS)]
    fn in_a_slot(calls: &Calls) -> Result<u32, Rejected> {
        Ok(count(calls))
    }
    fn story() {
        let calls = Calls::default();
        for _ in 0..3 {
            assert_eq!(paced(), Ok(()));
        }
        let slot = SLOTS.acquire().unwrap();
        assert!(matches!(in_a_slot(&calls), Err(Rejected::BulkheadFull { .. })));
        drop(slot);
        assert_eq!(in_a_slot(&calls), Ok(1));
        let mut leader = Box::pin(VALUES.call_async(&1, async || pending::<Option<u32>>().await));
        assert!(leader.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(VALUES.call(&1, || Some(7)), Some(7));
    }
    paused().block_on(async {
        story();
        tokio::task::spawn_blocking(story).await.unwrap();
        {
            let _world = testing::isolate();
            story();
        }
        let _no_waits = testing::no_waits();
        story();
    });
}

#[test]
fn an_advanced_clock_ends_a_sync_wait_for_admission() {
    static HOURLY: RateLimit = RateLimit::new("hourly", 1, Duration::from_secs(3600)).wait(Duration::MAX);
    paused().block_on(async {
        HOURLY.acquire().unwrap();
        let waits = tokio::task::spawn_blocking(|| HOURLY.acquire());
        while HOURLY.snapshot().waiting == 0 {
            tokio::task::yield_now().await;
        }
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(waits.await.unwrap(), Ok(()));
    });
}

#[test]
fn sync_functions_work_inside_and_outside_a_runtime() {
    #[with_fallback(value = 99)]
    #[with_retry(max = 2, base = 1ms)]
    #[circuit_breaker(threshold = 1000)]
    fn sync(calls: &Calls, fails: u32) -> Option<u32> {
        let call = count(calls);
        (call > fails).then_some(call)
    }
    let story = || {
        let calls = Calls::default();
        assert_eq!((sync(&calls, 2), sync(&calls, 99)), (Some(3), Some(99)));
    };
    story();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { story() });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async { tokio::spawn(async move { story() }).await.unwrap() });
    thread::spawn(story).join().unwrap();
}

#[test]
fn thread_timeouts_work_inside_and_outside_a_runtime() {
    #[timeout(5ms, thread)]
    fn blocks(gate: Arc<std::sync::Barrier>) -> Result<u32, Rejected> {
        gate.wait();
        Ok(1)
    }
    let story = || {
        let gate = Arc::new(std::sync::Barrier::new(2));
        assert!(matches!(blocks(gate.clone()), Err(Rejected::TimedOut { .. })));
        gate.wait();
    };
    story();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async { story() });
}

#[test]
fn a_task_that_joins_a_world_uses_its_clock() {
    #[with_retry(max = 3, base = 10s)]
    async fn slow(calls: Calls) -> Option<u32> {
        let call = count(&calls);
        (call == 4).then_some(call)
    }
    let world = testing::isolate();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let joined = testing::in_world(slow(Calls::default()));
    assert_eq!(runtime.block_on(async { tokio::spawn(joined).await.unwrap() }), Some(4));
    assert_eq!(world.waits().len(), 3);
    assert!(world.waits().iter().all(|wait| *wait <= Duration::from_secs(10)));
}

#[test]
fn no_waits_ends_every_wait_at_once() {
    #[with_retry(max = 3, base = 1h, cap = 10h, jitter = none)]
    fn patient(calls: &Calls) -> Option<u32> {
        let call = count(calls);
        (call == 4).then_some(call)
    }
    let _guard = testing::no_waits();
    assert_eq!(patient(&Calls::default()), Some(4));
}
