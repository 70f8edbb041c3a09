//! The recorded steps and cursors of a store, and its quarantine.
//!
//! The functions of this module are about the steps and cursors of the running job, inside of one; and about those
//! outside of all jobs, in the default store, everywhere else. [`clear`] and [`cleanup`] leave the steps of jobs alone,
//! wherever they are called. [`of`] returns the functions for any store, whether a job runs or not, and [`blocking`]
//! has them for sync code.
//!
//! # Examples
//!
//! ```
//! use resilience::checkpoints;
//! use std::sync::Arc;
//!
//! # let _world = resilience::testing::isolate();
//! let store = Arc::new(resilience::durable::MemoryStore::new());
//! let checkpoints = checkpoints::blocking::of(store);
//! assert_eq!(checkpoints.load::<u32>("page:1")?, None);
//! assert!(checkpoints.quarantine(10)?.is_empty());
//! # Ok::<(), resilience::Rejected>(())
//! ```

pub use crate::durable::admin::listing::{Filter, Page};
pub use crate::durable::store::Quarantined;

use crate::base::visible::VisibleTo;
use crate::durable::admin::listing::{self, KnownOwners};
use crate::durable::call::note_refusal;
use crate::durable::record::codec;
use crate::durable::record::error::{CHECKPOINTS, CheckpointError, Subject};
use crate::durable::record::key::{place, whole};
use crate::durable::record::{Corrupt, Millis, Record, Status};
use crate::durable::recovery::retention::forget_ended_before;
use crate::durable::scope;
use crate::durable::store::pages::{all, yield_now};
use crate::durable::store::{Store, StoreError};
use crate::point::PointName;
use crate::rejected::Rejected;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

/// One recorded step, or the cursor of a [`Progress`](crate::Progress).
///
/// # Examples
///
/// ```
/// use resilience::{Checkpoint, Rejected, checkpoints};
///
/// # let _world = resilience::testing::isolate();
/// let done: Result<u32, Rejected> = Checkpoint::new("shop::price").call("order:7", || Ok(42));
/// let steps = checkpoints::blocking::list("order:")?;
/// assert_eq!((&*steps[0].key, &*steps[0].function), ("order:7", "shop::price"));
/// assert_eq!(steps[0].to_string(), "order:7 (shop::price): done, attempt 1");
/// assert_eq!(checkpoints::blocking::load::<u32>("order:7")?, Some(42));
/// assert_eq!(done?, 42);
/// # Ok::<(), resilience::Rejected>(())
/// ```
#[derive(Clone, Debug, serde::Serialize)]
#[non_exhaustive]
pub struct CheckpointInfo {
    /// The id of the job it belongs to, if it was recorded in one.
    pub job: Option<String>,
    /// The key as rendered.
    pub key: String,
    /// Whether this is a cursor.
    pub is_cursor: bool,
    /// The function that recorded it: crate and name, without the modules between. Empty for a cursor.
    pub function: String,
    /// The progress of the step.
    pub status: Status,
    /// The version of the code that recorded it.
    pub version: u32,
    /// The number of times that it was begun, the first one included.
    pub attempts: u32,
    /// The process that began it last.
    pub owner: String,
    /// The number of its last claim.
    pub fence: u64,
    /// When it was first begun, in milliseconds since 1970.
    pub created: Millis,
    /// When it was last written, in milliseconds since 1970.
    pub updated: Millis,
    /// When it was recorded, in milliseconds since 1970; 0 before its end.
    pub completed: Millis,
    /// The recorded value, as JSON; `None` where it was not asked for ([`Filter::values`]), and where nothing is
    /// recorded.
    pub value: Option<String>,
    /// The undos of the step, the first one first; filled in by [`jobs::steps`](crate::jobs::steps).
    pub undos: Vec<UndoInfo>,
    /// The damage of its bytes: then only the key and the job are known. [`remove`] quarantines those of a step
    /// outside of jobs.
    pub damaged: Option<Corrupt>,
}

