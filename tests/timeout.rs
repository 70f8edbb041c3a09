//! `#[timeout]`: a call that takes too long is ended.

use resilience::{Event, Rejected, circuit_breaker, remaining, testing, timeout, with_fallback, with_retry};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
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
async fn a_slow_call_is_ended_at_its_limit_and_told_once() {
    let world = testing::isolate();
    let start = Instant::now();
    let error = takes(Duration::from_secs(60)).await.unwrap_err();
    assert_eq!(start.elapsed(), Duration::from_secs(2));
    let Failure::Rejected(Rejected::TimedOut { point, limit, .. }) = error else { panic!("{error:?}") };
    assert_eq!((&*point, limit), ("timeout::takes", Duration::from_secs(2)));
    assert!(matches!(&world.events()[..], [Event::TimedOut { .. }]));
}

#[tokio::test(start_paused = true)]
async fn a_quick_call_is_left_alone() {
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
async fn return_types_and_errors_with_room_for_a_rejection() {
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
async fn the_clock_starts_at_the_first_poll_that_is_not_ready_unless_strict() {
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
async fn a_manual_clock_ends_it_without_tokios() {
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
fn a_sync_body_runs_on_a_helper_thread_and_is_abandoned_there() {
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
fn each_attempt_can_have_a_helper_thread_of_its_own() {
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
fn without_a_runtime_and_without_timers() {
    #[timeout(10ms)]
    async fn hangs() -> Option<()> {
        std::future::pending().await
    }
    assert_eq!(futures::executor::block_on(hangs()), None);
    let bare = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(bare.block_on(hangs()), None);
    assert_eq!(bare.block_on(hangs()), None);
}
