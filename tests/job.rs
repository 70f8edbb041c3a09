//! `#[job]` through the macro: recorded, found, resumed, rolled back.

#[path = "job/cursors.rs"]
mod cursors;
#[path = "job/deploys.rs"]
mod deploys;
#[path = "job/ends.rs"]
mod ends;
#[path = "job/forms.rs"]
mod forms;
#[path = "shared/forward.rs"]
mod forward;
#[path = "job/keys.rs"]
mod keys;
#[path = "job/lossy.rs"]
mod lossy;
#[path = "job/names.rs"]
mod names;
#[path = "job/panics.rs"]
mod panics;
#[path = "job/refused.rs"]
mod refused;
#[path = "job/steps.rs"]
mod steps;
#[path = "job/stores.rs"]
mod stores;
#[path = "job/undo.rs"]
mod undo;
#[path = "job/values.rs"]
mod values;

use resilience::durable::store::Query;
use resilience::durable::{JobError, MemoryStore, Otherwise, Record, Status, Store, use_store};
use resilience::jobs::{self, Filter};
use resilience::testing::isolate;
use resilience::{
    Category, Classify, Job, Progress, Rejected, checkpoint, checkpoints, job, recover, step, timeout,
    with_recovery,
};
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

#[derive(Debug, Classify, PartialEq)]
enum Error {
    #[classify(permanent)]
    Broken,
    #[classify(corrupt)]
    Corrupt,
    #[classify(transparent)]
    Rejected(Rejected),
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

impl Error {
    fn job(self) -> JobError {
        match self {
            Self::Rejected(Rejected::Job(error)) => *error,
            other => panic!("no job error: {other:?}"),
        }
    }
}

thread_local! {
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static CRASH: Cell<u32> = const { Cell::new(0) };
}

fn log(text: impl Into<String>) {
    LOG.with(|log| log.borrow_mut().push(text.into()));
}

fn logged() -> Vec<String> {
    LOG.with(RefCell::take)
}

/// Runs the job `id` into a panic, and has it go on: as after a crash, its steps and cursors are there.
fn crashed<T>(id: &str, call: impl FnOnce() -> T) {
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).is_err());
    jobs::blocking::resume(id).expect("it has failed");
}

struct Client {
    name: &'static str,
}

#[checkpoint("page:{n}")]
async fn page(n: u32) -> Result<u32, Error> {
    log(format!("page {n}"));
    Ok(n * 10)
}

/// Never ends while `CRASH` is the number of the page: dropping it is the crash.
async fn may_crash(n: u32) {
    if CRASH.get() == n {
        std::future::pending::<()>().await;
    }
}

#[job("import:{id}", provided(client))]
async fn import(client: &Client, id: u64, path: &Path, pages: &[u32]) -> Result<u32, Error> {
    let mut total = 0;
    for n in pages {
        may_crash(*n).await;
        total += page(*n).await?;
    }
    log(format!("{} {id} {}", client.name, path.display()));
    Ok(total)
}

const CLIENT: Client = Client { name: "client" };

