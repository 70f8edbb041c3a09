//! Finding the jobs whose owner is gone, and running them again.

pub(crate) mod pool;
pub(crate) mod strategy;

use crate::defaults::durable as defaults;
use crate::durable::job::run::alert;
use crate::durable::job::site::{JOBS_0_1, JobSite};
use crate::durable::lease::block_on::block_on;
use crate::durable::lease::turn;
use crate::durable::record::args::Args;
use crate::durable::record::error::{JobError, Place};
use crate::durable::record::history::{JobEvent, Note};
use crate::durable::record::key::place;
use crate::durable::record::{Record, Status};
use crate::durable::recovery::pool::{Call, Runner};
use crate::durable::scope::Again;
use crate::durable::store::{Query, Store, StoreError};
use crate::point::PointName;
use crate::rejected::Rejected;
use std::any::{Any, TypeId, type_name};
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What jobs need and cannot be recorded, by type.
#[derive(Clone, Default)]
#[doc(hidden)]
pub struct Provided {
    values: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
}

impl Provided {
    /// The value of type `T`.
    ///
    /// # Errors
    ///
    /// The type's name, if none was provided.
    pub fn get<T: Send + Sync + 'static>(&self) -> Result<Arc<T>, &'static str> {
        let value = self.values.get(&TypeId::of::<T>()).cloned();
        value.and_then(|value| value.downcast().ok()).ok_or_else(type_name::<T>)
    }
}

impl fmt::Debug for Provided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provided").field("values", &self.values.len()).finish()
    }
}

/// Finds the jobs whose owner is gone, runs them again, and starts looking for more every 30 s.
///
/// Await it before the program accepts work: it ends when the jobs found have ended, at most 16 of them at
/// a time. An async job runs on the tokio runtime of the caller, or on a thread of its own without one; a
/// sync job on a thread of its own. Jobs of names that no function of this program has are reported and
/// left alone, and so are those that need what was not [provided](Recover::provide).
///
/// # Errors
///
/// [`Rejected::Job`]: two jobs of this program have one name, or the store cannot be used.
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
    Recover { provided: Provided::default(), store: None, sweep: Some(defaults::SWEEP), background: false }
}

/// As [`recover`], from sync code: blocks until the jobs found have ended. An async job runs on a thread of
/// its own; in the caller's runtime, if that has several threads.
///
/// # Errors
///
/// [`Rejected::Job`]: two jobs of this program have one name, or the store cannot be used.
pub fn recover_blocking() -> Result<Recovered, Rejected> {
    recover().blocking()
}

/// A recovery about to start; see [`recover`].
#[derive(Clone, Debug)]
#[must_use = "await it, or call `blocking`"]
pub struct Recover {
    provided: Provided,
    store: Option<Arc<dyn Store>>,
    sweep: Option<Duration>,
    background: bool,
}

impl Recover {
    /// Hands in what jobs name in `provided(..)`: found by its type.
    pub fn provide<T: Send + Sync + 'static>(mut self, value: Arc<T>) -> Self {
        self.provided.values.insert(TypeId::of::<T>(), value);
        self
    }

    /// Recovers the jobs of `store` in place of the default one.
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// How often to look again; default 30 s.
    pub fn every(mut self, sweep: Duration) -> Self {
        self.sweep = Some(sweep.max(Duration::from_millis(10)));
        self
    }

    /// Looks once and never again.
    pub fn once(mut self) -> Self {
        self.sweep = None;
        self
    }

    /// Lets the jobs run on behind; the caller only waits until they are found and marked.
    pub fn in_background(mut self) -> Self {
        self.background = true;
        self
    }

    /// Recovers from sync code; see [`recover_blocking`].
    ///
    /// # Errors
    ///
    /// As [`recover`].
    pub fn blocking(self) -> Result<Recovered, Rejected> {
        block_on(self.run(Runner::blocking()))
    }

    async fn run(self, runner: Runner) -> Result<Recovered, Rejected> {
        RECOVERS.store(true, Ordering::Relaxed);
        check_names()?;
        let at = || Place::new(PointName::new("recover"), "");
        let store = match self.store {
            Some(store) => store,
            None => crate::durable::default_store().map_err(|error| JobError::store(at(), error))?,
        };
        let pass = Pass { provided: self.provided, store, runner, told: Arc::default() };
        let (found, queue) = pass.find().await.map_err(|error| JobError::store(at(), error))?;
        let running = pass.runner.run(queue);
        if !self.background {
            running.await;
        }
        let recovered = pass.look_up(found, !self.background).await;
        if let Some(every) = self.sweep {
            pass.sweep(every);
        }
        Ok(recovered)
    }
}

