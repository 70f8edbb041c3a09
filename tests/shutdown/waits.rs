//! Waits in real time, sync and async, that a shutdown ends.

use super::common::{Scratch, Speaking, child, given_dir, say};
use super::{Error, LONG};
use resilience::durable::{SqliteStore, use_store};
use resilience::events;
use resilience::fs::FileLock;
use resilience::testing::isolate;
use resilience::{
    Event, Rejected, Retry, bulkhead, checkpoint, job, rate_limit, shutdown, shutdown_blocking, with_retry,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, SystemTime};

static ATTEMPTS: AtomicU32 = AtomicU32::new(0);

#[with_retry(max = 9, base = 1h, cap = 1h, jitter = none)]
fn sleeps() -> Result<(), Error> {
    ATTEMPTS.fetch_add(1, Ordering::SeqCst);
    Err(Error::Down)
}

#[with_retry(max = 9, retry_after_cap = 1h)]
async fn sleeps_async() -> Result<(), Error> {
    ATTEMPTS.fetch_add(1, Ordering::SeqCst);
    Err(Error::Busy(Duration::from_secs(3600)))
}

/// Keeps a body running until the other end lets it go.
struct Hold {
    begun: Sender<()>,
    let_go: Receiver<()>,
}

impl Hold {
    fn new() -> (Self, Receiver<()>, Sender<()>) {
        let ((begun, has_begun), (go, let_go)) = (channel(), channel());
        (Self { begun, let_go }, has_begun, go)
    }

    fn until_let_go(self) {
        self.begun.send(()).unwrap();
        let _ = self.let_go.recv();
    }
}

#[bulkhead(1, wait = 1h)]
fn slot(hold: Option<Hold>) -> Result<(), Error> {
    if let Some(hold) = hold {
        hold.until_let_go();
    }
    Ok(())
}

#[bulkhead(1, wait = 1h)]
async fn slot_async(stays: bool) -> Result<(), Error> {
    if stays {
        std::future::pending::<()>().await;
    }
    Ok(())
}

#[rate_limit(1, per = 1h, burst = 1, wait = 2h)]
fn permit() -> Result<(), Error> {
    Ok(())
}

#[rate_limit(1, per = 1h, burst = 1, wait = 2h)]
async fn permit_async() -> Result<(), Error> {
    Ok(())
}

#[checkpoint("kept:{id}", wait = 1h)]
fn step(id: u32, hold: Option<Hold>) -> Result<(), Error> {
    let _ = id;
    if let Some(hold) = hold {
        hold.until_let_go();
    }
    Ok(())
}

#[job("naps:{id}")]
fn naps(id: u32) -> Result<(), Error> {
    let _ = id;
    resilience::sleep_until_blocking("nap", SystemTime::now() + Duration::from_secs(3600))?;
    Ok(())
}

#[job("dozes:{id}")]
async fn dozes(id: u32) -> Result<(), Error> {
    let _ = id;
    resilience::sleep_until("nap", SystemTime::now() + Duration::from_secs(3600)).await?;
    Ok(())
}

/// Waits until `is_so`, without a clock.
fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        thread::yield_now();
    }
}

fn counter(point: &str, policy: &str, name: &str) -> u64 {
    let point = resilience::snapshot()
        .points
        .into_iter()
        .find(|known| known.name.ends_with(&format!("::{point}")))
        .expect("it");
    let policy = point.policies.into_iter().find(|known| known.kind == policy).expect("it");
    policy.counters.into_iter().find(|(known, _)| *known == name).expect("it").1
}

