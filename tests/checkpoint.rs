//! `#[checkpoint]` through the macro: what is recorded, what is given again, and what is refused.

use futures::FutureExt;
use resilience::durable::store::Store;
use resilience::durable::{CheckpointError, JobError, MemoryStore, Status};
use resilience::testing::isolate;
use resilience::{Checkpoint, Classify, Job, Rejected, checkpoint, checkpoints, job, with_retry};
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

#[derive(Debug, Classify, PartialEq)]
enum Error {
    #[classify(transient)]
    Busy,
    #[classify(permanent)]
    Broken,
    #[classify(transparent)]
    Rejected(Rejected),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Error {}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

impl Error {
    fn checkpoint(self) -> CheckpointError {
        match self {
            Self::Rejected(Rejected::Checkpoint(error)) => *error,
            other => panic!("no checkpoint error: {other}"),
        }
    }
}

thread_local! {
    static RUNS: Cell<u32> = const { Cell::new(0) };
}

fn ran() -> u32 {
    RUNS.with(|runs| runs.replace(runs.get() + 1))
}

fn runs() -> u32 {
    RUNS.with(|runs| runs.replace(0))
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Page {
    rows: Vec<String>,
    next: Option<u32>,
    #[serde(skip)]
    scratch: u32,
}

#[checkpoint("page:{id}:{n}")]
fn page(id: &str, n: u32) -> Result<Page, Error> {
    ran();
    Ok(Page { rows: vec![format!("{id}/{n}")], next: Some(n + 1), scratch: 7 })
}

#[checkpoint("async:{id}:{n}")]
async fn page_async(id: &str, n: u32) -> Result<Page, Error> {
    tokio::task::yield_now().await;
    ran();
    Ok(Page { rows: vec![format!("{id}/{n}")], next: Some(n + 1), scratch: 7 })
}

#[test]
fn a_step_runs_once_and_returns_its_decoded_value() {
    let _world = isolate();
    let first = page("a", 1).unwrap();
    assert_eq!(first.scratch, 0, "decoded, not the body's own value");
    assert_eq!(page("a", 1).unwrap(), first);
    assert_eq!(runs(), 1);
    page("a", 2).unwrap();
    page("a:1", 2).unwrap();
    assert_eq!(runs(), 2, "other arguments are other steps");
}

#[tokio::test(start_paused = true)]
async fn an_async_step_runs_once() {
    let _world = isolate();
    let first = page_async("a", 1).await.unwrap();
    assert_eq!(first.scratch, 0);
    assert_eq!(page_async("a", 1).await.unwrap(), first);
    assert_eq!(runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn concurrent_callers_share_one_body() {
    let _world = isolate();
    let calls = (0..5).map(|_| page_async("shared", 1));
    for done in futures::future::join_all(calls).await {
        assert_eq!(done.unwrap().next, Some(2));
    }
    assert_eq!(runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_leader_hands_the_step_over() {
    let _world = isolate();
    {
        let mut leader = Box::pin(page_async("dropped", 1));
        assert!(futures::poll!(&mut leader).is_pending());
    }
    page_async("dropped", 1).await.unwrap();
    assert_eq!(runs(), 1);
}

#[checkpoint("fails:{id}")]
#[with_retry(max = 2, jitter = none)]
fn fails(id: u32, error: fn() -> Error) -> Result<u32, Error> {
    if ran() < id { Err(error()) } else { Ok(id) }
}

#[test]
fn errors_are_not_recorded_and_inner_retries_run() {
    let _world = isolate();
    assert_eq!(fails(9, || Error::Broken).unwrap_err(), Error::Broken);
    assert_eq!(runs(), 1);
    assert_eq!(fails(2, || Error::Busy).unwrap(), 2);
    assert_eq!(runs(), 3);
    assert_eq!(fails(2, || Error::Busy).unwrap(), 2);
    assert_eq!(runs(), 0);
    assert_eq!(fails(9, || Error::Busy).unwrap_err(), Error::Busy);
    assert_eq!(runs(), 3, "an error is no result: the step runs again, with all its retries");
}

#[checkpoint("versioned:{id}", version = 2, inputs(amount))]
fn versioned(id: u32, amount: u32) -> Result<u32, Error> {
    ran();
    Ok(id + amount)
}

mod other {
    use super::{Error, checkpoint, ran};

    #[checkpoint("versioned:{id}", version = 2, on_mismatch = rerun)]
    pub fn intruder(id: u32) -> Result<u32, Error> {
        ran();
        Ok(id)
    }

    #[checkpoint("versioned:{id}", version = 3, inputs(amount), name = "checkpoint::versioned")]
    pub fn raised(id: u32, amount: u32) -> Result<u32, Error> {
        ran();
        Ok(id + amount)
    }

    #[checkpoint("versioned:{id}", version = 3, inputs(amount), was = "versioned", on_mismatch = rerun)]
    pub fn renamed(id: u32, amount: u32) -> Result<u32, Error> {
        ran();
        Ok(id + amount + 100)
    }
}

#[test]
fn a_mismatch_is_rejected_or_reruns_the_step() {
    let _world = isolate();
    assert_eq!(versioned(1, 10).unwrap(), 11);
    let changed = versioned(1, 20).unwrap_err().checkpoint();
    assert!(changed.to_string().contains("other inputs: `amount` differs (recorded at 20"), "{changed}");
    let raised = other::raised(1, 10).unwrap_err().checkpoint();
    assert!(raised.to_string().contains("another version: recorded 2, now 3"), "{raised}");
    assert!(raised.to_string().contains("write `version = 2`"), "{raised}");
    assert_eq!(runs(), 1);
    assert_eq!(other::renamed(1, 10).unwrap(), 111, "an earlier name, and done anew for the version");
    assert_eq!(other::intruder(1).unwrap(), 1);
    assert_eq!(runs(), 2);
    let quarantine = checkpoints::blocking::quarantine(10).unwrap();
    assert_eq!(quarantine.len(), 2, "what was replaced is kept");
    let other = versioned(1, 10).unwrap_err().checkpoint().to_string();
    assert!(other.contains("another function"), "{other}");
    assert!(other.contains("if it was renamed, write `was = \"checkpoint::intruder\"`"), "{other}");
}

#[checkpoint("several:{id}", inputs(one, two, three))]
async fn several(id: u32, one: &str, two: Vec<u32>, three: Option<u32>) -> Result<u32, Error> {
    let (_, _, _) = (one, two, three);
    Ok(id)
}

#[test]
fn a_mismatch_names_each_changed_input() {
    let _world = isolate();
    let call = |one: &'static str, two, three| futures::executor::block_on(several(1, one, two, three));
    assert_eq!(call("a", vec![1], Some(1)).unwrap(), 1);
    let error = call("b", vec![1], None).unwrap_err().checkpoint();
    assert!(error.to_string().contains("other inputs: `one`, `three` differ"), "{error}");
    let CheckpointError::Mismatch { contradiction, .. } = error else { panic!("{error}") };
    assert_eq!(contradiction.names, ["one", "three"]);
}

#[checkpoint("panics:{id}")]
fn panics(id: u32) -> Result<u32, Error> {
    assert!(ran() > 0, "the first time");
    Ok(id)
}

#[test]
fn a_panic_records_nothing_and_frees_the_step() {
    let _world = isolate();
    std::panic::catch_unwind(|| panics(1)).unwrap_err();
    assert_eq!(panics(1).unwrap(), 1);
}

#[checkpoint("big:{n}")]
fn big(n: usize) -> Result<String, Error> {
    Ok("x".repeat(n))
}

#[checkpoint("strange:{n}")]
fn strange(n: f64) -> Result<f64, Error> {
    ran();
    Ok(n)
}

#[test]
fn unserializable_values_are_rejected_and_not_recorded() {
    let _world = isolate();
    let Error::Rejected(rejected) = big(1 << 20).unwrap_err() else { panic!("it is too large") };
    assert_eq!(rejected.not_recorded::<String>().map(|value| value.len()), Some(1 << 20));
    let text = rejected.to_string();
    assert!(text.contains("1048578 bytes") && text.contains("record a reference to it"), "{text}");
    assert!(matches!(Error::Rejected(rejected).checkpoint(), CheckpointError::TooLarge { .. }));
    assert_eq!(big(1_000).unwrap().len(), 1_000);
    assert!(matches!(strange(f64::NAN).unwrap_err().checkpoint(), CheckpointError::Encode { .. }));
    assert!(checkpoints::blocking::list("strange").unwrap().iter().all(|step| step.status != Status::Done));
    let long = page(&"x".repeat(600), 1).unwrap_err().checkpoint();
    assert!(matches!(long, CheckpointError::KeyTooLong { .. }), "{long}");
}

#[checkpoint("{name}")]
fn named(name: &str) -> Result<u32, Error> {
    panic!("`{name}` must not run")
}

#[checkpoint("{name}")]
async fn named_async(name: &str) -> Result<u32, Error> {
    panic!("`{name}` must not run")
}

#[tokio::test]
async fn a_step_whose_key_is_empty_is_refused() {
    const STEP: Checkpoint = Checkpoint::new("step");
    let _world = isolate();
    let body = || -> Result<u32, Error> { panic!("it must not run") };
    let mut cursor = resilience::Progress::<u32>::open("");
    for refused in [
        named(""),
        named_async("").await,
        STEP.call("", body),
        STEP.call_async("", async || body()).await,
        Job::run_blocking("a job", (), |()| named("")),
        cursor.save(&1).await.map(|()| 1).map_err(Error::from),
        cursor.restore().await.map(|_| 1).map_err(Error::from),
        resilience::Progress::<u32>::peek("").await.map(|_| 1).map_err(Error::from),
    ] {
        let error = refused.unwrap_err().checkpoint();
        assert!(matches!(error, CheckpointError::EmptyKey { .. }), "{error}");
        assert!(error.to_string().contains("is empty"), "{error}");
    }
    assert!(checkpoints::list("").await.unwrap().is_empty());
}

/// A value whose `Display` fails after the beginning, as that of a wrong time format does.
#[derive(Clone, Serialize, Deserialize)]
struct Unprintable;

impl std::fmt::Display for Unprintable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("2026")?;
        Err(std::fmt::Error)
    }
}

#[checkpoint("of:{time}")]
fn in_a_template(time: Unprintable) -> Result<u32, Error> {
    let _ = time;
    panic!("it must not run")
}

#[checkpoint(time)]
async fn as_expression(time: &Unprintable) -> Result<u32, Error> {
    let _ = time;
    panic!("it must not run")
}

#[job("of:{time}")]
fn of_a_job(time: Unprintable) -> Result<u32, Error> {
    let _ = time;
    panic!("it must not run")
}

#[tokio::test]
async fn a_key_that_cannot_be_printed_is_refused_as_empty() {
    const STEP: Checkpoint = Checkpoint::new("step");
    let _world = isolate();
    let body = || -> Result<u32, Error> { panic!("it must not run") };
    for refused in [
        in_a_template(Unprintable),
        as_expression(&Unprintable).await,
        STEP.call(Unprintable, body),
        STEP.call_async(Unprintable, async || body()).await,
    ] {
        let error = refused.unwrap_err().checkpoint();
        assert!(matches!(error, CheckpointError::EmptyKey { .. }), "{error}");
    }
    let Err(Error::Rejected(Rejected::Job(error))) = of_a_job(Unprintable) else { panic!("it has run") };
    assert!(matches!(*error, JobError::EmptyKey { .. }), "{error}");
    assert!(checkpoints::list("").await.unwrap().is_empty());
}

#[tokio::test]
async fn every_call_with_an_overlong_key_is_rejected() {
    const STEP: Checkpoint = Checkpoint::new("step");
    let _world = isolate();
    let body = || -> Result<u32, Error> { panic!("it must not run") };
    // Outside of every job, in a job, and written with escapes that make it too long.
    for (key, is_in_job) in [("x".repeat(513), false), ("x".repeat(513), true), ("/".repeat(171), false)] {
        let open = || resilience::Progress::<u32>::open(&key);
        let sync = || {
            vec![
                named(&key),
                open().save_blocking(&1).map(|()| 1).map_err(Error::from),
                open().restore_blocking().map(|_| 1).map_err(Error::from),
                open().flush_blocking().map(|()| 1).map_err(Error::from),
                resilience::Progress::<u32>::peek_blocking(&key).map(|_| 1).map_err(Error::from),
                open().finish_blocking().map(|()| 1).map_err(Error::from),
            ]
        };
        let later = async || {
            vec![
                named_async(&key).await,
                open().save(&1).await.map(|()| 1).map_err(Error::from),
                open().restore().await.map(|_| 1).map_err(Error::from),
                open().flush().await.map(|()| 1).map_err(Error::from),
                resilience::Progress::<u32>::peek(&key).await.map(|_| 1).map_err(Error::from),
                open().finish().await.map(|()| 1).map_err(Error::from),
            ]
        };
        let mut refused = Vec::new();
        if is_in_job {
            let ran: Result<(), Error> = Job::run_blocking("sync", (), |()| {
                refused.extend(sync());
                Ok(())
            });
            ran.unwrap();
            let refused = &mut refused;
            let ran: Result<(), Error> = Job::run("async", (), async |()| {
                refused.extend(later().await);
                Ok(())
            })
            .await;
            ran.unwrap();
        } else {
            refused.extend(sync());
            refused.extend(later().await);
            if key.len() == 513 {
                refused.push(STEP.call(&key, body));
                refused.push(STEP.call_async(&key, async || body()).await);
            }
        }
        for refused in refused {
            let error = refused.unwrap_err().checkpoint();
            assert!(matches!(error, CheckpointError::KeyTooLong { bytes, .. } if bytes == 513), "{error}");
            assert!(error.to_string().contains("more than a key may have (512)"), "{error}");
        }
    }
    // The longest that there may be.
    let mut cursor = resilience::Progress::<u32>::open(&"x".repeat(512));
    cursor.save(&1).await.unwrap();
    assert_eq!(cursor.restore().await.unwrap(), Some(1));
    assert_eq!(checkpoints::list("").await.unwrap().len(), 1);
}

/// Read back, `Long` is a `Short`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Short { x: u32 },
    Long { x: u32, y: u32 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Unwritten {
    #[serde(skip_serializing)]
    lost: u32,
}

#[checkpoint("lossy:{id}")]
fn lossy<T: Serialize + serde::de::DeserializeOwned>(id: u32, value: T) -> Result<T, Error> {
    Ok(value)
}

#[checkpoint("lossy-async:{id}")]
async fn lossy_async<T: Serialize + serde::de::DeserializeOwned>(id: u32, value: T) -> Result<T, Error> {
    Ok(value)
}

fn does_not_survive<T>(value: T, words: &str)
where
    T: Clone + std::fmt::Debug + Serialize + serde::de::DeserializeOwned,
{
    const STEP: Checkpoint = Checkpoint::new("lossy");
    let by_hand_async = STEP.call_async("c", async || Ok(value.clone()));
    let results: [Result<T, Error>; 4] = [
        lossy(1, value.clone()),
        futures::executor::block_on(lossy_async(1, value.clone())),
        STEP.call("b", || Ok(value.clone())),
        futures::executor::block_on(by_hand_async),
    ];
    for result in results {
        let error = result.unwrap_err().checkpoint();
        assert!(matches!(error, CheckpointError::Encode { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    let mut progress = resilience::Progress::open("lossy");
    let Rejected::Checkpoint(error) = progress.save_blocking(&value).unwrap_err() else { panic!("another") };
    assert!(error.to_string().contains(words), "{error}");
    progress.finish_blocking().unwrap();
    let done = |step: &checkpoints::CheckpointInfo| step.status == Status::Done;
    assert!(!checkpoints::blocking::list("").unwrap().iter().any(done), "nothing is recorded");
}

#[test]
fn a_value_that_does_not_round_trip_is_rejected() {
    let _world = isolate();
    does_not_survive(f64::NAN, "not a number in JSON");
    does_not_survive(vec![Some(None::<u8>)], "read back as `None`");
    does_not_survive(std::collections::BTreeMap::from([((1, 2), 3)]), "key must be a string");
    does_not_survive(Untagged::Long { x: 1, y: 2 }, "read back as another value");
    does_not_survive(Unwritten { lost: 1 }, "missing field `lost`");
}

#[test]
fn values_with_unordered_collections_round_trip() {
    let _world = isolate();
    let set: std::collections::HashSet<u32> = (0..100).collect();
    let map: std::collections::HashMap<u32, _> = (0..100).map(|n| (n, set.clone())).collect();
    assert_eq!(lossy(1, map.clone()).unwrap(), map);
    assert_eq!(lossy(2, Untagged::Short { x: 1 }).unwrap(), Untagged::Short { x: 1 });
    assert_eq!(lossy(3, (u128::MAX, i128::MIN)).unwrap(), (u128::MAX, i128::MIN));
    let mut progress = resilience::Progress::open("set");
    progress.save_blocking(&set).unwrap();
    assert_eq!(progress.restore_blocking().unwrap(), Some(set));
}

#[checkpoint]
fn unkeyed() -> Result<u32, Error> {
    Ok(1)
}

#[test]
fn a_step_without_a_key_needs_a_job() {
    let _world = isolate();
    assert!(matches!(unkeyed().unwrap_err().checkpoint(), CheckpointError::NoKey { .. }));
}

#[checkpoint("kept:{id}", ttl = 1h)]
fn kept(id: u32) -> Option<u32> {
    ran();
    (id > 0).then_some(id)
}

#[test]
fn none_is_not_recorded_and_values_expire_after_their_ttl() {
    let world = isolate();
    assert_eq!((kept(0), kept(0), runs()), (None, None, 2));
    assert_eq!((kept(1), kept(1), runs()), (Some(1), Some(1), 1));
    world.advance(Duration::from_secs(3_599));
    assert_eq!((kept(1), runs()), (Some(1), 0));
    world.advance(Duration::from_secs(2));
    assert_eq!((kept(1), runs()), (Some(1), 1));
}

struct Shop {
    store: Arc<MemoryStore>,
    tenant: String,
}

impl Shop {
    #[checkpoint("order:{self.tenant}:{order.0}", store = &self.store)]
    fn order(&self, order: (u32, u32)) -> Result<u32, Error> {
        ran();
        Ok(order.1)
    }
}

#[test]
fn a_custom_store_and_keys_from_fields_work() {
    let _world = isolate();
    let store = Arc::new(MemoryStore::new());
    let shop = Shop { store: store.clone(), tenant: "a/b".into() };
    assert_eq!(shop.order((1, 5)).unwrap(), 5);
    assert_eq!(shop.order((1, 6)).unwrap(), 5);
    assert_eq!(runs(), 1);
    let found = futures::executor::block_on(store.get("c/order:a%2Fb:1")).unwrap().unwrap();
    assert_eq!(found.function, "checkpoint::order");
    assert_eq!(checkpoints::blocking::list("").unwrap().len(), 0, "nothing in the default store");
}

#[test]
fn recorded_values_can_be_inspected_and_removed() {
    let world = isolate();
    page("look", 1).unwrap();
    page("look", 2).unwrap();
    let listed = checkpoints::blocking::list("page:look").unwrap();
    assert_eq!(
        listed.iter().map(|step| step.key.as_str()).collect::<Vec<_>>(),
        ["page:look:1", "page:look:2"]
    );
    let page: Option<Page> = checkpoints::blocking::load("page:look:1").unwrap();
    assert_eq!(page.unwrap().next, Some(2));
    assert_eq!(checkpoints::blocking::load::<Page>("page:look:9").unwrap(), None);
    assert!(checkpoints::blocking::load::<u32>("page:look:1").is_err(), "it is no number");
    assert!(checkpoints::blocking::remove("page:look:1").unwrap());
    assert!(!checkpoints::blocking::remove("page:look:1").unwrap());
    world.advance(Duration::from_secs(100));
    assert_eq!(checkpoints::blocking::cleanup(Duration::from_secs(200)).unwrap(), 0);
    assert_eq!(checkpoints::blocking::cleanup(Duration::from_secs(50)).unwrap(), 1);
}

#[test]
fn cursors_outside_jobs_can_be_listed_read_and_removed() {
    use resilience::Progress;
    let world = isolate();
    let saved = |name: &str, row: u32| {
        let mut cursor = Progress::open(name);
        cursor.save_blocking(&row).unwrap();
        cursor
    };
    page("rows", 1).unwrap();
    drop(saved("rows:1", 1));
    let held = saved("rows:2", 2);
    let listed = checkpoints::blocking::list("rows").unwrap();
    let found: Vec<_> =
        listed.iter().map(|step| (step.key.as_str(), step.job.as_deref(), step.is_cursor)).collect();
    assert_eq!(found, [("rows%3A1", None, true), ("rows%3A2", None, true)]);
    assert_eq!(checkpoints::blocking::list("").unwrap().iter().filter(|step| !step.is_cursor).count(), 1);
    assert_eq!(checkpoints::blocking::load::<u32>("rows%3A2").unwrap(), Some(2));
    assert!(checkpoints::blocking::remove("rows%3A2").is_err(), "somebody works on it");
    assert!(checkpoints::blocking::remove("rows%3A1").unwrap());
    assert!(!checkpoints::blocking::remove("rows%3A1").unwrap());
    drop(saved("rows:3", 3));
    world.advance(Duration::from_secs(100));
    assert_eq!(checkpoints::blocking::cleanup(Duration::from_secs(200)).unwrap(), 0);
    assert_eq!(checkpoints::blocking::cleanup(Duration::from_secs(50)).unwrap(), 2, "the step and a cursor");
    drop(held);
    assert_eq!(Progress::<u32>::peek_blocking("rows:2").unwrap(), Some(2), "its owner was alive");
    assert_eq!(checkpoints::blocking::clear().unwrap(), 1);
    assert_eq!(Progress::<u32>::peek_blocking("rows:2").unwrap(), None);
}

static TOTAL: AtomicU32 = AtomicU32::new(0);

#[checkpoint("shared:{id}")]
fn slow(id: u32) -> Result<u32, Error> {
    std::thread::sleep(Duration::from_millis(20));
    Ok(id + TOTAL.fetch_add(1, Ordering::SeqCst))
}

#[test]
fn threads_share_one_body() {
    let world = isolate();
    let handle = world.handle();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let handle = handle.clone();
            std::thread::spawn(move || handle.run(|| slow(10).unwrap()))
        })
        .collect();
    let values: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(values, [10; 4]);
}

#[test]
fn an_invalid_run_time_lease_is_rejected_without_a_panic() {
    let told = "`lease` must be at least 3ms: how long the claim of a process counts without being renewed";
    let (short, long) = (Duration::from_micros(2_999), Duration::from_millis(3));
    assert_eq!(Checkpoint::new("step").try_lease(short).unwrap_err().to_string(), told);
    assert_eq!(Job::new("job").try_lease(Duration::ZERO).unwrap_err().to_string(), told);
    assert!(Checkpoint::new("step").try_lease(long).is_ok() && Job::new("job").try_lease(long).is_ok());
}

#[test]
fn the_inventory_lists_the_checkpoint() {
    let info = resilience::points().into_iter().find(|point| point.name.ends_with("::page")).unwrap();
    assert_eq!(info.stack[0].kind, "checkpoint");
    assert!(info.to_string().contains("key = page:{id}:{n}"), "{info}");
}

#[checkpoint("inside:{depth}", inputs())]
fn inside(depth: u32, other: bool) -> Result<u32, Error> {
    ran();
    match (depth, other) {
        (0, _) => Ok(0),
        (_, true) => inside(depth - 1, true),
        (_, false) => inside(depth, false),
    }
}

#[checkpoint("inside_async:{id}")]
async fn inside_async(id: u32) -> Result<u32, Error> {
    ran();
    let inner = Box::pin(outer_of(id));
    inner.await
}

async fn outer_of(id: u32) -> Result<u32, Error> {
    tokio::task::yield_now().await;
    inside_async(id).await
}

#[test]
fn a_recursive_step_is_rejected_at_once() {
    let world = isolate();
    let error = inside(2, false).unwrap_err().checkpoint();
    assert!(matches!(error, CheckpointError::Recursive { .. }), "{error}");
    assert!(error.to_string().contains("inside of itself"), "{error}");
    assert_eq!((world.waits(), runs()), (vec![], 1), "nothing was waited for");
    assert_eq!(inside(2, true).unwrap(), 0, "other keys are other steps");
    let error = futures::executor::block_on(inside_async(1)).unwrap_err().checkpoint();
    assert!(matches!(error, CheckpointError::Recursive { .. }), "{error}");
    let open = checkpoints::blocking::list("inside").unwrap();
    assert_eq!(open.iter().filter(|step| step.status == Status::Running).count(), 0, "{open:?}");
}

#[checkpoint("renamed:{id}", was = "kept_before")]
fn kept_after(id: u32) -> Result<u32, Error> {
    ran();
    Ok(id)
}

mod before {
    use super::{Error, checkpoint, ran};

    #[checkpoint("renamed:{id}")]
    pub(super) fn kept_before(id: u32) -> Result<u32, Error> {
        ran();
        Ok(id + 100)
    }

    #[checkpoint("moved:{id}")]
    pub(super) fn moved(id: u32) -> Result<u32, Error> {
        ran();
        Ok(id + 100)
    }
}

#[checkpoint("moved:{id}")]
fn moved(id: u32) -> Result<u32, Error> {
    ran();
    Ok(id)
}

#[test]
fn a_function_may_be_moved_and_renamed() {
    let _world = isolate();
    assert_eq!((before::moved(1).unwrap(), moved(1).unwrap()), (101, 101), "modules do not count");
    assert_eq!((before::kept_before(1).unwrap(), kept_after(1).unwrap()), (101, 101), "`was` does");
    assert_eq!(runs(), 2);
    kept_after(2).unwrap();
    let refused = before::kept_before(2).unwrap_err().checkpoint();
    assert!(matches!(refused, CheckpointError::Mismatch { .. }), "{refused}");
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Reading {
    Missing,
    Plain(f64),
    Of(u8, Option<f64>),
    Named { value: f64, inner: Option<Option<u32>> },
}

#[checkpoint("reading:{n}")]
fn reading(n: usize, reading: Option<Reading>) -> Result<Option<Reading>, Error> {
    let _ = n;
    Ok(reading)
}

#[checkpoint("bits:{bits}")]
fn bits(bits: u64) -> Result<f64, Error> {
    Ok(f64::from_bits(bits))
}

#[test]
fn recorded_values_round_trip_exactly_or_fail() {
    let _world = isolate();
    let named = |value, inner| Reading::Named { value, inner };
    let fine = [
        None,
        Some(Reading::Missing),
        Some(Reading::Plain(-0.0)),
        Some(Reading::Of(1, None)),
        Some(Reading::Of(2, Some(0.1 + 0.2))),
        Some(named(f64::MAX, None)),
        Some(named(5e-324, Some(Some(7)))),
    ];
    for (n, value) in fine.into_iter().enumerate() {
        assert_eq!(reading(n, value.clone()).unwrap(), value);
        assert_eq!(reading(n, value.clone()).unwrap(), value, "the recorded one");
    }
    let lossy = [Reading::Plain(f64::NAN), Reading::Of(1, Some(f64::INFINITY)), named(1.0, Some(None))];
    for (n, value) in lossy.into_iter().enumerate() {
        let error = reading(100 + n, Some(value)).unwrap_err().checkpoint();
        assert!(matches!(error, CheckpointError::Encode { .. }), "{error}");
        assert!(error.to_string().contains("read back as"), "{error}");
    }
    let mut random = 88_172_645_463_325_252_u64;
    for _ in 0..2_000 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        if f64::from_bits(random).is_finite() {
            assert_eq!(bits(random).unwrap().to_bits(), random);
        }
    }
}

#[checkpoint("inner:{n}", in_job)]
fn inner(n: u32) -> Result<u32, Error> {
    Ok(n)
}

#[checkpoint("inner-async:{n}", in_job)]
async fn inner_async(n: u32) -> Result<u32, Error> {
    Ok(n)
}

#[tokio::test(start_paused = true)]
async fn a_job_only_step_is_rejected_outside_a_job() {
    let _world = isolate();
    for error in [inner(1).unwrap_err(), inner_async(1).await.unwrap_err()] {
        let error = error.checkpoint();
        assert!(matches!(error, CheckpointError::OutsideJob { .. }), "{error:?}");
        assert!(error.to_string().contains("resilience::in_scope(..)"), "{error}");
    }
    let inside: Result<(u32, u32), Error> =
        Job::run("inside", (), async |()| Ok((inner(1)?, inner_async(2).await?))).await;
    assert_eq!(inside, Ok((1, 2)));
    let by_hand: Result<u32, Rejected> = Checkpoint::new("by-hand").in_job(true).call("key", || Ok(1));
    assert!(by_hand.unwrap_err().to_string().contains("in_job"));
}

#[test]
fn a_sync_call_does_not_wait_for_a_task_of_its_own_thread() {
    const STEP: Checkpoint = Checkpoint::new("step");
    let (send, ended) = std::sync::mpsc::channel();
    let calls = std::thread::spawn(move || {
        let world = isolate();
        let never = async || std::future::pending::<Result<u32, Error>>().await;
        let mut step = Box::pin(STEP.call_async("one", never));
        assert!(step.as_mut().now_or_never().is_none());
        let refused = STEP.call("one", || -> Result<u32, Error> { panic!("it must not run") });
        let refused = refused.unwrap_err().checkpoint();
        assert!(matches!(refused, CheckpointError::Busy { .. }), "{refused}");

        let mut job = Box::pin(Job::run("one", (), async |()| never().await));
        assert!(job.as_mut().now_or_never().is_none());
        let refused = Job::run_blocking("one", (), |()| -> Result<u32, Error> { panic!("it must not run") });
        let Err(Error::Rejected(Rejected::Job(refused))) = refused else { panic!("{refused:?}") };
        assert!(matches!(*refused, JobError::Busy { .. }), "{refused}");
        assert_eq!(world.waits(), [], "refused at once");

        drop((step, job));
        assert_eq!(STEP.call("one", || Ok::<_, Error>(2)), Ok(2));
        send.send(()).unwrap();
    });
    let limit = Duration::from_secs(60);
    assert_ne!(ended.recv_timeout(limit), Err(std::sync::mpsc::RecvTimeoutError::Timeout), "it waits");
    calls.join().unwrap();
}

/// Methods of one name in one module: their points have one path, so that no record can show which of them it is of.
mod twins {
    use super::Error;
    use resilience::durable::{JobError, Status};
    use resilience::testing::isolate;
    use resilience::{Rejected, checkpoint, job, jobs, with_recovery};

    struct Train;
    struct Ship;

    impl Train {
        #[checkpoint("train:{id}", rollback = unbook)]
        fn book(id: u32) -> Result<u32, Error> {
            Ok(id)
        }
    }

    fn unbook(id: u32) {
        panic!("undone {id}");
    }

    impl Ship {
        #[checkpoint("ship:{id}")]
        fn book(id: u32) -> Result<u32, Error> {
            Ok(id)
        }
    }

    #[with_recovery(otherwise = rollback)]
    #[job("journey:{id}")]
    fn journey(id: u32) -> Result<u32, Error> {
        Train::book(id)?;
        Ship::book(id)?;
        Err(Error::Broken)
    }

    #[test]
    fn an_ambiguous_undo_prevents_recovery_and_rollback() {
        let _world = isolate();
        let Err(Rejected::Job(error)) = resilience::recover_blocking() else { panic!("recovered") };
        assert!(matches!(*error, JobError::SameName { .. }), "{error}");
        let text = error.to_string();
        let lines = text.matches("tests/checkpoint.rs:").count();
        assert!(text.starts_with("several steps with an undo are called `checkpoint::book`: "), "{text}");
        assert_eq!(lines, 2, "{text}");
        journey(1).unwrap_err();
        assert_eq!(jobs::blocking::get("journey:1").unwrap().unwrap().status, Status::Manual);
    }
}
