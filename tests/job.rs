//! `#[job]` through the macro: recorded, found, resumed, rolled back.

#[path = "job/cursors.rs"]
mod cursors;
#[path = "job/deploys.rs"]
mod deploys;
#[path = "job/ends.rs"]
mod ends;
#[path = "shared/forward.rs"]
mod forward;
#[path = "job/lossy.rs"]
mod lossy;
#[path = "job/panics.rs"]
mod panics;
#[path = "job/refused.rs"]
mod refused;
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

/// What a step sees of itself: its attempt, whether it may repeat an earlier one, and its idempotency key.
type Seen = (u32, bool, String);

fn seen() -> Seen {
    let step = step().expect("inside of a step");
    (step.attempt(), step.may_repeat(), step.idempotency_key())
}

static SEEN: std::sync::Mutex<Vec<Seen>> = std::sync::Mutex::new(Vec::new());

fn note_seen() {
    SEEN.lock().unwrap().push(seen());
}

#[checkpoint("flaky:{n}")]
fn flaky(n: u32) -> Result<u32, Error> {
    note_seen();
    if n == 1 { Err(Error::Broken) } else { Ok(n) }
}

#[checkpoint("flaky:{n}")]
async fn flaky_async(n: u32) -> Result<u32, Error> {
    note_seen();
    if n == 1 { Err(Error::Broken) } else { Ok(n) }
}

#[job("repeats:{id}")]
async fn repeats(id: u32, is_async: bool) -> Result<u32, Error> {
    let _ = id;
    for n in [0, 1, 1] {
        let _ = if is_async { flaky_async(n).await } else { flaky(n) };
    }
    if jobs::get(&resilience::durable::job().expect("this job")).await?.is_some_and(|job| job.attempts < 2) {
        std::future::pending::<()>().await;
    }
    flaky(2)
}

#[tokio::test(start_paused = true)]
async fn a_step_knows_whether_an_earlier_run_may_have_executed_it() {
    let _world = isolate();
    for is_async in [false, true] {
        let id = u32::from(is_async);
        {
            let mut call = Box::pin(repeats(id, is_async));
            assert!(futures::poll!(&mut call).is_pending());
        }
        let first = std::mem::take(&mut *SEEN.lock().unwrap());
        let marks = |seen: &[Seen]| seen.iter().map(|seen| (seen.0, seen.1)).collect::<Vec<_>>();
        assert_eq!(marks(&first), [(1, false), (1, false), (2, true)]);
        assert_eq!(recover().until_done().await.unwrap().count(Status::Done), 1);
        let second = std::mem::take(&mut *SEEN.lock().unwrap());
        assert_eq!(marks(&second), [(1, true), (2, true), (1, true)], "recovered, without records");
        assert_eq!((&first[1].2, &first[2].2), (&second[0].2, &second[1].2), "one and the same step");
        assert_ne!(first[0].2, first[1].2);
    }
    assert!(step().is_none());
}

#[test]
fn a_step_outside_jobs_knows_whether_it_was_started_before() {
    let _world = isolate();
    let seen = std::cell::RefCell::new(Vec::new());
    let call = |fails: bool| {
        resilience::Checkpoint::new("alone").call("alone", || {
            seen.borrow_mut().push(self::seen());
            if fails { Err(Error::Broken) } else { Ok(1) }
        })
    };
    assert_eq!((call(true), call(false), call(false)), (Err(Error::Broken), Ok(1), Ok(1)));
    let seen = seen.into_inner();
    assert_eq!(seen.iter().map(|seen| (seen.0, seen.1)).collect::<Vec<_>>(), [(1, false), (2, true)]);
    assert_eq!(seen[0].2, seen[1].2);
}

#[job("{name}", name = "named")]
fn named(name: &str) -> Result<(), Error> {
    panic!("`{name}` must not run")
}

#[job("{name}", name = "named async")]
async fn named_async(name: &str) -> Result<(), Error> {
    panic!("`{name}` must not run")
}

