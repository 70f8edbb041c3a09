//! `#[job]` through the macro: recorded, found, resumed, rolled back.

use resilience::durable::store::Query;
use resilience::durable::{JobError, MemoryStore, Otherwise, Record, Status, Store, use_store};
use resilience::jobs::{self, Filter};
use resilience::testing::isolate;
use resilience::{
    Category, Classify, Job, Progress, Rejected, checkpoint, job, recover, step, timeout, with_recovery,
};
use std::cell::{Cell, RefCell};
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
async fn a_job_runs_once_and_its_result_is_kept() {
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
async fn an_interrupted_job_is_found_and_goes_on_where_it_was() {
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

#[checkpoint("reserve", inputs(), rollback = unreserve)]
fn reserve(order: u32) -> Result<String, Error> {
    log("reserve");
    Ok(format!("r{order}"))
}

fn unreserve(reservation: String) {
    log(format!("unreserve {reservation}"));
}

#[checkpoint("charge", inputs(), rollback = |receipt: u32| refund(receipt))]
fn charge(order: u32) -> Result<u32, Error> {
    log("charge");
    Ok(order * 100)
}

fn refund(receipt: u32) -> Result<(), Error> {
    log(format!("refund {receipt}"));
    if CRASH.get() == 5 { Err(Error::Broken) } else { Ok(()) }
}

#[checkpoint("note", inputs())]
fn note(order: u32) -> Result<(), Error> {
    let _ = order;
    Ok(())
}

#[with_recovery(on(corrupt, rollback), on(severity >= high, manual))]
#[job("order:{order}")]
fn order(order: u32, how: u32) -> Result<u32, Error> {
    reserve(order)?;
    note(order)?;
    charge(order)?;
    match how {
        1 => Err(Error::Corrupt),
        2 => Err(Error::Broken),
        _ => Ok(order),
    }
}

#[test]
fn a_failed_job_undoes_its_steps_the_last_one_first() {
    let world = isolate();
    assert_eq!(order(1, 1).unwrap_err(), Error::Corrupt);
    assert_eq!(logged(), ["reserve", "charge", "refund 100", "unreserve r1"]);
    assert_eq!(jobs::blocking::get("order:1").unwrap().unwrap().status, Status::RolledBack);
    assert!(matches!(order(1, 1).unwrap_err().job(), JobError::Stopped { status: Status::RolledBack, .. }));
    assert_eq!(order(2, 2).unwrap_err(), Error::Broken);
    assert_eq!(jobs::blocking::get("order:2").unwrap().unwrap().status, Status::Manual);
    assert_eq!(logged(), ["reserve", "charge"]);
    CRASH.set(5);
    assert_eq!(order(3, 1).unwrap_err(), Error::Corrupt);
    CRASH.set(0);
    let parked = jobs::blocking::get("order:3").unwrap().unwrap();
    assert_eq!(parked.status, Status::Manual);
    assert!(parked.events.iter().any(|event| event.reason.contains("the undo of `job::charge` failed")));
    let alerts = world.events().iter().filter(|event| format!("{event:?}").contains("Alert")).count();
    assert_eq!(alerts, 2);
    assert_eq!(order(4, 0).unwrap(), 4);
}

/// Two modules with a step `book` each, with an undo, and a third without.
mod flight {
    use super::{Error, checkpoint, log};

    #[checkpoint("flight:{id}", rollback = unbook)]
    pub(super) fn book(id: u32) -> Result<u32, Error> {
        Ok(id)
    }

    fn unbook(id: u32) {
        log(format!("no flight {id}"));
    }
}

mod hotel {
    use super::{Error, checkpoint, log};

    #[checkpoint("hotel:{id}", rollback = unbook)]
    pub(super) async fn book(id: u32) -> Result<u32, Error> {
        Ok(id)
    }

    async fn unbook(id: u32) {
        log(format!("no hotel {id}"));
    }
}

mod lunch {
    use super::{Error, checkpoint};

    #[checkpoint("lunch:{id}")]
    pub(super) fn book(id: u32) -> Result<u32, Error> {
        Ok(id)
    }
}

#[with_recovery(on(corrupt, rollback))]
#[job("trip:{id}")]
async fn trip(id: u32) -> Result<u32, Error> {
    flight::book(id)?;
    hotel::book(id).await?;
    lunch::book(id)?;
    Err(Error::Corrupt)
}

/// Two forms of one step, as the name that both are given says.
#[checkpoint("seat:{id}", name = "job::seat", rollback = free_seat)]
fn seat(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[checkpoint("seat:{id}", name = "job::seat")]
async fn seat_async(id: u32) -> Result<u32, Error> {
    Ok(id)
}

fn free_seat(id: u32) {
    log(format!("no seat {id}"));
}

#[with_recovery(on(corrupt, rollback))]
#[job("seats:{id}")]
async fn seats(id: u32) -> Result<u32, Error> {
    seat(id)?;
    seat_async(id + 1).await?;
    Err(Error::Corrupt)
}

#[tokio::test(start_paused = true)]
async fn steps_that_are_given_one_name_are_one_step_with_one_undo() {
    let _world = isolate();
    assert_eq!(seats(1).await.unwrap_err(), Error::Corrupt);
    assert_eq!(logged(), ["no seat 2", "no seat 1"]);
    assert!(resilience::recover().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn steps_of_one_name_in_different_modules_have_their_own_undos() {
    let _world = isolate();
    assert_eq!(trip(1).await.unwrap_err(), Error::Corrupt);
    assert_eq!(logged(), ["no hotel 1", "no flight 1"]);
    let job = jobs::get("trip:1").await.unwrap().unwrap();
    assert_eq!(job.status, Status::RolledBack);
    assert!(job.events.iter().any(|event| event.reason.contains("1 steps have no undo")), "{job:?}");
}

/// As if the second step of the name was added, or one was moved to another module, since the record was made.
#[tokio::test(start_paused = true)]
async fn a_record_that_may_be_of_several_functions_is_not_undone_by_any() {
    let _world = isolate();
    let store = Arc::new(MemoryStore::new());
    use_store(store.clone());
    CRASH.set(7);
    {
        let mut call = Box::pin(moved_trip(2));
        assert!(futures::poll!(&mut call).is_pending());
    }
    CRASH.set(0);
    let steps = store.list(Query::new("s/")).await.unwrap().records;
    let [step] = steps.as_slice() else { panic!("{steps:?}") };
    assert!(String::from_utf8_lossy(&step.note).contains("job::flight::book"), "{step:?}");
    for note in [Vec::new(), br#"{"point":"job::plane::book"}"#.to_vec()] {
        let mut step = store.get(&step.key).await.unwrap().expect("the step");
        let revision = step.revision;
        step.note = note;
        store.cas(Some(revision), step).await.unwrap();
        let _ = moved_trip(2).await;
        let job = jobs::get("moved:2").await.unwrap().unwrap();
        assert_eq!((job.status, logged()), (Status::Manual, Vec::new()));
        let reason = &job.events.last().expect("an event").reason;
        assert!(reason.contains("`job::book` is the name of several steps (tests/job.rs:"), "{reason}");
        assert!(reason.ends_with("give each a `name`"), "{reason}");
        jobs::resume("moved:2").await.unwrap();
    }
}

#[with_recovery(on(corrupt, rollback))]
#[job("moved:{id}")]
async fn moved_trip(id: u32) -> Result<u32, Error> {
    flight::book(id)?;
    may_crash(7).await;
    Err(Error::Corrupt)
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
fn steps_without_keys_are_told_apart_by_their_order() {
    let _world = isolate();
    CRASH.set(2);
    crashed("ticks:3", || ticks(3));
    CRASH.set(99);
    assert_eq!(logged().len(), 2);
    assert_eq!(ticks(3).unwrap(), 3);
    assert_eq!(logged().len(), 1);
}

#[job("rows:{id}")]
fn rows(id: u32) -> Result<u32, Error> {
    let _ = id;
    let mut progress = Progress::<u32>::open("rows").every(2);
    let start = progress.restore_blocking()?.unwrap_or(0);
    for row in start..6 {
        assert!(row != CRASH.get(), "crash");
        log(row.to_string());
        progress.save_blocking(&(row + 1))?;
    }
    Ok(start)
}

#[test]
fn a_cursor_survives_the_crash_and_goes_with_the_job() {
    let _world = isolate();
    CRASH.set(5);
    crashed("rows:1", || rows(1));
    assert_eq!(logged(), ["0", "1", "2", "3", "4"]);
    CRASH.set(99);
    let recovered = recover().until_done().blocking().unwrap();
    assert_eq!(recovered.count(Status::Done), 1, "{recovered}");
    assert_eq!(rows(1).unwrap(), 4, "the last save that was made");
    assert_eq!(Progress::<u32>::open("rows").restore_blocking().unwrap(), None);
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
async fn a_step_knows_whether_an_earlier_run_may_have_carried_it_out() {
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
fn a_step_outside_of_jobs_knows_whether_it_was_begun_before() {
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

#[job("peeks:{id}")]
async fn peeks(id: String) -> Result<Vec<Option<u32>>, Error> {
    let mut progress = Progress::<u32>::open("row of 1");
    let mut seen = vec![Progress::peek("row of 1").await?];
    progress.save(&7).await?;
    seen.push(Progress::peek("row of 1").await?);
    seen.push(std::thread::scope(|scope| {
        let inside = resilience::in_scope_blocking(|| Progress::<u32>::peek_blocking("row of 1"));
        scope.spawn(inside).join().expect("no panic")
    })?);
    let elsewhere = jobs::get(&format!("peeks:{id}")).await?.expect("this job");
    let [cursor] = &*elsewhere.cursors else { panic!("{elsewhere:?}") };
    assert_eq!((cursor.name.as_str(), cursor.value.as_str()), ("row of 1", "7"));
    Ok(seen)
}

#[tokio::test(start_paused = true)]
async fn a_cursor_can_be_read_while_its_owner_works() {
    let world = isolate();
    let handle = world.handle();
    let mut outside = Progress::<u32>::open("row of 1");
    outside.save(&1).await.unwrap();
    assert_eq!(Progress::<u32>::peek("row of 1").await.unwrap(), Some(1));
    let peek = move || handle.run(|| Progress::<u32>::peek_blocking("row of 1").unwrap());
    assert_eq!(std::thread::spawn(peek).join().unwrap(), Some(1));
    let inside = peeks("1".to_owned());
    // Its own cursor, not the one outside.
    assert_eq!(
        std::thread::scope(|_| futures::executor::block_on(inside)).unwrap(),
        [None, Some(7), Some(7)]
    );
    assert_eq!(jobs::get("peeks:1").await.unwrap().unwrap().cursors.len(), 0, "it goes with the job");
    let text = Progress::<Vec<u8>>::peek("row of 1").await.unwrap_err();
    assert!(text.to_string().contains("cannot be read"), "{text}");
    outside.finish().await.unwrap();
    assert_eq!(Progress::<u32>::peek("row of 1").await.unwrap(), None);
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
fn the_history_of_a_job_that_did_not_end_well_says_failed() {
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
fn a_job_that_was_recovered_too_often_is_dead() {
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
    let events = jobs::blocking::get("dies:1").unwrap().expect("a dead job").events;
    let last = events.last().expect("an event");
    assert_eq!((&*last.strategy, &*last.result), ("dead", "failed"));
}

#[test]
fn a_job_can_be_done_again_from_a_step_on() {
    let _world = isolate();
    assert_eq!(order(7, 0).unwrap(), 7);
    assert_eq!(logged(), ["reserve", "charge"]);
    let steps = jobs::blocking::steps("order:7").unwrap();
    let keys: Vec<_> = steps.iter().map(|step| (step.job.as_deref(), step.key.as_str())).collect();
    assert_eq!(keys, ["reserve", "note", "charge"].map(|key| (Some("order:7"), key)), "in their order");
    let unknown = jobs::blocking::fork_from("order:7", "pay").unwrap_err();
    let is_unknown = |error: &JobError| matches!(error, JobError::UnknownStep { .. });
    assert!(matches!(&unknown, Rejected::Job(error) if is_unknown(error)), "{unknown}");
    assert!(unknown.to_string().contains("has recorded no step `pay`"), "{unknown}");
    jobs::blocking::fork_from("order:7", "charge").unwrap();
    assert_eq!(order(7, 0).unwrap(), 7);
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
async fn a_method_is_called_on_what_is_provided() {
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
fn a_job_inside_of_itself_is_refused_at_once() {
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
fn a_failed_job_with_rerun_is_run_by_calling_it() {
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
fn a_job_that_no_function_has_is_reported_and_kept() {
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
fn a_job_whose_records_are_gone_waits_for_a_person() {
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
fn the_job_goes_along_to_a_timeouts_thread() {
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
async fn a_wait_goes_on_after_a_restart_to_the_same_moment() {
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
fn lists_are_filtered_and_read_page_by_page() {
    let _world = isolate();
    CRASH.set(99);
    for n in 1..=5 {
        ticks(n).unwrap();
        rows(n).unwrap();
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
async fn a_job_that_a_timeout_ends_goes_on_when_it_is_called_again() {
    let _world = isolate();
    CRASH.set(8);
    assert!(matches!(limited(8).await.unwrap_err(), Error::Rejected(Rejected::TimedOut { .. })));
    assert_eq!(jobs::get("limited:8").await.unwrap().unwrap().status, Status::Interrupted);
    CRASH.set(0);
    assert_eq!(limited(8).await.unwrap(), 8);
    assert_eq!(logged(), ["tick"]);
}

#[test]
fn a_job_with_a_store_of_its_own_is_recovered_from_there() {
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
async fn jobs_made_by_a_macro_are_called_again_with_what_they_borrow() {
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

/// Read back, `Long` is a `Short`.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
enum Untagged {
    Short { x: u32 },
    Long { x: u32, y: u32 },
}

#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Silent {
    #[serde(skip_deserializing)]
    lost: u32,
}

#[job("lossy:{id}")]
fn lossy(id: u32, float: f64, of: &[Untagged], silent: Option<String>) -> Result<usize, Error> {
    log("lossy");
    Ok(id as usize + of.len() + silent.map_or(0, |text| text.len()) + float as usize)
}

#[job("lossy-async:{id}")]
async fn lossy_async(id: u32, silent: &Silent, large: u128) -> Result<u32, Error> {
    log("lossy");
    Ok(id + silent.lost + large as u32)
}

#[tokio::test(start_paused = true)]
async fn an_argument_that_is_not_read_back_as_it_was_written_is_refused_before_the_body() {
    let _world = isolate();
    let long = [Untagged::Short { x: 1 }, Untagged::Long { x: 1, y: 2 }];
    let refused = [
        (lossy(1, f64::NAN, &[], None).unwrap_err(), "`float`", "no number that JSON has"),
        (lossy(1, 1.0, &long, None).unwrap_err(), "`of`", "read back as another value"),
        (lossy_async(1, &Silent { lost: 7 }, 1).await.unwrap_err(), "`silent`", "read back as another value"),
        (lossy_async(1, &Silent { lost: 0 }, u128::MAX).await.unwrap_err(), "`large`", "out of range"),
    ];
    for (error, name, why) in refused {
        let error = error.job();
        assert!(matches!(error, JobError::Codec { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(&format!("the argument {name} cannot be recorded")), "{text}");
        assert!(text.contains(why), "{text}");
    }
    let nan = resilience::Job::run_blocking("lossy", f64::NAN, |_: f64| Ok::<u32, Error>(1));
    assert!(matches!(nan.unwrap_err().job(), JobError::Codec { .. }));
    assert_eq!(logged(), [""; 0], "no body ran");
    assert_eq!(jobs::list(Filter::new()).await.unwrap().len(), 0, "nothing is recorded");
    assert_eq!(lossy(1, 1.0, &long[..1], Some("ab".to_owned())).unwrap(), 5);
    assert_eq!(lossy_async(1, &Silent { lost: 0 }, 1).await.unwrap(), 2);
}

#[job("lossy-result:{id}")]
fn lossy_result(id: u32, value: f64) -> Result<f64, Error> {
    log("result");
    Ok(value / f64::from(id))
}

#[job("lossy-result-async:{id}")]
async fn lossy_result_async(id: u32) -> Result<Untagged, Error> {
    log("result");
    Ok(Untagged::Long { x: id, y: id })
}

#[tokio::test(start_paused = true)]
async fn a_result_that_is_not_read_back_as_it_was_written_fails_the_job() {
    let _world = isolate();
    let by_hand = || resilience::Job::run_blocking("hand", (), |()| Ok::<_, Error>(Some(None::<u8>)));
    let error = resilience::Job::run("hand-async", (), async |()| Ok::<_, Error>(f32::INFINITY)).await;
    let refused = [
        (lossy_result(0, 0.0).unwrap_err(), "lossy-result:0"),
        (lossy_result_async(1).await.unwrap_err(), "lossy-result-async:1"),
        (by_hand().unwrap_err(), "hand"),
        (error.unwrap_err(), "hand-async"),
    ];
    for (error, id) in refused {
        let text = error.job().to_string();
        assert!(text.contains("the result cannot be recorded"), "{text}");
        let job = jobs::get(id).await.unwrap().unwrap();
        assert_eq!(job.status, Status::Failed);
        assert!(job.problem.is_some_and(|problem| text.contains(&problem)), "{text}");
    }
    logged();
    assert_eq!(recover().await.unwrap().jobs.len(), 0, "nothing runs it again by itself");
    let again = lossy_result(0, 0.0).unwrap_err().job();
    assert!(matches!(again, JobError::Stopped { status: Status::Failed, .. }), "{again}");
    assert_eq!(logged(), [""; 0]);
}

#[checkpoint("breaks:{id}")]
fn breaks(id: u32) -> Result<u32, Error> {
    assert!(id == 0, "the step {id} breaks");
    Ok(id)
}

#[job("panics:{id}")]
fn panics(id: u32) -> Result<u32, Error> {
    breaks(0)?;
    breaks(id)
}

#[job("panics-async:{id}")]
async fn panics_async(id: u32) -> Result<u32, Error> {
    tokio::task::yield_now().await;
    breaks(0)?;
    tick()?;
    std::panic::panic_any(id.to_string())
}

/// The message of the panic that `call` ends with.
fn panic_of<T: std::fmt::Debug>(call: impl FnOnce() -> T) -> String {
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).expect_err("it panics");
    *panic.downcast::<String>().expect("a text")
}

#[test]
fn a_panic_is_recorded_as_a_failure_and_goes_on() {
    let _world = isolate();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let body = |n: u32| -> Result<u32, Error> { panic!("body {n}") };
    let cases = [
        ("panics:7", panic_of(|| panics(7)), Some("breaks:7"), "the step 7 breaks"),
        ("panics-async:8", panic_of(|| runtime.block_on(panics_async(8))), None, "8"),
        ("hand", panic_of(|| resilience::Job::run_blocking("hand", 9, body)), None, "body 9"),
        (
            "hand-async",
            panic_of(|| runtime.block_on(resilience::Job::run("hand-async", 10, async |n| body(n)))),
            None,
            "body 10",
        ),
    ];
    let call = || {
        resilience::Job::run_blocking("no-text", (), |()| -> Result<u32, Error> { std::panic::panic_any(7) })
    };
    assert!(std::panic::catch_unwind(call).is_err_and(|panic| panic.is::<i32>()));
    let problem = jobs::blocking::get("no-text").unwrap().unwrap().problem;
    assert_eq!(problem.as_deref(), Some("the body panicked: a value that is no text"));
    for (id, message, step, expected) in cases {
        assert_eq!(message, expected, "the panic itself goes on");
        let job = jobs::blocking::get(id).unwrap().unwrap();
        assert_eq!(job.status, Status::Failed, "{job}");
        let problem = job.problem.clone().expect("a problem");
        assert!(problem.contains("panicked") && problem.ends_with(expected), "{job}");
        let event = job.events.last().expect("an event");
        assert_eq!((event.strategy.as_str(), event.step.as_deref()), ("failed", step), "{job}");
        assert_eq!(event.reason, problem);
    }
    assert_eq!(recover().blocking().unwrap().jobs.len(), 0, "nothing runs it again by itself");
    assert!(matches!(panics(7).unwrap_err().job(), JobError::Stopped { status: Status::Failed, .. }));
    jobs::blocking::resume("hand").unwrap();
    let resumed = jobs::blocking::get("hand").unwrap().unwrap();
    assert_eq!((resumed.status, resumed.problem), (Status::Interrupted, None), "it may run again");
    let steps = jobs::blocking::steps("panics:7").unwrap();
    let done: Vec<_> =
        steps.iter().filter(|step| step.status == Status::Done).map(|step| &step.key).collect();
    assert_eq!(done, ["breaks:0"], "a step whose body panics records nothing");
}

/// Programs of different ages: each has the steps of one of these.
mod deploys {
    use super::{Error, Status, checkpoint, info, isolate, job, jobs};
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    /// Which program runs; a recovered job sees it, too, which runs on a thread of its own.
    static PROGRAM: AtomicU32 = AtomicU32::new(0);

    #[checkpoint("fetch:{id}")]
    fn fetch(id: u32) -> Result<u32, Error> {
        Ok(id)
    }

    #[checkpoint("fetch:{id}")]
    fn renamed(id: u32) -> Result<u32, Error> {
        Ok(id)
    }

    #[checkpoint("fetch:{id}", was = "fetch")]
    fn renamed_and_said_so(id: u32) -> Result<u32, Error> {
        Ok(id)
    }

    #[checkpoint("fetch:{id}", name = "another_crate::fetch")]
    async fn of_another_crate(id: u32) -> Result<u32, Error> {
        Ok(id)
    }

    #[checkpoint("fetch:{id}", name = "job::fetch", version = 2)]
    fn raised(id: u32) -> Result<u32, Error> {
        Ok(id)
    }

    #[checkpoint("fetch:{id}", name = "job::fetch")]
    async fn retyped(id: u32) -> Result<String, Error> {
        Ok(id.to_string())
    }

    #[checkpoint("fetch:{id}", name = "job::fetch", inputs(id, page = 1))]
    fn grown(id: u32) -> Result<u32, Error> {
        Ok(id)
    }

    async fn steps(id: u32) -> Result<u32, Error> {
        match PROGRAM.load(Relaxed) {
            0 => {
                fetch(id)?;
                std::future::pending().await
            }
            1 => renamed(id),
            2 => of_another_crate(id).await,
            3 => raised(id),
            4 => Ok(retyped(id).await?.parse().unwrap_or(0)),
            5 => grown(id),
            6 => renamed_and_said_so(id),
            _ => fetch(id),
        }
    }

    #[job("deployed:{id}")]
    async fn deployed(id: u32) -> Result<u32, Error> {
        steps(id).await
    }

    #[job("deployed-sync:{id}")]
    fn deployed_sync(id: u32) -> Result<u32, Error> {
        use futures::FutureExt;
        steps(id).now_or_never().unwrap_or(Err(Error::Broken))
    }

    const SAID: [(u32, &str); 5] = [
        (1, "recorded `job::fetch`, now `job::renamed`"),
        (2, "if it was renamed, write `was = \"job::fetch\"`"),
        (3, "recorded 1, now 2"),
        (4, "if its type has changed, write `on_mismatch = rerun` to do the step again"),
        (5, "other inputs: recorded no inputs, now hash"),
    ];

    #[test]
    fn a_step_that_the_program_has_changed_interrupts_its_job_until_it_fits() {
        let _world = isolate();
        PROGRAM.store(0, Relaxed);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut call = Box::pin(deployed(1));
            assert!(futures::poll!(&mut call).is_pending());
        });
        assert_eq!(deployed_sync(1).unwrap_err(), Error::Broken);
        jobs::blocking::resume("deployed-sync:1").unwrap();
        for (program, said) in SAID {
            PROGRAM.store(program, Relaxed);
            runtime.block_on(deployed(1)).unwrap_err();
            deployed_sync(1).unwrap_err();
            for id in ["deployed:1", "deployed-sync:1"] {
                let job = info(id);
                let problem = job.problem.clone().unwrap_or_default();
                assert_eq!(job.status, Status::Interrupted, "{job}");
                assert!(problem.contains(said), "{problem}");
            }
            let recovered = jobs::blocking::sweep().unwrap();
            assert_eq!(recovered.count(Status::Interrupted), 2, "{recovered}");
            assert_eq!(recovered.to_string().matches(said).count(), 2, "{recovered}");
        }
        PROGRAM.store(6, Relaxed);
        assert_eq!(jobs::blocking::sweep().unwrap().count(Status::Done), 2);
        assert_eq!((info("deployed:1").problem, info("deployed-sync:1").problem), (None, None));
        assert_eq!((runtime.block_on(deployed(1)).unwrap(), deployed_sync(1).unwrap()), (1, 1));
    }
}

#[tokio::test]
async fn a_job_that_panics_while_it_is_recovered_has_failed() {
    let _world = isolate();
    {
        let mut call = Box::pin(pends_and_panics(1));
        assert!(futures::poll!(&mut call).is_pending());
    }
    let recovered = recover().until_done().await.unwrap();
    assert_eq!(recovered.count(Status::Failed), 1, "{recovered}");
    let job = info_async("pends-and-panics:1").await;
    assert_eq!(job.problem.as_deref(), Some("the body panicked in the step `breaks:1`: the step 1 breaks"));
}

#[job("pends-and-panics:{id}")]
async fn pends_and_panics(id: u32) -> Result<u32, Error> {
    if resilience::jobs::blocking::get("pends-and-panics:1")?.is_some_and(|job| job.attempts < 2) {
        std::future::pending::<()>().await;
    }
    breaks(id)
}

async fn info_async(id: &str) -> resilience::durable::JobInfo {
    jobs::get(id).await.unwrap().expect("the job")
}

fn info(id: &str) -> resilience::durable::JobInfo {
    jobs::blocking::get(id).unwrap().expect("the job")
}

/// What is configured away is neither recorded nor made again.
mod conditional {
    use super::{Rejected, isolate, job};

    #[job("conditional:{id}", provided(client, absent_client))]
    pub async fn later(
        id: u64,
        #[cfg(any())] absent: Absent,
        #[cfg(not(any()))] path: &str,
        #[cfg(not(all()))] path: u8,
        #[cfg(any())] absent_client: &Absent,
        #[cfg(not(any()))] client: &u64,
    ) -> Result<u64, Rejected> {
        Ok(id + path.len() as u64 + client)
    }

    #[job("conditional-now:{id}")]
    pub fn now(
        id: u64,
        #[cfg(any())] absent: &mut Absent,
        #[cfg(not(any()))] by: u64,
    ) -> Result<u64, Rejected> {
        Ok(id + by)
    }

    #[job("conditional-only")]
    pub fn only(#[cfg(any())] absent: u64) -> Result<u64, Rejected> {
        Ok(3)
    }

    #[test]
    fn a_job_with_arguments_under_cfg_runs() {
        let _world = isolate();
        assert_eq!(now(1, 2), Ok(3));
        assert_eq!(only(), Ok(3));
        assert_eq!(futures::executor::block_on(later(1, "ab", &4)), Ok(7));
        assert_eq!(futures::executor::block_on(later(1, "ab", &4)), Ok(7), "recorded");
    }
}

const IMPORT: Job = Job::new("import");

#[test]
fn a_job_value_uses_its_own_settings() {
    let _world = isolate();
    let later = IMPORT.version(2);
    let double = |rows: u32| Ok::<u32, Error>(2 * rows);
    assert_eq!(IMPORT.call("import:7", 3, double), Ok(6));
    assert_eq!(IMPORT.call("import:7", 3, |_: u32| Ok::<u32, Error>(0)), Ok(6), "recorded");
    let error = later.call("import:7", 3, double).expect_err("another version").job();
    assert!(matches!(error, JobError::Mismatch { .. }), "{error}");
    assert_eq!(later.on_mismatch(Otherwise::Rerun).call("import:7", 4, double), Ok(8));
    let job = jobs::blocking::get("import:7").expect("a store").expect("a job");
    assert_eq!((job.name.as_str(), job.version), ("import", 2));

    let fails = |()| Err::<u32, _>(Error::Corrupt);
    IMPORT.call("import:8", (), fails).unwrap_err();
    assert!(matches!(IMPORT.call("import:8", (), fails), Err(Error::Rejected(_))), "it has failed");
    assert_eq!(IMPORT.rerun(true).call("import:8", (), |()| Ok::<u32, Error>(1)), Ok(1));
}

#[tokio::test]
async fn an_async_job_value_uses_its_own_settings() {
    let _world = isolate();
    assert_eq!(IMPORT.call_async("import:7", 3, async |rows: u32| Ok::<u32, Error>(2 * rows)).await, Ok(6));
    let later = IMPORT.version(2);
    let error = later.call_async("import:7", 3, async |_: u32| Ok::<u32, Error>(0)).await.unwrap_err().job();
    assert!(matches!(error, JobError::Mismatch { .. }), "{error}");
    let job = jobs::get("import:7").await.expect("a store").expect("a job");
    assert_eq!((job.name.as_str(), job.version), ("import", 1));
}
