//! One recovery: the values for the jobs that it finds, how it calls them, and its reports.
//!
//! A [`RecoveryPass`] is made by `recover()` and kept by the sweep, so that every later look has the same provided
//! values and the same runtime, and each problem is reported once and not every 30 s. What it remembers is bounded:
//! after 10,000 problems one alert stands in for the rest.
//!
//! A job whose record contradicts the code is remembered with the revision of its record. Calling it again would run
//! the layers above it in its stack, a retry for instance, only to be refused again; once the record or the program
//! changes, it is tried again.

use crate::base::sync::locked;
use crate::durable::job::call::{Call, Provided};
use crate::durable::job::site::JobSite;
use crate::durable::lease::{hold, key_lock};
use crate::durable::record::alert::warning;
use crate::durable::record::args::Args;
use crate::durable::record::error::{JobError, Subject};
use crate::durable::record::key::place;
use crate::durable::record::{Record, Status};
use crate::durable::recovery::runtime::JobRuntime;
use crate::durable::scope::Resumption;
use crate::durable::store::{Liveness, Store, StoreError};
use crate::event::{Event, emit};
use crate::point::PointName;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The states of a job that is not at an end.
pub(super) const OPEN: [Status; 3] = [Status::Running, Status::RollingBack, Status::Interrupted];

/// The scope of one recovery, the values that the jobs need that it finds, and what its looks have reported.
#[derive(Debug)]
pub(crate) struct RecoveryPass {
    provided: Mutex<Provided>,
    pub(super) store: Arc<dyn Store>,
    pub(super) runtime: JobRuntime,
    /// The ids of the jobs whose problems were reported.
    reported: Mutex<HashSet<String>>,
    /// The revisions of records that contradict the code. Called again, their functions would only be refused
    /// again, and the layers above them would run again and again.
    contradictions: Mutex<HashMap<String, (u64, JobError)>>,
    /// Whether the last look failed.
    is_failing: AtomicBool,
}

/// The number of problems that are remembered. A store may have any number of jobs that cannot be run.
const MOST_PROBLEMS: usize = 10_000;

impl RecoveryPass {
    pub(crate) fn new(provided: Provided, store: Arc<dyn Store>, runtime: JobRuntime) -> Self {
        Self {
            provided: Mutex::new(provided),
            store,
            runtime,
            reported: Mutex::default(),
            contradictions: Mutex::default(),
            is_failing: AtomicBool::new(false),
        }
    }

    /// Returns the values that it was provided with.
    pub(super) fn provided(&self) -> Provided {
        locked(&self.provided).clone()
    }

    /// Adds the values of `earlier` of which it has none.
    pub(super) fn inherit(&self, earlier: &Provided) {
        locked(&self.provided).inherit(earlier);
    }

    /// Returns whether a job has not ended and, as far as can be seen at once, no process holds it.
    ///
    /// A first guess, without a write: a liveness that is not known counts as free here, and the store decides when
    /// the job is marked. A record of this process whose key is taken is a running call.
    pub(super) fn may_be_free(&self, record: &Record) -> bool {
        let is_held = record.status.is_held() && !record.owner.is_empty();
        let may_be_dead = || self.store.liveness(&record.owner) != Liveness::Alive;
        let is_ours = || key_lock::is_taken(&self.store, &record.key);
        OPEN.contains(&record.status) && (!is_held || may_be_dead() && !is_ours())
    }

    /// Returns whether no call of this process works on the job. A call that has just ended releases the key a moment
    /// after its record has changed; blocks the thread for at most that moment.
    fn is_let_go(&self, record: &Record) -> bool {
        const MOMENT: Duration = Duration::from_millis(1);
        const MOST: u32 = 100;
        for _ in 0..MOST {
            if !key_lock::is_taken(&self.store, &record.key) {
                return true;
            }
            std::thread::sleep(MOMENT);
        }
        false
    }

    /// Returns the record of `key`, after the leases of this process on it have been released.
    ///
    /// A call that was dropped releases its lease on another thread; a record read before that would look held by a
    /// living owner.
    pub(super) async fn settled(&self, key: &str) -> Result<Option<Record>, StoreError> {
        let found = self.store.get(key).await?;
        match &found {
            Some(record) if record.status.is_held() && record.owner == self.store.owner() => {
                hold::settled(&self.store).await;
                self.store.get(key).await
            }
            _ => Ok(found),
        }
    }

    /// Returns the call that runs the job of `key`; `None` if it runs or has ended by now.
    ///
    /// # Errors
    ///
    /// Why the job cannot be run by this program; it is reported, and the record stays what it is.
    pub(crate) async fn prepare(&self, key: &str) -> Result<Option<(Call, Arc<Resumption>)>, JobError> {
        let at = || Subject::new(PointName::new("recover"), place::id(key));
        let failed = |error| JobError::store(at(), error);
        let Some(record) = self.settled(key).await.map_err(failed)? else { return Ok(None) };
        if !self.may_be_free(&record) || !self.is_let_go(&record) {
            return Ok(None);
        }
        let call = self.call(&record).inspect_err(|problem| self.report_problem(&record, problem))?;
        let resumption = Arc::new(Resumption::new(record, self.store.clone()));
        Ok(Some((call.within(resumption.scope()), resumption)))
    }

