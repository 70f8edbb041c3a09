//! What users of other queues and workflow engines reported as bugs there, asked of this one.

use super::{Error, interrupted, log, logged, problem, recover_all, status};
use futures::executor::block_on;
use resilience::durable::{JobError, MemoryStore, Status, Store};
use resilience::testing::isolate;
use resilience::{Job, Rejected, checkpoint, job, jobs, recover};
use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, LazyLock, Mutex};

thread_local! {
    static STOPS: Cell<bool> = const { Cell::new(false) };
}

#[job("live:{id}")]
async fn live(id: u32) -> Result<u32, Error> {
    log("live");
    tokio::task::yield_now().await;
    Ok(id)
}

/// A look at start adopted what the same process had begun a moment before.
#[tokio::test(start_paused = true)]
async fn a_recovery_skips_jobs_running_in_its_own_process() {
    let _world = isolate();
    let mut call = Box::pin(live(1));
    assert!(futures::poll!(&mut call).is_pending());
    let found = recover().until_done().await.unwrap();
    assert_eq!(found.count(Status::Interrupted) + found.count(Status::Done), 0, "{found}");
    assert_eq!((call.await.unwrap(), logged()), (1, vec!["live".to_owned()]));
}

#[job("last:{id}")]
fn last(id: u32) -> Result<u32, Error> {
    jobs::blocking::cancel(&format!("last:{id}"))?;
    Ok(id)
}

/// A request to stop overwrote the result of a job that ended at the same time, or came after it and changed it.
#[test]
fn a_job_that_ends_before_its_cancellation_keeps_its_result() {
    let _world = isolate();
    assert_eq!(last(1).unwrap(), 1);
    let job = jobs::blocking::get("last:1").unwrap().unwrap();
    assert_eq!((job.status, job.cancelled), (Status::Done, true));
    let late = jobs::blocking::cancel("last:1").unwrap_err();
    assert!(
        matches!(&late, Rejected::Job(error) if matches!(**error, JobError::WrongState { .. })),
        "{late}"
    );
    assert_eq!((status("last:1"), last(1).unwrap()), (Some(Status::Done), 1));
}

/// The pool runs them on threads of its own.
static QUEUED: Mutex<Vec<u32>> = Mutex::new(Vec::new());

#[job("queued:{id}")]
fn queued(id: u32) -> Result<u32, Error> {
    QUEUED.lock().unwrap().push(id);
    Ok(id)
}

