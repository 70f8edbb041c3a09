//! Leases whose holder goes away, or loses them, in the middle of things: nobody waits for their end.

use crate::common::{Error, Scratch, block_on, ran, runs};
use crate::faulty::{Fault, Faulty, world};
use crate::forward::forward;
use resilience::durable::store::{Claim, Claimed, Release, Work};
use resilience::durable::{CheckpointError, JobError, MemoryStore, SqliteStore, Status, Store, StoreError};
use resilience::{Progress, Rejected, checkpoint, job, jobs};
use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

#[checkpoint("step:{id}")]
async fn step(id: u32) -> Result<u32, Error> {
    ran();
    Ok(id)
}

#[job("job:{id}")]
async fn work(id: u32) -> Result<u32, Error> {
    ran();
    Ok(id)
}

/// Drops `call` while the store has given it the lease and has not yet said so.
fn drop_at_the_answer<T>(call: impl Future<Output = T>) {
    let mut call = Box::pin(call);
    let waker = futures::task::noop_waker();
    let mut cx = std::task::Context::from_waker(&waker);
    assert!(call.as_mut().poll(&mut cx).is_pending());
}

#[test]
fn a_claim_whose_caller_is_dropped_is_released() {
    let (store, world) = world(Fault::LateAnswers);
    let status = |key: &str| block_on(store.get(key)).expect("a store").expect("a record").status;
    drop_at_the_answer(step(1));
    assert_eq!(status("c/step:1"), Status::Free);
    drop_at_the_answer(work(1));
    assert_eq!(status("j/job:1"), Status::Interrupted);
    drop_at_the_answer(async { Progress::<u32>::open("rows").restore().await });
    assert_eq!(status("p//rows"), Status::Free);
    assert_eq!(runs(), 0);
    store.set(Fault::None);
    assert_eq!((block_on(step(1)), block_on(work(1)), runs()), (Ok(1), Ok(1), 2));
    assert_eq!(world.waits(), [], "and nobody waits for a lease to end");
}

#[checkpoint("of-job:{id}")]
async fn loses_its_job(id: u32) -> Result<u32, Error> {
    if ran() == 0 {
        let store = STORE.with(Cell::take).expect("a store");
        let record = store.get("j/loses:1").await.expect("a store").expect("the job");
        let release = Release::new("j/loses:1", record.fence, Status::Interrupted);
        store.release(release).await.expect("given away");
    }
    Ok(id)
}

thread_local! {
    static STORE: Cell<Option<Arc<Faulty>>> = const { Cell::new(None) };
}

#[job("loses:{id}")]
async fn loses(id: u32) -> Result<u32, Error> {
    loses_its_job(id).await
}

#[test]
fn a_step_whose_job_was_lost_is_free_for_the_next_holder() {
    let (store, world) = world(Fault::None);
    STORE.set(Some(store.clone()));
    let Err(Error::Rejected(Rejected::Job(error))) = block_on(loses(1)) else { panic!("the job is lost") };
    assert!(matches!(*error, JobError::Fenced { .. }), "{error}");
    assert_eq!(jobs::blocking::steps("loses:1").expect("a store").len(), 0, "nothing is recorded");
    assert_eq!((block_on(loses(1)), runs(), world.waits()), (Ok(1), 2, vec![]));
}

/// On the real clock: leases are not renewed in a test world.
static REAL: LazyLock<Arc<Faulty>> = LazyLock::new(|| Arc::new(Faulty::new(Fault::Thief)));

#[checkpoint("lost:{id}", lease = 0.03s, store = &*REAL)]
async fn outrun(id: u32) -> Result<u32, Error> {
    let step = resilience::step().expect("inside of a step");
    assert!(!step.is_lease_lost());
    step.lease_lost().await;
    assert!(step.is_lease_lost());
    ran();
    Ok(id)
}

#[tokio::test]
async fn a_holder_can_wait_for_the_loss_of_its_lease() {
    let error = outrun(1).await.expect_err("the lease is lost").checkpoint();
    assert!(matches!(error, CheckpointError::Fenced { .. }), "{error}");
    assert_eq!(runs(), 1, "the body ended, and its value is discarded");
}

