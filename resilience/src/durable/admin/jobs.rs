//! The jobs of a store: their state, and the operations on those that wait for a person.
//!
//! The functions of this module use the default store; [`of`] returns them for any other store, and
//! [`blocking`] has them for sync code.
//!
//! | state of the job | what an operator can do |
//! |---|---|
//! | `Running` | [`get`] shows its owner and steps; [`cancel`] stops it at its next step; [`resume`], if its owner is dead |
//! | `Interrupted` | nothing: the next sweep runs it; [`sweep`] does so now |
//! | `Failed`, `Dead`, `RolledBack` | remove the cause, then [`resume`]; or [`remove`] |
//! | `Manual` | decide: [`resume`] or [`cancel`] |
//! | `Done` | [`get`] has its result; [`fork_from`] repeats a part of it |
//! | damaged | restore a backup, or [`remove`], which quarantines its bytes |
//!
//! # Examples
//!
//! ```
//! use resilience::jobs;
//! use std::sync::Arc;
//!
//! # let _world = resilience::testing::isolate();
//! let store = Arc::new(resilience::durable::MemoryStore::new());
//! let jobs = jobs::blocking::of(store);
//! assert_eq!(jobs.count()?.total(), 0);
//! assert!(jobs.get("import:7")?.is_none());
//! # Ok::<(), resilience::Rejected>(())
//! ```
//!
//! A job that failed, and goes on where it was:
//!
//! ```
//! use resilience::durable::Status;
//! use resilience::{Job, Rejected, jobs};
//! use resilience::testing::rejected;
//! use std::time::Duration;
//!
//! # let _world = resilience::testing::isolate();
//! let run = |is_up: bool| -> Result<u32, Rejected> {
//!     Job::run_blocking("import:9", (), |()| {
//!         if is_up { Ok(7) } else { Err(rejected::timed_out("import", Duration::from_secs(2))) }
//!     })
//! };
//! run(false).unwrap_err();
//! assert_eq!(jobs::blocking::get("import:9")?.unwrap().status, Status::Failed);
//! run(true).unwrap_err(); // it has ended, and is not run again by itself
//!
//! jobs::blocking::resume("import:9")?;
//! assert_eq!(run(true)?, 7);
//! # Ok::<(), resilience::Rejected>(())
//! ```

pub use crate::durable::admin::listing::{Filter, Page};

