//! Finding the jobs whose owner is gone, and running them again.
//!
//! ```text
//!  recover() ── RecoveryPass ──> scan: mark, ask the code ──> pool: 16 at once ──> runtime: a task or a thread
//!                            ▲                                                    │
//!                          sweep, every 30 s, with the same RecoveryPass   the job's own call
//! ```
//!
//! # What holds
//!
//! - A recovered job is an ordinary call of its function: it claims its lease, replays its steps and counts an
//!   attempt. So nothing goes wrong where two processes recover one job, or the program calls it at the same time:
//!   one has the lease.
//! - Recovery never ends a job by itself. A job that cannot be run here is left as it is; it may be another
//!   program's.
//! - A look needs no memory for the jobs that are over, and the queue only a key for each that is not.
//! - A job whose owner lives is never touched, however long it runs.
//!
//! # How soon
//!
//! A dead process on the same host is seen at the next look, since its lock is free. Where only its counter can be
//! judged, looks have to see the counter unchanged for a whole lease, and a pause between two looks counts for half a
//! lease at most: three looks or more.

pub(crate) mod pass;
mod places;
pub(crate) mod pool;
pub(crate) mod retention;
mod runtime;
pub(crate) mod scan;
pub(crate) mod strategy;
pub(crate) mod sweep;
pub(crate) mod value;

use crate::base::block_on::block_on;
use crate::base::stopping;
use crate::base::visible::Visible;
use crate::classify::Classification;
use crate::durable::job::call::Provided;
use crate::durable::job::run;
use crate::durable::job::site::JOBS_0_1;
use crate::durable::job::undo;
use crate::durable::record::Status;
use crate::durable::record::error::{JobError, Subject};
use crate::durable::recovery::pass::RecoveryPass;
use crate::durable::recovery::runtime::JobRuntime;
use crate::durable::store::Store;
use crate::durable::under_way::refusal;
use crate::point::PointName;
use crate::rejected::Rejected;
use std::collections::HashMap;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// The default period in which the sweep looks for jobs whose owner is gone.
const SWEEP: Duration = Duration::from_secs(30);

/// Finds the jobs whose owner is gone, queues them to run again, and starts looking for more every 30 s.
///
/// Await it at the start of the program. It returns when the jobs found are queued, so that a service can
/// start; [`until_done`](Recover::until_done) waits for their ends, too. At most 16 recovered jobs run at once
/// in a process, whatever store or recovery they are of, and a job is never queued twice. A job that waits in
/// [`sleep_until`](crate::sleep_until) for more than 10 s does not count.
///
/// An async job runs on the tokio runtime that awaited this. Where there is none, or it has ended, the job
/// runs on a runtime that this crate makes for it, with timers and I/O (feature `tokio`; without the feature,
/// on a thread of its own). A current-thread runtime has to be driven for its jobs to go on. A sync job runs
/// on a thread of its own. If no thread can be started, the job stays interrupted, and the next sweep tries
/// again.
///
/// Jobs of names that no function of this program has are reported and left alone, and so are those that need
/// a value that was not [provided](Recover::provide). Finished jobs whose `ttl` is over are deleted, some before this
/// returns, the others by the sweep.
///
/// # Errors
///
/// [`Rejected::Job`]: two jobs of this program have one name, and nothing is recovered; or the store cannot be used now:
/// then the sweep tries again, so that a program may go on.
/// [`Rejected::ShuttingDown`] once the process [shuts down](crate::shutdown()).
///
/// # Examples
///
/// ```
/// # let _world = resilience::testing::isolate();
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let recovered = resilience::recover().await?;
/// println!("{recovered}");
/// # Ok::<(), resilience::Rejected>(())
/// # }).unwrap();
/// ```
pub fn recover() -> Recover {
    Recover { provided: Provided::default(), store: None, sweep: Some(SWEEP), until_done: false }
}

/// Recovers as [`recover`] does, from sync code: blocks until the jobs found are queued.
///
/// A program that ends once its jobs have ended, such as one started by `cron`, calls
/// `recover().until_done().blocking()`, which also waits for [their ends](Recover::until_done).
///
/// An async job runs on the runtime that this crate makes for it (feature `tokio`), even if the caller has
/// one, whose tasks could wait for the thread that this blocks.
///
/// # Errors
///
/// Fails like [`recover`].
///
/// # Examples
///
/// ```
/// # let _world = resilience::testing::isolate();
/// let recovered = resilience::recover_blocking()?;
/// println!("{recovered}");
/// # Ok::<(), resilience::Rejected>(())
/// ```
pub fn recover_blocking() -> Result<Recovered, Rejected> {
    recover().blocking()
}