impl IntoFuture for Recover {
    type Output = Result<Recovered, Rejected>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.run(Runner::here()).await })
    }
}

/// What a recovery found.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Recovered {
    /// The jobs whose owner was gone, in the order of their ids.
    pub jobs: Vec<RecoveredJob>,
    /// The ids of jobs whose records are damaged.
    pub corrupt: Vec<String>,
}

/// One job that a recovery found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecoveredJob {
    /// The job's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is now: `Done`, `Failed`, .., or `Interrupted` if it could not be run.
    pub status: Status,
    /// Why it could not be run.
    pub problem: Option<JobError>,
}

impl Recovered {
    /// How many of the jobs are in this state now.
    pub fn count(&self, status: Status) -> usize {
        self.jobs.iter().filter(|job| job.status == status).count()
    }
}

impl fmt::Display for Recovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let jobs = if self.jobs.len() == 1 { "job" } else { "jobs" };
        write!(f, "{} interrupted {jobs} found", self.jobs.len())?;
        for job in &self.jobs {
            write!(f, "\n    {} is {}", job.id, job.status)?;
            if let Some(problem) = &job.problem {
                write!(f, ": {problem}")?;
            }
        }
        self.corrupt.iter().try_for_each(|key| write!(f, "\n    the record of {key} is damaged"))
    }
}

/// Whether this process recovers jobs.
static RECOVERS: AtomicBool = AtomicBool::new(false);

/// Says once that nothing will find this process's jobs after a crash.
pub(crate) fn remind() {
    static SAID: AtomicBool = AtomicBool::new(false);
    let is_first = !RECOVERS.load(Ordering::Relaxed) && !SAID.swap(true, Ordering::Relaxed);
    #[cfg(not(feature = "tracing"))]
    let _ = is_first;
    #[cfg(feature = "tracing")]
    if is_first {
        tracing::warn!(
            target: "resilience::job",
            "this program runs jobs but never recovers them: add `resilience::recover().await?;` at its start"
        );
    }
}

/// No two jobs of this program may have one name.
fn check_names() -> Result<(), JobError> {
    let mut jobs: Vec<_> = JOBS_0_1.iter().collect();
    jobs.sort_by_key(|job| (job.name(), job.place()));
    for pair in jobs.windows(2) {
        if let [one, other] = pair
            && one.name() == other.name()
        {
            let lines = format!("{} and {}", one.place(), other.place());
            return Err(JobError::SameName { at: Place::new(PointName::from(lines), one.name()) });
        }
    }
    Ok(())
}

/// A job whose owner is gone, and the call that runs it again.
type TakenUp = (RecoveredJob, Option<Arc<Again>>, Option<Call>);

/// What one look has found.
#[derive(Debug, Default)]
struct Found {
    jobs: Vec<(RecoveredJob, Option<Arc<Again>>)>,
    corrupt: Vec<String>,
}

/// One look for interrupted jobs, and what their runs need.
#[derive(Clone, Debug)]
struct Pass {
    provided: Provided,
    store: Arc<dyn Store>,
    runner: Runner,
    told: Arc<Told>,
}

