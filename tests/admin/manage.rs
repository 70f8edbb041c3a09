//! Jobs and steps of any store: what is told about them, and what is removed.

#[path = "../shared/cargo.rs"]
mod cargo;

use crate::common::block_on;
use crate::forward::forward;
use resilience::durable::store::{Liveness, Page, Quarantined, Query, Work};
use resilience::durable::{Job, JobError, MemoryStore, Record, Status, Store, use_store};
use resilience::jobs::{self, Filter};
use resilience::testing::isolate;
use resilience::{Classify, Progress, Rejected, checkpoint, checkpoints, job, with_recovery};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[derive(Debug, Classify, PartialEq)]
enum Error {
    #[classify(corrupt)]
    Corrupt,
    #[classify(permanent)]
    Broken,
    #[classify(transparent)]
    Rejected(Rejected),
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

thread_local! {
    static HOW: Cell<u32> = const { Cell::new(0) };
}

#[checkpoint("price:{id}", rollback = refund)]
fn price(id: u32) -> Result<u32, Error> {
    Ok(id + 100)
}

fn refund(_: u32) -> Result<(), Error> {
    Ok(())
}

#[with_recovery(on(corrupt, rollback))]
#[job("order:{id}")]
fn order(id: u32) -> Result<u32, Error> {
    let price = price(id)?;
    match HOW.get() {
        1 => Err(Error::Corrupt),
        2 => Err(Error::Broken),
        _ => Ok(price),
    }
}

/// A store that is not the default one of this world any more, with the jobs order:1 (done), order:2 (undone) and
/// order:3 (failed), and a step outside of jobs.
fn filled() -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new());
    use_store(store.clone());
    for (id, how) in [(1, 0), (2, 1), (3, 2)] {
        HOW.set(how);
        let _ = order(id);
    }
    HOW.set(0);
    price(9).expect("its value");
    use_store(Arc::new(MemoryStore::new()));
    store
}

#[test]
fn every_operation_works_on_a_chosen_store() {
    let _world = isolate();
    let store = filled();
    assert!(jobs::blocking::get("order:1").unwrap().is_none(), "the default store is another one");
    let jobs = jobs::blocking::of(store.clone());
    let steps = checkpoints::blocking::of(store.clone());
    assert_eq!(jobs.count().unwrap().to_string(), "done 1, failed 1, rolled_back 1");
    assert_eq!(jobs.list("order:").unwrap().len(), 3);
    assert_eq!(jobs.get("order:3").unwrap().unwrap().status, Status::Failed);
    jobs.resume("order:3").unwrap();
    assert_eq!(jobs.sweep().unwrap().count(Status::Done), 1);
    jobs.fork_from("order:3", "price:3").unwrap();
    jobs.cancel("order:3").unwrap();
    assert_eq!(jobs.get("order:3").unwrap().unwrap().status, Status::Failed);
    assert_eq!(steps.load::<u32>("price:9").unwrap(), Some(109));
    assert_eq!(steps.clone().in_job("order:1").load::<u32>("price:1").unwrap(), Some(101));
    assert_eq!(steps.list("price:").unwrap().len(), 1);
    assert_eq!(jobs.steps("order:1").unwrap().len(), 1);
    assert!(steps.remove("price:9").unwrap());
    assert!(jobs.remove("order:3").unwrap());
    assert!(!jobs.remove("order:3").unwrap());
    assert_eq!((steps.clear().unwrap(), steps.cleanup(Duration::ZERO).unwrap()), (0, 2));
    assert_eq!(jobs.count().unwrap().total(), 0);
    assert!(steps.quarantine(10).unwrap().is_empty());
}

#[tokio::test(flavor = "current_thread")]
async fn every_async_operation_works_on_a_chosen_store() {
    let _world = isolate();
    let store = filled();
    let (jobs, steps) = (jobs::of(store.clone()), checkpoints::of(store.clone()));
    assert_eq!(jobs.count().await.unwrap().total(), 3);
    assert_eq!(jobs.list(Filter::new()).await.unwrap().len(), 3);
    assert_eq!(jobs.steps("order:1").await.unwrap().len(), 1);
    jobs.resume("order:3").await.unwrap();
    jobs.cancel("order:3").await.unwrap();
    assert!(jobs.remove("order:3").await.unwrap());
    assert_eq!(steps.load::<u32>("price:9").await.unwrap(), Some(109));
    assert_eq!(steps.clear().await.unwrap(), 1);
    assert_eq!(steps.cleanup(Duration::ZERO).await.unwrap(), 2);
}

