//! What becomes of jobs that the code has moved on from, or that were undone.

use futures::executor::block_on;
use resilience::durable::{JobError, MemoryStore, Record, Recovered, Status, Store};
use resilience::jobs;
use resilience::testing::isolate;
use resilience::{
    Category, Classify, Progress, Rejected, checkpoint, job, recover, timeout, with_fallback, with_recovery,
    with_retry,
};
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

#[path = "recovery/changes.rs"]
mod changes;
#[path = "shared/forward.rs"]
mod forward;
#[cfg(target_os = "linux")]
#[path = "recovery/no_threads.rs"]
mod no_threads;
#[path = "recovery/peers.rs"]
mod peers;
#[path = "recovery/pool.rs"]
mod pool;
#[path = "recovery/reports.rs"]
mod reports;
mod shared;
#[cfg(target_os = "linux")]
#[path = "store/shim.rs"]
mod shim;
#[path = "recovery/sleepers.rs"]
mod sleepers;
#[path = "recovery/stumbles.rs"]
mod stumbles;
#[path = "recovery/undo.rs"]
mod undo;
#[path = "recovery/unkeyed.rs"]
mod unkeyed;

#[derive(Debug, Classify)]
enum Error {
    #[classify(corrupt)]
    Corrupt,
    #[classify(unavailable)]
    Down,
    #[classify(transparent)]
    Rejected(Rejected),
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rejected(rejected) => rejected.fmt(f),
            other => write!(f, "{other:?}"),
        }
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
    static CRASH: Cell<bool> = const { Cell::new(false) };
    static FAILS: Cell<bool> = const { Cell::new(false) };
    static ORDER: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
}

fn log(text: impl Into<String>) {
    LOG.with(|log| log.borrow_mut().push(text.into()));
}

fn logged() -> Vec<String> {
    LOG.with(RefCell::take)
}

/// Runs the job `id` into a panic in its middle, and has it go on: as after a crash, its steps are there.
fn crashed<T>(id: &str, call: impl FnOnce() -> T) {
    CRASH.set(true);
    assert!(catch_unwind(std::panic::AssertUnwindSafe(call)).is_err());
    CRASH.set(false);
    jobs::blocking::resume(id).expect("it has failed");
    logged();
}

fn may_crash() {
    assert!(!CRASH.get(), "the crash");
}

/// Recovers, and waits for the ends of the jobs found.
fn recover_all() -> Recovered {
    recover().until_done().blocking().unwrap()
}

fn status(id: &str) -> Option<Status> {
    jobs::blocking::get(id).unwrap().map(|job| job.status)
}

fn problem(id: &str) -> String {
    jobs::blocking::get(id).unwrap().and_then(|job| job.problem).unwrap_or_default()
}

fn attempts(id: &str) -> u32 {
    jobs::blocking::get(id).unwrap().map_or(0, |job| job.attempts)
}

#[checkpoint("reserve", inputs(), rollback = unreserve)]
fn reserve(order: u32) -> Result<u32, Error> {
    log("reserve");
    Ok(order)
}

fn unreserve(_: u32) {
    log("unreserve");
}

#[checkpoint("note", inputs())]
fn note(order: u32) -> Result<u32, Error> {
    log("note");
    Ok(order)
}

fn fresh_store() -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new());
    resilience::durable::use_store(store.clone());
    store
}

/// The job `id` as earlier code left it, interrupted: under `name`, with `input`.
fn left_by_earlier_code(id: &str, name: &str, input: &str) -> Arc<MemoryStore> {
    let store = left_elsewhere(id, name, input);
    resilience::durable::use_store(store.clone());
    store
}

/// The same in a store that nobody else uses.
fn left_elsewhere(id: &str, name: &str, input: &str) -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new());
    interrupted(&*store, id, name, input);
    store
}

fn interrupted(store: &dyn Store, id: &str, name: &str, input: &str) {
    let mut record = Record::new(format!("j/{id}"));
    record.function = name.to_owned();
    record.status = Status::Interrupted;
    record.input = input.as_bytes().to_vec();
    record.inputs = Some(1);
    record.version = 1;
    record.attempts = 1;
    block_on(store.cas(None, record)).unwrap();
}

#[job("import:{id}", was = "imp:{id}")]
fn import(id: u32) -> Result<u32, Error> {
    note(id)
}