/// The settings of a recovery that is about to start; see [`recover`].
///
/// | method | default | meaning |
/// |---|---|---|
/// | [`provide`](Self::provide) | nothing | values for the arguments that jobs name in `provided(..)`, found by type |
/// | [`store`](Self::store) | the default store | which jobs to recover; call `recover()` once for each store |
/// | [`every`](Self::every), [`once`](Self::once) | every 30 s | how often the sweep looks again |
/// | [`until_done`](Self::until_done) | no | whether to wait for the ends of the jobs found |
///
/// Await it, or call [`blocking`](Self::blocking) from sync code; until then nothing happens. A second recovery of the
/// same store replaces the sweep of the first, and keeps what the first was provided with.
///
/// # Examples
///
/// ```
/// use resilience::durable::MemoryStore;
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// struct Client;
///
/// # let _world = resilience::testing::isolate();
/// let found = resilience::recover()
///     .provide(Arc::new(Client))
///     .store(Arc::new(MemoryStore::new()))
///     .every(Duration::from_secs(5))
///     .blocking()?;
/// assert!(found.jobs.is_empty());
/// # Ok::<(), resilience::Rejected>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "await it, or call `blocking`"]
pub struct Recover {
    provided: Provided,
    store: Option<Arc<dyn Store>>,
    sweep: Option<Duration>,
    until_done: bool,
}

impl Recover {
    /// Provides what jobs name in `provided(..)`: a pool, a client, found by its type.
    ///
    /// What an earlier recovery of the same store was given stays, unless it is of the same type.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// struct Pool;
    ///
    /// # let _world = resilience::testing::isolate();
    /// let pool = Arc::new(Pool);
    /// resilience::recover().provide(pool).once().blocking()?;
    /// # Ok::<(), resilience::Rejected>(())
    /// ```
    pub fn provide<T: Send + Sync + 'static>(mut self, value: Arc<T>) -> Self {
        self.provided.insert(value);
        self
    }

    /// Recovers the jobs of `store` in place of the default one.
    ///
    /// Jobs of this store run with it again: their steps, cursors and ends are recorded where the job is. Each store
    /// has a sweep of its own; the bound of 16 jobs at once is one for all.
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// Sets how often the sweep looks for jobs; default 30 s, at least 10 ms. `jobs::resume` and `jobs::fork_from`
    /// make it look at once.
    ///
    /// A job whose owner has died waits for the next look, so up to this long. A look reads only jobs that have not
    /// ended. The interval counts from the end of the look before.
    pub fn every(mut self, sweep: Duration) -> Self {
        self.sweep = Some(sweep.max(Duration::from_millis(10)));
        self
    }

    /// Looks for jobs once, without a sweep afterwards.
    ///
    /// For a program that runs to its end, such as one started by `cron`. A sweep that an earlier recovery of the
    /// store has started goes on. Finished jobs whose `ttl` is over are deleted only in this call, up to 100 of them.
    pub fn once(mut self) -> Self {
        self.sweep = None;
        self
    }

    /// Waits until the jobs found have ended, too. [`Recovered`] then holds how they ended.
    ///
    /// # Examples
    ///
    /// ```
    /// # let _world = resilience::testing::isolate();
    /// let recovered = resilience::recover().until_done().blocking()?;
    /// assert_eq!(recovered.count(resilience::durable::Status::Interrupted), 0);
    /// # Ok::<(), resilience::Rejected>(())
    /// ```
    pub fn until_done(mut self) -> Self {
        self.until_done = true;
        self
    }

    /// Recovers from sync code; see [`recover_blocking`].
    ///
    /// Call it from a thread that may block, and not from a task: the recovered jobs do not run on the caller's
    /// runtime.
    ///
    /// # Errors
    ///
    /// Fails like [`recover`].
    pub fn blocking(self) -> Result<Recovered, Rejected> {
        block_on(self.run(JobRuntime::default()))
    }

    async fn run(self, runtime: JobRuntime) -> Result<Recovered, Rejected> {
        if stopping::has_begun() {
            return Err(refusal(&PointName::new("recover")));
        }
        run::jobs_are_recovered();
        check_names()?;
        let failed = |error| JobError::store(Subject::new(PointName::new("recover"), ""), error);
        let is_default = self.store.is_none();
        let store = match self.store.map_or_else(crate::durable::default_store, Ok) {
            Ok(store) => store,
            Err(error) => {
                if let Some(every) = self.sweep {
                    sweep::start_later(self.provided, runtime, every);
                }
                return Err(failed(error).into());
            }
        };
        let mut provided = self.provided;
        provided.inherit(&sweep::provided_for(&store));
        if is_default {
            provided.inherit(&sweep::provided_for_later());
        }
        let pass = Arc::new(RecoveryPass::new(provided, store, runtime));
        let (mut found, mut ends) = (Recovered::default(), Vec::new());
        let looked = pass.look(Some(&mut found), self.until_done.then_some(&mut ends)).await;
        if looked.is_ok() {
            // A program that lives for seconds cleans up, too. What cannot be deleted now is found again.
            let _ = retention::forget_first(&pass.store).await;
        }
        if let Some(every) = self.sweep {
            sweep::start(pass.clone(), every);
        }
        looked.map_err(failed)?;
        if self.until_done {
            let mut problems = HashMap::new();
            for (key, end) in ends {
                if let Some(problem) = end.taken().await {
                    problems.insert(key, problem);
                }
            }
            pass.look_up(&mut found, problems).await;
        }
        Ok(found)
    }
}