/// A recorded undo of a step.
///
/// A step has one for each of its incarnations that was undone: done again after `jobs::resume` and rolled back again,
/// it has two. They are kept as long as the job.
///
/// # Examples
///
/// ```
/// use resilience::{Job, Rejected, jobs};
///
/// # let _world = resilience::testing::isolate();
/// let done: Result<u32, Rejected> = Job::run_blocking("order:7", (), |()| {
///     resilience::Checkpoint::new("shop::reserve").call("seat", || Ok(1))
/// });
/// done?;
/// let steps = jobs::blocking::steps("order:7")?;
/// assert!(steps[0].undos.is_empty(), "nothing was rolled back");
/// # Ok::<(), Rejected>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct UndoInfo {
    /// The process that undid the step.
    pub owner: String,
    /// The number of the claim of the job under which it was undone.
    pub fence: u64,
    /// When it was undone, in milliseconds since 1970.
    pub completed: Millis,
    /// The damage of its bytes: then nothing else is known.
    pub damaged: Option<Corrupt>,
}

/// `page:0 (shop::fetch_page): done, attempt 1`, or `position (cursor): free, attempt 1`.
impl std::fmt::Display for CheckpointInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut line = VisibleTo(f);
        if let Some(damage) = &self.damaged {
            return write!(line, "{}: damaged, {damage}", self.key);
        }
        let function = if self.is_cursor { "cursor" } else { &self.function };
        write!(line, "{} ({function}): {}, attempt {}", self.key, self.status, self.attempts)?;
        if self.undos.is_empty() { Ok(()) } else { line.write_str(", undone") }
    }
}

impl CheckpointInfo {
    fn damaged((key, reason): (String, Corrupt)) -> Self {
        Self { damaged: Some(reason), ..Self::of(Record::new(key), false) }
    }

    fn of(record: Record, has_values: bool) -> Self {
        let outside =
            [place::STEPS, place::CURSORS].iter().find_map(|prefix| record.key.strip_prefix(prefix));
        let rest = record.key.get(2..).unwrap_or_default();
        let in_job = rest.split_once('/').filter(|_| outside.is_none());
        let outside = outside.unwrap_or(rest);
        let (job, key) = in_job.map_or((None, outside), |(job, key)| (Some(whole(job)), key));
        let has_value = has_values && !record.value.is_empty();
        Self {
            job,
            key: key.to_owned(),
            is_cursor: place::is_cursor(&record.key),
            status: record.status,
            version: record.version,
            attempts: record.attempts,
            fence: record.fence,
            created: record.created,
            updated: record.updated,
            completed: record.completed,
            value: has_value.then(|| String::from_utf8_lossy(&record.value).into_owned()),
            undos: Vec::new(),
            damaged: None,
            function: record.function,
            owner: record.owner,
        }
    }
}

/// A handle to the steps and cursors of one store, of a job or outside of all jobs; see [`of`].
///
/// It is cheap to clone, and keeps the store open.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    store: Arc<dyn Store>,
    job: Option<String>,
}

/// Returns the handle of the steps and cursors of `store` outside of jobs.
///
/// # Examples
///
/// ```
/// use resilience::checkpoints;
/// use std::time::Duration;
///
/// # let _world = resilience::testing::isolate();
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let store = std::sync::Arc::new(resilience::durable::MemoryStore::new());
/// let steps = checkpoints::of(store.clone());
/// assert_eq!(steps.cleanup(Duration::from_secs(86_400)).await?, 0);
/// let price: Option<u32> = checkpoints::of(store).in_job("order:7").load("price").await?;
/// assert_eq!(price, None);
/// # Ok::<(), resilience::Rejected>(())
/// # }).unwrap();
/// ```
pub fn of(store: Arc<dyn Store>) -> Checkpoints {
    Checkpoints { store, job: None }
}

/// Returns the steps of the running job; those outside of jobs if none runs.
fn of_this_place() -> Result<Checkpoints, Rejected> {
    match scope::current().job {
        Some(job) => Ok(of(job.store().clone()).in_job(job.id.clone())),
        None => crate::durable::default_store().map(of).map_err(failed("")),
    }
}

#[expect(clippy::unnecessary_box_returns, reason = "every error keeps it boxed")]
fn at(key: &str) -> Box<Subject> {
    Subject::new(PointName::new(CHECKPOINTS), key)
}

fn failed(key: &str) -> impl Fn(StoreError) -> Rejected {
    move |error| refused(key, CheckpointError::store(at(key), error))
}