static HANGS: LazyLock<Arc<Faulty>> = LazyLock::new(|| Arc::new(Faulty::new(Fault::Hangs)));
static BLOCKS: LazyLock<Arc<Faulty>> = LazyLock::new(|| Arc::new(Faulty::new(Fault::Blocks)));

#[checkpoint("hangs:{id}", lease = 0.03s, store = &*HANGS)]
async fn outlasts_its_lease(id: u32) -> Result<u32, Error> {
    resilience::step().expect("inside of a step").lease_lost().await;
    Ok(id)
}

#[checkpoint("blocks:{id}", lease = 0.03s, store = &*BLOCKS)]
fn outlasts_its_lease_sync(id: u32) -> Result<u32, Error> {
    block_on(resilience::step().expect("inside of a step").lease_lost());
    Ok(id)
}

#[tokio::test]
async fn a_heartbeat_without_an_answer_is_a_loss_of_the_lease() {
    // Nobody has taken it over: its value counts.
    assert_eq!(outlasts_its_lease(1).await, Ok(1));
    assert_eq!(outlasts_its_lease_sync(1), Ok(1));
}

static NEVER_RELEASES: LazyLock<Arc<Faulty>> = LazyLock::new(|| Arc::new(Faulty::new(Fault::NoReleases)));
static RELEASES: LazyLock<Arc<Faulty>> = LazyLock::new(|| Arc::new(Faulty::new(Fault::SlowReleases)));

#[checkpoint("dropped:{id}", store = &*NEVER_RELEASES)]
async fn dropped_where_nothing_is_released(id: u32) -> Result<u32, Error> {
    std::future::pending::<()>().await;
    Ok(id)
}

#[checkpoint("dropped:{id}", store = &*RELEASES)]
async fn dropped_where_all_is_released(id: u32) -> Result<u32, Error> {
    std::future::pending::<()>().await;
    Ok(id)
}

#[test]
fn a_hanging_store_does_not_delay_releases_of_others() {
    let released = RELEASES.released();
    // More than once: nothing that is left over from the first one is in the way.
    for id in 1..=2 {
        drop_at_the_answer(dropped_where_nothing_is_released(id));
        drop_at_the_answer(dropped_where_all_is_released(id));
        let key = released.recv_timeout(Duration::from_secs(60));
        assert_eq!(key.as_deref(), Ok(format!("c/dropped:{id}").as_str()));
    }
}

static PANICS: LazyLock<Arc<Faulty>> = LazyLock::new(|| Arc::new(Faulty::new(Fault::None)));

/// Waits until the heartbeat has panicked and then goes on as before.
async fn outlasts_a_panic() {
    let step = resilience::step().expect("inside of a step");
    PANICS.set(Fault::PanicsInRenew);
    step.lease_lost().await;
    PANICS.set(Fault::None);
    let limit = Instant::now() + Duration::from_secs(60);
    while step.is_lease_lost() {
        assert!(Instant::now() < limit, "there is no heartbeat any more");
        std::thread::yield_now();
    }
}

#[checkpoint("panics:{id}", lease = 0.03s, store = &*PANICS)]
async fn outlasts_a_panic_async(id: u32) -> Result<u32, Error> {
    outlasts_a_panic().await;
    Ok(id)
}

#[checkpoint("panics:{id}", lease = 0.03s, store = &*PANICS)]
fn outlasts_a_panic_sync(id: u32) -> Result<u32, Error> {
    block_on(outlasts_a_panic());
    Ok(id)
}

#[tokio::test]
async fn a_heartbeat_survives_a_store_that_panics() {
    assert_eq!(outlasts_a_panic_async(1).await, Ok(1));
    let panics = PANICS.panics();
    assert!(panics > 0);
    assert_eq!(outlasts_a_panic_sync(2), Ok(2));
    assert!(PANICS.panics() > panics);
}

