//! The pool of recovered jobs in a real process: how many run at once, where they run, and what stops them.

use super::{Error, interrupted, recover_all};
use futures::executor::block_on;
use resilience::durable::{MemoryStore, Record, SqliteStore, Status, Store};
use resilience::testing::isolate;
use resilience::{Rejected, checkpoint, job, jobs, recover, recover_blocking};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::Duration;
use tokio::runtime::Runtime;

/// Longer than any job takes, and shorter than the patience of whoever runs the tests.
const PATIENCE: Duration = Duration::from_secs(60);
const NEVER: Duration = Duration::from_secs(3_600);

/// Held by a test whose jobs keep their places until more of them have begun: two of these would wait for each other.
static KEEPS_PLACES: Mutex<()> = Mutex::new(());

/// Where bodies say that they run.
struct Said(OnceLock<Mutex<Sender<u32>>>);

impl Said {
    const fn new() -> Self {
        Self(OnceLock::new())
    }

    fn listen(&self) -> Receiver<u32> {
        let (send, receive) = channel();
        assert!(self.0.set(Mutex::new(send)).is_ok(), "one test listens");
        receive
    }

    fn say(&self, id: u32) {
        if let Some(said) = self.0.get() {
            let _ = said.lock().unwrap().send(id);
        }
    }
}

fn many(name: &str, ids: std::ops::Range<u32>) -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new());
    for id in ids {
        let key = name.replace("{id}", &id.to_string());
        interrupted(&*store, &key, name, &format!(r#"{{"id":{id}}}"#));
    }
    store
}

fn job_of(store: &MemoryStore, id: &str) -> Record {
    block_on(store.get(&format!("j/{id}"))).unwrap().unwrap()
}

/// Holds the bodies of the crowd until it is opened, and counts them.
struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
    async_opened: tokio::sync::Notify,
    now: AtomicUsize,
    most: AtomicUsize,
    begun: AtomicUsize,
}

static GATE: Gate = Gate {
    is_open: Mutex::new(false),
    opened: Condvar::new(),
    async_opened: tokio::sync::Notify::const_new(),
    now: AtomicUsize::new(0),
    most: AtomicUsize::new(0),
    begun: AtomicUsize::new(0),
};
static IN_CROWD: Said = Said::new();

impl Gate {
    fn enter(&self, id: u32) {
        self.begun.fetch_add(1, SeqCst);
        self.most.fetch_max(self.now.fetch_add(1, SeqCst) + 1, SeqCst);
        IN_CROWD.say(id);
    }

    fn leave(&self) {
        self.now.fetch_sub(1, SeqCst);
    }

    fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.opened.notify_all();
        self.async_opened.notify_waiters();
    }
}

#[job("crowd:{id}")]
async fn crowd(id: u32) -> Result<u32, Error> {
    GATE.enter(id);
    let opened = GATE.async_opened.notified();
    if !*GATE.is_open.lock().unwrap() {
        opened.await;
    }
    tokio::task::yield_now().await;
    GATE.leave();
    Ok(id)
}

#[job("sync crowd:{id}")]
fn sync_crowd(id: u32) -> Result<u32, Error> {
    GATE.enter(id);
    let mut is_open = GATE.is_open.lock().unwrap();
    while !*is_open {
        is_open = GATE.opened.wait(is_open).unwrap();
    }
    drop(is_open);
    GATE.leave();
    Ok(id)
}

#[test]
fn at_most_sixteen_jobs_run_at_once_across_recoveries() {
    let _alone = KEEPS_PLACES.lock();
    let begun = IN_CROWD.listen();
    let stores = [many("crowd:{id}", 0..50), many("sync crowd:{id}", 0..50)];
    let runtime = Runtime::new().unwrap();
    let every = Duration::from_millis(10);
    let again = || {
        for store in &stores {
            let found =
                runtime.block_on(async { recover().store(store.clone()).every(every).await }).unwrap();
            assert!(found.jobs.iter().all(|job| job.problem.is_none()), "{found}");
            let _ = recover().store(store.clone()).once().blocking().unwrap();
        }
    };
    again();
    for _ in 0..16 {
        begun.recv_timeout(PATIENCE).unwrap();
    }
    again();
    again();
    assert_eq!(GATE.begun.load(SeqCst), 16);
    GATE.open();
    for store in &stores {
        recover().store(store.clone()).once().until_done().blocking().unwrap();
    }
    for _ in 16..100 {
        begun.recv_timeout(PATIENCE).unwrap();
    }
    assert_eq!((GATE.begun.load(SeqCst), GATE.most.load(SeqCst)), (100, 16), "each ran once");
}

static PLENTY: Said = Said::new();

#[job("plenty:{id}", max_recoveries = 1)]
async fn plenty(id: u32) -> Result<u32, Error> {
    PLENTY.say(id);
    Ok(id)
}