/// Returns the rejection of `error`; a job that fails with it is interrupted, unless the code is at fault.
fn refused(key: &str, error: CheckpointError) -> Rejected {
    let rejected = error.into();
    if let Some(job) = scope::current().job {
        note_refusal(&job, format!("checkpoints {key}"), &rejected);
    }
    rejected
}

/// Returns the steps of the job `id`, in the order in which they ended, each with its undos.
pub(crate) async fn steps_of(store: &Arc<dyn Store>, id: &str) -> Result<Vec<CheckpointInfo>, StoreError> {
    let steps_at = place::step(Some(id), "");
    let (mut records, damaged) = all(store, steps_at.clone()).await?;
    records.sort_by_key(|step| (step.order == 0, step.order));
    let steps = records.into_iter().map(|record| CheckpointInfo::of(record, false));
    let mut steps: Vec<_> = steps.chain(damaged.into_iter().map(CheckpointInfo::damaged)).collect();
    let undos_at = place::undos(id);
    let (undos, damaged) = all(store, undos_at.clone()).await?;
    let sound = undos.into_iter().map(|undo| {
        let info =
            UndoInfo { owner: undo.owner, fence: undo.fence, completed: undo.completed, damaged: None };
        (undo.key, info)
    });
    let damaged = damaged.into_iter().map(|(key, reason)| {
        let info = UndoInfo { owner: String::new(), fence: 0, completed: 0, damaged: Some(reason) };
        (key, info)
    });
    let places: HashMap<_, _> =
        steps.iter().enumerate().map(|(place, step)| (step.key.clone(), place)).collect();
    for (key, undo) in sound.chain(damaged) {
        // The rest of the key is `step#incarnation`; a step of the undo has its own key behind that.
        let step = key.strip_prefix(&undos_at).and_then(|rest| rest.rsplit_once('#'));
        let Some((step, _)) = step.filter(|(_, number)| number.parse::<u64>().is_ok()) else { continue };
        if let Some(found) = places.get(step).and_then(|place| steps.get_mut(*place)) {
            found.undos.push(undo);
        }
    }
    for step in &mut steps {
        step.undos.sort_by_key(|undo| (undo.completed, undo.fence));
    }
    Ok(steps)
}

impl Checkpoints {
    /// Selects the steps and cursors of the job `id`, in place of those outside of jobs, for [`load`](Self::load),
    /// [`list`](Self::list) and [`remove`](Self::remove).
    pub fn in_job(mut self, id: impl Into<String>) -> Self {
        self.job = Some(id.into());
        self
    }

    /// Returns where the step and the cursor of `key` are.
    fn placed(&self, key: &str) -> [String; 2] {
        let job = self.job.as_deref();
        [place::step(job, key), place::cursor(job, key)]
    }

    /// Returns the recorded value of `key`, as rendered: of the step, or, if there is no such step, of the cursor.
    /// `None` if nothing is recorded.
    ///
    /// A step that has not ended, or whose `ttl` is over, counts as not recorded. The `ttl` of a step of a job begins
    /// when the job ends.
    ///
    /// # Errors
    ///
    /// [`Rejected::Checkpoint`] if the record is damaged or is not a `T`, or the store cannot be used.
    pub async fn load<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Rejected> {
        let store = &self.store;
        let [step, cursor] = self.placed(key);
        let step = store.get(&step).await.map_err(failed(key))?;
        let record = if let Some(step) = step {
            let is_recorded =
                step.status == Status::Done && !self.is_expired(&step).await.map_err(failed(key))?;
            is_recorded.then_some(step)
        } else {
            let cursor = store.get(&cursor).await.map_err(failed(key))?;
            cursor.filter(|cursor| !cursor.value.is_empty())
        };
        let Some(record) = record else { return Ok(None) };
        let undecodable = |message| refused(key, CheckpointError::Undecodable { at: at(key), message });
        Ok(Some(codec::decode(&record.value).map_err(undecodable)?))
    }

    /// Returns whether the time to live of `step` is over.
    async fn is_expired(&self, step: &Record) -> Result<bool, StoreError> {
        let Some(job) = self.job.as_deref().filter(|_| step.ttl > 0) else {
            return Ok(step.is_expired(self.store.now().await?));
        };
        let job = self.store.get(&place::job(job)).await?;
        let Some(ended) = job.and_then(|job| job.ended()) else { return Ok(false) };
        Ok(self.store.now().await? >= ended.saturating_add(step.ttl))
    }

