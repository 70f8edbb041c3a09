//! Jobs whose end the store does not take at once: a body that has ended is not run again.

use crate::faulty::{Fault, Faulty, world};
use futures::FutureExt;
use futures::executor::block_on;
use resilience::durable::{JobError, Recovery, Status, StoreError, WithRecovery};
use resilience::{
    Checkpoint, Classify, Event, Job, Rejected, checkpoint, checkpoints, job, jobs, recover, with_recovery,
};
use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug, Classify, PartialEq)]
enum Error {
    #[classify(corrupt)]
    Own,
    #[classify(transparent)]
    Rejected(Rejected),
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

/// What ran, with the number of its job: recovered jobs run on threads of their own.
static LOG: Mutex<Vec<(u32, &'static str)>> = Mutex::new(Vec::new());

fn log(job: u32, what: &'static str) {
    LOG.lock().unwrap_or_else(PoisonError::into_inner).push((job, what));
}

/// What ran of the job with this number.
fn logged(job: u32) -> Vec<&'static str> {
    let log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    log.iter().filter(|(of, _)| *of == job).map(|(_, what)| *what).collect()
}

thread_local! {
    /// The store, and the fault that it has once the body is done.
    static FAILING: RefCell<Option<(Arc<Faulty>, Fault)>> = const { RefCell::new(None) };
}

fn fail_store() {
    FAILING.with_borrow(|failing| failing.iter().for_each(|(store, fault)| store.set(fault.clone())));
}

#[checkpoint("reserve", inputs(), rollback = unreserve)]
fn reserve(job: u32) -> Result<u32, Error> {
    log(job, "reserve");
    Ok(job)
}

#[checkpoint("reserve", inputs(), rollback = unreserve)]
async fn reserve_async(job: u32) -> Result<u32, Error> {
    log(job, "reserve");
    Ok(job)
}

fn unreserve(job: u32) {
    log(job, "unreserve");
}

/// Ends well if its number is even.
fn end(job: u32) -> Result<u32, Error> {
    fail_store();
    if job.is_multiple_of(2) { Ok(job) } else { Err(Error::Own) }
}

#[with_recovery(on(corrupt, rollback))]
#[job("undoing:{id}")]
fn undoing(id: u32) -> Result<u32, Error> {
    log(id, "body");
    reserve(id)?;
    end(id)
}

#[with_recovery(on(corrupt, rollback))]
#[job("undoing-async:{id}")]
async fn undoing_async(id: u32) -> Result<u32, Error> {
    log(id, "body");
    reserve_async(id).await?;
    end(id)
}

const UNDOING: WithRecovery<fn(&resilience::Classification) -> Recovery> =
    WithRecovery::new("undoing by hand", |_| Recovery::Rollback);

fn by_hand(id: u32) -> Result<u32, Error> {
    Job::run_blocking(&format!("undoing-by-hand:{id}"), id, |id| {
        log(id, "body");
        UNDOING.call(|| reserve(id).and_then(end))
    })
}

async fn by_hand_async(id: u32) -> Result<u32, Error> {
    let body = async |id| {
        log(id, "body");
        UNDOING.call_async(async || reserve_async(id).await.and_then(end)).await
    };
    Job::run(&format!("undoing-by-hand-async:{id}"), id, body).await
}

fn down() -> StoreError {
    StoreError::Unavailable("the server is gone".to_owned())
}

fn status(id: &str) -> Status {
    jobs::blocking::get(id).expect("a store").expect("the job").status
}

/// Whether the job was undone before the call.
fn is_undone(result: &Result<u32, Error>) -> bool {
    let Err(Error::Rejected(Rejected::Job(error))) = result else { return false };
    matches!(**error, JobError::Stopped { status: Status::RolledBack, .. })
}

#[test]
fn an_unrecorded_failure_is_rolled_back_after_the_outage() {
    for outage in [down(), StoreError::Full, StoreError::Poisoned] {
        let (store, _world) = world(Fault::None);
        LOG.lock().unwrap_or_else(PoisonError::into_inner).retain(|(job, _)| *job > 7);
        FAILING.set(Some((store.clone(), Fault::All(outage))));
        assert_eq!(undoing(1), Err(Error::Own));
        store.set(Fault::None);
        assert_eq!(block_on(undoing_async(3)), Err(Error::Own));
        store.set(Fault::None);
        assert_eq!(by_hand(5), Err(Error::Own));
        store.set(Fault::None);
        assert_eq!(block_on(by_hand_async(7)), Err(Error::Own));
        FAILING.set(None);
        store.set(Fault::None);
        for job in [1, 3, 5, 7] {
            assert_eq!(logged(job), ["body", "reserve"], "the store is down");
        }
        assert_eq!(recover().until_done().blocking().expect("a store").count(Status::RolledBack), 2);
        assert!(is_undone(&by_hand(5)) && is_undone(&block_on(by_hand_async(7))));
        for (job, id) in [
            (1, "undoing:1"),
            (3, "undoing-async:3"),
            (5, "undoing-by-hand:5"),
            (7, "undoing-by-hand-async:7"),
        ] {
            assert_eq!(logged(job), ["body", "reserve", "unreserve"], "{id}");
            assert_eq!(status(id), Status::RolledBack, "{id}");
        }
    }
}

#[test]
fn a_rollback_waits_for_a_short_outage() {
    let (store, world) = world(Fault::None);
    FAILING.set(Some((store, Fault::Results(down(), 3))));
    assert_eq!(undoing(11), Err(Error::Own));
    assert_eq!((world.waits().len(), status("undoing:11")), (3, Status::RolledBack));
    assert_eq!(block_on(undoing_async(13)), Err(Error::Own));
    assert_eq!((world.waits().len(), status("undoing-async:13")), (6, Status::RolledBack));
    FAILING.set(None);
    for job in [11, 13] {
        assert_eq!(logged(job), ["body", "reserve", "unreserve"]);
    }
}

#[checkpoint("paid:{id}")]
async fn pay(id: u32) -> Result<u32, Error> {
    log(id, "body");
    Ok(id)
}

#[job("failing-async:{id}")]
async fn failing(id: u32) -> Result<u32, Error> {
    log(id, "body");
    end(id)
}

#[test]
fn a_call_dropped_while_its_end_is_recorded_has_ended() {
    let (store, world) = world(Fault::None);
    FAILING.set(Some((store.clone(), Fault::LateResults)));
    let dropped = |call: &mut (dyn Future<Output = Result<u32, Error>> + Unpin)| {
        assert!(call.now_or_never().is_none(), "the store has not answered");
        store.set(Fault::None);
    };
    dropped(&mut Box::pin(undoing_async(21)));
    dropped(&mut Box::pin(by_hand_async(23)));
    dropped(&mut Box::pin(failing(25)));
    dropped(&mut Box::pin(failing(26)));
    dropped(&mut Box::pin(by_hand_async(28)));
    FAILING.set(None);
    store.set(Fault::LateResults);
    dropped(&mut Box::pin(pay(30)));
    store.set(Fault::LateResults);
    dropped(&mut Box::pin(
        Checkpoint::new("pay").call_async("paid-by-hand", async || pay_now(32)).boxed_local(),
    ));
    let reported = |id: &str| {
        let of = |event: &Event| match event {
            Event::JobDone { job, .. } => (job == id).then_some("done"),
            Event::JobFailed { job, .. } => (job == id).then_some("failed"),
            Event::JobInterrupted { job, .. } => (job == id).then_some("interrupted"),
            _ => None,
        };
        world.events().iter().filter_map(of).collect::<Vec<_>>()
    };
    assert_eq!(reported("failing-async:25"), ["failed"]);
    assert_eq!(reported("failing-async:26"), ["done"]);
    assert_eq!(reported("undoing-async:21"), ["interrupted"]);
    assert_eq!(status("failing-async:25"), Status::Failed);
    assert_eq!(status("failing-async:26"), Status::Done);
    assert_eq!(recover().until_done().blocking().expect("a store").count(Status::RolledBack), 1);
    assert!(is_undone(&block_on(by_hand_async(23))));
    assert_eq!((block_on(failing(26)), block_on(by_hand_async(28))), (Ok(26), Ok(28)));
    assert_eq!(block_on(pay(30)), Ok(30));
    assert_eq!(checkpoints::blocking::load("paid-by-hand"), Ok(Some(32)));
    for (job, expected) in [
        (21, &["body", "reserve", "unreserve"][..]),
        (23, &["body", "reserve", "unreserve"]),
        (25, &["body"]),
        (26, &["body"]),
        (28, &["body", "reserve"]),
        (30, &["body"]),
        (32, &["body"]),
    ] {
        assert_eq!(logged(job), expected, "{job}");
    }
}

fn pay_now(id: u32) -> Result<u32, Error> {
    log(id, "body");
    Ok(id)
}