#[test]
fn a_job_is_recovered_under_its_recorded_id() {
    let _world = isolate();
    left_by_earlier_code("imp:1", "imp:{id}", r#"{"id":1}"#);
    let recovered = recover_all();
    assert_eq!((recovered.jobs.len(), recovered.count(Status::Done)), (1, 1), "{recovered}");
    assert_eq!((status("imp:1"), status("import:1")), (Some(Status::Done), None));
    assert_eq!(jobs::blocking::steps("imp:1").unwrap().len(), 1);
}

#[test]
fn a_call_continues_the_record_of_an_earlier_key() {
    let _world = isolate();
    let store = fresh_store();
    assert_eq!(import(1).unwrap(), 1);
    let mut earlier = block_on(store.get("j/import:1")).unwrap().unwrap();
    (earlier.key, earlier.function) = ("j/imp:1".to_owned(), "imp:{id}".to_owned());
    block_on(fresh_store().cas(None, earlier)).unwrap();
    assert_eq!(import(1).unwrap(), 1);
    assert_eq!((attempts("imp:1"), status("import:1")), (1, None), "its result is there");
    assert_eq!(import(2).unwrap(), 2);
    assert_eq!((status("imp:2"), status("import:2")), (None, Some(Status::Done)));
}

thread_local! {
    static KEYS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

#[test]
fn an_expired_record_under_the_earlier_key_blocks_no_call() {
    let world = isolate();
    let store = left_by_earlier_code("imp:4", "imp:{id}", r#"{"id":4}"#);
    let mut ended = block_on(store.get("j/imp:4")).unwrap().unwrap();
    (ended.status, ended.completed, ended.ttl) = (Status::Done, ended.updated + 1, 1_000);
    block_on(store.cas(Some(ended.revision), ended)).unwrap();
    world.advance(Duration::from_secs(2));
    assert_eq!(import(4).unwrap(), 4);
    assert_eq!(status("import:4"), Some(Status::Done), "what is over holds nobody");
}

#[test]
fn a_mismatch_shows_when_the_job_was_started() {
    const BEGUN: u64 = 1_000_000_000_000;
    let world = isolate();
    let store = left_by_earlier_code("import:9", "another:{id}", r#"{"id":9}"#);
    let mut begun = block_on(store.get("j/import:9")).unwrap().unwrap();
    begun.created = BEGUN;
    block_on(store.cas(Some(begun.revision), begun)).unwrap();
    world.advance(Duration::from_secs(60));
    recover_all();
    let JobError::Mismatch { contradiction, .. } = import(9).unwrap_err().job() else {
        panic!("another name")
    };
    assert_eq!(contradiction.recorded, BEGUN);
    assert!(contradiction.to_string().contains("(recorded at 2001-09-09T01:46:40.000Z)"), "{contradiction}");
}

#[test]
fn jobs_of_another_store_are_recovered_in_it() {
    let _world = isolate();
    let other = left_by_earlier_code("import:6", "import:{id}", r#"{"id":6}"#);
    fresh_store();
    let recovered = recover().store(other).once().until_done().blocking().unwrap();
    assert_eq!(recovered.count(Status::Done), 1, "{recovered}");
    assert_eq!(status("import:6"), None);
}

#[timeout(60s, thread)]
#[job("threaded:{id}", was = "thr:{id}")]
fn threaded(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[test]
fn a_timeout_on_a_thread_propagates_the_recovery() {
    let _world = isolate();
    left_by_earlier_code("thr:1", "thr:{id}", r#"{"id":1}"#);
    let recovered = recover_all();
    assert_eq!(recovered.count(Status::Done), 1, "{recovered}");
    assert_eq!(status("threaded:1"), None);
}

#[job("slow:{id}")]
async fn slow(id: u32) -> Result<u32, Error> {
    tokio::task::yield_now().await;
    Ok(id)
}

#[tokio::test]
async fn blocking_inside_a_runtime_does_not_deadlock() {
    let _world = isolate();
    left_by_earlier_code("slow:1", "slow:{id}", r#"{"id":1}"#);
    assert_eq!(recover_all().count(Status::Done), 1);
}

struct Client;

struct Host(&'static str);

#[job("host:{host.0}", name = "by host", provided(host))]
async fn by_host(host: &Host) -> Result<String, Error> {
    log(host.0);
    Ok(host.0.to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_provided_value_may_differ_from_the_original() {
    let _world = isolate();
    left_by_earlier_code("host:one", "by host", "{}");
    let recovered = recover().provide(Arc::new(Host("two"))).until_done().await.unwrap();
    assert_eq!(recovered.count(Status::Done), 1, "{recovered}");
    assert_eq!(logged(), ["two"]);
    assert!(jobs::get("host:two").await.unwrap().is_none());
}

#[job("set:{id}")]
fn tagged(id: u32, tags: HashSet<String>) -> Result<usize, Error> {
    may_crash();
    let _ = id;
    Ok(tags.len())
}

#[test]
fn recovery_does_not_compare_recorded_arguments() {
    let _world = isolate();
    let tags: HashSet<String> = (0..50).map(|n| n.to_string()).collect();
    crashed("set:1", || tagged(1, tags));
    let recovered = recover_all();
    assert_eq!(recovered.count(Status::Done), 1, "sets are written in another order each time: {recovered}");
}

#[job("panics:{id}")]
fn panics(id: u32) -> Result<u32, Error> {
    assert!(id == 0, "always");
    Ok(id)
}

#[test]
fn a_job_that_panics_during_recovery_fails() {
    let _world = isolate();
    left_by_earlier_code("panics:1", "panics:{id}", r#"{"id":1}"#);
    let recovered = recover_all();
    assert_eq!(recovered.count(Status::Failed), 1, "{recovered}");
    let problem = jobs::blocking::get("panics:1").unwrap().unwrap().problem;
    assert_eq!(problem.as_deref(), Some("the body panicked: always"));
}

#[with_retry(max = 3)]
fn calls_a_job(id: u32) -> Result<u32, Error> {
    log("call");
    down(id)
}

#[job("down:{id}")]
fn down(id: u32) -> Result<u32, Error> {
    let _ = id;
    Err(Error::Down)
}

#[test]
fn a_job_that_has_ended_is_not_recovered() {
    let _world = isolate();
    down(1).unwrap_err();
    let error = calls_a_job(1).unwrap_err();
    assert_eq!(logged(), ["call"], "each further call would get the same answer");
    assert_eq!(error.classify().category, Category::Unavailable);
    assert!(matches!(error.job(), JobError::Stopped { status: Status::Failed, .. }));
}

#[job("asked:{id}")]
fn asked_to_stop(id: u32) -> Result<u32, Error> {
    note(id)?;
    jobs::blocking::cancel(&resilience::durable::job().unwrap()).unwrap();
    reserve(id)
}

#[test]
fn a_job_that_was_asked_to_stop_fails_as_cancelled() {
    let _world = isolate();
    assert_eq!(asked_to_stop(1).unwrap_err().classify().category, Category::Cancelled);
    let job = jobs::blocking::get("asked:1").unwrap().unwrap();
    assert_eq!(
        (job.status, job.class.map(|class| class.category)),
        (Status::Failed, Some(Category::Cancelled))
    );
    assert_eq!(logged(), ["note"]);
}

#[job("nightly", provided(host))]
fn nightly(host: &Host) -> Result<String, Error> {
    Ok(host.0.to_owned())
}

impl Host {
    #[job("hourly", on = Host)]
    fn hourly(&self) -> Result<String, Error> {
        Ok(self.0.to_owned())
    }
}

#[test]
fn a_singleton_job_has_a_constant_key() {
    let _world = isolate();
    assert_eq!(nightly(&Host("a")).unwrap(), "a");
    assert_eq!(Host("b").hourly().unwrap(), "b");
    assert_eq!((status("nightly"), status("hourly")), (Some(Status::Done), Some(Status::Done)));
}

#[job("conditional:{id}", provided(client, absent_client))]
fn conditional(
    id: u32,
    #[cfg(any())] absent: &mut Absent,
    #[cfg(not(any()))] path: &str,
    #[cfg(not(all()))] path: u8,
    #[cfg(any())] absent_client: &Absent,
    #[cfg(not(any()))] client: &u64,
) -> Result<u32, Error> {
    may_crash();
    assert_eq!((path, *client), ("a", 7));
    Ok(id)
}

#[tokio::test]
async fn arguments_removed_by_cfg_are_not_recorded() {
    let _world = isolate();
    crashed("conditional:1", || conditional(1, "a", &7));
    let recovered = recover().provide(Arc::new(7_u64)).until_done().await.unwrap();
    assert_eq!(recovered.count(Status::Done), 1, "{recovered}");
}