#[tokio::test(start_paused = true)]
async fn a_job_runs_once_and_its_result_is_recorded() {
    let _world = isolate();
    let call = || import(&CLIENT, 1, Path::new("/a"), &[1, 2]);
    assert_eq!(call().await.unwrap(), 30);
    assert_eq!(logged(), ["page 1", "page 2", "client 1 /a"]);
    assert_eq!(call().await.unwrap(), 30);
    assert_eq!(logged(), [""; 0]);
    let changed = import(&CLIENT, 1, Path::new("/b"), &[1, 2]).await.unwrap_err().job();
    assert!(matches!(changed, JobError::Mismatch { .. }), "{changed}");
    assert!(changed.to_string().contains("other inputs: `path` differs (recorded at 20"), "{changed}");
    let info = jobs::get("import:1").await.unwrap().unwrap();
    assert_eq!((info.status, info.name.as_str(), info.attempts), (Status::Done, "import:{id}", 1));
    assert_eq!(info.input.as_deref(), Some(r#"{"id":1,"pages":[1,2],"path":"/a"}"#));
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_job_is_recovered_and_continued() {
    let _world = isolate();
    CRASH.set(2);
    {
        let mut call = Box::pin(import(&CLIENT, 2, Path::new("/a"), &[1, 2, 3]));
        assert!(futures::poll!(&mut call).is_pending());
    }
    assert_eq!(logged(), ["page 1"]);
    assert_eq!(jobs::get("import:2").await.unwrap().unwrap().status, Status::Interrupted);
    CRASH.set(0);
    let missing = recover().await.unwrap();
    assert_eq!(missing.count(Status::Interrupted), 1);
    assert!(missing.to_string().contains("recover()` was not given"), "{missing}");
    let recovered = recover().provide(Arc::new(Client { name: "other" })).until_done().await.unwrap();
    assert_eq!(recovered.count(Status::Done), 1, "{recovered}");
    assert_eq!(logged(), ["page 2", "page 3", "other 2 /a"]);
    assert_eq!(import(&CLIENT, 2, Path::new("/a"), &[1, 2, 3]).await.unwrap(), 60);
    assert_eq!(logged(), [""; 0]);
}

#[job("fails:{id}")]
fn fails(id: u32, ok: bool) -> Result<u32, Error> {
    log(format!("fails {id}"));
    if ok || CRASH.get() == 77 { Ok(id) } else { Err(Error::Broken) }
}

#[test]
fn a_failed_job_stays_failed_until_it_is_resumed() {
    let _world = isolate();
    assert_eq!(fails(1, false).unwrap_err(), Error::Broken);
    let again = fails(1, false).unwrap_err();
    assert_eq!(again.classify().category, Category::Permanent, "the recorded class");
    assert!(matches!(again.job(), JobError::Stopped { status: Status::Failed, .. }));
    assert_eq!(jobs::blocking::sweep().unwrap().jobs.len(), 0, "the sweep leaves it alone");
    assert_eq!(logged(), ["fails 1"]);
    jobs::blocking::resume("fails:1").unwrap();
    CRASH.set(77);
    assert_eq!(fails(1, false).unwrap(), 1);
    CRASH.set(0);
    assert!(jobs::blocking::resume("fails:1").is_err(), "it is done");
    let Rejected::Job(unknown) = jobs::blocking::resume("fails:9").unwrap_err() else { panic!() };
    assert!(matches!(*unknown, JobError::Unknown { .. }), "{unknown}");
    let failed = jobs::blocking::list(Filter::new().status(&[Status::Done])).unwrap();
    assert_eq!(failed.len(), 1);
    assert!(failed[0].events.iter().any(|event| event.strategy == "resume"));
}

#[checkpoint]
fn tick() -> Result<u32, Error> {
    log("tick");
    Ok(1)
}

#[job("ticks:{n}")]
fn ticks(n: u32) -> Result<u32, Error> {
    let mut total = 0;
    for at in 0..n {
        assert!(at != CRASH.get(), "crash");
        total += tick()?;
    }
    Ok(total)
}

#[test]
fn steps_without_keys_are_identified_by_their_order() {
    let _world = isolate();
    CRASH.set(2);
    crashed("ticks:3", || ticks(3));
    CRASH.set(99);
    assert_eq!(logged().len(), 2);
    assert_eq!(ticks(3).unwrap(), 3);
    assert_eq!(logged().len(), 1);
}

#[checkpoint("key:{n}")]
fn keyed(n: u32) -> Result<(String, u64, u32), Error> {
    let _ = n;
    let step = step().expect("inside of a step");
    Ok((step.idempotency_key(), step.fence(), step.attempt()))
}

#[test]
fn the_history_of_a_failed_job_ends_with_failed() {
    let _world = isolate();
    let of = |id: &str| {
        let events = jobs::blocking::get(id).unwrap().expect(id).events;
        events.last().map(|event| (event.strategy.clone(), event.result.clone())).expect("an event")
    };
    let failed = ("failed".to_owned(), "failed".to_owned());

    let error = resilience::Job::run_blocking("returns", (), |()| Err::<(), _>(Error::Broken));
    assert_eq!(error, Err(Error::Broken));
    assert_eq!(of("returns"), failed);

    let panics =
        || resilience::Job::run_blocking("panics", (), |()| -> Result<(), Error> { panic!("broken") });
    assert!(std::panic::catch_unwind(panics).is_err());
    assert_eq!(of("panics"), failed);

    let large = resilience::Job::run_blocking("too large", (), |()| Ok::<_, Error>("x".repeat(1 << 20)));
    assert!(matches!(large.unwrap_err().job(), JobError::TooLarge { .. }));
    assert_eq!(of("too large"), failed);
}

#[job("cancelled:{id}")]
fn cancelled(id: u32) -> Result<(), Error> {
    keyed(1)?;
    jobs::blocking::cancel(&format!("cancelled:{id}"))?;
    keyed(2)?;
    Ok(())
}

#[test]
fn a_cancelled_job_stops_at_its_next_step() {
    let _world = isolate();
    assert!(step().is_none());
    assert_ne!(keyed(1).unwrap().0, keyed(2).unwrap().0);
    let error = cancelled(1).unwrap_err();
    assert!(format!("{error:?}").contains("Cancelled"), "{error:?}");
    let info = jobs::blocking::get("cancelled:1").unwrap().unwrap();
    assert_eq!((info.status, info.cancelled), (Status::Failed, true));
    let history: Vec<_> = info.events.iter().map(|event| event.strategy.as_str()).collect();
    assert_eq!(history, ["cancel", "failed"], "who asked is not forgotten");
}

#[job("dies:{id}", max_recoveries = 2)]
fn dies(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[test]
fn a_job_recovered_too_often_is_dead() {
    let world = isolate();
    let store = Arc::new(MemoryStore::new());
    resilience::durable::use_store(store.clone());
    let mut often = Record::new("j/dies:1");
    (often.function, often.status) = ("dies:{id}".to_owned(), Status::Interrupted);
    (often.attempts, often.recoveries, often.inputs) = (4, 3, Some(1));
    often.input = br#"{"id":1}"#.to_vec();
    futures::executor::block_on(store.cas(None, often)).unwrap();
    assert_eq!(jobs::blocking::sweep().unwrap().count(Status::Dead), 1);
    assert!(world.events().iter().any(|event| format!("{event:?}").contains("the job is dead")));
    let job = jobs::blocking::get("dies:1").unwrap().expect("a dead job");
    let last = job.events.last().expect("an event");
    assert_eq!((&*last.strategy, &*last.result), ("dead", "failed"));
    assert_eq!((job.attempts, last.attempt), (4, 4), "its body did not begin again");
}

#[tokio::test(start_paused = true)]
async fn spawned_work_joins_the_job() {
    let _world = isolate();
    let done: Result<u32, Rejected> = resilience::Job::run("spawn:1", 5_u32, async |n: u32| {
        let inside = resilience::in_scope(async { resilience::job_id() });
        let outside = tokio::spawn(async { resilience::job_id() });
        assert_eq!(tokio::spawn(inside).await.unwrap().as_deref(), Some("spawn:1"));
        assert_eq!(outside.await.unwrap(), None);
        Ok(n)
    })
    .await;
    assert_eq!(done.unwrap(), 5);
}

#[job("inside:{id}")]
fn inside(id: u32) -> Result<u32, Error> {
    log("inside");
    inside(id)
}

#[test]
fn a_recursive_job_is_rejected_at_once() {
    let world = isolate();
    let error = inside(1).unwrap_err().job();
    assert!(matches!(error, JobError::Recursive { .. }), "{error}");
    assert_eq!((world.waits(), logged()), (vec![], vec!["inside".to_owned()]));
    assert_eq!(jobs::blocking::get("inside:1").unwrap().unwrap().status, Status::Failed);
}

#[job("again:{id}", rerun, max_recoveries = 50)]
fn again(id: u32) -> Result<u32, Error> {
    log(format!("again {id}"));
    tick()?;
    if CRASH.get() == 6 { Err(Error::Broken) } else { Ok(id) }
}

#[test]
fn calling_a_failed_job_with_rerun_runs_it_again() {
    let _world = isolate();
    CRASH.set(6);
    assert_eq!(again(1).unwrap_err(), Error::Broken);
    assert_eq!(again(1).unwrap_err(), Error::Broken);
    assert_eq!(jobs::blocking::sweep().unwrap().jobs.len(), 0, "the sweep does not");
    CRASH.set(99);
    assert_eq!(again(1).unwrap(), 1);
    assert_eq!(again(1).unwrap(), 1);
    assert_eq!(logged(), ["again 1", "tick", "again 1", "again 1"], "what was recorded is kept");
}

#[test]
fn a_job_with_lost_records_is_parked() {
    let world = isolate();
    let store = Arc::new(MemoryStore::new());
    resilience::durable::use_store(store.clone());
    CRASH.set(2);
    crashed("ticks:3", || ticks(3));
    CRASH.set(99);
    let steps = futures::executor::block_on(store.list(Query::new("s/"))).unwrap().records;
    let last = steps.into_iter().find(|step| step.key.ends_with("tick#2")).expect("the second step");
    assert!(futures::executor::block_on(store.remove(last.key, vec![])).unwrap());
    logged();
    let error = ticks(3).unwrap_err().job();
    assert!(matches!(error, JobError::Lost { recorded: 2, found: 1, .. }), "{error}");
    assert_eq!(jobs::blocking::get("ticks:3").unwrap().unwrap().status, Status::Manual);
    assert_eq!(logged(), [""; 0], "nothing is done again in silence");
    assert!(world.events().iter().any(|event| format!("{event:?}").contains("records of the job are lost")));
    jobs::blocking::resume("ticks:3").unwrap();
    assert!(matches!(ticks(3).unwrap_err().job(), JobError::Lost { .. }), "and they are still gone");
    assert!(jobs::blocking::remove("ticks:3").unwrap());
    assert_eq!(ticks(3).unwrap(), 3, "removed, it is a new one");
}

#[test]
fn the_job_is_propagated_to_the_thread_of_a_timeout() {
    const BY_HAND: resilience::Timeout = resilience::Timeout::new(Duration::from_secs(60));
    #[resilience::timeout(60s, thread)]
    fn on_thread() -> Option<String> {
        resilience::durable::job()
    }
    #[job("threads:{n}")]
    fn threads(n: u32) -> Result<[Option<String>; 2], Error> {
        let _ = n;
        Ok([on_thread(), BY_HAND.call(resilience::durable::job)])
    }
    let _world = isolate();
    let id = Some("threads:1".to_owned());
    assert_eq!(threads(1).unwrap(), [id.clone(), id]);
    assert_eq!(on_thread(), None, "outside of a job there is none");
}

/// The store of the jobs below: what they leave there is found from every thread.
static STORE: LazyLock<Arc<MemoryStore>> = LazyLock::new(Arc::default);

#[job("sleeps:{id}", store = &*STORE)]
async fn sleeps(id: u32) -> Result<u32, Error> {
    resilience::sleep_until("cool down", SystemTime::now() + Duration::from_secs(3_600)).await?;
    Ok(id)
}

#[tokio::test(start_paused = true)]
async fn a_wait_keeps_its_end_across_a_restart() {
    let start = tokio::time::Instant::now();
    {
        let mut call = Box::pin(sleeps(1));
        assert!(futures::poll!(&mut call).is_pending());
    }
    tokio::time::advance(Duration::from_secs(3_000)).await;
    assert_eq!(sleeps(1).await.unwrap(), 1);
    let waited = start.elapsed();
    // The time of day goes on by itself; a second hour would be another matter.
    assert!(waited > Duration::from_secs(3_300) && waited < Duration::from_secs(3_900), "{waited:?}");
}

#[test]
fn lists_are_filtered_and_paged() {
    let _world = isolate();
    CRASH.set(99);
    for n in 1..=5 {
        ticks(n).unwrap();
        cursors::rows(n).unwrap();
    }
    let ids = |filter: Filter| -> Vec<String> {
        jobs::blocking::list(filter).unwrap().into_iter().map(|job| job.id).collect()
    };
    assert_eq!(ids(Filter::new()).len(), 10);
    assert_eq!(ids(Filter::new().name("ticks:{n}")).len(), 5);
    assert_eq!(ids(Filter::new().prefix("rows:").limit(2)), ["rows:1", "rows:2"]);
    assert_eq!(ids(Filter::new().prefix("rows:").after("rows:2").limit(2)), ["rows:3", "rows:4"]);
    assert_eq!(ids(Filter::new().status(&[Status::Failed])), [""; 0]);
    assert_eq!(ids(Filter::new().name("ticks:{n}").limit(1)), ["ticks:1"]);
}

#[timeout(1s)]
#[job("limited:{id}")]
async fn limited(id: u32) -> Result<u32, Error> {
    tick()?;
    may_crash(id).await;
    Ok(id)
}

#[tokio::test(start_paused = true)]
async fn a_job_ended_by_a_timeout_continues_at_the_next_call() {
    let _world = isolate();
    CRASH.set(8);
    assert!(matches!(limited(8).await.unwrap_err(), Error::Rejected(Rejected::TimedOut { .. })));
    assert_eq!(jobs::get("limited:8").await.unwrap().unwrap().status, Status::Interrupted);
    CRASH.set(0);
    assert_eq!(limited(8).await.unwrap(), 8);
    assert_eq!(logged(), ["tick"]);
}

async fn info_async(id: &str) -> resilience::durable::JobInfo {
    jobs::get(id).await.unwrap().expect("the job")
}

fn info(id: &str) -> resilience::durable::JobInfo {
    jobs::blocking::get(id).unwrap().expect("the job")
}