use crate::base::visible::VisibleTo;
use crate::classify::Classification;
use crate::durable::admin::listing::{self, KnownOwners};
use crate::durable::admin::steps::{CheckpointInfo, steps_of};
use crate::durable::call::note_refusal;
use crate::durable::job::running;
use crate::durable::lease::hold::settled_soon;
use crate::durable::record::error::{JobError, Subject};
use crate::durable::record::history::{JobEvent, JobHistory};
use crate::durable::record::key::{place, whole};
use crate::durable::record::{Corrupt, Millis, Record, Status};
use crate::durable::recovery::scan::mark;
use crate::durable::recovery::{Recovered, recover, sweep as sweeps};
use crate::durable::scope;
use crate::durable::store::pages::each_page;
use crate::durable::store::{Liveness, Query, Store, StoreError};
use crate::point::PointName;
use crate::rejected::Rejected;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// One job as it is recorded.
///
/// `Display` writes one line: `import:7 (import:{id}): failed, attempt 2, unavailable (503), medium`, then the error's
/// text and the problem where they are recorded. It serialises as a map of its fields.
///
/// # Examples
///
/// ```
/// use resilience::{Job, Rejected, jobs};
///
/// # let _world = resilience::testing::isolate();
/// let rows: Result<u32, Rejected> = Job::run_blocking("import:10", "a.csv", |file: &str| Ok(file.len() as u32));
/// let job = jobs::blocking::get("import:10")?.unwrap();
/// assert_eq!((job.result.as_deref(), job.attempts), (Some("5"), 1));
/// assert_eq!(rows?, 5);
/// # Ok::<(), resilience::Rejected>(())
/// ```
#[derive(Clone, Debug, serde::Serialize)]
#[non_exhaustive]
pub struct JobInfo {
    /// The rendered key: `import:7`.
    pub id: String,
    /// The name under which its function is found.
    pub name: String,
    /// The progress of the job.
    pub status: Status,
    /// The version of the code that began it.
    pub version: u32,
    /// The number of times that it was begun, the first one included; a retry inside of one call does not count.
    pub attempts: u32,
    /// The number of times that its owner was lost since the job last made progress; above `max_recoveries` the job
    /// becomes `Dead`.
    pub recoveries: u32,
    /// The process that began it last.
    pub owner: String,
    /// Whether that process lives, as far as the store can tell at once.
    pub owner_state: Liveness,
    /// The time, in milliseconds, for which the counter of its owner may stay unchanged before others treat the owner
    /// as dead, if its lock cannot tell.
    pub lease: Millis,
    /// The number of its last claim. A service that was given it can refuse a writer with a lower one.
    pub fence: u64,
    /// When it was first begun, in milliseconds since 1970, by the store's clock.
    pub created: Millis,
    /// When it was last written.
    pub updated: Millis,
    /// When it ended, in milliseconds since 1970; 0 before its end.
    pub completed: Millis,
    /// The recorded arguments, as JSON; `None` where they were not asked for ([`Filter::values`]).
    pub input: Option<String>,
    /// The recorded result of a job that is `Done`, as JSON; `None` where it was not asked for, and for all others.
    pub result: Option<String>,
    /// The number of its steps that are done, damaged records included; filled in by [`get`], not by [`list`].
    pub steps: Option<u64>,
    /// The class of the error of a failed job.
    pub class: Option<Classification>,
    /// The text of that error, without secrets and control characters, in at most 1,000 bytes; `None` unless the job
    /// has `record_text`, or the error lets its text be recorded (`#[classify(text)]`,
    /// [`Classify::recorded_text`](crate::Classify::recorded_text)).
    pub text: Option<String>,
    /// Why an interrupted job did not go on, or why the result of a failed one was not recorded, in words.
    pub problem: Option<String>,
    /// Whether it was asked to stop; a running job sees it at its next step.
    pub cancelled: bool,
    /// The events of its recovery, the last 100 entries.
    pub events: Vec<JobEvent>,
    /// The progress of its long functions; filled in by [`get`], not by [`list`].
    pub cursors: Vec<CursorInfo>,
    /// The damage of its bytes: then only the id is known. [`remove`] quarantines them.
    pub damaged: Option<Corrupt>,
}

/// A cursor that a [`Progress`](crate::Progress) of the job saved.
///
/// Cursors of a job that is done are removed with its end: the listed ones belong to a job that has not ended well.
///
/// # Examples
///
/// ```
/// use resilience::{Job, Progress, Rejected, jobs};
///
/// # let _world = resilience::testing::isolate();
/// let failed: Result<(), Rejected> = Job::run_blocking("import:7", (), |()| {
///     Progress::<u32>::open("rows").save_blocking(&500)?;
///     Err(resilience::testing::rejected::timed_out("import", std::time::Duration::from_secs(2)))
/// });
/// failed.unwrap_err();
/// let job = jobs::blocking::get("import:7")?.expect("the job");
/// assert_eq!((&*job.cursors[0].name, &*job.cursors[0].value), ("rows", "500"));
/// # Ok::<(), Rejected>(())
/// ```
#[derive(Clone, Debug, serde::Serialize)]
#[non_exhaustive]
pub struct CursorInfo {
    /// The name that it was opened by.
    pub name: String,
    /// The value saved last, as JSON.
    pub value: String,
    /// When it was saved, in the store's clock.
    pub updated: Millis,
    /// The damage of its bytes: then only the name is known.
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
        let mut line = VisibleTo(f);
        if let Some(damage) = &self.damaged {
            return write!(line, "{}: damaged, {damage}", self.id);
        }
        write!(line, "{} ({}): {}, attempt {}", self.id, self.name, self.status, self.attempts)?;
        self.class.map_or(Ok(()), |class| write!(line, ", {class}"))?;
        self.text.as_ref().map_or(Ok(()), |text| write!(line, ": {text}"))?;
        self.problem.as_ref().map_or(Ok(()), |problem| write!(line, ": {problem}"))
    }
}

