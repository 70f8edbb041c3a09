//! Looking at jobs, and deciding what becomes of those that wait for somebody.

use crate::classify::Classification;
use crate::durable::admin::steps::{CheckpointInfo, steps_of};
use crate::durable::job::run::{listed, note_refusal};
use crate::durable::record::error::{JobError, Place};
use crate::durable::record::history::{JobEvent, Note};
use crate::durable::record::key::{place, whole};
use crate::durable::record::{Corrupt, Millis, Record, Status};
use crate::durable::recovery::{Recovered, recover, sweep as sweeps};
use crate::durable::scope;
use crate::durable::store::{Query, Store, StoreError};
use crate::point::PointName;
use crate::rejected::Rejected;
use std::sync::Arc;

/// One job as it is recorded.
#[derive(Clone, Debug, serde::Serialize)]
#[non_exhaustive]
pub struct JobInfo {
    /// The rendered key: `import:7`.
    pub id: String,
    /// The name under which its function is found.
    pub name: String,
    /// How far it has come.
    pub status: Status,
    /// The version of the code that began it.
    pub version: u32,
    /// How often it was begun.
    pub attempts: u32,
    /// How often it was recovered after its owner was lost.
    pub recoveries: u32,
    /// The process that began it last.
    pub owner: String,
    /// The number of its last claim.
    pub fence: u64,
    /// When it was first begun, in the store's clock.
    pub created: Millis,
    /// When it was last written.
    pub updated: Millis,
    /// When it ended; 0 while it has not.
    pub completed: Millis,
    /// The recorded arguments, as JSON.
    pub input: String,
    /// What the error of a failed job meant.
    pub class: Option<Classification>,
    /// Why an interrupted job did not go on, or why the result of a failed one was not recorded, in words.
    pub problem: Option<String>,
    /// Whether it was asked to stop.
    pub cancelled: bool,
    /// What recovery did with it, the last 100 entries.
    pub events: Vec<JobEvent>,
    /// How far its long functions have come; filled in by [`get`], not by [`list`].
    pub cursors: Vec<CursorInfo>,
    /// What is wrong with its bytes: then only the id is known. [`remove`] puts them aside.
    pub damaged: Option<Corrupt>,
}

/// A cursor that a [`Progress`](crate::Progress) of the job saved.
#[derive(Clone, Debug, serde::Serialize)]
#[non_exhaustive]
pub struct CursorInfo {
    /// The name that it was opened by.
    pub name: String,
    /// The value saved last, as JSON.
    pub value: String,
    /// When it was saved, in the store's clock.
    pub updated: Millis,
    /// What is wrong with its bytes: then only the name is known.
    pub damaged: Option<Corrupt>,
}

impl CursorInfo {
    fn of(job: &str, record: &Record) -> Self {
        let name = record.key.strip_prefix(&place::cursors(job)).unwrap_or(&record.key);
        Self {
            name: whole(name),
            value: String::from_utf8_lossy(&record.value).into_owned(),
            updated: record.updated,
            damaged: None,
        }
    }
}

/// `import:7 (import:{id}): failed, attempt 2, unavailable (503), medium`.
impl std::fmt::Display for JobInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(damage) = &self.damaged {
            return write!(f, "{}: damaged, {damage}", self.id);
        }
        write!(f, "{} ({}): {}, attempt {}", self.id, self.name, self.status, self.attempts)?;
        self.class.map_or(Ok(()), |class| write!(f, ", {class}"))?;
        self.problem.as_ref().map_or(Ok(()), |problem| write!(f, ": {problem}"))
    }
}

impl JobInfo {
    fn of(record: Record) -> Self {
        let note = Note::read(&record.note);
        Self {
            id: place::id(&record.key).to_owned(),
            name: record.function,
            status: record.status,
            version: record.version,
            attempts: record.attempts,
            recoveries: record.recoveries,
            owner: record.owner,
            fence: record.fence,
            created: record.created,
            updated: record.updated,
            completed: record.completed,
            input: String::from_utf8_lossy(&record.input).into_owned(),
            class: note.class,
            // One that runs again may have left it behind.
            problem: note.problem.filter(|_| record.status != Status::Running),
            cancelled: record.cancelled,
            events: note.events,
            cursors: Vec::new(),
            damaged: None,
        }
    }

    fn damaged((key, reason): (String, Corrupt)) -> Self {
        Self { damaged: Some(reason), ..Self::of(Record::new(key)) }
    }
}

/// Which jobs to list.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Filter {
    statuses: Vec<Status>,
    prefix: String,
    name: Option<String>,
    after: String,
    limit: usize,
}

impl Filter {
    /// All jobs, 100 at a time.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only jobs in one of these states.
    pub fn status(mut self, statuses: &[Status]) -> Self {
        self.statuses = statuses.to_vec();
        self
    }

    /// Only jobs whose id begins so.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Only jobs of this name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Only jobs after this id: where the last page ended.
    pub fn after(mut self, id: impl Into<String>) -> Self {
        self.after = id.into();
        self
    }

    /// At most so many; default 100.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }
}