/// What the looks of one recovery have reported: each once, not at every look.
#[derive(Debug, Default)]
pub(crate) struct Told {
    keys: Mutex<HashSet<String>>,
    /// The revisions of records that contradict the code: called again, their functions would only be refused
    /// again, and what stands above them would run again and again.
    contradictions: Mutex<HashMap<String, (u64, JobError)>>,
}

impl Told {
    /// Whether `key` is to be reported.
    fn is_first(&self, key: &str) -> bool {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned())
    }

    /// Says once why an interrupted job stays so.
    fn problem(&self, record: &Record, problem: &JobError) {
        let is_first = self.is_first(place::id(&record.key));
        #[cfg(not(feature = "tracing"))]
        let _ = (is_first, problem);
        #[cfg(feature = "tracing")]
        if is_first {
            let (id, name) = (place::id(&record.key), &record.function);
            tracing::warn!(target: "resilience::job", job = id, %name, %problem, "an interrupted job cannot be run");
        }
    }

    /// The call for `record` was refused.
    pub(crate) fn refused(&self, record: &Record, error: &JobError) {
        // It is stopped, dead or undone: that is what recovery was to find out.
        if !matches!(error, JobError::Stopped { .. }) {
            self.problem(record, error);
        }
        if matches!(error, JobError::Mismatch { .. }) {
            let mut known = self.contradictions.lock().unwrap_or_else(PoisonError::into_inner);
            known.insert(record.key.clone(), (record.revision, error.clone()));
        }
    }

    /// In what `record` is known to contradict the code.
    fn contradiction(&self, record: &Record) -> Option<JobError> {
        let known = self.contradictions.lock().unwrap_or_else(PoisonError::into_inner);
        let (revision, error) = known.get(&record.key)?;
        (*revision == record.revision).then(|| error.clone())
    }
}

const OPEN: [Status; 3] = [Status::Running, Status::RollingBack, Status::Interrupted];

impl Pass {
    /// Finds the jobs without an owner, marks them, and makes ready the calls that run them.
    async fn find(&self) -> Result<(Found, VecDeque<Call>), StoreError> {
        let mut found = Found::default();
        let mut queue = VecDeque::new();
        let mut query = Query::new(place::JOBS).only(&OPEN).limit(256);
        loop {
            let page = self.store.list(query.clone()).await?;
            for (key, _) in page.corrupt {
                let id = place::id(&key).to_owned();
                if self.told.is_first(&id) {
                    let at = Place::new(PointName::new("recover"), id.as_str());
                    alert(&at, "a record is damaged", "checksum");
                }
                found.corrupt.push(id);
            }
            for record in page.records {
                // One row that cannot be handled now is found again by the next look.
                if let Ok(Some((job, again, call))) = self.take_up(record).await {
                    found.jobs.push((job, again));
                    queue.extend(call);
                }
            }
            match page.next {
                Some(next) => query.after = next,
                None => return Ok((found, queue)),
            }
        }
    }

    /// Marks one job as interrupted if its owner is gone; `None` if somebody still has it.
    async fn take_up(&self, record: Record) -> Result<Option<TakenUp>, StoreError> {
        let now = self.store.now().await?;
        let is_held = record.status.is_held();
        let is_gone = now >= record.deadline || self.store.is_gone(&record.owner);
        if (is_held && !is_gone) || turn::is_taken(&self.store, &record.key) {
            return Ok(None);
        }
        let record = if record.status == Status::Running { self.mark(record, now).await? } else { record };
        crate::durable::point("in sweep");
        let id = place::id(&record.key).to_owned();
        let mut job = RecoveredJob {
            id: id.clone(),
            name: record.function.clone(),
            status: record.status,
            problem: None,
        };
        let unknown = || {
            let name = record.function.clone();
            Err(JobError::UnknownName { at: Place::new(PointName::new("recover"), id.as_str()), name })
        };
        let site = JobSite::named(&record.function);
        let call = match self.told.contradiction(&record) {
            Some(known) => Err(known),
            None => site.map_or_else(unknown, |site| site.call(&self.provided, &record, &id)),
        };
        match call {
            Ok(call) => {
                let again = Arc::new(Again::new(record, self.store.clone(), self.told.clone()));
                let call = call.within(again.scope());
                Ok(Some((job, Some(again), Some(call))))
            }
            Err(problem) => {
                self.told.problem(&record, &problem);
                job.problem = Some(problem);
                Ok(Some((job, None, None)))
            }
        }
    }