#[tokio::test]
async fn a_job_whose_key_is_empty_is_refused() {
    let _world = isolate();
    let body = |()| -> Result<(), Error> { panic!("it must not run") };
    for refused in [
        named(""),
        named_async("").await,
        resilience::Job::run_blocking("", (), body),
        resilience::Job::run("", (), async |()| body(())).await,
    ] {
        let error = refused.unwrap_err().job();
        assert!(matches!(error, JobError::EmptyKey { .. }), "{error}");
        assert!(error.to_string().contains("is empty"), "{error}");
    }
    assert!(jobs::list(Filter::new()).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn a_job_whose_key_is_too_long_is_refused() {
    let _world = isolate();
    let key = "x".repeat(513);
    let body = |()| -> Result<(), Error> { panic!("it must not run") };
    for refused in [
        named(&key),
        named_async(&key).await,
        resilience::Job::run_blocking(&key, (), body),
        resilience::Job::run(&key, (), async |()| body(())).await,
    ] {
        let error = refused.unwrap_err().job();
        assert!(matches!(error, JobError::KeyTooLong { bytes: 513, .. }), "{error}");
    }
    assert!(jobs::list(Filter::new()).await.unwrap().items.is_empty());
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

#[test]
fn a_job_can_be_forked_from_a_step() {
    let _world = isolate();
    assert_eq!(undo::order(7, 0).unwrap(), 7);
    assert_eq!(logged(), ["reserve", "charge"]);
    let steps = jobs::blocking::steps("order:7").unwrap();
    let keys: Vec<_> = steps.iter().map(|step| (step.job.as_deref(), step.key.as_str())).collect();
    assert_eq!(keys, ["reserve", "note", "charge"].map(|key| (Some("order:7"), key)), "in their order");
    let unknown = jobs::blocking::fork_from("order:7", "pay").unwrap_err();
    let is_unknown = |error: &JobError| matches!(error, JobError::UnknownStep { .. });
    assert!(matches!(&unknown, Rejected::Job(error) if is_unknown(error)), "{unknown}");
    assert!(unknown.to_string().contains("has recorded no step `pay`"), "{unknown}");
    let unknown = jobs::blocking::fork_from("order:8", "charge").unwrap_err();
    assert_eq!(unknown.to_string(), "there is no job `order:8`");
    jobs::blocking::fork_from("order:7", "charge").unwrap();
    assert_eq!(undo::order(7, 0).unwrap(), 7);
    assert_eq!(logged(), ["charge"]);
}

struct App {
    name: &'static str,
}

impl App {
    #[job("app:{id}", on = App)]
    async fn run(&self, id: u32) -> Result<String, Error> {
        may_crash(id).await;
        Ok(format!("{}{id}", self.name))
    }
}

#[tokio::test(start_paused = true)]
async fn a_recovered_method_uses_the_provided_value() {
    let _world = isolate();
    CRASH.set(3);
    {
        let mut call = Box::pin(async { App { name: "a" }.run(3).await });
        assert!(futures::poll!(&mut call).is_pending());
    }
    CRASH.set(0);
    assert_eq!(
        recover().provide(Arc::new(App { name: "b" })).until_done().await.unwrap().count(Status::Done),
        1
    );
    assert_eq!(App { name: "c" }.run(3).await.unwrap(), "b3");
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

#[checkpoint]
async fn slow_tick() -> Result<u32, Error> {
    tokio::task::yield_now().await;
    Ok(1)
}

#[job("overlapping:{id}")]
async fn overlapping(id: u32) -> Result<u32, Error> {
    let (one, other) = tokio::join!(slow_tick(), slow_tick());
    Ok(id + one? + other?)
}

#[tokio::test(start_paused = true)]
async fn steps_without_keys_may_not_overlap() {
    let _world = isolate();
    let error = overlapping(1).await.unwrap_err();
    let Error::Rejected(Rejected::Checkpoint(error)) = error else { panic!("{error:?}") };
    assert!(matches!(*error, resilience::durable::CheckpointError::Overlap { .. }), "{error}");
    assert!(error.to_string().contains("give it a key"), "{error}");
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

mod earlier {
    use super::{Error, may_crash};
    use resilience::job;

    #[job("renamed:{id}", name = "the old name")]
    pub(super) async fn old_name(id: u32) -> Result<u32, Error> {
        may_crash(id).await;
        Ok(id)
    }
}

#[job("renamed:{id}", was = "the old name")]
async fn new_name(id: u32) -> Result<u32, Error> {
    Ok(id + 1)
}

#[tokio::test(start_paused = true)]
async fn a_renamed_job_is_found_under_its_earlier_name() {
    let _world = isolate();
    CRASH.set(4);
    {
        let mut call = Box::pin(earlier::old_name(4));
        assert!(futures::poll!(&mut call).is_pending());
    }
    CRASH.set(0);
    assert_eq!(new_name(4).await.unwrap(), 5, "called by its new name");
    let info = jobs::get("renamed:4").await.unwrap().unwrap();
    assert_eq!((info.status, info.attempts), (Status::Done, 2));
}

#[test]
fn a_job_without_a_function_is_reported_and_kept() {
    let _world = isolate();
    let store = Arc::new(MemoryStore::new());
    resilience::durable::use_store(store.clone());
    let mut stranger = Record::new("j/gone:1");
    stranger.function = "gone:{id}".to_owned();
    stranger.status = Status::Interrupted;
    stranger.input = b"{}".to_vec();
    futures::executor::block_on(store.cas(None, stranger)).unwrap();
    for _ in 0..2 {
        let recovered = recover().until_done().blocking().unwrap();
        assert!(
            recovered.to_string().contains("`gone:{id}`, which no function of this program has"),
            "{recovered}"
        );
        assert_eq!(recovered.count(Status::Interrupted), 1);
    }
    assert!(jobs::blocking::get("gone:1").unwrap().is_some());
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

#[test]
fn a_job_with_its_own_store_is_recovered_from_it() {
    let _world = isolate();
    CRASHES.store(true, Ordering::Relaxed);
    assert!(std::panic::catch_unwind(|| elsewhere(1)).is_err());
    CRASHES.store(false, Ordering::Relaxed);
    let mut failed = futures::executor::block_on(STORE.get("j/elsewhere:1")).unwrap().unwrap();
    failed.status = Status::Interrupted;
    futures::executor::block_on(STORE.cas(Some(failed.revision), failed)).unwrap();
    assert_eq!(recover().until_done().blocking().unwrap().jobs.len(), 0, "not in the default store");
    let recovered = recover().store(STORE.clone()).until_done().blocking().unwrap();
    let found = recovered.jobs.iter().find(|job| job.id == "elsewhere:1").unwrap();
    assert_eq!((found.status, &found.problem), (Status::Done, &None));
}

static CRASHES: AtomicBool = AtomicBool::new(false);

#[job("elsewhere:{id}", store = &*STORE)]
fn elsewhere(id: u32) -> Result<u32, Error> {
    tick()?;
    assert!(!CRASHES.load(Ordering::Relaxed), "crash");
    Ok(id)
}

static SCRATCH: LazyLock<Arc<MemoryStore>> = LazyLock::new(|| Arc::new(MemoryStore::new()));

#[checkpoint("apart:{n}", store = &*SCRATCH)]
fn apart(n: u32) -> Result<String, Error> {
    log(format!("apart {n}"));
    Ok(step().expect("a step").idempotency_key())
}

#[job("uses both:{id}", on_mismatch = rerun)]
fn uses_both(id: u32, amount: u32) -> Result<String, Error> {
    tick()?;
    let apart = apart(id)?;
    Ok(format!("{amount} {apart}"))
}

#[test]
fn a_step_in_another_store_belongs_to_one_incarnation_of_its_job() {
    let _world = isolate();
    let first = uses_both(1, 10).unwrap();
    assert_eq!(uses_both(1, 10).unwrap(), first);
    assert_eq!(logged(), ["tick", "apart 1"]);
    // Other arguments, with `rerun`: nothing of the earlier job is used.
    let second = uses_both(1, 20).unwrap();
    assert_eq!(logged(), ["tick", "apart 1"]);
    assert!(jobs::blocking::remove("uses both:1").unwrap());
    let third = uses_both(1, 20).unwrap();
    assert_eq!(logged(), ["tick", "apart 1"]);
    // A job with the same id in another store is another job.
    use_store(Arc::new(MemoryStore::new()));
    let fourth = uses_both(1, 20).unwrap();
    assert_eq!(logged(), ["tick", "apart 1"]);
    let keys: HashSet<_> =
        [&first, &second, &third, &fourth].map(|text| text.split(' ').nth(1).unwrap()).into();
    assert_eq!(keys.len(), 4, "each has an idempotency key of its own");
    let scratch = checkpoints::blocking::of(SCRATCH.clone());
    let listed = scratch.list("uses both:1/").unwrap();
    assert!(listed.items.iter().all(|step| step.key.ends_with("/apart:1")), "{listed:?}");
    assert_eq!(listed.items.len(), 4, "{listed:?}");
    for step in &listed {
        assert!(scratch.remove(&step.key).unwrap(), "{step:?}");
    }
    assert_eq!(scratch.list("uses both:1/").unwrap().items.len(), 0);
}

#[job("crashes apart:{id}")]
async fn crashes_apart(id: u32) -> Result<u32, Error> {
    apart(id)?;
    may_crash(id).await;
    Ok(id)
}

#[tokio::test]
async fn a_recovered_job_reuses_its_step_in_another_store() {
    let _world = isolate();
    CRASH.set(2);
    assert!(futures::poll!(Box::pin(crashes_apart(2))).is_pending());
    CRASH.set(0);
    assert_eq!(crashes_apart(2).await.unwrap(), 2);
    assert_eq!(logged(), ["apart 2"]);
}

/// A type that is no `&mut`, whatever its letters.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Permut(u32);

macro_rules! jobs {
    ($($name:ident $key:literal ($($argument:ident: $ty:ty),*) $lent:ident: $lends:ty;)*) => {
        $(
            #[job($key, provided($lent), max_recoveries = 1 + 1)]
            async fn $name($($argument: $ty,)* $lent: $lends) -> Result<String, Error> {
                may_crash(9).await;
                Ok(format!("{:?} {}", ($(&$argument,)*), $lent.name))
            }
        )*
    };
}

jobs! {
    by_macro "macro:{id}" (id: u32, names: &[String], part: &Permut) client: &Client;
    in_arc "arc:{id}" (id: String) client: Arc<Client>;
}

#[tokio::test(start_paused = true)]
async fn macro_generated_jobs_are_recovered_with_borrowed_arguments() {
    let _world = isolate();
    CRASH.set(9);
    {
        let (names, part) = (["a".to_owned()], Permut(5));
        let mut call = Box::pin(by_macro(1, &names, &part, &CLIENT));
        assert!(futures::poll!(&mut call).is_pending());
        let mut call = Box::pin(in_arc("x".to_owned(), Arc::new(CLIENT)));
        assert!(futures::poll!(&mut call).is_pending());
    }
    CRASH.set(0);
    let recovered = recover().provide(Arc::new(Client { name: "other" })).until_done().await.unwrap();
    assert_eq!(recovered.count(Status::Done), 2, "{recovered}");
    let done = by_macro(1, &["a".to_owned()], &Permut(5), &CLIENT).await.unwrap();
    assert_eq!(done, r#"(1, ["a"], Permut(5)) other"#);
    assert_eq!(in_arc("x".to_owned(), Arc::new(CLIENT)).await.unwrap(), r#"("x",) other"#);
}

async fn info_async(id: &str) -> resilience::durable::JobInfo {
    jobs::get(id).await.unwrap().expect("the job")
}

fn info(id: &str) -> resilience::durable::JobInfo {
    jobs::blocking::get(id).unwrap().expect("the job")
}
