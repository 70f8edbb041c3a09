//! Finding the jobs whose owner is gone, and making ready the calls that run them again.

use crate::durable::job::call::{Call, Provided};
use crate::durable::job::site::JobSite;
use crate::durable::lease::block_on::all;
use crate::durable::lease::{hold, turn};
use crate::durable::record::alert::{critical, warning};
use crate::durable::record::args::Args;
use crate::durable::record::error::{JobError, Place};
use crate::durable::record::history::{JobEvent, Note};
use crate::durable::record::key::place;
use crate::durable::record::{Record, Status};
use crate::durable::recovery::pool::{Watch, pool};
use crate::durable::recovery::runtime::JobRuntime;
use crate::durable::recovery::{Recovered, RecoveredJob};
use crate::durable::scope::Resumption;
use crate::durable::store::{Liveness, Query, Release, Store, StoreError};
use crate::event::{Event, emit};
use crate::point::PointName;
use std::collections::{HashMap, HashSet};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

/// The states of a job that is not at an end.
const OPEN: [Status; 3] = [Status::Running, Status::RollingBack, Status::Interrupted];

/// What one recovery looks for, and what the jobs that it finds need.
#[derive(Debug)]
pub(crate) struct Pass {
    provided: Provided,
    store: Arc<dyn Store>,
    runtime: JobRuntime,
    reports: Reports,
}

