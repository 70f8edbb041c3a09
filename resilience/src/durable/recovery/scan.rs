//! Finding the jobs whose owner is gone, and queueing them.
//!
//! A look goes through the jobs that have not ended, by an index that has no job which is `Done`, in pages of 256
//! heads: neither its memory nor its time grows with the finished jobs. For each job without a living owner it does
//! three things:
//!
//! 1. *Mark.* A job that was running becomes `Interrupted`, by a release that the store refuses while the owner may
//!    live. Of several processes that look at once, one marks it.
//! 2. *Ask the code.* Does a function have the name, is everything provided, can the arguments be read? A job that
//!    fails this is reported once, and its record gets the problem for who looks at it; no attempt is used up.
//! 3. *Queue.* Runnable jobs go to the [pool](super::pool), by key.
//!
//! A row that cannot be handled now (the store was busy or is full, the record is damaged) is reported, and left for the
//! next look: a look never fails because of one job.

use crate::base::block_on::all;
use crate::base::guarded::contained;
use crate::base::promise::Promise;
use crate::base::stopping;
use crate::durable::lease::end;
use crate::durable::record::alert::{DAMAGED, critical};
use crate::durable::record::error::{JobError, Subject};
use crate::durable::record::history::{JobEvent, JobHistory};
use crate::durable::record::key::place;
use crate::durable::record::{Corrupt, Record, Status};
use crate::durable::recovery::pass::{OPEN, RecoveryPass};
use crate::durable::recovery::pool::{JobEnd, pool};
use crate::durable::recovery::{Recovered, RecoveredJob};
use crate::durable::store::pages::yield_now;
use crate::durable::store::{Query, Release, Store, StoreError};
use crate::point::PointName;
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

impl RecoveryPass {
    /// Finds the jobs without an owner, marks them, and queues those that can run; `found` lists each, and `ends` has
    /// the ends of those that run, by their keys. A panic of the store's own code is an error of the store.
    pub(crate) async fn look(
        self: &Arc<Self>,
        found: Option<&mut Recovered>,
        ends: Option<&mut Vec<(String, JobEnd)>>,
    ) -> Result<(), StoreError> {
        let mut rows = pin!(self.look_at_rows(found, ends));
        poll_fn(|cx| {
            let polled = contained(|| rows.as_mut().poll(cx));
            polled
                .unwrap_or_else(|| Poll::Ready(Err(StoreError::Unavailable("its code panicked".to_owned()))))
        })
        .await
    }

    /// Reads the open jobs of the store page by page, and takes up those that are interrupted.
    ///
    /// Ends that the store did not take yet are written first: a job whose end was not written would look interrupted.
    /// The rows of one page are taken up together, so that they share transactions; between two pages other tasks of
    /// the runtime go on.
    async fn look_at_rows(
        self: &Arc<Self>,
        mut found: Option<&mut Recovered>,
        mut ends: Option<&mut Vec<(String, JobEnd)>>,
    ) -> Result<(), StoreError> {
        end::write_owed_ends(&self.store).await;
        let mut query = Query::new(place::JOBS).only(&OPEN).limit(256);
        loop {
            let page = self.store.list(query.clone()).await?;
            let mut taken = Recovered::default();
            for (key, reason) in page.corrupt {
                taken.corrupt.push(self.unreadable(&key, reason));
            }
            let free: Vec<_> = page.records.iter().filter(|record| self.may_be_free(record)).collect();
            let taking = free.iter().map(|record| self.take_up(record, ends.is_some()));
            let results = all(taking).await;
            for (record, result) in free.into_iter().zip(results) {
                match result {
                    Ok(None) => {}
                    Ok(Some((job, end))) => {
                        taken.jobs.push(job);
                        if let (Some(ends), Some(end)) = (&mut ends, end) {
                            ends.push((record.key.clone(), end));
                        }
                    }
                    Err(StoreError::Corrupt { reason, .. }) => {
                        taken.corrupt.push(self.unreadable(&record.key, reason));
                    }
                    Err(error) => taken.jobs.push(self.left(record, error)),
                }
            }
            if let Some(found) = &mut found {
                found.jobs.append(&mut taken.jobs);
                found.corrupt.append(&mut taken.corrupt);
            }
            match page.next {
                Some(next) if !stopping::has_begun() => query.after = next,
                _ => return Ok(()),
            }
            // Other tasks of the caller's runtime go on between two pages.
            yield_now().await;
        }
    }

    /// Reports once that the record under `key` cannot be read, and returns the id of its job.
    fn unreadable(&self, key: &str, reason: Corrupt) -> String {
        let id = place::id(key).to_owned();
        let at = Subject::new(PointName::new("recover"), id.as_str());
        if reason.is_of_later_release() {
            let problem = JobError::store(at, StoreError::Corrupt { key: key.to_owned(), reason });
            self.report_problem(&Record::new(key), &problem);
        } else if self.is_first_report(&id) {
            critical(&at, DAMAGED, &reason.to_string());
        }
        id
    }