/// Not a test of its own: begins one call of each kind that waits for an hour, and shuts down.
#[test]
#[ignore = "run by others, in a process of its own"]
fn waiting() {
    let Some(dir) = given_dir() else { return };
    use_store(Arc::new(SqliteStore::open(dir.join("store")).unwrap()));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut calls: Vec<(&str, thread::JoinHandle<Result<(), Error>>)> = Vec::new();
    // Those that have what the others wait for.
    let (hold, has_slot, free_slot) = Hold::new();
    thread::spawn(|| slot(Some(hold)));
    let (hold, has_step, free_step) = Hold::new();
    let holds_step = thread::spawn(|| step(1, Some(hold)));
    drop(runtime.spawn(slot_async(true)));
    has_slot.recv().unwrap();
    has_step.recv().unwrap();
    until(|| {
        resilience::snapshot().points.iter().any(|point| {
            point.name.ends_with("::slot_async")
                && point.calls.as_ref().is_some_and(|calls| calls.in_flight == 1)
        })
    });
    permit().unwrap();
    runtime.block_on(permit_async()).unwrap();
    let held = FileLock::at(dir.join("held")).acquire().unwrap();

    let mut events = events::subscribe();
    let by_value = || {
        let retry =
            Retry::new().name("by_value").base(Duration::from_secs(3600)).cap(Duration::from_secs(3600));
        retry.jitter(resilience::Jitter::None).call(|| {
            ATTEMPTS.fetch_add(1, Ordering::SeqCst);
            Err(Error::Down)
        })
    };
    calls.push(("retry", thread::spawn(sleeps)));
    calls.push(("retry by value", thread::spawn(by_value)));
    let handle = runtime.handle().clone();
    calls.push(("async retry", thread::spawn(move || handle.block_on(sleeps_async()))));
    calls.push(("slot", thread::spawn(|| slot(None))));
    let handle = runtime.handle().clone();
    calls.push(("async slot", thread::spawn(move || handle.block_on(slot_async(false)))));
    calls.push(("permit", thread::spawn(permit)));
    let handle = runtime.handle().clone();
    calls.push(("async permit", thread::spawn(move || handle.block_on(permit_async()))));
    calls.push(("step", thread::spawn(|| step(1, None))));
    calls.push(("nap", thread::spawn(|| naps(1))));
    let handle = runtime.handle().clone();
    calls.push(("async nap", thread::spawn(move || handle.block_on(dozes(1)))));
    let locks: Vec<_> = (0..2)
        .map(|_| {
            let lock = FileLock::at(dir.join("held")).wait(Duration::from_secs(3600));
            thread::spawn(move || lock.acquire().is_err())
        })
        .collect();
    let handle = runtime.handle().clone();
    let lock = FileLock::at(dir.join("held")).wait(Duration::from_secs(3600));
    let async_lock = thread::spawn(move || handle.block_on(lock.acquire_async()).is_err());

    // Three retries have decided to wait, and two naps are recorded.
    let (mut retries, mut naps) = (3, 2);
    while retries + naps > 0 {
        match &events.recv_blocking().event {
            Event::Retrying { .. } => retries -= 1,
            Event::StepRecorded { .. } => naps -= 1,
            _ => {}
        }
    }
    for (point, policy) in [
        ("slot", "bulkhead"),
        ("slot_async", "bulkhead"),
        ("permit", "rate_limit"),
        ("permit_async", "rate_limit"),
    ] {
        until(|| counter(point, policy, "waited") == 1);
    }
    let shuts_down = thread::spawn(|| shutdown_blocking(LONG));
    for (name, call) in calls {
        let ended = call.join().unwrap();
        assert!(ended.is_err(), "{name}: {ended:?}");
        let is_refusal = matches!(ended, Err(Error::Rejected(Rejected::ShuttingDown { .. })));
        assert_eq!(is_refusal, name.contains("nap"), "{name}: {ended:?}");
    }
    for lock in locks.into_iter().chain([async_lock]) {
        assert!(lock.join().unwrap(), "a lock");
    }
    assert_eq!(
        ATTEMPTS.load(Ordering::SeqCst),
        6,
        "each retry has made the attempt that it waited for, and no other"
    );
    drop(held);
    drop(free_slot);
    free_step.send(()).unwrap();
    holds_step.join().unwrap().unwrap();
    let report = shuts_down.join().unwrap();
    assert!(report.is_complete(), "{report}");
    for id in ["naps:1", "dozes:1"] {
        let job = resilience::jobs::blocking::get(id).unwrap().unwrap();
        assert_eq!(job.status, resilience::durable::Status::Interrupted, "{id}");
    }
    say("over");
    // The slot of the future is never free.
    runtime.shutdown_background();
}

#[test]
fn every_wait_ends_at_a_shutdown() {
    let scratch = Scratch::new();
    let mut waiting = Speaking::start(&mut child("waits::waiting", &scratch.path("")));
    waiting.wait_for("over");
    waiting.end();
}

#[test]
fn waits_on_a_paused_clock_of_tokio_end_with_the_shutdown() {
    let _world = isolate();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let started = tokio::time::Instant::now();
        permit_async().await.unwrap();
        let holds_slot = tokio::spawn(slot_async(true));
        tokio::task::yield_now().await;
        let calls = [
            ("retry", tokio::spawn(sleeps_async())),
            ("slot", tokio::spawn(slot_async(false))),
            ("permit", tokio::spawn(permit_async())),
        ];
        tokio::task::yield_now().await;
        assert!(shutdown(LONG).await.is_complete());
        for (name, call) in calls {
            let ended = call.await.unwrap();
            assert!(ended.is_err(), "{name}: {ended:?}");
        }
        assert!(started.elapsed() < Duration::from_secs(3600), "{:?}", started.elapsed());
        holds_slot.abort();
    });
}

#[test]
fn a_call_after_the_end_reports_how_long_the_shutdown_took() {
    let world = isolate();
    let first = shutdown_blocking(LONG);
    world.advance(Duration::from_secs(60));
    let later = shutdown_blocking(LONG);
    assert_eq!(later.took, first.took);
    assert!(later.is_complete(), "{later}");
}
