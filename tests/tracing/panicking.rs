//! A subscriber that panics takes nothing else down.

use super::*;
use resilience::event::hook_panics;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Default)]
struct Panics(Mutex<Option<&'static Metadata<'static>>>, AtomicBool);

impl Subscriber for Panics {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("resilience") || metadata.is_span()
    }

    fn event(&self, _: &Event<'_>) {
        panic!("the subscriber panics at an event");
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        *self.0.lock().unwrap() = Some(span.metadata());
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {
        // A span that was not entered is not left: the second one is.
        assert!(self.1.swap(true, Ordering::Relaxed), "the subscriber panics at the beginning of a span");
    }

    fn exit(&self, _: &Id) {
        panic!("the subscriber panics at the end of a span");
    }

    fn current_span(&self) -> Current {
        let span = *self.0.lock().unwrap();
        Current::new(Id::from_u64(1), span.expect("the subscriber panics when it has no span"))
    }
}

/// Runs `work` in a test world below the subscriber, which must have been called at least `panics` times.
fn below<T>(panics: u64, work: impl FnOnce(&testing::World) -> T) -> T {
    let world = testing::isolate();
    let before = hook_panics();
    let result = tracing::subscriber::with_default(Panics::default(), || work(&world));
    assert!(hook_panics() >= before + panics, "the subscriber panicked {} times", hook_panics() - before);
    result
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}

#[with_retry(max = 2, budget = none)]
fn retried(calls: &Cell<u32>, fails: u32) -> Result<String, Secret> {
    calls.set(calls.get() + 1);
    if calls.get() <= fails { Err(Secret(Category::Unavailable)) } else { Ok("done".to_owned()) }
}

#[with_retry(max = 2, budget = none)]
async fn retried_async(calls: &Cell<u32>, fails: u32) -> Result<String, Secret> {
    calls.set(calls.get() + 1);
    if calls.get() <= fails { Err(Secret(Category::Unavailable)) } else { Ok("done".to_owned()) }
}

#[test]
fn a_panicking_subscriber_does_not_affect_a_retry() {
    // Started and failed attempts, "succeeded after retries" or "gave up".
    below(10, |_| {
        for (fails, succeeds) in [(1, true), (9, false)] {
            let (calls, calls_async) = (Cell::new(0), Cell::new(0));
            assert_eq!(retried(&calls, fails).is_ok(), succeeds);
            assert_eq!(block_on(retried_async(&calls_async, fails)).is_ok(), succeeds);
            assert_eq!((calls.get(), calls_async.get()), if succeeds { (2, 2) } else { (3, 3) });
        }
    });
}

#[circuit_breaker(threshold = 1, recovery = 60s)]
fn guarded(fails: bool) -> Result<u32, Secret> {
    if fails { Err(Secret(Category::Unavailable)) } else { Ok(1) }
}

#[circuit_breaker(threshold = 1, recovery = 60s)]
async fn guarded_async(fails: bool) -> Result<u32, Secret> {
    if fails { Err(Secret(Category::Unavailable)) } else { Ok(1) }
}

#[test]
fn a_panicking_subscriber_does_not_affect_a_breaker() {
    // Opened, rejected, half-open and closed, twice.
    below(8, |world| {
        let outcomes = |call: &dyn Fn(bool) -> Result<u32, Secret>| {
            let opened = call(true).map_err(|error| error.0);
            let rejected = call(false).map_err(|error| error.0);
            world.advance(Duration::from_secs(61));
            [opened, rejected, call(false).map_err(|error| error.0)]
        };
        let sync = outcomes(&guarded);
        assert_eq!(sync, outcomes(&|fails| block_on(guarded_async(fails))));
        assert_eq!(sync[0], Err(Category::Unavailable));
        assert!(sync[1].is_err(), "the breaker must be open");
        assert_eq!(sync[2], Ok(1));
    });
}

#[timeout(1s)]
async fn slow() -> Result<u32, Secret> {
    tokio::time::sleep(Duration::from_secs(5)).await;
    Ok(1)
}

#[timeout(60s, thread)]
fn on_thread(breaks: bool) -> Result<u32, Secret> {
    assert!(!breaks, "the body panics");
    Ok(1)
}

#[test]
fn a_panicking_subscriber_does_not_affect_a_timeout() {
    below(1, |_| assert!(block_on(slow()).is_err()));
    // The span of the caller is asked for, then entered and left.
    below(4, |_| {
        assert_eq!(on_thread(false).map_err(|error| error.0), Ok(1));
        let _span = tracing::info_span!("caller");
        assert_eq!(on_thread(false).map_err(|error| error.0), Ok(1));
        assert_eq!(on_thread(false).map_err(|error| error.0), Ok(1));
        let broken =
            catch_unwind(AssertUnwindSafe(|| on_thread(true))).map(|_| ()).expect_err("the body's panic");
        assert_eq!(broken.downcast_ref(), Some(&"the body panics"));
    });
}

#[checkpoint("part")]
fn part() -> Result<u32, Secret> {
    Ok(2)
}

#[job("sync:{id}")]
fn run(id: u32, fails: bool) -> Result<u32, Secret> {
    let value = part()? + part()?;
    if fails { Err(Secret(Category::Invalid)) } else { Ok(value) }
}

#[checkpoint("part")]
async fn part_async() -> Result<u32, Secret> {
    Ok(2)
}

#[job("async:{id}")]
async fn run_async(id: u32, fails: bool) -> Result<u32, Secret> {
    let value = part_async().await? + part_async().await?;
    if fails { Err(Secret(Category::Invalid)) } else { Ok(value) }
}

#[test]
fn a_panicking_subscriber_does_not_affect_a_job() {
    // Started, a step recorded and reused, done or failed, twice.
    below(12, |_| {
        for _ in 0..2 {
            assert_eq!(run(1, false).map_err(|error| error.0), Ok(4));
            assert_eq!(block_on(run_async(1, false)).map_err(|error| error.0), Ok(4));
        }
        assert_eq!(run(2, true).map_err(|error| error.0), Err(Category::Invalid));
        assert_eq!(block_on(run_async(2, true)).map_err(|error| error.0), Err(Category::Invalid));
    });
}