    /// Reports once that the store does not take a change of the job of `record`, which is left as it is.
    fn left(&self, record: &Record, error: StoreError) -> RecoveredJob {
        let id = place::id(&record.key).to_owned();
        let problem = JobError::store(Subject::new(PointName::new("recover"), id.as_str()), error);
        self.report_problem(record, &problem);
        let name = record.function.clone();
        RecoveredJob { id, name, status: record.status, class: None, problem: Some(problem) }
    }

    /// Marks and queues one job, which may be free, if its owner is gone; `None` if its owner lives. Returns its end,
    /// too, if it is queued or runs and the caller `waits` for that.
    async fn take_up(
        self: &Arc<Self>,
        record: &Record,
        waits: bool,
    ) -> Result<Option<(RecoveredJob, Option<JobEnd>)>, StoreError> {
        // The listing has no arguments.
        let record = if record.status.is_held() {
            mark(&self.store, record).await?
        } else {
            self.store.get(&record.key).await?
        };
        let Some(record) = record else { return Ok(None) };
        crate::durable::moment::reached("in sweep");
        let mut end = waits.then(|| Arc::new(Promise::new()));
        let is_known = pool().has(self, &record.key, record.revision, end.as_ref());
        let problem = if is_known { None } else { self.call(&record).err() };
        let is_expected =
            problem.is_none() && (is_known || pool().add(self, &record.key, record.revision, end.as_ref()));
        if !is_expected {
            end = None;
        }
        if let Some(problem) = &problem {
            self.report_problem(&record, problem);
            self.note(&record, problem).await;
        }
        let id = place::id(&record.key).to_owned();
        let job = RecoveredJob { id, name: record.function, status: record.status, class: None, problem };
        Ok(Some((job, end)))
    }

    /// Keeps `problem` in the record of an interrupted job, for who looks at the job.
    async fn note(&self, record: &Record, problem: &JobError) {
        let before = JobHistory::read(&record.note);
        // The program that has the function knows more than one that has not.
        let is_foreign = matches!(problem, JobError::UnknownName { .. }) && before.problem.is_some();
        let problem = problem.to_string();
        if record.status != Status::Interrupted || is_foreign || before.problem.as_ref() == Some(&problem) {
            return;
        }
        let note = JobHistory { problem: Some(problem), ..before }.write();
        // If the record has changed in between, the job has moved on.
        if let Ok(noted) = self.store.cas(Some(record.revision), Record { note, ..record.clone() }).await {
            self.follow_note(record, noted.revision);
        }
    }

    /// Looks up how the found jobs, whose calls have ended, have ended themselves; `problems` says why some
    /// of them were not run.
    pub(crate) async fn look_up(&self, found: &mut Recovered, mut problems: HashMap<String, JobError>) {
        for job in &mut found.jobs {
            let key = place::job(&job.id);
            let record = self.settled(&key).await.ok().flatten();
            job.status = record.as_ref().map_or(job.status, |record| record.status);
            if !OPEN.contains(&job.status) && job.status != Status::Done {
                job.class = record.as_ref().and_then(|record| JobHistory::read(&record.note).class);
            }
            if OPEN.contains(&job.status) && job.problem.is_none() {
                let known = problems.remove(&key);
                if let (Some(record), Some(problem)) = (&record, &known)
                    && !matches!(problem, JobError::Interrupted { .. })
                {
                    self.note(record, problem).await;
                }
                let noted = record.and_then(|record| JobHistory::read(&record.note).problem);
                let unfinished = || {
                    let at = Subject::new(PointName::new("recover"), job.id.as_str());
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

/// Marks a job as interrupted, if its owner is dead, and returns its record; `None` if its owner may live.
///
/// The history of the job gets an entry, with the dead owner's name. The store judges the owner once more, in the
/// transaction that marks: between the caller's look and this a living process may have taken over.
pub(crate) async fn mark(store: &Arc<dyn Store>, record: &Record) -> Result<Option<Record>, StoreError> {
    let note = JobHistory::read(&record.note).with(JobEvent {
        strategy: "resume".to_owned(),
        result: "interrupted".to_owned(),
        reason: format!("its owner {} is gone", record.owner),
        ..JobEvent::by(store.owner(), store.now().await?, record.attempts)
    });
    // Undoing that was released has no owner, and nothing happened to it.
    let note = if record.owner.is_empty() { Vec::new() } else { note.write() };
    let release = Release { note, ..Release::abandoned(record.key.clone(), record.fence) };
    match store.release(release).await {
        Ok(()) => store.get(&record.key).await,
        Err(StoreError::Conflict { .. } | StoreError::Fenced { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
