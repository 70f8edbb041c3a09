//! The program's panic hook never runs because of a wait of ours: a hook may end the process.
//!
//! The hook belongs to the process, so these tests have one of their own.

use resilience::{Rejected, Retry, Timeout, job, remaining, timeout, with_fallback, with_retry};
use std::future::{Future, pending};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Once, mpsc};
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Notify;

static PANICS: AtomicU32 = AtomicU32::new(0);
/// Those that the tests ask for.
static OF_JOBS: AtomicU32 = AtomicU32::new(0);

/// Counts every panic from now on, caught or not.
fn watch() {
    static SET: Once = Once::new();
    SET.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let is_of_a_job =
                info.payload().downcast_ref::<String>().is_some_and(|text| text.starts_with("the job"));
            let counter = if is_of_a_job { &OF_JOBS } else { &PANICS };
            counter.fetch_add(1, Ordering::Relaxed);
            before(info);
        }));
    });
}

fn panics() -> u32 {
    PANICS.load(Ordering::Relaxed)
}

#[with_retry(max = 2, base = 1ms)]
async fn retried(calls: &AtomicU32) -> io::Result<u32> {
    match calls.fetch_add(1, Ordering::Relaxed) {
        2 => Ok(3),
        _ => Err(io::ErrorKind::ConnectionReset.into()),
    }
}

#[timeout(2ms)]
async fn hangs() -> Result<u32, Rejected> {
    pending().await
}

#[timeout(2ms, strict)]
async fn hangs_strictly() -> Result<u32, Rejected> {
    pending().await
}

#[timeout(1h)]
async fn waits_for(released: &Notify) -> Result<u32, Rejected> {
    released.notified().await;
    assert!(remaining().is_some());
    Ok(1)
}

#[with_fallback(value = 99)]
#[timeout(1h)]
#[with_retry(max = 1, base = 1ms)]
#[timeout(2ms)]
async fn stack() -> Result<u32, Rejected> {
    pending().await
}

async fn everything() {
    const LIMIT: Timeout = Timeout::new(Duration::from_millis(2));
    const AGAIN: Retry = Retry::new().max(1).base(Duration::from_millis(1));
    assert_eq!(retried(&AtomicU32::new(0)).await.unwrap(), 3);
    for _ in 0..2 {
        assert!(matches!(hangs().await, Err(Rejected::TimedOut { .. })));
        assert!(matches!(hangs_strictly().await, Err(Rejected::TimedOut { .. })));
    }
    assert_eq!(stack().await, Ok(99));
    let by_hand: Result<u32, Rejected> = LIMIT.call_async(pending).await;
    assert!(matches!(by_hand, Err(Rejected::TimedOut { .. })));
    let by_hand: io::Result<u32> =
        AGAIN.call_async(async || Err(io::ErrorKind::ConnectionReset.into())).await;
    assert!(by_hand.is_err(), "after a pause");
}

/// Runs the work in a blocking task of a runtime, and shuts that runtime down when the task says so.
fn during_shutdown<F: Future<Output = ()>>(
    drop_it: bool,
    work: impl FnOnce(Box<dyn Fn() + Send>) -> F + Send + 'static,
) {
    watch();
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let handle = runtime.handle().clone();
    let (shut_down, when_to) = mpsc::channel();
    let (down, is_down) = mpsc::channel::<()>();
    // A task of the runtime is dropped when the runtime shuts down.
    runtime.spawn(async move {
        let _down = down;
        pending::<()>().await;
    });
    let (done, end) = mpsc::channel();
    runtime.spawn_blocking(move || {
        let shut_down = move || {
            shut_down.send(()).unwrap();
            assert!(is_down.recv().is_err(), "the runtime's tasks have been dropped");
        };
        let result = catch_unwind(AssertUnwindSafe(|| handle.block_on(work(Box::new(shut_down)))));
        done.send(result.is_ok()).unwrap();
    });
    when_to.recv().unwrap();
    if drop_it {
        drop(runtime)
    } else {
        runtime.shutdown_background()
    }
    assert_eq!((end.recv(), panics()), (Ok(true), 0));
}

#[test]
fn runtimes_without_timers_do_not_panic() {
    watch();
    Builder::new_current_thread().build().unwrap().block_on(everything());
    let several = Builder::new_multi_thread().worker_threads(2).build().unwrap();
    several.block_on(async { tokio::spawn(everything()).await.unwrap() });
    assert_eq!(panics(), 0);
}

#[test]
fn a_thread_that_only_entered_a_runtime_does_not_panic() {
    watch();
    let bare = Builder::new_current_thread().build().unwrap();
    let _entered = bare.enter();
    futures::executor::block_on(everything());
    assert_eq!(panics(), 0);
}

#[test]
fn waits_that_begin_after_the_shutdown_do_not_panic() {
    for drop_it in [false, true] {
        during_shutdown(drop_it, |shut_down| async move {
            shut_down();
            everything().await;
        });
    }
}

#[test]
fn waits_that_began_before_the_shutdown_do_not_panic() {
    for drop_it in [false, true] {
        during_shutdown(drop_it, |shut_down| async move {
            let released = Arc::new(Notify::new());
            let mut call = Box::pin(waits_for(&released));
            let mut timed_out = Box::pin(hangs());
            assert!(futures::future::poll_immediate(call.as_mut()).await.is_none());
            let _ = futures::future::poll_immediate(timed_out.as_mut()).await;
            shut_down();
            assert!(futures::future::poll_immediate(call.as_mut()).await.is_none());
            assert!(matches!(timed_out.await, Err(Rejected::TimedOut { .. })));
            released.notify_one();
            assert_eq!(call.await, Ok(1));
        });
    }
}

#[test]
fn a_handle_of_a_dropped_runtime_does_not_panic() {
    watch();
    let handle: Handle = Runtime::new().unwrap().handle().clone();
    let _entered = handle.enter();
    futures::executor::block_on(everything());
    assert_eq!(panics(), 0);
}

#[job("panics:{id}")]
fn job_panics(id: u32) -> Result<u32, Rejected> {
    panic!("the job {id}")
}

#[job("panics-async:{id}")]
async fn job_panics_async(id: u32) -> Result<u32, Rejected> {
    tokio::task::yield_now().await;
    panic!("the job {id}")
}

/// The hook runs once for each panic of a job's body, and stays the program's own.
#[test]
fn a_panic_of_a_job_reaches_the_hook_once() {
    let _world = resilience::testing::isolate();
    watch();
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    catch_unwind(|| job_panics(1)).expect_err("it goes on");
    catch_unwind(AssertUnwindSafe(|| runtime.block_on(job_panics_async(1)))).expect_err("it goes on");
    assert_eq!(OF_JOBS.load(Ordering::Relaxed), 2);
}
