//! Jobs whose time is over, and what is read of jobs that begin again.

use crate::common::{Error, Scratch, block_on, ran, runs};
use crate::counted::Counted;
use resilience::durable::{MemoryStore, SqliteStore, Status, Store, use_store};
use resilience::testing::isolate;
use resilience::{Checkpoint, Job, Progress, checkpoint, checkpoints, job, jobs, recover};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

/// The idempotency key of the step that runs.
fn fetched() -> Result<String, Error> {
    ran();
    Ok(resilience::step().expect("a step").idempotency_key())
}

#[checkpoint("fetch")]
fn fetch() -> Result<String, Error> {
    fetched()
}

#[checkpoint("fetch")]
async fn fetch_async() -> Result<String, Error> {
    fetched()
}

/// The row that it begins with, and the value of its step.
#[job("aged:{id}", ttl = 1s)]
fn aged(id: u32) -> Result<(u32, String), Error> {
    let mut rows = Progress::<u32>::open("rows");
    let row = rows.restore_blocking()?.unwrap_or(0);
    rows.save_blocking(&(row + id))?;
    Ok((row, fetch()?))
}

#[job("aged-async:{id}", ttl = 1s)]
async fn aged_async(id: u32) -> Result<(u32, String), Error> {
    let mut rows = Progress::<u32>::open("rows");
    let row = rows.restore().await?.unwrap_or(0);
    rows.save(&(row + id)).await?;
    Ok((row, fetch_async().await?))
}

const AGED: Job = Job::new("aged").ttl(Duration::from_secs(1));
const FETCH: Checkpoint = Checkpoint::new("fetch");

fn by_hand() -> Result<(u32, String), Error> {
    AGED.call("by-hand", (), |()| Ok((0, FETCH.call("fetch", fetched)?)))
}

fn by_hand_async() -> Result<(u32, String), Error> {
    let step = async || FETCH.call_async("fetch", async || fetched()).await;
    block_on(AGED.call_async("by-hand-async", (), async |()| Ok((0, step().await?))))
}

type Call = fn() -> Result<(u32, String), Error>;

const CALLS: [(&str, Call); 4] = [
    ("aged:1", || aged(1)),
    ("aged-async:1", || block_on(aged_async(1))),
    ("by-hand", by_hand),
    ("by-hand-async", by_hand_async),
];

#[test]
fn an_expired_job_restarts_without_its_steps_and_cursors() {
    let scratch = Scratch::new();
    for (number, (id, call)) in CALLS.into_iter().enumerate() {
        for sweeps in [false, true] {
            let stores: [Arc<dyn Store>; 2] = [
                Arc::new(MemoryStore::new()),
                Arc::new(SqliteStore::open(scratch.path(&format!("{number}{sweeps}"))).expect("a store")),
            ];
            for store in stores {
                let world = isolate();
                use_store(store);
                let (_, first) = call().expect("its result");
                assert_eq!(call(), Ok((0, first.clone())), "{id}: recorded");
                assert_eq!(runs(), 1, "{id}");
                world.advance(Duration::from_secs(2));
                if sweeps {
                    recover().once().blocking().expect("a store");
                    assert!(jobs::blocking::get(id).expect("a store").is_none(), "{id}");
                }
                let (row, second) = call().expect("its result");
                assert_eq!((row, runs()), (0, 1), "{id}: from the beginning");
                assert_ne!(first, second, "{id}: it is another one for the outside world");
                let job = jobs::blocking::get(id).expect("a store").expect("the job");
                assert_eq!((job.status, job.attempts), (Status::Done, 1), "{id}");
                assert_eq!(jobs::blocking::steps(id).expect("its steps").len(), 1, "{id}");
            }
        }
    }
}

const FAT: usize = 100_000;
const STEPS: u32 = 30;

thread_local! {
    static FAILS: Cell<bool> = const { Cell::new(false) };
}

#[checkpoint("fat:{n}")]
fn fat_step(n: u32) -> Result<String, Error> {
    let _ = n;
    Ok("x".repeat(FAT))
}

fn ends() -> Result<usize, Error> {
    assert!(!FAILS.get(), "it fails");
    Ok(0)
}

#[job("fat:{id}")]
fn fat(id: u32, text: &str) -> Result<usize, Error> {
    let _ = (id, text);
    (0..STEPS).try_for_each(|n| fat_step(n).map(drop))?;
    ends()
}

#[job("fat-async:{id}")]
async fn fat_async(id: u32, text: &str) -> Result<usize, Error> {
    let _ = (id, text);
    (0..STEPS).try_for_each(|n| fat_step(n).map(drop))?;
    ends()
}

#[test]
fn a_restarted_job_counts_its_steps_without_their_values() {
    let store = Arc::new(Counted::default());
    let _world = isolate();
    use_store(store.clone());
    let text = "x".repeat(FAT);
    type FatCall<'a> = &'a dyn Fn() -> Result<usize, Error>;
    let calls: [(&str, FatCall<'_>); 2] =
        [("fat:1", &|| fat(1, &text)), ("fat-async:1", &|| block_on(fat_async(1, &text)))];
    for (id, call) in calls {
        FAILS.set(true);
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).expect_err("it panics");
        FAILS.set(false);
        jobs::blocking::resume(id).expect("it has failed");
        store.read();
        assert_eq!(call(), Ok(0), "{id}");
        assert_eq!(store.read(), (STEPS as usize, 0), "{id}: the heads of its steps");
    }
}

#[test]
fn a_recovery_reads_no_arguments_to_find_the_jobs() {
    let store = Arc::new(Counted::default());
    let _world = isolate();
    use_store(store.clone());
    let text = "x".repeat(FAT);
    for id in 0..20 {
        FAILS.set(true);
        let call = || fat(100 + id, &text);
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).expect_err("it panics");
        FAILS.set(false);
        jobs::blocking::resume(&format!("fat:{}", 100 + id)).expect("it has failed");
    }
    store.read();
    let recovered = recover().once().until_done().blocking().expect("a store");
    assert_eq!(recovered.count(Status::Done), 20, "{recovered}");
    let (_, bytes) = store.read();
    assert_eq!(bytes, 0, "neither arguments nor values of steps");
}

#[test]
fn many_jobs_are_removed_with_few_writes() {
    const JOBS: usize = 250;
    let store = Arc::new(Counted::default());
    let world = isolate();
    use_store(store.clone());
    let run =
        || (0..JOBS).for_each(|id| AGED.call(&id.to_string(), (), |()| Ok::<_, Error>(())).expect("done"));
    run();
    store.removals();
    world.advance(Duration::from_millis(500));
    assert_eq!(checkpoints::blocking::cleanup(Duration::from_millis(100)).expect("a store"), JOBS);
    assert!(store.removals() <= JOBS.div_ceil(100) + 1, "a hundred by each");
    run();
    world.advance(Duration::from_secs(2));
    store.removals();
    recover().once().blocking().expect("a store");
    assert_eq!(store.removals(), 1, "a start-up has time for one");
}
