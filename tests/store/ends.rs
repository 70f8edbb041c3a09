//! How jobs end whose steps, cursors or results the store refuses: only what the body itself returns fails them.

mod unrecorded;

use crate::faulty::{Fault, Faulty, world};
use futures::executor::block_on;
use resilience::classify::Delivered;
use resilience::durable::record::Corrupt;
use resilience::durable::store::{Claim, Claimed, Release};
use resilience::durable::{CheckpointError, JobError, JobInfo, Status, Store, StoreError};
use resilience::{
    Checkpoint, Classify, Job, Progress, Rejected, checkpoint, checkpoints, job, jobs, recover,
};
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

#[derive(Debug, Classify, PartialEq)]
enum Error {
    #[classify(permanent)]
    Own,
    #[classify(transparent)]
    Rejected(Rejected),
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

thread_local! {
    static RUNS: Cell<u32> = const { Cell::new(0) };
    static STORE: RefCell<Option<Arc<Faulty>>> = const { RefCell::new(None) };
}

/// What a recovered job sees, too, which runs on a thread of its own.
static INPUT: AtomicU32 = AtomicU32::new(0);
static FAILS: AtomicBool = AtomicBool::new(false);
static FAILS_ELSEWHERE: AtomicBool = AtomicBool::new(false);
static HANGS: AtomicBool = AtomicBool::new(false);

fn ran() {
    RUNS.set(RUNS.get() + 1);
}

fn info(id: &str) -> JobInfo {
    jobs::blocking::get(id).expect("a store").expect("the job")
}

fn down() -> StoreError {
    StoreError::Unavailable("the server is gone".to_owned())
}

#[checkpoint("pay")]
fn pay() -> Result<u32, Error> {
    ran();
    Ok(7)
}

#[checkpoint("pay")]
async fn pay_async() -> Result<u32, Error> {
    ran();
    Ok(7)
}

#[job("ends:{id}")]
fn order(id: u32) -> Result<u32, Error> {
    let _ = id;
    pay()
}

#[job("ends-async:{id}")]
async fn order_async(id: u32) -> Result<u32, Error> {
    let _ = id;
    pay_async().await
}

/// `None` says nothing of why.
#[job("ends-option:{id}")]
fn order_option(id: u32) -> Option<u32> {
    let _ = id;
    pay().ok()
}

fn by_hand() -> Result<u32, Error> {
    Job::run_blocking("by-hand:1", 1_u32, |_: u32| Checkpoint::new("pay").call("pay", || Ok(7)))
}

async fn by_hand_async() -> Result<u32, Error> {
    let body = async |_: u32| Checkpoint::new("pay").call_async("pay", async || Ok(7)).await;
    Job::run("by-hand-async:1", 1_u32, body).await
}

/// What was left by a store that is down for a while.
fn is_interrupted(id: &str, by: &str) {
    let job = info(id);
    assert_eq!(job.status, Status::Interrupted, "{job}");
    assert!(job.problem.as_deref().is_some_and(|problem| problem.contains(by)), "{job}");
    assert!(job.to_string().contains(by), "{job}");
    let event = job.events.last().expect("an event");
    assert_eq!((event.result.as_str(), event.category.as_deref()), ("interrupted", Some("rejected")));
}

#[test]
fn a_store_that_is_down_before_a_step_interrupts_the_job() {
    let damaged = StoreError::Corrupt { key: "s/".to_owned(), reason: Corrupt::Checksum };
    for outage in [down(), StoreError::Full, StoreError::ReadOnly, StoreError::Poisoned, damaged] {
        let (store, _world) = world(Fault::Steps(outage.clone()));
        let text = match &outage {
            StoreError::Corrupt { reason, .. } => reason.to_string(),
            outage => outage.to_string(),
        };
        assert!(matches!(order(1), Err(Error::Rejected(Rejected::Checkpoint(_)))));
        is_interrupted("ends:1", &text);
        block_on(order_async(1)).unwrap_err();
        is_interrupted("ends-async:1", &text);
        by_hand().unwrap_err();
        is_interrupted("by-hand:1", &text);
        block_on(by_hand_async()).unwrap_err();
        is_interrupted("by-hand-async:1", &text);
        let recovered = jobs::blocking::sweep().unwrap();
        let [.., found] = &*recovered.jobs else { panic!("{recovered}") };
        assert!(recovered.to_string().contains(&text), "{recovered}");
        is_interrupted("by-hand:1", &text);
        assert!(matches!(found.problem, Some(JobError::Interrupted { .. })), "{recovered}");
        store.set(Fault::None);
        let recovered = recover().until_done().blocking().unwrap();
        assert_eq!(recovered.count(Status::Done), 2, "{recovered}");
        assert_eq!((order(1), by_hand(), block_on(by_hand_async())), (Ok(7), Ok(7), Ok(7)));
        assert_eq!((info("ends:1").problem, info("by-hand:1").problem), (None, None));
    }
}

#[test]
fn an_option_job_is_interrupted_by_the_last_refusal() {
    let (store, _world) = world(Fault::Steps(down()));
    assert_eq!(order_option(1), None);
    assert_eq!(info("ends-option:1").status, Status::Interrupted);
    store.set(Fault::None);
    assert_eq!(order_option(1), Some(7));
}

#[test]
fn interruptions_are_not_counted_as_recoveries() {
    let (store, _world) = world(Fault::Steps(down()));
    order(2).unwrap_err();
    for _ in 0..30 {
        assert_eq!(jobs::blocking::sweep().unwrap().count(Status::Interrupted), 1);
    }
    store.set(Fault::None);
    assert_eq!(order(2), Ok(7));
}

#[job("swallows:{how}")]
fn swallows(how: u32) -> Result<u32, Error> {
    let refused = pay();
    match how {
        0 => Err(Error::Own),
        1 => {
            let _ = checked();
            Err(Error::Own)
        }
        2 => {
            let _ = checked();
            refused
        }
        _ => Ok(refused.unwrap_or(1)),
    }
}

fn checked() -> Result<u32, Error> {
    Checkpoint::new("check").call("check", || Ok(1))
}

#[test]
fn a_bodys_own_failure_fails_the_job_despite_refusals() {
    let (_store, _world) = world(Fault::Steps(down()));
    for how in [0, 1] {
        assert_eq!(swallows(how), Err(Error::Own));
        let job = info(&format!("swallows:{how}"));
        assert_eq!((job.status, job.problem), (Status::Failed, None));
    }
    swallows(2).unwrap_err();
    assert_eq!(info("swallows:2").status, Status::Interrupted, "it returned the refusal after all");
    assert_eq!((swallows(3), info("swallows:3").status), (Ok(1), Status::Done));
}

#[job("again:{id}")]
fn tries_again(id: u32) -> Result<u32, Error> {
    let _ = id;
    let first = pay();
    STORE.with_borrow(|store| store.as_ref().expect("a store").set(Fault::None));
    pay()?;
    first
}

#[test]
fn a_refused_step_that_later_succeeds_does_not_interrupt() {
    let (store, _world) = world(Fault::Steps(down()));
    STORE.set(Some(store));
    tries_again(1).unwrap_err();
    assert_eq!(info("again:1").status, Status::Failed);
    STORE.set(None);
}

#[job("child:{id}", wait = 0s)]
fn child(id: u32) -> Result<u32, Error> {
    let _ = id;
    pay()
}

#[job("parent:{id}")]
fn parent(id: u32) -> Result<u32, Error> {
    child(id)
}

fn held(store: &Faulty, id: &str, name: &str) -> u64 {
    let mut claim = Claim::new(format!("j/{id}"), "another", name);
    claim.lease = Duration::from_secs(60);
    match block_on(store.claim(claim)).unwrap() {
        Claimed::Held(record) => record.fence,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_busy_or_interrupted_child_interrupts_its_parent() {
    let (store, _world) = world(Fault::None);
    held(&store, "child:1", "child:{id}");
    let Err(Error::Rejected(Rejected::Job(error))) = parent(1) else { panic!("it is busy") };
    assert!(matches!(*error, JobError::Busy { .. } | JobError::Mismatch { .. }), "{error}");
    assert_eq!(info("parent:1").status, Status::Interrupted);
    store.set(Fault::Steps(down()));
    parent(2).unwrap_err();
    let (one, other) = (info("parent:2"), info("child:2"));
    assert_eq!((one.status, other.status), (Status::Interrupted, Status::Interrupted));
    assert_eq!(one.problem, other.problem);
    store.set(Fault::None);
    assert_eq!(parent(2), Ok(7));
}

#[job("failing-child:{id}")]
fn failing_child(id: u32) -> Result<u32, Error> {
    let _ = id;
    Err(Error::Own)
}

#[job("failing-parent:{id}")]
fn failing_parent(id: u32) -> Result<u32, Error> {
    failing_child(id)
}

#[test]
fn a_child_that_failed_fails_its_parent() {
    let (_store, _world) = world(Fault::None);
    failing_parent(1).unwrap_err();
    assert_eq!(info("failing-parent:1").status, Status::Failed);
    failing_child(2).unwrap_err();
    failing_parent(2).unwrap_err();
    assert_eq!(info("failing-parent:2").status, Status::Failed, "it was told so by the record");
}

#[checkpoint("compared", inputs(input = INPUT.load(Relaxed)))]
fn compared() -> Result<u32, Error> {
    ran();
    Ok(7)
}

#[job("contradicted:{id}")]
fn contradicted(id: u32) -> Result<u32, Error> {
    compared()?;
    if FAILS.load(Relaxed) { Err(Error::Own) } else { Ok(id) }
}

#[test]
fn a_mismatched_step_interrupts_the_job_until_it_matches() {
    let (_store, _world) = world(Fault::None);
    INPUT.store(1, Relaxed);
    FAILS.store(true, Relaxed);
    assert_eq!(contradicted(1), Err(Error::Own));
    jobs::blocking::resume("contradicted:1").unwrap();
    FAILS.store(false, Relaxed);
    INPUT.store(2, Relaxed);
    let error = contradicted(1).unwrap_err();
    let Error::Rejected(Rejected::Checkpoint(error)) = error else { panic!("{error:?}") };
    assert!(matches!(*error, CheckpointError::Mismatch { .. }), "{error}");
    is_interrupted("contradicted:1", "other inputs: `input` differs");
    assert_eq!(jobs::blocking::sweep().unwrap().count(Status::Interrupted), 1, "and still");
    INPUT.store(1, Relaxed);
    let recovered = jobs::blocking::sweep().unwrap();
    assert_eq!(recovered.count(Status::Done), 1, "{recovered}");
}

#[job("rows:{id}")]
fn rows(id: u32) -> Result<u32, Error> {
    let mut progress = Progress::<u32>::open("rows");
    let row = progress.restore_blocking()?.unwrap_or(0);
    progress.save_blocking(&(row + 1))?;
    Ok(id)
}

#[test]
fn a_cursor_that_cannot_be_saved_interrupts_the_job() {
    let (store, _world) = world(Fault::Cursors(StoreError::Full));
    rows(1).unwrap_err();
    is_interrupted("rows:1", "no room left");
    store.set(Fault::None);
    assert_eq!(rows(1), Ok(1));
}

/// A store that is not the job's: a step there has a claim of its own.
static OTHER: LazyLock<Arc<Faulty>> = LazyLock::new(|| Arc::new(Faulty::new(Fault::None)));

#[checkpoint("elsewhere", store = &*OTHER, wait = 0s)]
fn elsewhere() -> Result<u32, Error> {
    Ok(7)
}

#[job("goes-elsewhere:{id}")]
fn goes_elsewhere(id: u32) -> Result<u32, Error> {
    let _ = id;
    let value = elsewhere()?;
    if FAILS_ELSEWHERE.load(Relaxed) { Err(Error::Own) } else { Ok(value) }
}

#[test]
fn a_step_running_in_another_process_interrupts_the_job() {
    let (_store, _world) = world(Fault::None);
    // The key of the step there is taken from its record, which is removed then.
    FAILS_ELSEWHERE.store(true, Relaxed);
    assert_eq!(goes_elsewhere(1), Err(Error::Own));
    FAILS_ELSEWHERE.store(false, Relaxed);
    let there = checkpoints::blocking::of(OTHER.clone());
    let key = there.list("goes-elsewhere").unwrap().items.remove(0).key;
    assert!(there.remove(&key).unwrap());
    let claim = Claim::new(format!("c/{key}"), "another", "store::elsewhere");
    let Claimed::Held(held) = block_on(OTHER.claim(claim)).unwrap() else { panic!("free") };
    jobs::blocking::resume("goes-elsewhere:1").unwrap();
    let Err(Error::Rejected(rejected)) = goes_elsewhere(1) else { panic!("it is busy") };
    assert!(rejected.retry_after().is_some(), "{rejected}");
    is_interrupted("goes-elsewhere:1", "is being run by process another");
    let events = info("goes-elsewhere:1").events.len();
    goes_elsewhere(1).unwrap_err();
    assert_eq!(info("goes-elsewhere:1").events.len(), events, "the same reason is kept once");
    block_on(OTHER.release(Release::new(held.key, held.fence, Status::Free))).unwrap();
    assert_eq!(goes_elsewhere(1), Ok(7));
}

#[job("looks:{id}")]
fn looks(id: u32) -> Result<u32, Error> {
    let before = checkpoints::blocking::load::<u32>("pay")?;
    Ok(before.unwrap_or(id))
}

#[test]
fn a_failed_load_of_a_record_interrupts_the_job() {
    let (store, _world) = world(Fault::Steps(down()));
    looks(1).unwrap_err();
    let job = info("looks:1");
    assert_eq!(job.status, Status::Interrupted);
    assert!(job.problem.is_some_and(|problem| problem.contains("the server is gone")));
    store.set(Fault::None);
    assert_eq!(looks(1), Ok(1));
}

#[job("hangs:{id}")]
async fn hangs(id: u32) -> Result<u32, Error> {
    if HANGS.load(Relaxed) {
        std::future::pending::<()>().await;
    }
    Ok(id)
}

#[test]
fn a_dropped_call_is_named_in_the_record() {
    let (store, _world) = world(Fault::None);
    for is_down in [false, true] {
        HANGS.store(true, Relaxed);
        let mut call = Box::pin(hangs(1));
        assert!(futures::FutureExt::now_or_never(&mut call).is_none());
        store.set(if is_down { Fault::All(down()) } else { Fault::None });
        drop(call);
        store.set(Fault::None);
        HANGS.store(false, Relaxed);
        if is_down {
            assert_eq!(info("hangs:1").status, Status::Running);
            assert_eq!(block_on(hangs(2)), Ok(2), "the next claim of this process");
        }
        let job = info("hangs:1");
        assert_eq!(job.status, Status::Interrupted);
        assert!(
            job.problem.as_deref().is_some_and(|problem| problem.contains("its call was dropped")),
            "{job}"
        );
        assert_eq!(job.events.last().map(|event| event.reason.as_str()), Some("its call was dropped"));
        assert_eq!((block_on(hangs(1)), info("hangs:1").problem), (Ok(1), None));
        jobs::blocking::remove("hangs:1").unwrap();
    }
}

/// On the real clock: a test world has no heartbeat.
static REAL: LazyLock<Arc<Faulty>> = LazyLock::new(|| Arc::new(Faulty::new(Fault::None)));

#[job("real:{id}", lease = 0.03s, store = &*REAL)]
async fn real(id: u32) -> Result<u32, Error> {
    std::future::pending::<()>().await;
    Ok(id)
}

#[test]
fn the_heartbeat_retries_failed_releases() {
    let released = REAL.released();
    let mut call = Box::pin(real(1));
    assert!(futures::FutureExt::now_or_never(&mut call).is_none());
    REAL.set(Fault::All(down()));
    drop(call);
    REAL.set(Fault::None);
    assert_eq!(released.recv_timeout(Duration::from_secs(60)).as_deref(), Ok("j/real:1"));
    let record = block_on(REAL.get("j/real:1")).unwrap().expect("the job");
    assert_eq!(record.status, Status::Interrupted);
}