impl JobInfo {
    fn of(record: Record, has_values: bool, owners: &mut KnownOwners<'_>) -> Self {
        let note = JobHistory::read(&record.note);
        let text = |bytes: &[u8]| has_values.then(|| String::from_utf8_lossy(bytes).into_owned());
        Self {
            id: place::id(&record.key).to_owned(),
            status: record.status,
            version: record.version,
            attempts: record.attempts,
            recoveries: record.recoveries,
            owner_state: owners.liveness(&record.owner),
            lease: record.lease,
            fence: record.fence,
            created: record.created,
            updated: record.updated,
            completed: record.completed,
            input: text(&record.input),
            result: text(&record.value).filter(|_| record.status == Status::Done),
            steps: None,
            class: note.class,
            text: note.text,
            // A job that runs again may have left it behind.
            problem: note.problem.filter(|_| record.status != Status::Running),
            cancelled: record.cancelled,
            events: note.events,
            cursors: Vec::new(),
            damaged: None,
            name: record.function,
            owner: record.owner,
        }
    }

    fn damaged((key, reason): (String, Corrupt), owners: &mut KnownOwners<'_>) -> Self {
        Self { damaged: Some(reason), ..Self::of(Record::new(key), false, owners) }
    }
}

/// The number of jobs in each state.
///
/// `Display` writes `done 3, failed 1`, in the order of the states, without those that no job is in.
///
/// # Examples
///
/// ```
/// use resilience::durable::Status;
/// use resilience::{Job, Rejected, jobs};
///
/// # let _world = resilience::testing::isolate();
/// for id in ["a", "b"] {
///     let done: Result<u32, Rejected> = Job::run_blocking(id, (), |()| Ok(1));
///     done?;
/// }
/// let counts = jobs::blocking::count()?;
/// assert_eq!((counts.of(Status::Done), counts.total()), (2, 2));
/// assert_eq!(counts.to_string(), "done 2");
/// # Ok::<(), Rejected>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Counts {
    /// The number for each state that a job is in.
    pub by_status: BTreeMap<Status, u64>,
    /// The number of jobs whose records are damaged, so that their state is not known.
    pub damaged: u64,
}

impl Counts {
    /// Returns the number of jobs in this state.
    pub fn of(&self, status: Status) -> u64 {
        self.by_status.get(&status).copied().unwrap_or(0)
    }

    /// Returns the number of all jobs.
    pub fn total(&self) -> u64 {
        self.by_status.values().sum::<u64>().saturating_add(self.damaged)
    }
}

/// Writes `done 3, failed 1`.
impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let states = self.by_status.iter().map(|(status, count)| format!("{status} {count}"));
        let damaged = (self.damaged > 0).then(|| format!("damaged {}", self.damaged));
        let words: Vec<_> = states.chain(damaged).collect();
        f.write_str(if words.is_empty() { "no jobs" } else { "" })?;
        f.write_str(&words.join(", "))
    }
}

/// A handle to the jobs of one store; see [`of`].
///
/// It is cheap to clone, and keeps the store open.
#[derive(Clone, Debug)]
pub struct Jobs {
    store: Arc<dyn Store>,
}

/// Returns the handle of the jobs of `store`: any store, also one that [`SqliteStore::inspect`] opened.
///
/// [`SqliteStore::inspect`]: crate::durable::SqliteStore::inspect
///
/// # Examples
///
/// ```
/// use resilience::jobs::{self, Filter};
///
/// # let _world = resilience::testing::isolate();
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let jobs = jobs::of(std::sync::Arc::new(resilience::durable::MemoryStore::new()));
/// let mut filter = Filter::new().prefix("import:").limit(10);
/// loop {
///     let page = jobs.list(filter.clone()).await?;
///     for job in &page {
///         println!("{job}");
///     }
///     let Some(next) = page.next else { break };
///     filter = filter.after(next);
/// }
/// # Ok::<(), resilience::Rejected>(())
/// # }).unwrap();
/// ```
pub fn of(store: Arc<dyn Store>) -> Jobs {
    Jobs { store }
}

fn on_default_store() -> Result<Jobs, Rejected> {
    let failed = |error| JobError::store(Subject::new(PointName::new("jobs"), ""), error);
    Ok(Jobs { store: crate::durable::default_store().map_err(failed)? })
}