    /// Returns the call of the function that has the job's name, with the recorded arguments.
    ///
    /// Nothing runs yet: the arguments are read and the call is made, so that what can be wrong is known before an
    /// attempt counts.
    ///
    /// # Errors
    ///
    /// No function has the name, something is not provided, the arguments cannot be read, or the record is known to
    /// contradict the code.
    pub(super) fn call(&self, record: &Record) -> Result<Call, JobError> {
        if let Some(known) = self.contradiction(record) {
            return Err(known);
        }
        let id = place::id(&record.key);
        let Some(site) = JobSite::named(&record.function) else {
            let at = Subject::new(PointName::new("recover"), id);
            return Err(JobError::UnknownName { at, name: record.function.clone() });
        };
        let at = || Subject::new(site.point().name(), id);
        // A job that undoes its steps needs its name only, but is called all the same.
        let provided = self.provided();
        (site.needs())(&provided).map_err(|ty| JobError::NotProvided { at: at(), ty })?;
        let mut args = Args::read(&record.input).map_err(|message| JobError::Codec { at: at(), message })?;
        (site.run())(&provided, &mut args).map_err(|message| JobError::Codec { at: at(), message })
    }

    /// Returns whether no problem of the job `id` has been reported yet. Problems beyond the remembered number are not
    /// reported one by one.
    pub(super) fn is_first_report(&self, id: &str) -> bool {
        let mut reported = locked(&self.reported);
        if reported.contains(id) || reported.len() > MOST_PROBLEMS {
            return false;
        }
        reported.insert(id.to_owned());
        if reported.len() > MOST_PROBLEMS {
            warning("more jobs cannot be run than are reported one by one", "see `jobs::list`");
            return false;
        }
        true
    }

    /// Reports the first look of several that failed.
    pub(super) fn report_look(&self, looked: Result<(), StoreError>) {
        let was_failing = self.is_failing.swap(looked.is_err(), Ordering::Relaxed);
        if let Err(error) = looked
            && !was_failing
        {
            warning("a sweep failed, and will be tried again", error.as_str());
        }
    }

    /// Reports once why an interrupted job stays so.
    pub(super) fn report_problem(&self, record: &Record, problem: &JobError) {
        let id = place::id(&record.key);
        if self.is_first_report(id) {
            let (point, job) = (problem.place().point.clone(), id.to_owned());
            emit(&Event::JobInterrupted { point, job, problem: problem.to_string() }, None);
        }
    }

    /// Reports that the call for `record` was refused.
    pub(super) fn report_refusal(&self, record: &Record, error: &JobError) {
        // It is stopped, dead or undone: that is the result of the recovery. An interruption was reported.
        if !matches!(error, JobError::Stopped { .. } | JobError::Interrupted { .. }) {
            self.report_problem(record, error);
        }
        if matches!(error, JobError::Mismatch { .. }) {
            let mut known = locked(&self.contradictions);
            if known.len() < MOST_PROBLEMS || known.contains_key(&record.key) {
                known.insert(record.key.clone(), (record.revision, error.clone()));
            }
        }
    }

    /// Follows a record that has only been given a note.
    pub(super) fn follow_note(&self, before: &Record, revision: u64) {
        let mut known = locked(&self.contradictions);
        if let Some(known) = known.get_mut(&before.key).filter(|known| known.0 == before.revision) {
            known.0 = revision;
        }
    }

    /// Returns the known contradiction of `record` to the code.
    fn contradiction(&self, record: &Record) -> Option<JobError> {
        let known = locked(&self.contradictions);
        let (revision, error) = known.get(&record.key)?;
        (*revision == record.revision).then(|| error.clone())
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::durable::MemoryStore;
    use crate::event::AlertLevel;

    fn pass() -> RecoveryPass {
        RecoveryPass::new(Provided::default(), Arc::new(MemoryStore::new()), JobRuntime::default())
    }

    #[test]
    fn the_memory_for_reported_problems_is_bounded() {
        let world = crate::testing::isolate();
        let pass = pass();
        let id = |n: usize| format!("import:{n}");
        assert_eq!((0..MOST_PROBLEMS * 3).filter(|n| pass.is_first_report(&id(*n))).count(), MOST_PROBLEMS);
        assert!(!pass.is_first_report(&id(0)) && !pass.is_first_report(&id(MOST_PROBLEMS * 2)));
        let remembered = locked(&pass.reported).len();
        assert_eq!((remembered, world.events().len()), (MOST_PROBLEMS + 1, 1), "the rest is one alert");
    }

    #[test]
    fn a_sweep_that_fails_is_reported_once_until_one_succeeds() {
        let world = crate::testing::isolate();
        let pass = pass();
        let down = || Err(StoreError::Unavailable("its code panicked".to_owned()));
        for looked in [down(), down(), Ok(()), Ok(()), down(), down()] {
            pass.report_look(looked);
        }
        let events = world.events();
        assert_eq!(events.len(), 2, "{events:?}");
        assert!(events.iter().all(|event| matches!(event, Event::Alert { level: AlertLevel::Warning, .. })));
    }
}