impl Pass {
    pub(crate) fn new(provided: Provided, store: Arc<dyn Store>, runtime: JobRuntime) -> Self {
        Self { provided, store, runtime, reports: Reports::default() }
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    pub(crate) fn provided(&self) -> &Provided {
        &self.provided
    }

    pub(crate) fn runtime(&self) -> &JobRuntime {
        &self.runtime
    }

    pub(crate) fn reports(&self) -> &Reports {
        &self.reports
    }

    /// Finds the jobs without an owner, marks them, and queues those that can run; `found` is told of each.
    /// A panic of the store's own code is an error of the store.
    pub(crate) async fn look(
        self: &Arc<Self>,
        found: Option<&mut Recovered>,
        watch: Option<&Arc<Watch>>,
    ) -> Result<(), StoreError> {
        let mut rows = pin!(self.look_at_rows(found, watch));
        poll_fn(|cx| {
            let polled = catch_unwind(AssertUnwindSafe(|| rows.as_mut().poll(cx)));
            polled
                .unwrap_or_else(|_| Poll::Ready(Err(StoreError::Unavailable("its code panicked".to_owned()))))
        })
        .await
    }

    async fn look_at_rows(
        self: &Arc<Self>,
        mut found: Option<&mut Recovered>,
        watch: Option<&Arc<Watch>>,
    ) -> Result<(), StoreError> {
        hold::pay(&self.store).await;
        let mut query = Query::new(place::JOBS).only(&OPEN).limit(256);
        loop {
            let page = self.store.list(query.clone()).await?;
            for (key, _) in page.corrupt {
                let id = place::id(&key).to_owned();
                if self.reports.is_first(&id) {
                    let at = Place::new(PointName::new("recover"), id.as_str());
                    critical(&at, "a record is damaged", "checksum");
                }
                if let Some(found) = &mut found {
                    found.corrupt.push(id);
                }
            }
            let free = page.records.into_iter().filter(|record| self.may_be_free(record));
            let taken = all(free.map(|record| self.take_up(record, watch))).await;
            if let Some(found) = &mut found {
                // One row that cannot be handled now is found again by the next look.
                found.jobs.extend(taken.into_iter().filter_map(|taken| taken.ok().flatten()));
            }
            match page.next {
                Some(next) => query.after = next,
                None => return Ok(()),
            }
            // Other tasks of the caller's runtime go on between two pages.
            let mut has_yielded = false;
            poll_fn(|cx| {
                if std::mem::replace(&mut has_yielded, true) {
                    return Poll::Ready(());
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
        }
    }

    /// Marks and queues one job, which may be free, if its owner is gone; `None` if its owner lives.
    async fn take_up(
        self: &Arc<Self>,
        record: Record,
        watch: Option<&Arc<Watch>>,
    ) -> Result<Option<RecoveredJob>, StoreError> {
        // The listing has no arguments.
        let record = if record.status.is_held() {
            self.mark(&record).await?
        } else {
            self.store.get(&record.key).await?
        };
        let Some(record) = record else { return Ok(None) };
        crate::durable::point("in sweep");
        let is_known = pool().has(self, &record.key, record.revision, watch);
        let problem = if is_known { None } else { self.call(&record).err() };
        match &problem {
            Some(problem) => {
                self.reports.problem(&record, problem);
                self.note(&record, problem).await;
            }
            None if is_known => {}
            None => pool().add(self, &record.key, record.revision, watch),
        }
        let id = place::id(&record.key).to_owned();
        Ok(Some(RecoveredJob { id, name: record.function, status: record.status, problem }))
    }

    /// Whether a job has not ended and, as far as can be told at once, nobody holds it.
    fn may_be_free(&self, record: &Record) -> bool {
        let is_held = record.status.is_held() && !record.owner.is_empty();
        let may_be_dead = || self.store.liveness(&record.owner) != Liveness::Alive;
        let is_ours = || turn::is_taken(&self.store, &record.key);
        OPEN.contains(&record.status) && (!is_held || may_be_dead() && !is_ours())
    }

    /// Whether no call of this process works on the job. One that has just ended lets go of the key a moment
    /// after its record has changed; blocks the thread for at most that moment.
    fn is_let_go(&self, record: &Record) -> bool {
        const MOMENT: Duration = Duration::from_millis(1);
        const MOST: u32 = 100;
        for _ in 0..MOST {
            if !turn::is_taken(&self.store, &record.key) {
                return true;
            }
            std::thread::sleep(MOMENT);
        }
        false
    }

    /// Marks a job as interrupted, if its owner is dead, and returns its record; `None` if its owner may live.
    async fn mark(&self, record: &Record) -> Result<Option<Record>, StoreError> {
        let note = Note::read(&record.note).with(JobEvent {
            at: self.store.now().await?,
            step: None,
            attempt: record.attempts,
            category: None,
            code: None,
            strategy: "resume".to_owned(),
            result: "interrupted".to_owned(),
            owner: self.store.owner(),
            reason: format!("its owner {} is gone", record.owner),
        });
        // Undoing that was released has no owner, and nothing happened to it.
        let note = if record.owner.is_empty() { Vec::new() } else { note.write() };
        let release = Release::abandoned(record.key.clone(), record.fence).note(note);
        match self.store.release(release).await {
            Ok(()) => self.store.get(&record.key).await,
            Err(StoreError::Conflict { .. } | StoreError::Fenced { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps `problem` in the record of an interrupted job, for who looks at the job.
    async fn note(&self, record: &Record, problem: &JobError) {
        let before = Note::read(&record.note);
        // The program that has the function knows more than one that has not.
        let is_foreign = matches!(problem, JobError::UnknownName { .. }) && before.problem.is_some();
        let problem = problem.to_string();
        if record.status != Status::Interrupted || is_foreign || before.problem.as_ref() == Some(&problem) {
            return;
        }
        let note = Note { problem: Some(problem), ..before }.write();
        // Where it changed meanwhile, it has moved on.
        if let Ok(noted) = self.store.cas(Some(record.revision), Record { note, ..record.clone() }).await {
            self.reports.noted(record, noted.revision);
        }
    }

    /// The record of `key`, after what this process held of it has been given back.
    async fn settled(&self, key: &str) -> Result<Option<Record>, StoreError> {
        let found = self.store.get(key).await?;
        match &found {
            Some(record) if record.status.is_held() && record.owner == self.store.owner() => {
                hold::settled(&self.store).await;
                self.store.get(key).await
            }
            _ => Ok(found),
        }
    }

    /// The call that runs the job of `key`; `None` if it runs or has ended meanwhile.
    pub(crate) async fn prepare(&self, key: &str) -> Result<Option<(Call, Arc<Resumption>)>, JobError> {
        let at = || Place::new(PointName::new("recover"), place::id(key));
        let failed = |error| JobError::store(at(), error);
        let Some(record) = self.settled(key).await.map_err(failed)? else { return Ok(None) };
        if !self.may_be_free(&record) || !self.is_let_go(&record) {
            return Ok(None);
        }
        let call = self.call(&record).inspect_err(|problem| self.reports.problem(&record, problem))?;
        let resumption = Arc::new(Resumption::new(record, self.store.clone()));
        Ok(Some((call.within(resumption.scope()), resumption)))
    }

    /// The call of the function that has the job's name, with the recorded arguments.
    fn call(&self, record: &Record) -> Result<Call, JobError> {
        if let Some(known) = self.reports.contradiction(record) {
            return Err(known);
        }
        let id = place::id(&record.key);
        let Some(site) = JobSite::named(&record.function) else {
            let at = Place::new(PointName::new("recover"), id);
            return Err(JobError::UnknownName { at, name: record.function.clone() });
        };
        let at = || Place::new(site.point().name(), id);
        // A job that undoes its steps needs its name only, but is called all the same.
        (site.needs())(&self.provided).map_err(|ty| JobError::NotProvided { at: at(), ty })?;
        let args = Args::read(&record.input).map_err(|message| JobError::Codec { at: at(), message })?;
        (site.run())(&self.provided, args).map_err(|message| JobError::Codec { at: at(), message })
    }

    /// Looks up how the found jobs, whose calls have ended, have ended themselves; `problems` says why some
    /// of them were not run.
    pub(crate) async fn look_up(&self, found: &mut Recovered, mut problems: HashMap<String, JobError>) {
        for job in &mut found.jobs {
            let key = place::job(&job.id);
            let record = self.settled(&key).await.ok().flatten();
            job.status = record.as_ref().map_or(job.status, |record| record.status);
            if OPEN.contains(&job.status) && job.problem.is_none() {
                let known = problems.remove(&key);
                if let (Some(record), Some(problem)) = (&record, &known)
                    && !matches!(problem, JobError::Interrupted { .. })
                {
                    self.note(record, problem).await;
                }
                let noted = record.and_then(|record| Note::read(&record.note).problem);
                let unfinished = || {
                    let at = Place::new(PointName::new("recover"), job.id.as_str());
                    match noted {
                        Some(problem) => JobError::Interrupted { at, problem },
                        None => JobError::Unfinished { at },
                    }
                };
                job.problem = Some(known.unwrap_or_else(unfinished));
            }
        }
    }
}

/// What the looks of one recovery have reported: each problem once, not at every look.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    keys: Mutex<HashSet<String>>,
    /// The revisions of records that contradict the code. Called again, their functions would only be refused
    /// again, and what is above them would run again and again.
    contradictions: Mutex<HashMap<String, (u64, JobError)>>,
    /// Whether the last look failed.
    is_failing: AtomicBool,
}

impl Reports {
    /// Whether `key` has not been reported yet.
    pub(crate) fn is_first(&self, key: &str) -> bool {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned())
    }

    /// Reports the first look of several that failed.
    pub(crate) fn looked(&self, looked: Result<(), StoreError>) {
        let was_failing = self.is_failing.swap(looked.is_err(), Ordering::Relaxed);
        if let Err(error) = looked
            && !was_failing
        {
            warning("a sweep failed, and will be tried again", error.as_str());
        }
    }

    /// Reports once why an interrupted job stays so.
    fn problem(&self, record: &Record, problem: &JobError) {
        let id = place::id(&record.key);
        if self.is_first(id) {
            let (point, job) = (problem.place().point.clone(), id.to_owned());
            emit(&Event::JobInterrupted { point, job, problem: problem.to_string() }, None);
        }
    }

    /// Reports that the call for `record` was refused.
    pub(crate) fn refused(&self, record: &Record, error: &JobError) {
        // It is stopped, dead or undone: that is what recovery was to find out. An interruption was reported.
        if !matches!(error, JobError::Stopped { .. } | JobError::Interrupted { .. }) {
            self.problem(record, error);
        }
        if matches!(error, JobError::Mismatch { .. }) {
            let mut known = self.contradictions.lock().unwrap_or_else(PoisonError::into_inner);
            known.insert(record.key.clone(), (record.revision, error.clone()));
        }
    }

    /// Follows a record that has only been given a note.
    fn noted(&self, before: &Record, revision: u64) {
        let mut known = self.contradictions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get_mut(&before.key).filter(|known| known.0 == before.revision) {
            known.0 = revision;
        }
    }

    /// In what `record` is known to contradict the code.
    fn contradiction(&self, record: &Record) -> Option<JobError> {
        let known = self.contradictions.lock().unwrap_or_else(PoisonError::into_inner);
        let (revision, error) = known.get(&record.key)?;
        (*revision == record.revision).then(|| error.clone())
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::event::AlertLevel;

    #[test]
    fn a_sweep_that_fails_is_reported_once_until_one_succeeds() {
        let world = crate::testing::isolate();
        let reports = Reports::default();
        let down = || Err(StoreError::Unavailable("its code panicked".to_owned()));
        for looked in [down(), down(), Ok(()), Ok(()), down(), down()] {
            reports.looked(looked);
        }
        let events = world.events();
        assert_eq!(events.len(), 2, "{events:?}");
        assert!(events.iter().all(|event| matches!(event, Event::Alert { level: AlertLevel::Warning, .. })));
    }
}