/// A job that was cancelled while it waited was queued again by the next look.
#[test]
fn a_job_cancelled_or_removed_while_waiting_does_not_run() {
    let _world = isolate();
    let store = Arc::new(MemoryStore::new());
    resilience::durable::use_store(store.clone());
    for id in 1..4 {
        interrupted(&*store, &format!("queued:{id}"), "queued:{id}", &format!(r#"{{"id":{id}}}"#));
    }
    jobs::blocking::cancel("queued:1").unwrap();
    assert!(jobs::blocking::remove("queued:2").unwrap());
    recover_all();
    let ran = || QUEUED.lock().unwrap().iter().copied().filter(|id| *id < 4).collect::<Vec<_>>();
    assert_eq!(ran(), [3]);
    assert_eq!(status("queued:1"), Some(Status::Failed));
    recover_all();
    assert_eq!((ran(), status("queued:2")), (vec![3], None));
    let Error::Rejected(refused) = queued(1).unwrap_err() else { panic!("the body ran") };
    assert_eq!(resilience::Classify::classify(&refused).category, resilience::Category::Cancelled);
}

static RAN: Mutex<Vec<u32>> = Mutex::new(Vec::new());
static REMOVED: Mutex<Vec<u32>> = Mutex::new(Vec::new());
static QUEUE: LazyLock<Arc<MemoryStore>> = LazyLock::new(Arc::default);

#[job("removes:{id}", store = QUEUE.clone())]
fn removes(id: u32) -> Result<u32, Error> {
    RAN.lock().unwrap().push(id);
    for other in (0..60).filter(|other| *other != id) {
        let store: Arc<dyn Store> = QUEUE.clone();
        if jobs::blocking::of(store).remove(&format!("removes:{other}")).unwrap_or_default() {
            REMOVED.lock().unwrap().push(other);
        }
    }
    Ok(id)
}

/// A job that was removed between the look that found it and its turn ran all the same.
#[test]
fn a_job_removed_while_queued_does_not_run() {
    let store: Arc<dyn Store> = QUEUE.clone();
    for id in 0..60 {
        interrupted(&*store, &format!("removes:{id}"), "removes:{id}", &format!(r#"{{"id":{id}}}"#));
    }
    recover().store(store).once().until_done().blocking().unwrap();
    let (ran, removed) = (RAN.lock().unwrap(), REMOVED.lock().unwrap());
    assert!(!ran.is_empty() && ran.len() < 60, "{ran:?}");
    // What has run and ended may be removed; what was removed first may not run.
    let gone: Vec<_> = removed.iter().filter(|id| !ran.contains(id)).collect();
    assert!(gone.len() >= 60 - 17, "{ran:?} / {removed:?}");
}

static UNWRITABLE: AtomicU32 = AtomicU32::new(0);

/// What JSON has no word for: a map whose keys are no text.
fn unwritable() -> std::collections::BTreeMap<(u32, u32), u32> {
    UNWRITABLE.fetch_add(1, SeqCst);
    [((1, 2), 3)].into()
}

/// A result that could not be written left the job running for ever, and who waited for it waiting.
#[tokio::test(start_paused = true)]
async fn an_unwritable_result_ends_the_job_and_its_waiters() {
    let _world = isolate();
    let call = || {
        Job::run("unwritable", (), async |()| {
            tokio::task::yield_now().await;
            Ok::<_, Error>(unwritable())
        })
    };
    let (one, other) = futures::join!(call(), call());
    let (one, other) = (one.unwrap_err().job(), other.unwrap_err().job());
    assert_eq!(UNWRITABLE.load(SeqCst), 1, "{one} / {other}");
    let job = jobs::get("unwritable").await.unwrap().unwrap();
    assert_eq!(job.status, Status::Failed, "{one} / {other}");
}

#[checkpoint("unit")]
fn unit() -> Result<(), Error> {
    log("unit");
    Ok(())
}

#[checkpoint("none")]
fn none() -> Result<Option<u32>, Error> {
    log("none");
    Ok(None)
}

#[checkpoint("empty")]
fn empty() -> Result<(String, Vec<u32>), Error> {
    log("empty");
    Ok(Default::default())
}

#[job("nothing:{id}")]
fn nothing(id: u32) -> Result<u32, Error> {
    unit()?;
    assert_eq!(none()?, None);
    assert_eq!(empty()?, (String::new(), vec![]));
    if STOPS.get() {
        std::panic::resume_unwind(Box::new("stop"));
    }
    Ok(id)
}

/// A step that returned nothing was taken for one that had not run.
#[test]
fn a_step_that_returns_nothing_is_recorded_like_any_other() {
    let _world = isolate();
    super::crashed("nothing:1", || {
        STOPS.set(true);
        nothing(1)
    });
    STOPS.set(false);
    assert_eq!(nothing(1).unwrap(), 1);
    assert_eq!(logged(), Vec::<String>::new(), "each ran once, before the panic");
}

#[job("outer:{id}")]
async fn outer(id: u32) -> Result<u32, Error> {
    let inner = resilience::in_scope(inner(id));
    tokio::spawn(inner).await.expect("no panic")
}

#[job("inner:{id}")]
async fn inner(id: u32) -> Result<u32, Error> {
    boxed(id).await
}

fn boxed(id: u32) -> futures::future::BoxFuture<'static, Result<u32, Error>> {
    Box::pin(outer(id))
}

/// Two jobs that called each other waited for each other for ever.
#[tokio::test(start_paused = true)]
async fn mutually_recursive_jobs_are_rejected() {
    let _world = isolate();
    let error = outer(1).await.unwrap_err();
    assert!(matches!(error.job(), JobError::Recursive { .. }), "{}", problem("outer:1"));
}

#[checkpoint("left:{n}")]
async fn left(n: u32) -> Result<u32, Error> {
    log(format!("left {n}"));
    tokio::time::sleep(std::time::Duration::from_secs(3_600)).await;
    Ok(n)
}

#[job("races:{id}")]
async fn races(id: u32) -> Result<u32, Error> {
    let first = tokio::time::timeout(std::time::Duration::from_secs(1), left(id)).await;
    assert!(first.is_err());
    left(id).await
}

/// A step that was dropped half-way blocked its own repetition.
#[tokio::test(start_paused = true)]
async fn a_dropped_step_runs_again() {
    let _world = isolate();
    assert_eq!(races(1).await.unwrap(), 1);
    assert_eq!(logged(), ["left 1", "left 1"]);
}

/// The row of an owner was cleaned up before its jobs were found, which then belonged to nobody for ever.
#[cfg(target_os = "linux")]
#[test]
fn jobs_of_an_owner_without_a_row_are_found() {
    let directory = super::pool::Directory::new("forgotten");
    let store = resilience::durable::SqliteStore::open(&directory.0).unwrap();
    let store: Arc<dyn Store> = Arc::new(store);
    interrupted(&*store, "queued:9", "queued:{id}", r#"{"id":9}"#);
    let mut record = block_on(store.get("j/queued:9")).unwrap().unwrap();
    record.status = Status::Running;
    record.owner = "nobody-7-abcdef".to_owned();
    let revision = record.revision;
    block_on(store.cas(Some(revision), record)).unwrap();
    let mut looked = 0;
    let _world = isolate();
    while jobs::blocking::of(store.clone()).get("queued:9").unwrap().unwrap().status != Status::Done {
        looked += 1;
        assert!(looked < 5, "the owner is watched for a lease, and then judged");
        recover().store(store.clone()).once().until_done().blocking().unwrap();
        _world.advance(std::time::Duration::from_secs(60));
    }
}