    async fn mark(&self, record: Record, now: u64) -> Result<Record, StoreError> {
        let note = Note::read(&record.note).with(JobEvent {
            at: now,
            step: None,
            attempt: record.attempts,
            category: None,
            code: None,
            strategy: "resume".to_owned(),
            result: "interrupted".to_owned(),
            owner: self.store.owner(),
            reason: format!("its owner {} is gone", record.owner),
        });
        let note = note.write();
        let revision = record.revision;
        self.store
            .cas(Some(revision), Record { status: Status::Interrupted, deadline: 0, note, ..record })
            .await
    }

    /// The state of a job whose call has ended: one that it has left is given back at once, but by others.
    async fn status_of(&self, job: &RecoveredJob) -> Status {
        let key = place::job(&job.id);
        let found = self.store.get(&key).await.ok().flatten();
        let is_ours = |record: &Record| record.status.is_held() && record.owner == self.store.owner();
        let found = if found.as_ref().is_some_and(is_ours) {
            crate::durable::lease::hold::settled().await;
            self.store.get(&key).await.ok().flatten()
        } else {
            found
        };
        found.map_or(job.status, |record| record.status)
    }

    /// What has become of the jobs, if they `have_ended`.
    async fn look_up(&self, found: Found, have_ended: bool) -> Recovered {
        let mut jobs = Vec::with_capacity(found.jobs.len());
        for (mut job, again) in found.jobs {
            if have_ended {
                job.status = self.status_of(&job).await;
            }
            if let Some(again) = again.filter(|_| have_ended && OPEN.contains(&job.status)) {
                let at = Place::new(PointName::new("recover"), job.id.as_str());
                job.problem = Some(again.problem().unwrap_or(JobError::Unfinished { at }));
            }
            jobs.push(job);
        }
        Recovered { jobs, corrupt: found.corrupt }
    }

    /// Looks again every so often, on a thread of its own, for as long as the process lives.
    fn sweep(self, every: Duration) {
        static SWEEPING: Mutex<Vec<usize>> = Mutex::new(Vec::new());
        // A test's clock stands still, and its thread has no other.
        #[cfg(feature = "testing")]
        if crate::testing::current().is_some() {
            return;
        }
        let address = Arc::as_ptr(&self.store).cast::<()>().addr();
        let mut sweeping = SWEEPING.lock().unwrap_or_else(PoisonError::into_inner);
        if sweeping.contains(&address) {
            return;
        }
        let thread = std::thread::Builder::new().name("resilience-sweep".into());
        let started = thread.spawn(move || {
            loop {
                std::thread::sleep(every);
                // Whatever goes wrong now is met again by the next look.
                if let Ok((_, queue)) = block_on(self.find()) {
                    drop(self.runner.run(queue));
                }
                let _ = block_on(crate::durable::admin::jobs::forget_old(&self.store));
            }
        });
        if started.is_ok() {
            sweeping.push(address);
        }
    }
}

impl JobSite {
    /// The call that runs the job `id` again with what was recorded.
    fn call(&'static self, provided: &Provided, record: &Record, id: &str) -> Result<Call, JobError> {
        let at = || Place::new(self.point().name(), id);
        // A job that undoes its steps needs its name only, but is called all the same.
        (self.needs())(provided).map_err(|ty| JobError::NotProvided { at: at(), ty })?;
        let args = Args::read(&record.input).map_err(|message| JobError::Codec { at: at(), message })?;
        (self.run())(provided, args).map_err(|message| JobError::Codec { at: at(), message })
    }
}
