//! Looking at recorded steps, and removing them.

use crate::durable::job::run::listed;
use crate::durable::record::codec;
use crate::durable::record::error::{CheckpointError, Place};
use crate::durable::record::key::{place, whole};
use crate::durable::record::{Corrupt, Millis, Record, Status};
use crate::durable::recovery::retention::forget_ended_before;
use crate::durable::scope;
use crate::durable::step::policy::note_refusal;
use crate::durable::store::{Aside, Query, Store, StoreError};
use crate::point::PointName;
use crate::rejected::Rejected;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;

/// One recorded step, or the cursor of a [`Progress`](crate::Progress).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CheckpointInfo {
    /// The id of the job it belongs to, if it was recorded in one.
    pub job: Option<String>,
    /// The key as rendered.
    pub key: String,
    /// Whether it is a cursor.
    pub is_cursor: bool,
    /// The function that recorded it: crate and name.
    pub function: String,
    /// How far it has come.
    pub status: Status,
    /// The version of the code that recorded it.
    pub version: u32,
    /// How often it was begun.
    pub attempts: u32,
    /// The process that began it last.
    pub owner: String,
    /// The number of its last claim.
    pub fence: u64,
    /// When it was first begun, in the store's clock.
    pub created: Millis,
    /// When it was recorded; 0 while it has not ended.
    pub completed: Millis,
    /// How many bytes its value has.
    pub bytes: usize,
    /// What is wrong with its bytes: then only the key and the job are known. [`remove`] puts those of a step
    /// outside of jobs aside.
    pub damaged: Option<Corrupt>,
}

impl CheckpointInfo {
    /// The steps that were `found`, and after them those that are `damaged`.
    pub(crate) fn all((found, damaged): (Vec<Record>, Vec<(String, Corrupt)>)) -> Vec<Self> {
        let damaged = damaged.into_iter().map(|(key, reason)| {
            let unknown = Self::of(&Record::new(key));
            Self { damaged: Some(reason), ..unknown }
        });
        found.iter().map(Self::of).chain(damaged).collect()
    }

    fn of(record: &Record) -> Self {
        let outside =
            [place::STEPS, place::CURSORS].iter().find_map(|prefix| record.key.strip_prefix(prefix));
        let rest = record.key.get(2..).unwrap_or_default();
        let in_job = rest.split_once('/').filter(|_| outside.is_none());
        let outside = outside.unwrap_or(rest);
        let (job, key) = in_job.map_or((None, outside), |(job, key)| (Some(whole(job)), key));
        Self {
            job,
            key: key.to_owned(),
            is_cursor: place::is_cursor(&record.key),
            function: record.function.clone(),
            status: record.status,
            version: record.version,
            attempts: record.attempts,
            owner: record.owner.clone(),
            fence: record.fence,
            created: record.created,
            completed: record.completed,
            bytes: record.value.len(),
            damaged: None,
        }
    }
}

#[expect(clippy::unnecessary_box_returns, reason = "every error keeps it boxed")]
fn at(key: &str) -> Box<Place> {
    Place::new(PointName::new("checkpoints"), key)
}

fn failed(key: &str) -> impl Fn(StoreError) -> Rejected {
    move |error| refused(key, CheckpointError::store(at(key), error))
}

/// The rejection of `error`; a job that fails with it is interrupted, unless the code is what is wrong.
fn refused(key: &str, error: CheckpointError) -> Rejected {
    let rejected = error.into();
    if let Some(job) = scope::current().job {
        note_refusal(&job, &format!("checkpoints {key}"), &rejected);
    }
    rejected
}

fn store() -> Result<Arc<dyn Store>, Rejected> {
    match scope::current().job {
        Some(job) => Ok(job.store().clone()),
        None => crate::durable::default_store().map_err(failed("")),
    }
}

/// Where the step and the cursor of `key` are: in the running job, or outside of jobs.
fn placed(key: &str) -> [String; 2] {
    let job = scope::current().job;
    let job = job.as_ref().map(|job| job.id.as_str());
    [place::step(job, key), place::cursor(job, key)]
}

/// The recorded value of `key`, as rendered: that of the running job, or the store's own outside of one;
/// `None` if nothing is recorded. It is the value of the step, or, if there is no such step, of the cursor.
///
/// # Errors
///
/// [`Rejected::Checkpoint`] if the record is damaged or is no `T`, or the store cannot be used.
pub async fn load<T: DeserializeOwned>(key: &str) -> Result<Option<T>, Rejected> {
    let store = store()?;
    let [step, cursor] = placed(key);
    let step = store.get(&step).await.map_err(failed(key))?;
    let record = if let Some(step) = step {
        let now = store.now().await.map_err(failed(key))?;
        Some(step).filter(|step| step.status == Status::Done && !step.is_expired(now))
    } else {
        let cursor = store.get(&cursor).await.map_err(failed(key))?;
        cursor.filter(|cursor| !cursor.value.is_empty())
    };
    let Some(record) = record else { return Ok(None) };
    let undecodable = |message| refused(key, CheckpointError::Undecodable { at: at(key), message });
    Ok(Some(codec::decode(&record.value).map_err(undecodable)?))
}