#[test]
fn twenty_thousand_jobs_survive_the_drop_of_their_runtime() {
    const JOBS: u32 = 20_000;
    const EACH: u32 = 10;
    let done = PLENTY.listen();
    let store = Arc::new(MemoryStore::new());
    for id in 0..JOBS {
        let mut record = Record::new(format!("j/plenty:{id}"));
        record.function = "plenty:{id}".to_owned();
        record.status = Status::Interrupted;
        record.input = format!(r#"{{"id":{id}}}"#).into_bytes();
        record.inputs = Some(1);
        // Most of them contradict the code, so that they are called and refused: that takes less time.
        record.version = if id % EACH == 0 { 1 } else { 2 };
        block_on(store.cas(None, record)).unwrap();
    }
    let runtime = Runtime::new().unwrap();
    let found = runtime.block_on(async { recover().store(store.clone()).once().await }).unwrap();
    assert_eq!(found.jobs.len(), JOBS as usize);
    runtime.shutdown_background();
    let mut ids = HashSet::new();
    while ids.len() < (JOBS / EACH) as usize {
        ids.insert(done.recv_timeout(PATIENCE).expect("the others are run elsewhere"));
    }
}

#[job("sleeps:{id}", max_recoveries = 1)]
async fn sleeps(id: u32) -> Result<u32, Error> {
    tokio::time::sleep(Duration::from_millis(1)).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(|_| Error::Down)?;
    let task = tokio::spawn(async move { listener.local_addr().is_ok() });
    assert!(task.await.unwrap());
    assert!(tokio::task::block_in_place(|| true));
    Ok(id)
}

#[test]
fn an_async_job_gets_a_runtime_if_the_caller_has_none() {
    let store = many("sleeps:{id}", 0..3);
    let recovered = recover().store(store.clone()).once().until_done().blocking().unwrap();
    assert_eq!(recovered.count(Status::Done), 3, "{recovered}");
    assert_eq!(job_of(&store, "sleeps:1").attempts, 2, "each was begun again once");

    let store = many("sleeps:{id}", 0..3);
    let recovered = block_on(async { recover().store(store).once().until_done().await }).unwrap();
    assert_eq!(recovered.count(Status::Done), 3, "{recovered}");
}

#[tokio::test]
async fn an_async_job_does_not_need_the_callers_blocked_runtime() {
    let store = many("sleeps:{id}", 0..3);
    let recovered = recover().store(store).once().until_done().blocking().unwrap();
    assert_eq!(recovered.count(Status::Done), 3, "{recovered}");
}

static CUT: Said = Said::new();
static IS_CUT: AtomicBool = AtomicBool::new(false);

#[job("cut:{id}")]
async fn cut(id: u32) -> Result<u32, Error> {
    let is_cut = IS_CUT.load(SeqCst);
    CUT.say(id);
    if !is_cut {
        std::future::pending::<()>().await;
    }
    Ok(id)
}

/// A directory that is removed again.
pub(super) struct Directory(pub(super) PathBuf);

impl Directory {
    pub(super) fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_job_whose_runtime_is_dropped_continues_on_another() {
    let _alone = KEEPS_PLACES.lock();
    let begun = CUT.listen();
    let directory = Directory::new("cut");
    let stores: [Arc<dyn Store>; 2] =
        [Arc::new(MemoryStore::new()), Arc::new(SqliteStore::open(&directory.0).unwrap())];
    let runtime = Runtime::new().unwrap();
    for (n, store) in (0..).zip(&stores) {
        for id in [2 * n, 2 * n + 1] {
            interrupted(&**store, &format!("cut:{id}"), "cut:{id}", &format!(r#"{{"id":{id}}}"#));
        }
        let found = runtime.block_on(async { recover().store(store.clone()).once().await }).unwrap();
        assert_eq!(found.count(Status::Interrupted), 2, "{found}");
    }
    for _ in 0..4 {
        begun.recv_timeout(PATIENCE).unwrap();
    }
    IS_CUT.store(true, SeqCst);
    drop(runtime);
    let again: HashSet<_> =
        (0..4).map(|_| begun.recv_timeout(PATIENCE).expect("it goes on elsewhere")).collect();
    assert_eq!(again.len(), 4);
    for (n, store) in (0..).zip(&stores) {
        for id in [2 * n, 2 * n + 1] {
            let job = block_on(store.get(&format!("j/cut:{id}"))).unwrap().unwrap();
            assert!(matches!(job.status, Status::Running | Status::Done), "{job:?}");
        }
    }
}

static HELD: Gate = Gate {
    is_open: Mutex::new(false),
    opened: Condvar::new(),
    async_opened: tokio::sync::Notify::const_new(),
    now: AtomicUsize::new(0),
    most: AtomicUsize::new(0),
    begun: AtomicUsize::new(0),
};

#[job("held:{id}")]
fn held(id: u32) -> Result<u32, Error> {
    let mut is_open = HELD.is_open.lock().unwrap();
    while !*is_open {
        is_open = HELD.opened.wait(is_open).unwrap();
    }
    Ok(id)
}

#[test]
fn a_recovery_returns_when_the_jobs_are_queued() {
    let store = many("held:{id}", 0..1);
    interrupted(&*store, "renamed:1", "renamed:{id}", r#"{"id":1}"#);
    let found = recover().store(store.clone()).once().blocking().unwrap();
    assert_eq!(found.count(Status::Interrupted), 2, "{found}");
    let [job, unknown] = &*found.jobs else { panic!("{found}") };
    assert!(job.problem.is_none(), "{found}");
    assert!(unknown.problem.is_some(), "what is known before anything runs: {found}");
    HELD.open();
    let found = recover().store(store.clone()).once().until_done().blocking().unwrap();
    assert!(found.jobs.iter().all(|job| job.id == "renamed:1" || job.status == Status::Done), "{found}");
}

static RESUMED: Said = Said::new();
static FAILS: AtomicBool = AtomicBool::new(true);

#[checkpoint("part:{n}")]
fn part(n: u32) -> Result<u32, Rejected> {
    Ok(n)
}

#[job("woken:{id}")]
fn woken(id: u32) -> Result<u32, Error> {
    part(1)?;
    RESUMED.say(id);
    if FAILS.load(SeqCst) { Err(Error::Down) } else { Ok(id) }
}

#[test]
fn resuming_a_job_wakes_the_sweep() {
    let said = RESUMED.listen();
    resilience::durable::use_store(Arc::new(MemoryStore::new()));
    recover().every(NEVER).blocking().unwrap();
    woken(1).unwrap_err();
    said.recv_timeout(PATIENCE).unwrap();
    FAILS.store(false, SeqCst);
    jobs::blocking::resume("woken:1").unwrap();
    said.recv_timeout(PATIENCE).expect("the sweep looks at once");
    assert_eq!(woken(1).unwrap(), 1, "a call waits for the end of the one that runs");
    jobs::blocking::fork_from("woken:1", "part:1").unwrap();
    said.recv_timeout(PATIENCE).expect("the sweep looks at once");
}

static SERVED: Said = Said::new();

#[job("served:{id}", provided(client))]
fn served(id: u32, client: &u64) -> Result<u32, Error> {
    assert_eq!(*client, 7);
    SERVED.say(id);
    Ok(id)
}

#[test]
fn provided_values_stay_available_to_the_sweep() {
    let said = SERVED.listen();
    let store = Arc::new(MemoryStore::new());
    let every = Duration::from_millis(10);
    recover().store(store.clone()).provide(Arc::new(7_u64)).every(every).blocking().unwrap();
    recover().store(store.clone()).provide(Arc::new("another")).every(every).blocking().unwrap();
    interrupted(&*store, "served:1", "served:{id}", r#"{"id":1}"#);
    assert_eq!(said.recv_timeout(PATIENCE), Ok(1));
}

#[job("breaks:{id}")]
fn breaks(id: u32) -> Result<u32, Error> {
    assert!(id >= 20, "a job that panics");
    Ok(id)
}

#[job("breaks too:{id}")]
async fn breaks_too(id: u32) -> Result<u32, Error> {
    tokio::task::yield_now().await;
    assert!(id >= 20, "a job that panics");
    Ok(id)
}

#[test]
fn jobs_that_panic_free_their_places() {
    for name in ["breaks:{id}", "breaks too:{id}"] {
        let recovered = recover().store(many(name, 0..21)).once().until_done().blocking().unwrap();
        assert_eq!((recovered.count(Status::Done), recovered.jobs.len()), (1, 21), "{recovered}");
    }
}

#[job("brief", ttl = 1s)]
fn brief() -> Result<u32, Error> {
    Ok(1)
}

#[test]
fn the_first_sweep_deletes_expired_jobs() {
    let world = isolate();
    assert_eq!(brief().unwrap(), 1);
    world.advance(Duration::from_secs(2));
    recover_blocking().unwrap();
    assert!(jobs::blocking::get("brief").unwrap().is_none());
    assert_eq!(brief().unwrap(), 1);
    world.advance(Duration::from_secs(2));
    recover_all();
    assert!(jobs::blocking::get("brief").unwrap().is_none());
}

static CHARGES: AtomicUsize = AtomicUsize::new(0);

#[checkpoint("charge:{n}")]
fn charge(n: u32) -> Result<u32, Rejected> {
    CHARGES.fetch_add(1, SeqCst);
    Ok(n)
}

#[job("charged:{id}", ttl = 1s)]
fn charged(id: u32) -> Result<u32, Error> {
    charge(id)?;
    Err(Error::Down)
}

#[test]
fn a_failed_job_does_not_expire() {
    let world = isolate();
    charged(1).unwrap_err();
    for days in [1, 31] {
        world.advance(Duration::from_secs(days * 24 * 3_600));
        recover_all();
        resilience::checkpoints::blocking::cleanup(Duration::from_secs(1)).unwrap();
        charged(1).unwrap_err();
        let job = jobs::blocking::get("charged:1").unwrap().expect("it is kept");
        assert_eq!((job.status, job.attempts), (Status::Failed, 1));
    }
    assert_eq!(CHARGES.load(SeqCst), 1);
}
