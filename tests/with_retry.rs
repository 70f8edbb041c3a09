//! `#[with_retry]`: a failure that may pass is tried again.

use resilience::{Category, Classification, Classify, Event, Rejected, testing, with_retry};
use std::cell::{Cell, RefCell};
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

#[with_retry(max = 3, jitter = none)]
fn plain(calls: &Cell<u32>, fails: u32) -> Result<u32, io::Error> {
    calls.set(calls.get() + 1);
    let broken: Result<(), io::Error> =
        if calls.get() <= fails { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) };
    broken?;
    Ok(calls.get())
}

#[with_retry(max = 3, jitter = none)]
async fn plain_async(calls: &AtomicU32, fails: u32) -> Result<u32, io::Error> {
    let call = calls.fetch_add(1, Ordering::Relaxed) + 1;
    tokio::task::yield_now().await;
    if call <= fails {
        return Err(io::ErrorKind::ConnectionReset.into());
    }
    Ok(call)
}

fn millis(all: &[u64]) -> Vec<Duration> {
    all.iter().copied().map(Duration::from_millis).collect()
}

#[test]
fn question_mark_and_return_end_the_attempt_not_the_call() {
    let world = testing::isolate();
    assert_eq!(plain(&Cell::new(0), 2).unwrap(), 3);
    assert_eq!(world.waits(), millis(&[100, 200]));
}