impl IntoFuture for Recover {
    type Output = Result<Recovered, Rejected>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.run(JobRuntime::here()).await })
    }
}

/// The jobs that a recovery found.
///
/// `Display` writes a line for each job, for the log of a program's start.
///
/// A job is listed if its owner was gone at that time: jobs that run elsewhere are not, and neither are
/// jobs that need a person (`Failed`, `Manual`, `Dead`), which `jobs::list` shows.
///
/// # Examples
///
/// ```
/// # let _world = resilience::testing::isolate();
/// let recovered = resilience::recover().until_done().blocking()?;
/// for job in recovered.jobs.iter().filter(|job| job.problem.is_some()) {
///     eprintln!("{} of {} needs a person", job.id, job.name);
/// }
/// assert!(recovered.corrupt.is_empty());
/// # Ok::<(), resilience::Rejected>(())
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Recovered {
    /// The jobs whose owner was gone, in the order of their ids.
    pub jobs: Vec<RecoveredJob>,
    /// The ids of jobs whose records are damaged, or of a later release that this one cannot read.
    pub corrupt: Vec<String>,
}

/// One job that a recovery found.
///
/// A job with a `problem` was left unchanged: no attempt was counted, and the next sweep tries again. The text of the
/// problem says what to write or to provide; the same text is in
/// [`JobInfo::problem`](crate::durable::JobInfo::problem).
///
/// # Examples
///
/// A job of a function that this program does not have:
///
/// ```
/// use resilience::durable::{MemoryStore, Record, Status, Store};
/// use std::sync::Arc;
///
/// # let _world = resilience::testing::isolate();
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let store = Arc::new(MemoryStore::new());
/// let mut record = Record::new("j/import:7");
/// (record.status, record.function) = (Status::Interrupted, "import:{id}".to_owned());
/// store.cas(None, record).await?;
///
/// let found = resilience::recover().store(store).once().until_done().await?;
/// let job = &found.jobs[0];
/// assert_eq!((&*job.id, job.status), ("import:7", Status::Interrupted));
/// let problem = job.problem.as_ref().expect("a problem").to_string();
/// assert!(problem.contains("no function of this program has"), "{problem}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecoveredJob {
    /// The job's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The status: `Interrupted` or `RollingBack` when it is queued, `Running` if the store did not record that; after `until_done` that at its end: `Done`,
    /// `Failed`, .., or `Interrupted` if it could not be run.
    pub status: Status,
    /// The class of the error that it ended with; `None` if it has not ended, or is done.
    pub class: Option<Classification>,
    /// Why it cannot be run, or was not; known before it runs if no function has its name, for instance.
    pub problem: Option<JobError>,
}

impl Recovered {
    /// Returns the number of the jobs found that are in this state.
    ///
    /// Without [`until_done`](Recover::until_done) the states are those at the look: `Interrupted`, or `RollingBack`
    /// for a job that was being undone.
    pub fn count(&self, status: Status) -> usize {
        self.jobs.iter().filter(|job| job.status == status).count()
    }
}

impl fmt::Display for Recovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let jobs = if self.jobs.len() == 1 { "job" } else { "jobs" };
        write!(f, "{} interrupted {jobs} found", self.jobs.len())?;
        for job in &self.jobs {
            write!(f, "\n    {} is {}", Visible(&job.id), job.status)?;
            if let Some(class) = &job.class {
                write!(f, " ({})", class.category)?;
            }
            if let Some(problem) = &job.problem {
                write!(f, ": {problem}")?;
            }
        }
        self.corrupt
            .iter()
            .try_for_each(|key| write!(f, "\n    the record of {} cannot be read", Visible(key)))
    }
}

/// Checks that no two jobs of this program, and no two steps that can be undone, have one name.
fn check_names() -> Result<(), JobError> {
    let mut jobs: Vec<_> = JOBS_0_1.iter().collect();
    jobs.sort_by_key(|job| (job.name(), job.place()));
    for pair in jobs.windows(2) {
        if let [one, other] = pair
            && one.name() == other.name()
        {
            let lines = format!("{} and {}", one.place(), other.place());
            return Err(JobError::SameName {
                at: Subject::new(PointName::from(lines), one.name()),
                what: "jobs",
            });
        }
    }
    undo::check_names()
}