fn store() -> Result<Arc<dyn Store>, Rejected> {
    crate::durable::default_store()
        .map_err(|error| JobError::store(Place::new(PointName::new("jobs"), ""), error).into())
}

#[expect(clippy::unnecessary_box_returns, reason = "every error keeps it boxed")]
fn at(id: &str) -> Box<Place> {
    Place::new(PointName::new("jobs"), id)
}

fn failed(id: &str) -> impl Fn(StoreError) -> Rejected {
    move |error| {
        let rejected = JobError::store(at(id), error).into();
        if let Some(job) = scope::current().job {
            note_refusal(&job, &rejected);
        }
        rejected
    }
}

/// The jobs that `filter` admits, in the order of their ids; those that are damaged, too, unless a name or
/// states are asked for, which they do not tell.
///
/// # Errors
///
/// [`Rejected::Job`] if the store cannot be used.
pub async fn list(filter: Filter) -> Result<Vec<JobInfo>, Rejected> {
    let store = store()?;
    let wanted = if filter.limit == 0 { 100 } else { filter.limit };
    let mut query =
        Query::new(format!("{}{}", place::JOBS, filter.prefix)).only(&filter.statuses).limit(256).values();
    if !filter.after.is_empty() {
        query.after = place::job(&filter.after);
    }
    let mut found = Vec::new();
    loop {
        let page = store.list(query.clone()).await.map_err(failed(""))?;
        let named = |record: &Record| filter.name.as_ref().is_none_or(|name| record.function == *name);
        found.extend(page.records.into_iter().filter(named).map(JobInfo::of));
        if filter.name.is_none() && filter.statuses.is_empty() && !page.corrupt.is_empty() {
            found.extend(page.corrupt.into_iter().map(JobInfo::damaged));
            found.sort_by(|one, other| one.id.cmp(&other.id));
        }
        match page.next {
            Some(next) if found.len() < wanted => query.after = next,
            _ => break,
        }
    }
    found.truncate(wanted);
    Ok(found)
}

/// The job `id`, with its cursors; `None` if there is none. Its owner may be at work meanwhile.
///
/// # Errors
///
/// [`Rejected::Job`] if the store cannot be used or the record is damaged.
pub async fn get(id: &str) -> Result<Option<JobInfo>, Rejected> {
    let store = store()?;
    let Some(record) = store.get(&place::job(id)).await.map_err(failed(id))? else { return Ok(None) };
    let (cursors, damaged) =
        listed(&store, Query::new(place::cursors(id)).values()).await.map_err(failed(id))?;
    let damaged = damaged.into_iter().map(|(key, reason)| {
        let unknown = CursorInfo::of(id, &Record::new(key));
        CursorInfo { damaged: Some(reason), ..unknown }
    });
    let cursors = cursors.iter().map(|cursor| CursorInfo::of(id, cursor)).chain(damaged).collect();
    Ok(Some(JobInfo { cursors, ..JobInfo::of(record) }))
}

/// The steps of the job `id`: those that have ended in the order in which they did, then the others, and
/// damaged ones last. Their keys are what [`fork_from`] takes.
///
/// # Errors
///
/// [`Rejected::Job`] if the store cannot be used.
pub async fn steps(id: &str) -> Result<Vec<CheckpointInfo>, Rejected> {
    steps_of(&store()?, id).await.map_err(failed(id))
}

async fn change(
    id: &str,
    why: &str,
    change: impl Fn(Record) -> Result<Record, JobError>,
) -> Result<Record, Rejected> {
    let store = store()?;
    loop {
        let stored = store.get(&place::job(id)).await.map_err(failed(id))?;
        let stored = stored.ok_or_else(|| JobError::Unknown { at: at(id) })?;
        let revision = stored.revision;
        let event = JobEvent {
            at: store.now().await.map_err(failed(id))?,
            step: None,
            attempt: stored.attempts,
            category: None,
            code: None,
            strategy: why.to_owned(),
            result: "ok".to_owned(),
            owner: store.owner(),
            reason: "asked for".to_owned(),
        };
        let note = Note { problem: None, ..Note::read(&stored.note) }.with(event).write();
        let record = change(Record { note, ..stored })?;
        match store.cas(Some(revision), record).await {
            Err(StoreError::Conflict { .. }) => {}
            other => return other.map_err(failed(id)),
        }
    }
}

/// Lets a job that failed, was undone, was parked, or was recovered too often run again from where it was:
/// its recorded steps are kept, those that were undone are done again. Calling it runs it, and so does
/// `recover()`: a sweep of this process looks at once, one of another process when its time has come.
///
/// # Errors
///
/// [`Rejected::Job`]: there is no such job, it is running or done, or the store cannot be used.
pub async fn resume(id: &str) -> Result<(), Rejected> {
    let interrupted = |record: Record| match record.status {
        Status::Failed | Status::RolledBack | Status::Manual | Status::Dead | Status::Interrupted => {
            Ok(Record {
                status: Status::Interrupted,
                completed: 0,
                recoveries: 0,
                cancelled: false,
                ..record
            })
        }
        status => Err(JobError::WrongState { at: at(id), status }),
    };
    change(id, "resume", interrupted).await?;
    sweeps::wake(&store()?);
    Ok(())
}