static PANICS_AT_RELEASE: LazyLock<Arc<Faulty>> = LazyLock::new(|| Arc::new(Faulty::new(Fault::None)));

#[checkpoint("dropped:{id}", store = &*PANICS_AT_RELEASE)]
async fn dropped_where_a_release_panics(id: u32) -> Result<u32, Error> {
    std::future::pending::<()>().await;
    Ok(id)
}

#[test]
fn a_panic_in_a_release_does_not_stop_later_releases() {
    let store = &*PANICS_AT_RELEASE;
    let released = store.released();
    store.set(Fault::PanicsInRelease);
    drop_at_the_answer(dropped_where_a_release_panics(1));
    assert_eq!(store.panics(), 1, "in the drop, which it did not leave");
    store.set(Fault::PanicsLaterInRelease);
    drop_at_the_answer(dropped_where_a_release_panics(2));
    let limit = Instant::now() + Duration::from_secs(60);
    while store.panics() < 2 {
        assert!(Instant::now() < limit, "nothing was released");
        std::thread::yield_now();
    }
    store.set(Fault::SlowReleases);
    drop_at_the_answer(dropped_where_a_release_panics(3));
    assert_eq!(released.recv_timeout(Duration::from_secs(60)).as_deref(), Ok("c/dropped:3"));
}

