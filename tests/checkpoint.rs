//! `#[checkpoint]` through the macro: what is recorded, what is given again, and what is refused.

#[path = "checkpoint/keys.rs"]
mod keys;
#[path = "checkpoint/nesting.rs"]
mod nesting;
#[path = "checkpoint/values.rs"]
mod values;

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

#[checkpoint("computed:{id}", inputs(sum = *by + 1, wide = *by as u64))]
fn computed(id: u32, by: &u32) -> Result<u32, Error> {
    Ok(id + by)
}

#[test]
fn an_input_may_be_any_expression() {
    let _world = isolate();
    assert_eq!(computed(1, &1).unwrap(), 2);
    let error = computed(1, &2).unwrap_err().checkpoint();
    let CheckpointError::Mismatch { contradiction, .. } = error else { panic!("{error}") };
    assert_eq!(contradiction.names, ["sum", "wide"]);
}

#[checkpoint("raw:{id}", inputs(r#type))]
fn raw(id: u32, r#type: u32) -> Result<u32, Error> {
    Ok(id + r#type)
}

#[test]
fn an_input_with_a_raw_name_is_recorded_without_its_prefix() {
    let _world = isolate();
    assert_eq!(raw(1, 1).unwrap(), 2);
    let error = raw(1, 2).unwrap_err().checkpoint();
    let CheckpointError::Mismatch { contradiction, .. } = error else { panic!("{error}") };
    assert_eq!(contradiction.names, ["type"]);
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

#[checkpoint]
fn unkeyed() -> Result<u32, Error> {
    Ok(1)
}

#[test]
fn a_step_without_a_key_needs_a_job() {
    let _world = isolate();
    assert!(matches!(unkeyed().unwrap_err().checkpoint(), CheckpointError::NoKey { .. }));
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