#[test]
fn a_job_shows_its_details_and_serializes() {
    let _world = isolate();
    let store = filled();
    let jobs = jobs::blocking::of(store.clone());
    let done = jobs.get("order:1").unwrap().unwrap();
    assert_eq!((done.input.as_deref(), done.result.as_deref()), (Some(r#"{"id":1}"#), Some("101")));
    assert_eq!((done.steps, done.owner_state), (Some(1), Liveness::Alive));
    assert_eq!(done.lease, 30_000);
    let json = serde_json::to_value(&done).expect("it serialises");
    assert_eq!((&json["status"], &json["owner_state"]), (&"done".into(), &"alive".into()));
    let failed = jobs.get("order:3").unwrap().unwrap();
    assert!(failed.class.is_some() && failed.result.is_none() && failed.input.is_some());
    let page = serde_json::to_value(jobs.list(Filter::new().limit(1)).unwrap()).expect("it serialises");
    assert_eq!((&page["items"][0]["id"], &page["next"]), (&"order:1".into(), &"order:1".into()));
    assert!(page["items"][0]["input"].is_null(), "not read is not empty");
    let mut foreign = Record::new("j/foreign");
    (foreign.status, foreign.owner) = (Status::Running, "1-foreign".to_owned());
    block_on(store.cas(None, foreign)).unwrap();
    assert_eq!(jobs.get("foreign").unwrap().unwrap().owner_state, Liveness::Unknown);
}

#[test]
fn steps_name_the_owner_that_undid_them() {
    let _world = isolate();
    let store = filled();
    let steps = jobs::blocking::of(store.clone()).steps("order:2").unwrap();
    let [step] = steps.as_slice() else { panic!("{steps:?}") };
    assert!(step.to_string().ends_with(", attempt 1, undone"), "{step}");
    let [undo] = step.undos.as_slice() else { panic!("{step:?}") };
    assert_eq!((step.status, &undo.owner, undo.damaged), (Status::Free, &store.owner(), None));
    assert!(undo.completed > 0 && undo.fence > 0);
    assert!(serde_json::to_string(step).expect("it serialises").contains(r#""undos":[{"owner""#));
    assert!(jobs::blocking::of(store).steps("order:1").unwrap()[0].undos.is_empty());
}

#[test]
fn cleanup_keeps_unfinished_jobs() {
    let world = isolate();
    let store = Arc::new(MemoryStore::new());
    let waiting = [
        Status::Failed,
        Status::Manual,
        Status::Dead,
        Status::Interrupted,
        Status::RollingBack,
        Status::Running,
    ];
    for status in waiting {
        let mut job = Record::new(format!("j/{status}"));
        (job.status, job.completed, job.ttl) = (status, 1, 1);
        block_on(store.cas(None, job)).unwrap();
    }
    for (key, status) in
        [("j/done", Status::Done), ("j/undone", Status::RolledBack), ("c/step", Status::Failed)]
    {
        let mut record = Record::new(key);
        (record.status, record.completed) = (status, 1);
        block_on(store.cas(None, record)).unwrap();
    }
    world.advance(Duration::from_secs(90 * 86_400));
    let steps = checkpoints::blocking::of(store.clone());
    assert_eq!(steps.cleanup(Duration::from_secs(1)).unwrap(), 3);
    block_on(store.delete_expired(100)).unwrap();
    let left = jobs::blocking::of(store).list("").unwrap();
    assert_eq!(left.len(), waiting.len(), "{left:?}");
}

#[checkpoint("page:{id}")]
fn page(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[job("looks:{id}")]
fn looks(id: u32) -> Result<u32, Error> {
    page(1)?;
    let keys = |listed: checkpoints::Page<checkpoints::CheckpointInfo>| -> Vec<_> {
        listed.into_iter().map(|step| (step.job, step.key)).collect()
    };
    let own = (Some(format!("looks:{id}")), "page:1".to_owned());
    assert_eq!(keys(checkpoints::blocking::list("")?), std::slice::from_ref(&own));
    let store = STORE.with(|store| store.borrow().clone()).expect("the store");
    let outside = checkpoints::blocking::of(store.clone());
    assert_eq!(keys(outside.list("")?), [(None, "page:7".to_owned())], "the handle is that of no job");
    assert!(!outside.remove("page:1")?, "the job's step is not outside of jobs");
    assert_eq!(checkpoints::blocking::cleanup(Duration::ZERO)?, 1, "what is outside of jobs");
    assert_eq!(keys(checkpoints::blocking::list("")?), [own]);
    assert!(checkpoints::blocking::remove("page:1")?, "the job's own");
    page(1)
}

thread_local! {
    static STORE: std::cell::RefCell<Option<Arc<dyn Store>>> = const { std::cell::RefCell::new(None) };
}

#[test]
fn steps_inside_and_outside_a_job_are_distinguished() {
    let _world = isolate();
    let store = Arc::new(MemoryStore::new());
    use_store(store.clone());
    STORE.set(Some(store.clone()));
    page(7).unwrap();
    assert_eq!(looks(1), Ok(1));
    assert_eq!(jobs::blocking::get("looks:1").unwrap().unwrap().status, Status::Done);
}

#[checkpoint("rate:{id}", ttl = 1h)]
fn rate(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[test]
fn the_time_to_live_of_a_step_begins_when_its_job_ends() {
    let world = isolate();
    let store = Arc::new(MemoryStore::new());
    use_store(store.clone());
    let steps = checkpoints::blocking::of(store);
    let load = |id: &str| steps.clone().in_job(id).load::<u32>("rate:1").unwrap();
    let hour = Duration::from_secs(3600);
    let exchanged: Result<(), Error> = Job::run_blocking("exchange:1", (), |()| {
        rate(1)?;
        world.advance(2 * hour);
        assert_eq!((load("exchange:1"), checkpoints::blocking::load("rate:1")?), (Some(1), Some(1_u32)));
        Ok(())
    });
    assert_eq!(exchanged, Ok(()));
    world.advance(hour - Duration::from_millis(1));
    assert_eq!(load("exchange:1"), Some(1));
    world.advance(Duration::from_millis(1));
    assert_eq!(load("exchange:1"), None);

    // Outside of jobs it begins with the end of the step.
    rate(1).unwrap();
    assert_eq!(steps.load("rate:1").unwrap(), Some(1_u32));
    world.advance(hour);
    assert_eq!(steps.load::<u32>("rate:1").unwrap(), None);
}

#[job("held:{id}")]
fn held(id: u32) -> Result<u32, Error> {
    let id = format!("held:{id}");
    page(1)?;
    let store = STORE.with(|store| store.borrow().clone()).expect("the store");
    let other = std::thread::spawn(move || {
        let job = jobs::blocking::of(store.clone()).remove(&id).expect_err("it is running");
        let step =
            checkpoints::blocking::of(store).in_job(id).remove("page:1").expect_err("its job is running");
        (job, step)
    });
    let (job, step) = other.join().expect("the thread");
    let Rejected::Job(job) = job else { panic!("{job}") };
    assert!(matches!(*job, JobError::WrongState { status: Status::Running, .. }), "{job}");
    assert!(step.to_string().contains("is being run by process"), "{step}");
    page(1)
}

#[test]
fn running_jobs_and_steps_are_not_removed() {
    let _world = isolate();
    let store = Arc::new(MemoryStore::new());
    use_store(store.clone());
    STORE.set(Some(store));
    assert_eq!(held(1), Ok(1));
}

#[test]
fn the_quarantine_is_listed_shown_and_emptied() {
    let _world = isolate();
    let store = filled();
    let replaced: fn(u32) -> Result<u32, Error> = {
        #[checkpoint("price:{id}", version = 2, on_mismatch = rerun)]
        fn changed(id: u32) -> Result<u32, Error> {
            Ok(id + 200)
        }
        changed
    };
    use_store(store.clone());
    assert_eq!(replaced(9), Ok(209));
    let steps = checkpoints::blocking::of(store);
    let entries = steps.quarantine(10).unwrap();
    let [entry] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!((&*entry.key, &*entry.why, entry.bytes.is_none()), ("c/price:9", "replaced", true));
    let Some(Quarantined { bytes: Some(bytes), .. }) = steps.quarantined(entry.id).unwrap() else { panic!() };
    assert_eq!(bytes.len(), entry.size);
    assert_eq!(Record::decode("c/price:9", &bytes).unwrap().value, b"109");
    assert!(steps.remove_quarantined(entry.id).unwrap());
    assert!(steps.quarantined(entry.id).unwrap().is_none());
    assert!(checkpoints::blocking::quarantine(10).unwrap().is_empty(), "the default store is the same");
}

#[test]
fn cursors_outside_jobs_are_managed_like_steps() {
    let _world = isolate();
    let store = Arc::new(MemoryStore::new());
    use_store(store.clone());
    let mut cursor = Progress::open("rows");
    cursor.save_blocking(&3_u32).unwrap();
    drop(cursor);
    let steps = checkpoints::blocking::of(store);
    let listed = steps.list(Filter::new().values()).unwrap();
    assert_eq!((listed[0].is_cursor, listed[0].value.as_deref()), (true, Some("3")));
    assert_eq!(listed[0].to_string(), "rows (cursor): free, attempt 1");
    assert_eq!(steps.load::<u32>("rows").unwrap(), Some(3));
    assert_eq!(steps.cleanup(Duration::from_secs(60)).unwrap(), 0);
    assert_eq!(steps.cleanup(Duration::ZERO).unwrap(), 1);
}

#[test]
fn clear_removes_steps_that_ended_before_the_clock_was_set_back() {
    let _world = isolate();
    let store = Arc::new(MemoryStore::new());
    use_store(store.clone());
    price(9).expect("its value");
    let mut record = block_on(store.get("c/price:9")).expect("the store").expect("the step");
    record.completed += 3_600_000;
    block_on(store.cas(Some(record.revision), record)).expect("the store");
    assert_eq!(checkpoints::blocking::clear().unwrap(), 1);
    assert_eq!(checkpoints::blocking::load::<u32>("price:9").unwrap(), None);
}

#[test]
fn loading_another_type_than_the_recorded_one_is_explained() {
    let _world = isolate();
    price(9).expect("its value");
    let words = checkpoints::blocking::load::<String>("price:9").unwrap_err().to_string();
    assert!(words.contains("expected a string"), "{words}");
    assert!(words.ends_with("; load it as the type that was recorded"), "{words}");
}

#[test]
fn a_resumed_job_that_is_done_has_no_error() {
    let _world = isolate();
    HOW.set(2);
    order(3).expect_err("it fails");
    assert!(jobs::blocking::get("order:3").unwrap().unwrap().class.is_some());
    HOW.set(0);
    jobs::blocking::resume("order:3").unwrap();
    assert_eq!(order(3), Ok(103));
    let job = jobs::blocking::get("order:3").unwrap().unwrap();
    assert_eq!((job.status, job.class, job.text), (Status::Done, None, None));
    assert_eq!(job.events.last().map(|event| event.result.as_str()), Some("ok"));
}

#[test]
fn the_operator_example_inspects_and_backs_up_a_store() {
    use resilience::durable::SqliteStore;
    let scratch = crate::common::Scratch::new();
    let _world = isolate();
    let dir = scratch.path("state");
    use_store(Arc::new(SqliteStore::open(&dir).expect("a store")));
    HOW.set(2);
    assert!(order(3).is_err());
    HOW.set(0);
    let run = |arguments: &[&str]| {
        let mut cargo = cargo::cargo();
        cargo.args(["run", "--quiet", "--offline", "--example", "operator", "--"]).arg(&dir).args(arguments);
        let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        text
    };
    assert!(run(&[]).contains("order:3 (order:{id}): failed, attempt 1"));
    assert!(run(&["show", "order:3"]).contains("price:3 is done, undone 0 times"));
    assert_eq!(run(&["check"]), "");
    let copy = scratch.path("copy");
    run(&["backup", &copy.to_string_lossy()]);
    let copy = jobs::blocking::of(Arc::new(SqliteStore::inspect(copy).expect("the copy")));
    assert_eq!(copy.count().unwrap().of(Status::Failed), 1);
    run(&["resume", "order:3"]);
    assert_eq!(jobs::blocking::get("order:3").unwrap().unwrap().status, Status::Interrupted);
}

/// A store that answers its first listing of steps when the job of them has recorded another one.
#[derive(Debug, Default)]
struct Late {
    inner: MemoryStore,
    is_over: AtomicBool,
}

impl Store for Late {
    forward! {
        get claim renew complete put_cursor release cas delete_older_than delete_expired remove remove_ended
        quarantine quarantined remove_quarantined now capabilities owner identity
    }

    fn list(&self, query: Query) -> Work<'_, Page> {
        Box::pin(async move {
            let page = self.inner.list(query).await?;
            if page.records.iter().any(|record| record.key == "s/late/a")
                && !self.is_over.swap(true, Ordering::Relaxed)
            {
                self.inner.cas(None, done("s/late/b", 2)).await?;
            }
            Ok(page)
        })
    }
}

/// The record of a step that is done, as the one of its job at `order`.
fn done(key: &str, order: u64) -> Record {
    let mut record = Record::new(key);
    (record.status, record.order, record.value) = (Status::Done, order, b"1".to_vec());
    record
}

#[test]
fn a_fork_repeats_a_step_that_was_recorded_during_its_look() {
    let _world = isolate();
    let store = Arc::new(Late::default());
    let mut job = Record::new("j/late");
    (job.status, job.function) = (Status::Failed, "late".to_owned());
    block_on(store.cas(None, job)).unwrap();
    block_on(store.cas(None, done("s/late/a", 1))).unwrap();
    jobs::blocking::of(store.clone()).fork_from("late", "a").unwrap();
    for key in ["s/late/a", "s/late/b"] {
        let step = block_on(store.get(key)).unwrap().expect("a step");
        assert_eq!((step.status, step.incarnation), (Status::Free, 1), "{key}");
    }
}
