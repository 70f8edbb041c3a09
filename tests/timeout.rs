//! `#[timeout]`: a call that takes too long is ended.

#[path = "timeout/adaptive.rs"]
mod adaptive;

use resilience::{
    Event, Rejected, Timeout, circuit_breaker, remaining, testing, timeout, with_fallback, with_retry,
};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, mpsc};
use std::time::Duration;
use tokio::time::{Instant, sleep};

#[derive(Debug, PartialEq)]
enum Failure {
    Own,
    Rejected(Rejected),
}

impl From<Rejected> for Failure {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

impl resilience::Classify for Failure {
    fn classify(&self) -> resilience::Classification {
        match self {
            Self::Own => resilience::Category::Transient.into(),
            Self::Rejected(rejected) => rejected.classify(),
        }
    }
}

#[timeout(2s)]
async fn takes(time: Duration) -> Result<u32, Failure> {
    sleep(time).await;
    Ok(1)
}

#[tokio::test(start_paused = true)]
async fn a_slow_call_is_ended_at_its_limit_and_reported_once() {
    let world = testing::isolate();
    let start = Instant::now();
    let error = takes(Duration::from_secs(60)).await.unwrap_err();
    assert_eq!(start.elapsed(), Duration::from_secs(2));
    let Failure::Rejected(Rejected::TimedOut { point, limit, .. }) = error else { panic!("{error:?}") };
    assert_eq!((&*point, limit), ("timeout::takes", Duration::from_secs(2)));
    assert!(matches!(&world.events()[..], [Event::TimedOut { .. }]));
}

#[tokio::test(start_paused = true)]
async fn a_quick_call_is_not_affected() {
    let world = testing::isolate();
    assert_eq!(takes(Duration::from_millis(1999)).await, Ok(1));
    assert_eq!(world.events(), []);
}

#[tokio::test(start_paused = true)]
async fn the_body_is_dropped_when_the_limit_has_passed() {
    struct Dropped(Arc<AtomicBool>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    #[timeout(10ms)]
    async fn holds(flag: &Arc<AtomicBool>) -> Result<(), Rejected> {
        let _guard = Dropped(flag.clone());
        std::future::pending().await
    }
    let flag = Arc::new(AtomicBool::new(false));
    assert!(holds(&flag).await.is_err());
    assert!(flag.load(Ordering::Relaxed));
}

#[tokio::test(start_paused = true)]
async fn several_return_and_error_types_are_supported() {
    #[timeout(1s)]
    async fn option() -> Option<u32> {
        std::future::pending().await
    }
    #[timeout(1s)]
    async fn io_error() -> io::Result<u32> {
        std::future::pending().await
    }
    #[timeout(1s)]
    async fn boxed() -> Result<u32, Box<dyn std::error::Error + Send + Sync>> {
        std::future::pending().await
    }
    #[timeout(1s, rejected = |r| r.to_string())]
    async fn text() -> Result<u32, String> {
        std::future::pending().await
    }
    assert_eq!(option().await, None);
    assert_eq!(io_error().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert!(boxed().await.unwrap_err().downcast_ref::<Rejected>().is_some());
    assert_eq!(text().await.unwrap_err(), "`timeout::text` timed out after 1s");
}

#[tokio::test(start_paused = true)]
async fn a_const_duration_is_a_limit_too() {
    const LIMIT: Duration = Duration::from_millis(1500);
    #[timeout(LIMIT)]
    async fn slow() -> Option<()> {
        std::future::pending().await
    }
    let start = Instant::now();
    assert_eq!(slow().await, None);
    assert_eq!(start.elapsed(), LIMIT);
}

#[tokio::test(start_paused = true)]
async fn remaining_is_the_least_of_all_enclosing_timeouts() {
    #[timeout(10s)]
    async fn outer() -> Result<Vec<Option<Duration>>, Failure> {
        let mut seen = vec![remaining()];
        sleep(Duration::from_secs(3)).await;
        seen.push(remaining());
        seen.extend(inner().await?);
        seen.push(remaining());
        Ok(seen)
    }
    #[timeout(8s)]
    async fn inner() -> Result<Vec<Option<Duration>>, Failure> {
        sleep(Duration::from_secs(2)).await;
        Ok(vec![remaining()])
    }
    let seconds = |n| Some(Duration::from_secs(n));
    assert_eq!(remaining(), None);
    assert_eq!(outer().await.unwrap(), [seconds(10), seconds(7), seconds(5), seconds(5)]);
    assert_eq!(remaining(), None);
}

#[tokio::test(start_paused = true)]
async fn the_clock_starts_at_the_first_pending_poll_unless_strict() {
    #[timeout(2s)]
    async fn blocks_first() -> Option<Duration> {
        tokio::time::advance(Duration::from_secs(5)).await;
        let left = remaining();
        sleep(Duration::from_secs(1)).await;
        left
    }
    #[timeout(2s, strict)]
    async fn strictly() -> Option<Duration> {
        tokio::time::advance(Duration::from_secs(5)).await;
        sleep(Duration::from_secs(1)).await;
        remaining()
    }
    // The five seconds pass within the first poll, before the timer of the first one is made.
    assert_eq!(blocks_first().await, Some(Duration::from_secs(2)));
    assert_eq!(strictly().await, None);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_function_stays_its_own() {
    #[timeout(2s)]
    async fn fails() -> Result<u32, Failure> {
        Err(Failure::Own)
    }
    assert_eq!(fails().await, Err(Failure::Own));
}

#[tokio::test]
async fn a_manual_clock_ends_a_call_without_tokio_time() {
    let world = testing::isolate();
    let call = takes(Duration::from_secs(3600));
    let move_on = async {
        tokio::task::yield_now().await;
        world.advance(Duration::from_secs(2));
    };
    let (outcome, ()) = tokio::join!(call, move_on);
    assert!(outcome.is_err());
}

#[test]
fn a_sync_body_runs_on_a_helper_thread_and_is_abandoned() {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    #[timeout(20ms, thread, threads = 2)]
    fn waits(gate: Arc<std::sync::Barrier>, wait: bool) -> Result<u32, Failure> {
        RUNS.fetch_add(1, Ordering::Relaxed);
        if wait {
            gate.wait();
        }
        Ok(7)
    }
    let gate = Arc::new(std::sync::Barrier::new(3));
    for _ in 0..2 {
        let error = waits(gate.clone(), true).unwrap_err();
        assert!(matches!(error, Failure::Rejected(Rejected::TimedOut { .. })), "{error:?}");
    }
    let error = waits(gate.clone(), false).unwrap_err();
    assert!(matches!(error, Failure::Rejected(Rejected::BulkheadFull { .. })), "{error:?}");
    gate.wait();
    while waits(gate.clone(), false) != Ok(7) {
        std::thread::yield_now();
    }
}

#[test]
fn each_attempt_may_have_its_own_helper_thread() {
    static TAGS: Mutex<Vec<String>> = Mutex::new(Vec::new());
    #[with_retry(max = 2, base = 1ms, clone(tag))]
    #[circuit_breaker(threshold = 9)]
    #[timeout(60s, thread, growth = 2.0)]
    fn counts(mut runs: u32, tag: String) -> Result<u32, Failure> {
        runs += 1;
        let mut tags = TAGS.lock().unwrap();
        tags.push(tag);
        if tags.len() < 3 { Err(Failure::Own) } else { Ok(runs) }
    }
    assert_eq!(counts(0, "a".to_owned()), Ok(1), "each attempt begins with the argument as it was given");
    assert_eq!(TAGS.lock().unwrap().concat(), "aaa");

    #[with_fallback(kept, clone(tags))]
    #[timeout(60s, thread)]
    #[with_retry(max = 1, base = 1ms, give_up_after = 10s)]
    #[timeout(30s, thread)]
    fn fails(tags: Vec<u32>) -> Result<u32, Failure> {
        drop(tags);
        Err(Failure::Own)
    }
    fn kept(tags: Vec<u32>) -> Option<u32> {
        Some(tags.iter().sum())
    }
    assert_eq!(fails(vec![1, 2]), Ok(3));

    #[timeout(60s, thread)]
    #[with_fallback(kept, clone(tags))]
    fn answered_there(tags: Vec<u32>) -> Result<u32, Failure> {
        drop(tags);
        Err(Failure::Own)
    }
    assert_eq!(answered_there(vec![3, 4]), Ok(7), "the fallback is given them on that thread");
}

#[test]
fn a_panic_on_the_helper_thread_reaches_the_caller() {
    #[timeout(60s, thread)]
    fn panics(text: &'static str) -> Result<(), Failure> {
        assert!(text.is_empty(), "{text}");
        Ok(())
    }
    let panic = std::panic::catch_unwind(|| panics("told")).unwrap_err();
    assert_eq!(panic.downcast_ref::<String>().map(String::as_str), Some("told"));
}

#[test]
fn bodies_within_their_limit_are_not_counted() {
    #[timeout(60s, thread, threads = 1)]
    fn meets(all: Arc<std::sync::Barrier>) -> Result<u32, Failure> {
        all.wait();
        Ok(1)
    }
    const BY_HAND: Timeout = Timeout::new(Duration::from_secs(60)).threads(1).name("meets");
    let all = Arc::new(std::sync::Barrier::new(40));
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let call = |n: u32| {
            let all = all.clone();
            scope.spawn(move || {
                if n.is_multiple_of(2) {
                    return meets(all);
                }
                BY_HAND.call(move || {
                    all.wait();
                    Ok(1)
                })
            })
        };
        let calls: Vec<_> = (0..40).map(call).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    assert!(outcomes.iter().all(|outcome| *outcome == Ok(1)), "all forty run at once: {outcomes:?}");
}

#[test]
fn an_abandoned_body_that_panics_frees_its_slot() {
    #[timeout(5ms, thread, threads = 1)]
    fn panics(gate: Arc<std::sync::Barrier>, late: bool) -> Result<u32, Failure> {
        if late {
            gate.wait();
            panic!("too late to be heard");
        }
        Ok(1)
    }
    let gate = Arc::new(std::sync::Barrier::new(2));
    let error = panics(gate.clone(), true).unwrap_err();
    assert!(matches!(error, Failure::Rejected(Rejected::TimedOut { .. })), "{error:?}");
    let error = panics(gate.clone(), false).unwrap_err();
    assert!(matches!(error, Failure::Rejected(Rejected::BulkheadFull { .. })), "{error:?}");
    gate.wait();
    while panics(gate.clone(), false) != Ok(1) {
        std::thread::yield_now();
    }
}

#[tokio::test(start_paused = true)]
async fn outer_limits_are_propagated_to_the_helper_thread() {
    #[timeout(5s, thread)]
    fn inner() -> Result<Option<Duration>, Failure> {
        nested()
    }
    #[timeout(4s, thread)]
    fn nested() -> Result<Option<Duration>, Failure> {
        Ok(remaining())
    }
    #[timeout(3s)]
    async fn not_yet_running() -> Result<Option<Duration>, Failure> {
        inner()
    }
    #[timeout(3s)]
    async fn running() -> Result<Option<Duration>, Failure> {
        sleep(Duration::from_secs(1)).await;
        inner()
    }
    #[timeout(60s)]
    async fn longer() -> Result<Option<Duration>, Failure> {
        const BY_HAND: Timeout = Timeout::new(Duration::from_secs(2));
        sleep(Duration::from_secs(1)).await;
        BY_HAND.call(inner)
    }
    assert_eq!(inner(), Ok(Some(Duration::from_secs(4))));
    assert_eq!(not_yet_running().await, Ok(Some(Duration::from_secs(3))));
    assert_eq!(running().await, Ok(Some(Duration::from_secs(2))));
    assert_eq!(longer().await, Ok(Some(Duration::from_secs(2))));
}

#[test]
fn the_runtime_is_propagated_to_the_helper_thread() {
    #[timeout(60s, thread)]
    fn asks() -> Result<u32, Failure> {
        let handle = tokio::runtime::Handle::current();
        Ok(handle.block_on(async {
            sleep(Duration::from_millis(1)).await;
            tokio::spawn(async { 7 }).await.unwrap()
        }))
    }
    #[timeout(60s, thread)]
    fn knows() -> Result<bool, Failure> {
        Ok(tokio::runtime::Handle::try_current().is_ok())
    }
    assert_eq!(knows(), Ok(false));
    let several = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let single = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for runtime in [several, single] {
        let outcome = runtime.block_on(async {
            let here = knows();
            (here, tokio::task::spawn_blocking(asks).await.unwrap())
        });
        assert_eq!(outcome, (Ok(true), Ok(7)));
    }
}

#[test]
fn the_stack_size_is_that_of_a_main_thread_or_as_configured() {
    /// Uses about `kib` KiB of stack.
    fn deep(kib: usize) -> u64 {
        let block = std::hint::black_box([kib as u8; 1024]);
        if kib == 0 { 0 } else { deep(kib - 1).wrapping_add(block[0].into()) }
    }
    #[timeout(60s, thread)]
    fn by_default() -> Result<u64, Failure> {
        Ok(deep(3 * 1024))
    }
    #[timeout(60s, thread, stack = 64MiB)]
    fn larger() -> Result<u64, Failure> {
        Ok(deep(12 * 1024))
    }
    const STACK: usize = 64 << 20;
    #[timeout(60s, thread, stack = STACK)]
    fn by_constant() -> Result<u64, Failure> {
        Ok(deep(12 * 1024))
    }
    assert!(by_default().is_ok() && larger().is_ok() && by_constant().is_ok());
    let by_hand: Result<u64, Failure> =
        Timeout::new(Duration::from_secs(60)).stack(64 << 20).call(|| Ok(deep(12 * 1024)));
    assert!(by_hand.is_ok());
}

#[test]
fn a_stack_size_that_cannot_be_allocated_is_rejected() {
    #[timeout(60s, thread, stack = 1000000GiB)]
    fn never() -> Result<u64, Failure> {
        Ok(1)
    }
    let error = never().unwrap_err();
    assert!(matches!(error, Failure::Rejected(Rejected::BulkheadFull { .. })), "{error:?}");
}

#[test]
fn a_timeout_value_ends_a_sync_call_at_its_limit() {
    const LIMIT: Timeout = Timeout::new(Duration::from_secs(60)).threads(1).name("by hand");
    const SHORT: Timeout = Timeout::new(Duration::from_millis(10)).name("by hand");
    let _world = testing::isolate();
    assert_eq!(LIMIT.call(|| Ok::<_, Failure>(1)), Ok(1));
    assert_eq!(LIMIT.call(|| Err::<(), _>(Failure::Own)), Err(Failure::Own));
    assert_eq!(LIMIT.call(|| None::<u32>), None);
    let panic = std::panic::catch_unwind(|| LIMIT.call(|| -> Option<()> { std::panic::panic_any(3_u8) }));
    assert_eq!(panic.unwrap_err().downcast_ref(), Some(&3_u8));

    let (release, released) = std::sync::mpsc::channel::<()>();
    let blocked = SHORT.call(move || {
        let _ = released.recv();
        Ok::<_, Failure>(1)
    });
    let Err(Failure::Rejected(Rejected::TimedOut { point, limit, .. })) = blocked else {
        panic!("{blocked:?}")
    };
    assert_eq!((&*point, limit), ("by hand", Duration::from_millis(10)));
    let refused: Result<u32, Failure> = LIMIT.call(|| Ok(1));
    assert!(matches!(refused, Err(Failure::Rejected(Rejected::BulkheadFull { .. }))), "{refused:?}");
    let other = LIMIT.name("another").call(|| Ok::<_, Failure>(1));
    assert_eq!(other, Ok(1), "values of another name are counted apart");
    drop(release);
    while LIMIT.call(|| Ok::<_, Failure>(1)) != Ok(1) {
        std::thread::yield_now();
    }
}

#[test]
fn a_timeout_value_makes_small_spawnable_futures() {
    async fn large(text: String) -> Result<usize, Failure> {
        let bytes = std::hint::black_box([1_u8; 1024]);
        tokio::task::yield_now().await;
        Ok(text.len() + usize::from(std::hint::black_box(bytes)[0]))
    }
    static LIMIT: Timeout = Timeout::new(Duration::from_secs(60));
    let body = size_of_val(&large(String::new()));
    let text = String::from("words");
    let call = LIMIT.call_async(move || large(text));
    assert!(size_of_val(&call) <= body + 40 + 112, "{} for a body of {body}", size_of_val(&call));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    assert_eq!(runtime.block_on(async { tokio::spawn(call).await.unwrap() }), Ok(6));
    let text = String::from("other words");
    let call = async move {
        let borrowed = LIMIT.call_async(async || large(text.clone()).await).await;
        borrowed.and(LIMIT.call_async(async move || large(text).await).await)
    };
    assert_eq!(runtime.block_on(async { tokio::spawn(call).await.unwrap() }), Ok(12));
}

#[test]
fn a_timeout_value_starts_its_call_at_the_first_poll() {
    static BEGUN: AtomicU32 = AtomicU32::new(0);
    let call = Timeout::new(Duration::from_secs(1));
    let call = call.call_async(|| {
        BEGUN.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Some(1))
    });
    assert_eq!(BEGUN.load(Ordering::Relaxed), 0);
    assert_eq!((futures::executor::block_on(call), BEGUN.load(Ordering::Relaxed)), (Some(1), 1));
}

#[test]
fn a_timeout_works_without_a_runtime_or_timers() {
    #[timeout(10ms)]
    async fn hangs() -> Option<()> {
        std::future::pending().await
    }
    assert_eq!(futures::executor::block_on(hangs()), None);
    let bare = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(bare.block_on(hangs()), None);
    assert_eq!(bare.block_on(hangs()), None);
}

static FROM_ENVIRONMENT: LazyLock<Timeout> = LazyLock::new(|| {
    let limit = std::env::var("NO_SUCH_LIMIT").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    Timeout::try_new(Duration::from_secs(limit)).unwrap()
});

#[timeout(instance = FROM_ENVIRONMENT, name = "limit from the environment")]
async fn limited(work: Duration) -> Result<(), Failure> {
    sleep(work).await;
    Ok(())
}

struct Limited {
    limit: Arc<Timeout>,
}

impl Limited {
    #[with_retry(max = 2, base = 0s)]
    #[timeout(instance = self.limit)]
    async fn grows(&self, work: Duration) -> Result<(), Failure> {
        sleep(work).await;
        Ok(())
    }

    #[timeout(instance = self.limit, thread)]
    fn on_thread(self, gate: mpsc::Receiver<()>) -> Result<(), Failure> {
        let _ = gate.recv();
        Ok(())
    }
}

fn is_send<T: Send>(future: T) -> T {
    future
}

#[tokio::test(start_paused = true)]
async fn a_limit_can_be_a_run_time_value() {
    let _world = testing::isolate();
    let stack = || resilience::point("limit from the environment").unwrap().info().stack.remove(0);
    assert_eq!(stack().settings[0].to_string(), "instance = ..");
    is_send(limited(Duration::from_secs(1))).await.unwrap();
    let start = Instant::now();
    let Failure::Rejected(rejected) = limited(Duration::from_secs(60)).await.unwrap_err() else { panic!() };
    assert_eq!((start.elapsed(), rejected.limit()), (Duration::from_secs(2), Some(Duration::from_secs(2))));
    assert_eq!(rejected.point(), "limit from the environment");
    assert!(stack().to_string().contains("limit = 2s"), "{}", stack());

    let start = Instant::now();
    let limit = Arc::new(Timeout::new(Duration::from_secs(1)).growth(2.0));
    assert!(Limited { limit }.grows(Duration::from_secs(60)).await.is_err());
    assert_eq!(start.elapsed(), Duration::from_secs(1 + 2 + 4), "it grows on each retry");
}

#[test]
fn an_instance_limit_applies_on_a_helper_thread() {
    let (end, gate) = mpsc::channel();
    let limited = Limited { limit: Arc::new(Timeout::new(Duration::from_millis(1))) };
    let Failure::Rejected(rejected) = limited.on_thread(gate).unwrap_err() else { panic!() };
    assert_eq!(rejected.limit(), Some(Duration::from_millis(1)));
    end.send(()).unwrap();
}