#[expect(clippy::unnecessary_box_returns, reason = "every error keeps it boxed")]
fn at(id: &str) -> Box<Subject> {
    Subject::new(PointName::new("jobs"), id)
}

fn failed(id: &str) -> impl Fn(StoreError) -> Rejected {
    move |error| {
        let rejected = JobError::store(at(id), error).into();
        if let Some(job) = scope::current().job {
            note_refusal(&job, place::job(id), &rejected);
        }
        rejected
    }
}

impl Jobs {
    /// Lists the jobs that `filter` admits, in the order of their ids, one page at a time.
    ///
    /// Damaged jobs are listed, too, unless more than a prefix is asked for, since only their ids are known. Arguments
    /// and results are not read unless the filter says so. An async caller's thread does other work between the few
    /// records that are read at a time.
    ///
    /// A listing is not a snapshot: a job that ends between two pages is on one of them, in one of its states. A job of
    /// this process whose call was dropped before is `Interrupted`, and not `Running`, if the store has written that
    /// within a second; so it is for [`get`](Self::get) and [`count`](Self::count).
    ///
    /// # Errors
    ///
    /// [`Rejected::Job`] if the store cannot be used.
    pub async fn list(&self, filter: impl Into<Filter>) -> Result<Page<JobInfo>, Rejected> {
        let filter = filter.into();
        settled_soon(&self.store).await;
        let mut owners = KnownOwners::of(&self.store);
        let page = listing::page(&self.store, &[place::JOBS], &filter, &mut owners).await;
        let Page { items, next } = page.map_err(failed(""))?;
        let item = |row: listing::Row| match row.record {
            Ok(record) => JobInfo::of(record, filter.has_values(), &mut owners),
            Err(damaged) => JobInfo::damaged(damaged, &mut owners),
        };
        Ok(Page { items: items.into_iter().map(item).collect(), next })
    }

    /// Counts the jobs by their states. It reads all jobs, few at a time, without their values.
    ///
    /// Its time grows with the number of jobs, finished ones included: for a dashboard, call it once a minute and not
    /// for each request.
    ///
    /// # Errors
    ///
    /// [`Rejected::Job`] if the store cannot be used.
    pub async fn count(&self) -> Result<Counts, Rejected> {
        settled_soon(&self.store).await;
        let mut counts = Counts::default();
        let counted = each_page(&self.store, Query::new(place::JOBS).limit(256), |page| {
            for record in &page.records {
                *counts.by_status.entry(record.status).or_default() += 1;
            }
            counts.damaged += page.corrupt.len() as u64;
        });
        counted.await.map_err(failed(""))?;
        Ok(counts)
    }

    /// Returns the record of the job `id`, with its arguments, its result and its cursors; `None` if there is no such
    /// job.
    ///
    /// Its owner may work on it at the same time.
    ///
    /// Counting the steps reads their heads, so that it takes longer for a job with many; [`list`](Self::list) does
    /// without.
    ///
    /// # Errors
    ///
    /// [`Rejected::Job`] if the store cannot be used or the record is damaged.
    pub async fn get(&self, id: &str) -> Result<Option<JobInfo>, Rejected> {
        let store = &self.store;
        settled_soon(store).await;
        let Some(record) = store.get(&place::job(id)).await.map_err(failed(id))? else { return Ok(None) };
        let mut cursors = Vec::new();
        let read = each_page(store, Query::new(place::cursors(id)).values(), |page| {
            cursors.extend(page.records.iter().map(|cursor| CursorInfo::of(id, cursor)));
            cursors.extend(page.corrupt.into_iter().map(|(key, reason)| {
                let unknown = CursorInfo::of(id, &Record::new(key));
                CursorInfo { damaged: Some(reason), ..unknown }
            }));
        });
        read.await.map_err(failed(id))?;
        let mut steps = 0;
        let counted = each_page(store, Query::new(place::step(Some(id), "")).limit(256), |page| {
            let recorded = page.records.iter().filter(|step| step.status == Status::Done).count();
            steps += (recorded + page.corrupt.len()) as u64;
        });
        counted.await.map_err(failed(id))?;
        let job = JobInfo::of(record, true, &mut KnownOwners::of(store));
        Ok(Some(JobInfo { cursors, steps: Some(steps), ..job }))
    }