/// A step that the store holds, with no caller, because the store was full when it was to be released.
fn owed(store: &Faulty) {
    store.set(Fault::LateAnswers);
    let mut call = Box::pin(step(1));
    let waker = futures::task::noop_waker();
    assert!(call.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
    store.set(Fault::All(StoreError::Full));
    drop(call);
    store.set(Fault::None);
    let record = block_on(store.get("c/step:1")).expect("a store").expect("a record");
    assert_eq!(record.status, Status::Running);
}

#[test]
fn a_failed_release_is_retried_when_the_store_has_room() {
    let (store, world) = world(Fault::None);
    owed(&store);
    assert_eq!((block_on(step(1)), runs(), world.waits()), (Ok(1), 1, vec![]));
}

#[test]
fn a_pending_release_survives_a_dropped_caller() {
    let (store, world) = world(Fault::None);
    owed(&store);
    store.set(Fault::LateReleases);
    drop_at_the_answer(step(2));
    store.set(Fault::None);
    assert_eq!((block_on(step(1)), runs(), world.waits()), (Ok(1), 1, vec![]));
}

static MIXED: LazyLock<Arc<Faulty>> = LazyLock::new(|| Arc::new(Faulty::new(Fault::None)));

#[checkpoint("short:{id}", lease = 0.02s, store = &*MIXED)]
fn short(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[checkpoint("plain:{id}", store = &*MIXED)]
fn plain(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[checkpoint("long:{id}", store = &*MIXED)]
fn long(id: u32) -> Result<u32, Error> {
    // Longer than the short lease.
    std::thread::sleep(Duration::from_millis(60));
    plain(id)
}

#[test]
fn an_expired_short_lease_blocks_no_claim() {
    assert_eq!((short(1), long(1)), (Ok(1), Ok(1)));
}

static TAKEN: LazyLock<Arc<Faulty>> = LazyLock::new(|| Arc::new(Faulty::new(Fault::None)));

#[checkpoint("brief:{id}", lease = 0.02s, store = &*TAKEN)]
fn brief(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[checkpoint("outer:{id}", store = &*TAKEN)]
fn outer(id: u32) -> Result<u32, Error> {
    std::thread::sleep(Duration::from_millis(60));
    TAKEN.set(Fault::Buried);
    assert_eq!(brief(id), Ok(id), "this process goes on");
    TAKEN.set(Fault::None);
    assert!(resilience::step().expect("inside of a step").is_lease_lost(), "its own lease is not");
    Ok(id)
}

#[test]
fn an_owner_declared_dead_notices_at_its_next_claim() {
    let error = outer(1).expect_err("the lease is lost").checkpoint();
    assert!(matches!(error, CheckpointError::Fenced { .. }), "{error}");
}

/// One of two handles of one store.
static FIRST: Mutex<Option<Arc<SqliteStore>>> = Mutex::new(None);
static SECOND: Mutex<Option<Arc<SqliteStore>>> = Mutex::new(None);

fn handle(of: &Mutex<Option<Arc<SqliteStore>>>) -> Arc<SqliteStore> {
    of.lock().expect("a handle").clone().expect("a handle")
}

#[checkpoint("first:{id}", store = &handle(&FIRST))]
fn by_the_first(id: u32) -> Result<u32, Error> {
    Ok(id)
}

/// How often the owners of the store have raised their counters.
fn beats(store: &SqliteStore) -> i64 {
    let tables = rusqlite::Connection::open(store.dir().join("store.sqlite")).expect("the tables");
    tables.query_row("SELECT sum(counter) FROM owners", [], |row| row.get(0)).expect("a counter")
}

#[checkpoint("second:{id}", lease = 0.06s, store = &handle(&SECOND))]
fn by_the_second(id: u32) -> Result<u32, Error> {
    *FIRST.lock().expect("a handle") = None;
    let store = handle(&SECOND);
    let before = beats(&store);
    for _ in 0..10_000 {
        if beats(&store) >= before + 3 {
            return Ok(id);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("its lease is not kept")
}

#[test]
fn a_lease_is_kept_when_another_handle_of_its_store_is_dropped() {
    let scratch = Scratch::new();
    let store = SqliteStore::open(scratch.path("state")).expect("a store");
    *FIRST.lock().expect("a handle") = Some(Arc::new(store.clone()));
    *SECOND.lock().expect("a handle") = Some(Arc::new(store));
    assert_eq!((by_the_first(1), by_the_second(1)), (Ok(1), Ok(1)));
    *SECOND.lock().expect("a handle") = None;
}

/// One of two handles of a store, which closes the other one while it is asked for a lease.
#[derive(Debug)]
struct Handle {
    inner: Arc<MemoryStore>,
    other: Mutex<Option<Arc<Self>>>,
}

/// How often the heartbeat of the two handles has beaten.
static BEATS: AtomicU32 = AtomicU32::new(0);

impl Store for Handle {
    forward! {
        get complete put_cursor release cas list delete_older_than delete_expired remove remove_ended quarantine
        quarantined remove_quarantined now capabilities owner identity
    }

    fn claim(&self, claim: Claim) -> Work<'_, Claimed> {
        drop(self.other.lock().expect("the other handle").take());
        self.inner.claim(claim)
    }

    fn renew(&self, lease: Duration) -> Work<'_, ()> {
        let is_heartbeat = std::thread::current().name() == Some("resilience-heartbeat");
        BEATS.fetch_add(u32::from(is_heartbeat), Ordering::Relaxed);
        self.inner.renew(lease)
    }
}

static HANDLE: LazyLock<Arc<Handle>> = LazyLock::new(|| {
    let inner = Arc::new(MemoryStore::new());
    let first = Arc::new(Handle { inner: inner.clone(), other: Mutex::default() });
    Arc::new(Handle { inner, other: Mutex::new(Some(first)) })
});

fn first_handle() -> Arc<Handle> {
    HANDLE.other.lock().expect("the other handle").clone().expect("it is open")
}

#[checkpoint("beats:{id}", store = first_handle())]
fn of_the_first_handle(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[checkpoint("beats:{id}", lease = 0.03s, store = &*HANDLE)]
fn waits_for_beats(id: u32) -> Result<u32, Error> {
    let (seen, limit) = (BEATS.load(Ordering::Relaxed), Instant::now() + Duration::from_secs(60));
    while BEATS.load(Ordering::Relaxed) < seen + 3 {
        assert!(Instant::now() < limit, "there is no heartbeat");
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(id)
}

#[test]
fn a_lease_is_kept_when_another_handle_is_closed_during_its_claim() {
    assert_eq!(of_the_first_handle(1), Ok(1));
    assert_eq!(waits_for_beats(2), Ok(2));
    assert!(HANDLE.other.lock().expect("the other handle").is_none(), "it was closed");
}