/// Asks a job to stop: a running one at its next step, one that is not running at once, as `Failed` with
/// the category `Cancelled`.
///
/// # Errors
///
/// [`Rejected::Job`]: there is no such job, it has ended, or the store cannot be used.
pub async fn cancel(id: &str) -> Result<(), Rejected> {
    let cancelled = |record: Record| match record.status {
        Status::Running | Status::RollingBack => Ok(Record { cancelled: true, ..record }),
        Status::Interrupted | Status::Manual => {
            let class = Some(Classification::new(crate::Category::Cancelled));
            let note = Note { class, ..Note::read(&record.note) }.write();
            Ok(Record { status: Status::Failed, completed: record.updated, cancelled: true, note, ..record })
        }
        status => Err(JobError::WrongState { at: at(id), status }),
    };
    change(id, "cancel", cancelled).await.map(drop)
}

/// Has a job that is not running do the step `step`, and all that ended after it, again; the steps before
/// it are kept, cursors are not. It is run as by [`resume`].
///
/// # Errors
///
/// [`Rejected::Job`]: there is no such job or step, it is running, or the store cannot be used.
pub async fn fork_from(id: &str, step: &str) -> Result<(), Rejected> {
    let store = store()?;
    let all = crate::durable::job::run::steps(&store, id).await.map_err(failed(id))?;
    let key = place::step(Some(id), step);
    let from = all.iter().find(|record| record.key == key && record.order > 0);
    let from = from.ok_or_else(|| JobError::UnknownStep { at: at(id), step: step.to_owned() })?.order;
    // Until its steps are free nobody may run it: they would give it what they did before.
    let parked = |record: Record| match record.status {
        status if status.is_held() => Err(JobError::WrongState { at: at(id), status }),
        _ => Ok(Record {
            status: Status::Manual,
            completed: 0,
            recoveries: 0,
            cancelled: false,
            value: Vec::new(),
            ..record
        }),
    };
    let parked = change(id, "fork", parked).await?;
    // A cursor may have gone past what is to be done again.
    store.remove(place::cursors(id), vec![place::cursors(id)]).await.map_err(failed(id))?;
    for record in all.into_iter().filter(|record| record.order >= from && record.status == Status::Done) {
        let Some(record) = store.get(&record.key).await.map_err(failed(id))? else { continue };
        let (revision, incarnation) = (record.revision, record.incarnation.saturating_add(1));
        store
            .cas(Some(revision), Record { status: Status::Free, incarnation, ..record })
            .await
            .map_err(failed(id))?;
    }
    let revision = parked.revision;
    let interrupted = Record { status: Status::Interrupted, ..parked };
    store.cas(Some(revision), interrupted).await.map_err(failed(id))?;
    sweeps::wake(&store);
    Ok(())
}

/// Looks for interrupted jobs once, runs them and waits for their ends; see [`recover`]. Jobs that need something
/// provided run only if a recovery of this process was given it and sweeps.
///
/// # Errors
///
/// As [`recover`].
pub async fn sweep() -> Result<Recovered, Rejected> {
    recover().once().until_done().await
}

/// Deletes a job that is not running, with its steps and cursors; returns whether it was there. Damaged bytes
/// are put aside.
///
/// # Errors
///
/// [`Rejected::Job`] if it is running, or the store cannot be used.
pub async fn remove(id: &str) -> Result<bool, Rejected> {
    store()?.remove(place::job(id), place::of_job(id)).await.map_err(failed(id))
}

/// The same from sync code.
pub mod blocking {
    use super::{CheckpointInfo, Filter, JobInfo, Recovered, Rejected};
    use crate::durable::lease::block_on::block_on;

    /// As [`list`](super::list).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn list(filter: Filter) -> Result<Vec<JobInfo>, Rejected> {
        block_on(super::list(filter))
    }

    /// As [`get`](super::get).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn get(id: &str) -> Result<Option<JobInfo>, Rejected> {
        block_on(super::get(id))
    }

    /// As [`steps`](super::steps).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn steps(id: &str) -> Result<Vec<CheckpointInfo>, Rejected> {
        block_on(super::steps(id))
    }

    /// As [`resume`](super::resume).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn resume(id: &str) -> Result<(), Rejected> {
        block_on(super::resume(id))
    }

    /// As [`cancel`](super::cancel).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn cancel(id: &str) -> Result<(), Rejected> {
        block_on(super::cancel(id))
    }

    /// As [`fork_from`](super::fork_from).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn fork_from(id: &str, step: &str) -> Result<(), Rejected> {
        block_on(super::fork_from(id, step))
    }

    /// As [`sweep`](super::sweep).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn sweep() -> Result<Recovered, Rejected> {
        crate::durable::recover().once().until_done().blocking()
    }

    /// As [`remove`](super::remove).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn remove(id: &str) -> Result<bool, Rejected> {
        block_on(super::remove(id))
    }
}