    /// Lists the steps of the job `id`, without their values.
    ///
    /// Those that have ended come first, in the order in which they did, then the others, and damaged ones last.
    /// [`fork_from`](Self::fork_from) takes their keys.
    ///
    /// # Errors
    ///
    /// [`Rejected::Job`] if the store cannot be used.
    pub async fn steps(&self, id: &str) -> Result<Vec<CheckpointInfo>, Rejected> {
        steps_of(&self.store, id).await.map_err(failed(id))
    }

    /// Changes a record, and tries again as long as other writers are faster: each of them makes progress.
    async fn change(
        &self,
        id: &str,
        why: &str,
        change: impl Fn(Record) -> Result<Record, JobError>,
    ) -> Result<Record, Rejected> {
        let store = &self.store;
        loop {
            let stored = store.get(&place::job(id)).await.map_err(failed(id))?;
            let stored = stored.ok_or_else(|| JobError::Unknown { at: at(id) })?;
            let revision = stored.revision;
            let event = JobEvent {
                strategy: why.to_owned(),
                result: "ok".to_owned(),
                reason: "asked for".to_owned(),
                ..JobEvent::by(store.owner(), store.now().await.map_err(failed(id))?, stored.attempts)
            };
            let note = JobHistory { problem: None, ..JobHistory::read(&stored.note) }.with(event).write();
            let record = change(Record { note, ..stored })?;
            match store.cas(Some(revision), record).await {
                Err(StoreError::Conflict { .. }) => {}
                other => return other.map_err(failed(id)),
            }
        }
    }

    /// Marks a running job whose owner is dead as interrupted. If its owner lives, it keeps its state, which its caller
    /// then reports.
    async fn mark_abandoned(&self, id: &str) -> Result<(), Rejected> {
        let stored = self.store.get(&place::job(id)).await.map_err(failed(id))?;
        if let Some(running) = stored.filter(|stored| stored.status == Status::Running) {
            mark(&self.store, &running).await.map_err(failed(id))?;
        }
        Ok(())
    }

    /// Lets a job that failed, was undone, was parked, or was recovered too often continue.
    ///
    /// A job that was running when its process ended continues, too, without waiting for the sweep that would find it.
    /// Its recorded steps are kept, and those that were undone run again. A call runs it, and so does `recover()`: the
    /// sweep of this process looks at once, that of another process at its next turn, by default within 30 s.
    ///
    /// Its recoveries count from zero again, and a request to stop is forgotten.
    ///
    /// # Errors
    ///
    /// [`Rejected::Job`]: there is no such job, it is running or done, or the store cannot be used.
    pub async fn resume(&self, id: &str) -> Result<(), Rejected> {
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
        self.mark_abandoned(id).await?;
        self.change(id, "resume", interrupted).await?;
        sweeps::wake(&self.store);
        Ok(())
    }

    /// Asks a job to stop.
    ///
    /// A running job stops at its next step, whose call is rejected with the category `Cancelled`; one that
    /// is not running stops at once, as `Failed` with that category.
    ///
    /// # Errors
    ///
    /// [`Rejected::Job`]: there is no such job, it has ended, or the store cannot be used.
    pub async fn cancel(&self, id: &str) -> Result<(), Rejected> {
        let cancelled = |record: Record| match record.status {
            Status::Running | Status::RollingBack => Ok(Record { cancelled: true, ..record }),
            Status::Interrupted | Status::Manual => {
                let class = Some(Classification::new(crate::Category::Cancelled));
                let note = JobHistory { class, text: None, ..JobHistory::read(&record.note) }.write();
                Ok(Record {
                    status: Status::Failed,
                    completed: record.updated,
                    cancelled: true,
                    note,
                    ..record
                })
            }
            status => Err(JobError::WrongState { at: at(id), status }),
        };
        self.change(id, "cancel", cancelled).await.map(drop)
    }