    /// Lists the steps and cursors that `filter` admits, in the order of their keys, one page at a time.
    ///
    /// A text admits the keys that begin with it; a cursor comes after the step of the same key. Damaged ones are
    /// listed unless more than a prefix is asked for. Values are not read unless the filter says so.
    ///
    /// A listing is not a snapshot: records that are written during it may be missing.
    ///
    /// # Errors
    ///
    /// [`Rejected::Checkpoint`] if the store cannot be used.
    pub async fn list(&self, filter: impl Into<Filter>) -> Result<Page<CheckpointInfo>, Rejected> {
        let filter = filter.into();
        let [steps, cursors] = self.placed("");
        let mut owners = KnownOwners::of(&self.store);
        let page = listing::page(&self.store, &[&steps, &cursors], &filter, &mut owners).await;
        let Page { items, next } = page.map_err(failed(""))?;
        let item = |row: listing::Row| match row.record {
            Ok(record) => CheckpointInfo::of(record, filter.has_values()),
            Err(damaged) => CheckpointInfo::damaged(damaged),
        };
        Ok(Page { items: items.into_iter().map(item).collect(), next })
    }

    /// Forgets the step of `key`, so that it runs again, and the cursor of `key`; returns whether one of them was
    /// there.
    ///
    /// Damaged bytes are quarantined. The step has another idempotency key when it is begun again.
    ///
    /// # Errors
    ///
    /// [`Rejected::Checkpoint`] if it is running, or belongs to a job that another call runs, or the store cannot be
    /// used.
    pub async fn remove(&self, key: &str) -> Result<bool, Rejected> {
        let store = &self.store;
        self.check_not_running(key).await?;
        let [step, cursor] = self.placed(key);
        let had_step = match store.get(&step).await {
            // A job's steps have places without gaps: this one stays as one that runs again.
            Ok(Some(record)) if record.order > 0 => {
                let is_done = record.status == Status::Done;
                if is_done {
                    let revision = record.revision;
                    let incarnation = record.incarnation.saturating_add(1);
                    let free = Record { status: Status::Free, completed: 0, incarnation, ..record };
                    store.cas(Some(revision), free).await.map_err(failed(key))?;
                }
                is_done
            }
            _ => store.remove(step, Vec::new()).await.map_err(failed(key))?,
        };
        let had_cursor = store.remove(cursor, Vec::new()).await.map_err(failed(key))?;
        Ok(had_step || had_cursor)
    }

    /// Checks that the job of these steps is not running, unless the caller is part of it.
    async fn check_not_running(&self, key: &str) -> Result<(), Rejected> {
        use crate::durable::store::{Liveness, same};
        let Some(id) = &self.job else { return Ok(()) };
        let is_asking =
            scope::current().job.is_some_and(|job| job.id == *id && same(job.store(), &self.store));
        if is_asking {
            return Ok(());
        }
        let job = self.store.get(&place::job(id)).await.map_err(failed(key))?;
        let is_held = |job: &Record| {
            job.status.is_held() && !job.owner.is_empty() && self.store.liveness(&job.owner) != Liveness::Dead
        };
        match job.filter(is_held) {
            None => Ok(()),
            Some(job) => {
                let retry_after = Duration::from_millis(job.lease);
                Err(CheckpointError::Busy { at: at(key), owner: job.owner, retry_after }.into())
            }
        }
    }

    /// Forgets every step and cursor outside of jobs that has no holder; returns their number. Jobs and their steps
    /// stay, also when the handle is that of a job.
    ///
    /// For tests and after a change of what all recorded values mean. Everything runs again, with other idempotency
    /// keys.
    ///
    /// # Errors
    ///
    /// [`Rejected::Checkpoint`] if the store cannot be used.
    pub async fn clear(&self) -> Result<usize, Rejected> {
        // Including those that ended before the clock was set back.
        self.forget_outside(Millis::MAX).await
    }