/// The steps whose keys begin with `prefix`, in the order of their keys, and after them the cursors: those of
/// the running job, or those outside of all jobs; damaged ones last.
///
/// # Errors
///
/// [`Rejected::Checkpoint`] if the store cannot be used.
pub async fn list(prefix: &str) -> Result<Vec<CheckpointInfo>, Rejected> {
    let store = store()?;
    let [steps, cursors] = placed(prefix);
    let mut found = listed(&store, Query::new(steps).values()).await.map_err(failed(prefix))?;
    let cursors = listed(&store, Query::new(cursors).values()).await.map_err(failed(prefix))?;
    found.0.extend(cursors.0);
    found.1.extend(cursors.1);
    Ok(CheckpointInfo::all(found))
}

/// The steps of the job `id`: those that have ended in the order in which they did, then the others, and
/// damaged ones last.
///
/// # Errors
///
/// [`Rejected::Checkpoint`] if the store cannot be used.
pub async fn of_job(id: &str) -> Result<Vec<CheckpointInfo>, Rejected> {
    steps_of(&store()?, id).await.map_err(failed(id))
}

pub(crate) async fn steps_of(store: &Arc<dyn Store>, id: &str) -> Result<Vec<CheckpointInfo>, StoreError> {
    let mut listed = listed(store, Query::new(place::step(Some(id), "")).values()).await?;
    listed.0.sort_by_key(|step| (step.order == 0, step.order));
    Ok(CheckpointInfo::all(listed))
}

/// Forgets the step of `key`, so that it runs again, and the cursor of `key`; returns whether one of them was
/// there. Damaged bytes are put aside.
///
/// # Errors
///
/// [`Rejected::Checkpoint`] if it is running, or the store cannot be used.
pub async fn remove(key: &str) -> Result<bool, Rejected> {
    let store = store()?;
    let [step, cursor] = placed(key);
    let stored = store.get(&step).await;
    let had_step = match stored {
        // A job's steps have places without gaps: this one stays as one that is to be done again.
        Ok(Some(record)) if record.order > 0 && record.status == Status::Done => {
            let revision = record.revision;
            let incarnation = record.incarnation.saturating_add(1);
            let free = Record { status: Status::Free, completed: 0, incarnation, ..record };
            store.cas(Some(revision), free).await.map_err(failed(key))?;
            true
        }
        _ => store.remove(step, Vec::new()).await.map_err(failed(key))?,
    };
    let had_cursor = store.remove(cursor, Vec::new()).await.map_err(failed(key))?;
    Ok(had_step || had_cursor)
}

/// Forgets every step and cursor outside of jobs that nobody works on; returns how many.
///
/// # Errors
///
/// [`Rejected::Checkpoint`] if the store cannot be used.
pub async fn clear() -> Result<usize, Rejected> {
    cleanup(Duration::ZERO).await
}

/// Forgets the steps outside of jobs that ended more than `older_than` ago, failed ones included, the cursors
/// outside of jobs that nobody has worked on for that long, and the finished jobs that did, with their steps; returns how many. The damaged bytes of steps are put aside, those
/// of jobs stay where they are. A step that is forgotten has another idempotency key when it is begun again.
///
/// # Errors
///
/// [`Rejected::Checkpoint`] if the store cannot be used.
pub async fn cleanup(older_than: Duration) -> Result<usize, Rejected> {
    const PAGE: usize = 1_000;
    let store = crate::durable::default_store().map_err(failed(""))?;
    let now = store.now().await.map_err(failed(""))?;
    let age = Millis::try_from(older_than.as_millis()).unwrap_or(Millis::MAX);
    // What ended in this very millisecond is older than nothing at all.
    let before = now.saturating_sub(age).saturating_add(u64::from(older_than.is_zero()));
    let mut count = 0;
    for prefix in [place::STEPS, place::CURSORS] {
        loop {
            let deleted = store.delete_older_than(prefix, before, PAGE).await.map_err(failed(""))?;
            count += deleted;
            if deleted < PAGE {
                break;
            }
        }
    }
    if !older_than.is_zero() {
        count += forget_ended_before(&store, before).await.map_err(failed(""))?;
    }
    Ok(count)
}

/// What was kept aside because it was damaged or replaced, newest first, at most `limit`.
///
/// # Errors
///
/// [`Rejected::Checkpoint`] if the store cannot be used.
pub async fn aside(limit: usize) -> Result<Vec<Aside>, Rejected> {
    store()?.aside(limit).await.map_err(failed(""))
}

/// The same from sync code.
pub mod blocking {
    use super::{Aside, CheckpointInfo, DeserializeOwned, Duration, Rejected};
    use crate::durable::lease::block_on::block_on;

    /// As [`load`](super::load).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn load<T: DeserializeOwned>(key: &str) -> Result<Option<T>, Rejected> {
        block_on(super::load(key))
    }

    /// As [`list`](super::list).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn list(prefix: &str) -> Result<Vec<CheckpointInfo>, Rejected> {
        block_on(super::list(prefix))
    }

    /// As [`of_job`](super::of_job).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn of_job(id: &str) -> Result<Vec<CheckpointInfo>, Rejected> {
        block_on(super::of_job(id))
    }

    /// As [`remove`](super::remove).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn remove(key: &str) -> Result<bool, Rejected> {
        block_on(super::remove(key))
    }

    /// As [`clear`](super::clear).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn clear() -> Result<usize, Rejected> {
        block_on(super::clear())
    }

    /// As [`cleanup`](super::cleanup).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn cleanup(older_than: Duration) -> Result<usize, Rejected> {
        block_on(super::cleanup(older_than))
    }

    /// As [`aside`](super::aside).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn aside(limit: usize) -> Result<Vec<Aside>, Rejected> {
        block_on(super::aside(limit))
    }
}