    /// Makes a job that is not running repeat the step `step` and all that ended after it.
    ///
    /// The steps before it are kept, cursors are not. It is run as by [`resume`](Self::resume).
    ///
    /// The steps that are done again are new incarnations, with other idempotency keys: their effects happen a second
    /// time. Use it after a fault of the code was mended, or of the data before `step`.
    ///
    /// # Errors
    ///
    /// [`Rejected::Job`]: there is no such job or step, it is running, or the store cannot be used.
    pub async fn fork_from(&self, id: &str, step: &str) -> Result<(), Rejected> {
        let store = &self.store;
        let key = place::step(Some(id), step);
        let order = |all: &[Record]| {
            let from = all.iter().find(|record| record.key == key && record.order > 0);
            from.map(|from| from.order)
        };
        let all = running::steps(store, id).await.map_err(failed(id))?;
        let Some(known) = order(&all) else {
            let job = store.get(&place::job(id)).await.map_err(failed(id))?;
            job.ok_or_else(|| JobError::Unknown { at: at(id) })?;
            return Err(JobError::UnknownStep { at: at(id), step: step.to_owned() }.into());
        };
        self.mark_abandoned(id).await?;
        // Until its steps are free it must not run: they would give it what they did before.
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
        let parked = self.change(id, "fork", parked).await?;
        // It may have run until now: others have ended since.
        let all = running::steps(store, id).await.map_err(failed(id))?;
        let from = order(&all).unwrap_or(known);
        // A cursor may have passed items that are done again.
        store.remove(place::cursors(id), vec![place::cursors(id)]).await.map_err(failed(id))?;
        for record in all.into_iter().filter(|record| record.order >= from && record.status == Status::Done) {
            let Some(record) = store.get(&record.key).await.map_err(failed(id))? else { continue };
            let (revision, incarnation) = (record.revision, record.incarnation.saturating_add(1));
            let free = Record { status: Status::Free, incarnation, ..record };
            store.cas(Some(revision), free).await.map_err(failed(id))?;
        }
        let revision = parked.revision;
        let interrupted = Record { status: Status::Interrupted, ..parked };
        store.cas(Some(revision), interrupted).await.map_err(failed(id))?;
        sweeps::wake(store);
        Ok(())
    }

    /// Looks for interrupted jobs once, runs them and waits for their ends; see [`recover`].
    ///
    /// Jobs that need a provided value run only if a recovery of this process has that value and sweeps.
    ///
    /// At most 16 jobs run at once; it can take as long as they do.
    ///
    /// # Errors
    ///
    /// Fails like [`recover`].
    pub async fn sweep(&self) -> Result<Recovered, Rejected> {
        recover().store(self.store.clone()).once().until_done().await
    }

    /// Deletes a job that is not running, with its steps and cursors; returns whether it was there. Damaged bytes are
    /// quarantined.
    ///
    /// A call with its id starts a new job afterwards.
    ///
    /// # Errors
    ///
    /// [`Rejected::Job`] if it is running, or the store cannot be used.
    pub async fn remove(&self, id: &str) -> Result<bool, Rejected> {
        let key = place::job(id);
        match self.store.remove(key.clone(), place::of_job(id)).await {
            Err(error @ StoreError::Conflict { .. }) => match self.store.get(&key).await {
                Ok(Some(job)) => Err(JobError::WrongState { at: at(id), status: job.status }.into()),
                _ => Err(failed(id)(error)),
            },
            removed => removed.map_err(failed(id)),
        }
    }
}

twins! { Jobs of on_default_store:
    /// Lists the jobs that `filter` admits, in the order of their ids, one page at a time.
    fn list(filter: impl Into<Filter>) -> Page<JobInfo>;
    /// Counts the jobs by their states.
    fn count() -> Counts;
    /// Returns the record of the job `id`; `None` if there is no such job.
    fn get(id: &str) -> Option<JobInfo>;
    /// Lists the steps of the job `id`, in the order in which they ended.
    fn steps(id: &str) -> Vec<CheckpointInfo>;
    /// Lets a job that failed, was undone, was parked, or was recovered too often continue.
    fn resume(id: &str) -> ();
    /// Asks a job to stop: a running one at its next step.
    fn cancel(id: &str) -> ();
    /// Makes a job that is not running repeat the step `step` and all that ended after it.
    fn fork_from(id: &str, step: &str) -> ();
    /// Looks for interrupted jobs and runs them, once; returns when they have ended.
    fn sweep() -> Recovered;
    /// Deletes a job that is not running, with its steps and cursors; returns whether it was there.
    fn remove(id: &str) -> bool;
}