    /// Forgets steps, cursors and jobs that ended, or were last saved, at least `older_than` ago; returns their number.
    ///
    /// These are the steps outside of jobs, failed ones included, the cursors outside of jobs, and the jobs that were
    /// done or undone, with their steps. Jobs in any other state stay: they wait for a person or for a run. The damaged
    /// bytes of steps are quarantined, those of jobs stay where they are. A step that is forgotten has another
    /// idempotency key when it is begun again.
    ///
    /// # Errors
    ///
    /// [`Rejected::Checkpoint`] if the store cannot be used.
    pub async fn cleanup(&self, older_than: Duration) -> Result<usize, Rejected> {
        let now = self.store.now().await.map_err(failed(""))?;
        let age = Millis::try_from(older_than.as_millis()).unwrap_or(Millis::MAX);
        let before = now.saturating_add(1).saturating_sub(age);
        let steps = self.forget_outside(before).await?;
        Ok(steps + forget_ended_before(&self.store, before).await.map_err(failed(""))?)
    }

    /// Forgets the steps and cursors outside of jobs that ended before `before`.
    async fn forget_outside(&self, before: Millis) -> Result<usize, Rejected> {
        const BATCH: usize = 1_000;
        let mut count = 0;
        for prefix in [place::STEPS, place::CURSORS] {
            loop {
                let deleted =
                    self.store.delete_older_than(prefix, before, BATCH).await.map_err(failed(""))?;
                count += deleted;
                if deleted < BATCH {
                    break;
                }
            }
        }
        Ok(count)
    }

    /// Lists the newest `limit` entries of the quarantine, without their bytes, the newest one first.
    ///
    /// An entry is a record that was damaged or replaced. It is deleted after 30 days.
    ///
    /// # Errors
    ///
    /// [`Rejected::Checkpoint`] if the store cannot be used.
    pub async fn quarantine(&self, limit: usize) -> Result<Vec<Quarantined>, Rejected> {
        let (mut found, mut before) = (Vec::new(), None);
        while found.len() < limit {
            let rows = ROWS.min(limit.saturating_sub(found.len()));
            let page = self.store.quarantine(before, rows).await.map_err(failed(""))?;
            let is_last = page.len() < rows;
            before = page.last().map(|entry| entry.id);
            found.extend(page);
            if is_last {
                break;
            }
            yield_now().await;
        }
        Ok(found)
    }

    /// Returns the entry `id` of the quarantine, with its bytes; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`Rejected::Checkpoint`] if the store cannot be used.
    pub async fn quarantined(&self, id: u64) -> Result<Option<Quarantined>, Rejected> {
        self.store.quarantined(id).await.map_err(failed(""))
    }

    /// Deletes the entry `id` of the quarantine; returns whether it was there.
    ///
    /// # Errors
    ///
    /// [`Rejected::Checkpoint`] if the store cannot be used.
    pub async fn remove_quarantined(&self, id: u64) -> Result<bool, Rejected> {
        self.store.remove_quarantined(id).await.map_err(failed(""))
    }
}

/// The number of entries of the quarantine that are read at one time.
const ROWS: usize = 256;

twins! { Checkpoints of of_this_place:
    /// Returns the recorded value of `key`, of the step or the cursor; `None` if nothing is recorded.
    fn load<T: DeserializeOwned>(key: &str) -> Option<T>;
    /// Lists the steps and cursors that `filter` admits, in the order of their keys, one page at a time.
    fn list(filter: impl Into<Filter>) -> Page<CheckpointInfo>;
    /// Forgets the step of `key`, so that it runs again, and the cursor of `key`; returns whether one was there.
    fn remove(key: &str) -> bool;
    /// Forgets every step and cursor outside of jobs that has no holder; returns their number.
    fn clear() -> usize;
    /// Forgets what ended at least `older_than` ago: steps and cursors outside of jobs, and finished jobs.
    fn cleanup(older_than: Duration) -> usize;
    /// Lists the quarantined records, the newest entry first, without their bytes.
    fn quarantine(limit: usize) -> Vec<Quarantined>;
    /// Returns the entry `id` of the quarantine, with its bytes; `None` if there is none.
    fn quarantined(id: u64) -> Option<Quarantined>;
    /// Deletes the entry `id` of the quarantine; returns whether it was there.
    fn remove_quarantined(id: u64) -> bool;
}

impl blocking::Checkpoints {
    /// Selects the steps and cursors of the job `id`; see [`Checkpoints::in_job`].
    pub fn in_job(mut self, id: impl Into<String>) -> Self {
        self.0.job = Some(id.into());
        self
    }
}
