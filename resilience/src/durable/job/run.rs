//! The steps of a job's call: what has to be settled before its body runs, and how the body's end is recorded.
//!
//! # Before a body that ran before
//!
//! In this order, since each makes the next one meaningless: too many recoveries without progress end the job as
//! `Dead`; records of steps that are missing end it as `Manual`, since running it would repeat their effects; a
//! rollback that was begun goes on, and the body does not run.
//!
//! # After the body
//!
//! | the body | the job |
//! |---|---|
//! | returned a value that is read back as itself | `Done` |
//! | returned a value that cannot be recorded | `Failed`, and the error carries the value |
//! | returned an error, while a call inside was refused through no fault of the code | `Interrupted`, with the problem |
//! | returned an error of its own | what its strategy wants: `Failed`, `Manual` or `RollingBack` |
//! | panicked | `Failed`, with the place and the words of the panic, and the panic goes on |
//!
//! A job that was asked to stop has failed with the category `Cancelled`, whatever its body made of it.

use crate::base::block_on::{Mode, block_on};
use crate::base::site::Site;
use crate::base::stopping::{self, PROBLEM, RETURNED};
use crate::classify::{Category, Classification};
use crate::durable::call::{note_end, report_refusal};
use crate::durable::job::running::RunningJob;
use crate::durable::job::undo;
use crate::durable::job::unfinished::EndReport;
use crate::durable::record::Status;
use crate::durable::record::codec;
use crate::durable::record::error::JobError;
use crate::durable::record::history::{JobEvent, JobHistory, kept_panic};
use crate::durable::record::key::place;
use crate::durable::scope::{self, OnFailure};
use crate::durable::store::pages::all;
use crate::durable::store::{Completion, Release, StoreError};
use crate::event::{Event, emit};
use crate::outcome::Outcome;
use crate::policy::Verdict;
use crate::rejected::Rejected;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

impl RunningJob {
    /// Settles everything before the body of a job runs again.
    pub(crate) async fn admitted(mut self, mode: Mode, max_recoveries: u32) -> Result<Self, JobError> {
        crate::durable::moment::reached("after claim");
        remind();
        if self.record.attempts <= 1 {
            emit(&Event::JobStarted { point: self.at.point.clone(), job: self.at.key.clone() }, None);
            return Ok(self);
        }
        let at = self.at.clone();
        let JobHistory { class, text, .. } = JobHistory::read(&self.record.note);
        let stopped = |status| JobError::Stopped { at: at.clone(), status, class: class.map(Box::new), text };
        if self.record.recoveries > max_recoveries {
            let reason = "recovered too often";
            let job = self.not_begun().reporting(EndReport::alert("the job is dead", reason));
            job.stop(mode, Status::Dead, None, reason).await?;
            return Err(stopped(Status::Dead));
        }
        if let Some((recorded, found)) = self.lost().await? {
            let report = EndReport::alert("records of the job are lost", "steps that were done are missing");
            let job = self.not_begun().reporting(report);
            job.stop(mode, Status::Manual, None, "records of steps are lost").await?;
            return Err(JobError::Lost { at, recorded, found });
        }
        if self.record.status == Status::RollingBack {
            return Err(stopped(undo::finish(self, mode).await?));
        }
        emit(&Event::JobResumed { point: at.point.clone(), job: at.key.clone() }, None);
        self.unfinished.resumes();
        Ok(self)
    }

    /// Returns how many steps were recorded and how many exist, if the two differ.
    ///
    /// The count of steps is in another row than the steps, and written with each in one transaction. Fewer steps
    /// than it says are a store that was damaged, or restored in part; more are not a fault.
    async fn lost(&self) -> Result<Option<(u64, u64)>, JobError> {
        let failed = |error| JobError::store(self.at.clone(), error);
        let tally = self.store().get(&place::tally(self.id())).await.map_err(failed)?;
        let recorded = tally.map_or(0, |tally| tally.progress);
        let steps_at = place::step(Some(self.id()), "");
        let (steps, damaged) = all(self.store(), steps_at).await.map_err(failed)?;
        let places = steps.iter().filter(|step| step.order > 0).count();
        // A damaged step counts as found: the step itself reports the damage.
        let found = (places + damaged.len()) as u64;
        Ok((found < recorded).then_some((recorded, found)))
    }

    /// Records how the body ended.
    pub(crate) async fn settle<R>(
        self,
        mode: Mode,
        outcome: R,
        verdict: Verdict,
        strategy: impl FnOnce(&Classification) -> OnFailure,
    ) -> Result<(R, Verdict), Rejected>
    where
        R: Outcome<Value: Serialize + DeserializeOwned>,
    {
        crate::durable::moment::reached("after body");
        let key = self.lease.state().key.clone();
        let settled = self.try_settle(mode, outcome, verdict, strategy).await;
        if let Err(rejected) = &settled {
            report_refusal(rejected);
        }
        if let Some(outer) = scope::current().job {
            note_end(&outer, &key, &settled);
        }
        settled
    }

    /// Returns the order of the questions: did the body fail, did a shutdown cut it, can its value be recorded.
    async fn try_settle<R>(
        self,
        mode: Mode,
        outcome: R,
        verdict: Verdict,
        strategy: impl FnOnce(&Classification) -> OnFailure,
    ) -> Result<(R, Verdict), Rejected>
    where
        R: Outcome<Value: Serialize + DeserializeOwned>,
    {
        if let Some(class) = verdict {
            self.failed(mode, class, strategy).await?;
            return Ok((outcome, verdict));
        }
        if let Some(problem) = self.cut_by_shutdown() {
            let at = self.at.clone();
            self.interrupt(problem.clone(), &Classification::new(Category::Rejected)).await?;
            return Err(JobError::Interrupted { at, problem }.into());
        }
        let Ok(value) = outcome.judge() else { return Ok((outcome, verdict)) };
        match codec::read_back(value) {
            Ok((bytes, value)) => {
                self.record(mode, bytes).await?;
                Ok((R::success(value), verdict))
            }
            Err(message) => {
                let message = format!("the result cannot be recorded: {message}");
                let at = self.at.clone();
                self.unrecorded(mode, &message).await?;
                Err(JobError::Codec { at, message }.into())
            }
        }
    }

    /// Ends a job whose body returned an error of `class`.
    ///
    /// The order matters: a job that was asked to stop has failed for that reason; a shutdown or a refused call
    /// interrupts it; any other failure is its own.
    async fn failed(
        mut self,
        mode: Mode,
        class: Classification,
        strategy: impl FnOnce(&Classification) -> OnFailure,
    ) -> Result<(), JobError> {
        let was_refused = self.scope.job.as_ref().is_some_and(|job| job.is_cancelled());
        if self.is_cancelled().await || was_refused {
            return self.fail(mode, Classification::new(Category::Cancelled), strategy).await;
        }
        let refusal = self.scope.job.as_ref().and_then(|job| job.refusal(&class));
        // Any failure may be caused by waits that ended; a failure of its own occurs again when the job runs again.
        // The caller gets it, and the report says that it is not the end of the job.
        let problem = match (stopping::has_begun(), refusal) {
            (true, Some(_)) => Some(PROBLEM.to_owned()),
            (true, None) => Some(format!("{RETURNED} ({class})")),
            (false, refusal) => refusal,
        };
        match problem {
            Some(problem) => self.interrupt(problem, &class).await,
            None => self.fail(mode, class, strategy).await,
        }
    }

    /// Returns why its body has no result, if a shutdown has refused it a step.
    fn cut_by_shutdown(&self) -> Option<String> {
        self.scope.job.as_ref().is_some_and(|job| job.is_cut()).then(|| PROBLEM.to_owned())
    }

    /// Ends the job as `Done`, and removes its cursors with that. A result that the store does not take ends it as
    /// `Failed`, at once or when the store is in order again: the body has run, and must not run again by itself.
    async fn record(mut self, mode: Mode, value: Vec<u8>) -> Result<(), JobError> {
        let is_resumed = self.record.attempts > 1;
        let event = is_resumed.then(|| self.event("resume", "ok", "begun again, and done"));
        let before = JobHistory::read(&self.record.note);
        let is_noted = event.is_some() || before.problem.is_some();
        // Without its last error and problem: what remains of them is in the events.
        let events = before.events.into_iter().chain(event).collect();
        let note = JobHistory { events, ..JobHistory::default() };
        let note = if is_noted { note.write() } else { self.record.note.clone() };
        let state = self.lease.state().clone();
        let removes = Some(place::cursors(self.id()));
        let completion =
            Completion { note, removes, ..Completion::done(state.key.clone(), state.fence, value) };
        let at = self.at.clone();
        let completion = Arc::new(completion);
        match self.complete(mode, &completion, None).await {
            Ok(_) => {
                self.ended(Status::Done, None);
                crate::durable::moment::reached("after complete");
                Ok(())
            }
            Err(error) if error.is_outage() => {
                let (value, store) = (completion.value.clone().into(), Box::new(error));
                let error = JobError::NotRecorded { at, value, store };
                let failed = Completion {
                    note: self.unrecordable(&error.to_string()).write(),
                    ..Completion::of(state.key.clone(), state.fence, Status::Failed)
                };
                self.ended_later(failed, Some(Classification::new(Category::Permanent)));
                Err(error)
            }
            Err(StoreError::TooLarge { bytes }) => {
                let error = JobError::TooLarge { at, bytes, value: completion.value.clone().into() };
                self.unrecorded(mode, &error.to_string()).await?;
                Err(error)
            }
            Err(StoreError::Fenced { .. }) => Err(self.fenced()),
            Err(error) => Err(JobError::store(at, error)),
        }
    }

    /// Ends a job whose body is done and whose result cannot be recorded: run again, it would do again what
    /// is done.
    async fn unrecorded(self, mode: Mode, problem: &str) -> Result<(), JobError> {
        let note = self.unrecordable(problem);
        self.end_with(mode, Status::Failed, note).await
    }

    /// Returns the note of a job whose value is lost to the store.
    fn unrecordable(&self, problem: &str) -> JobHistory {
        self.warn("the result of a job was not recorded", problem);
        let class = Classification::new(Category::Permanent);
        self.with_problem(problem, Some(&class), self.event("failed", "failed", problem))
    }

    /// Leaves the job to its recovery: what it stopped at is not of its own making. That counts no recovery: its
    /// process lives.
    async fn interrupt(mut self, problem: String, class: &Classification) -> Result<(), JobError> {
        let category = Some(class.category.as_str().to_owned());
        let event = JobEvent { category, ..self.event("resume", "interrupted", &problem) };
        let note = self.with_problem(&problem, None, event).write();
        let (key, fence) = (self.lease.state().key.clone(), self.fence());
        let release = Release { note, ..Release::new(key, fence, Status::Interrupted) };
        self.unfinished.releases(&problem);
        // If the store does not take that now, it does later, without the caller.
        if let Err(StoreError::Fenced { .. }) = self.lease.release(release).await {
            return Err(self.fenced());
        }
        self.unfinished.interrupted(&problem);
        if let Some(outer) = scope::current().job {
            outer.refused(self.lease.state().key.clone(), &problem, *class);
        }
        let error = JobError::Interrupted { at: self.at.clone(), problem };
        if let Some(resumption) = scope::current().resumption {
            resumption.interrupted(&self.lease.state().key, &error);
        }
        Ok(())
    }

    /// Records that the body panicked.
    ///
    /// Its status is `Failed`, and `Interrupted` in a shutdown, which may be what the body met. Nothing is returned:
    /// the panic goes on, and says more than an error of the store could.
    async fn broke(self, mode: Mode, message: &str) {
        if stopping::has_begun() {
            let problem = format!("{PROBLEM}: the body panicked: {message}");
            return drop(self.interrupt(problem, &Classification::new(Category::Cancelled)).await);
        }
        let step = self.scope.job.as_ref().and_then(|job| job.panicked_in());
        let problem = match &step {
            Some(step) => format!("the body panicked in the step `{step}`: {message}"),
            None => format!("the body panicked: {message}"),
        };
        let class = Classification::new(Category::Permanent);
        let event = JobEvent { step, ..self.event("failed", "failed", &problem) };
        let note = self.with_problem(&problem, Some(&class), event);
        self.warn("the body of a job panicked", &problem);
        let _ = self.end_with(mode, Status::Failed, note).await;
    }

    /// Ends the job. Only `Fenced` is passed on: then another run decides, and the caller must not take its own error
    /// as the end.
    async fn end_with(self, mode: Mode, status: Status, note: JobHistory) -> Result<(), JobError> {
        match self.end_as(mode, status, note).await {
            Err(JobError::Fenced { at }) => Err(JobError::Fenced { at }),
            // The caller's own error says more.
            _ => Ok(()),
        }
    }

    /// Logs a problem. Without the feature `tracing` the note of the record is the only trace.
    fn warn(&self, message: &'static str, problem: &str) {
        #[cfg(feature = "tracing")]
        crate::base::guarded::guarded(|| {
            tracing::warn!(
                target: "resilience::job", job = self.id(), name = %self.record.function, %problem, "{message}"
            );
        });
        #[cfg(not(feature = "tracing"))]
        let _ = (self, message, problem);
    }

    /// Returns whether it was asked to stop: then that is why it failed, whatever its body returned.
    ///
    /// A store that does not answer does not know: then the error of the body counts.
    async fn is_cancelled(&mut self) -> bool {
        let Ok(Some(stored)) = self.store().get(&self.lease.state().key).await else { return false };
        // The request's author is in the history, which continues from there.
        self.record.note = stored.note;
        stored.cancelled
    }

    /// Ends the job by the strategy that a step asked for, or else by its own.
    async fn fail(
        self,
        mode: Mode,
        class: Classification,
        strategy: impl FnOnce(&Classification) -> OnFailure,
    ) -> Result<(), JobError> {
        let asked = self.scope.job.as_ref().and_then(|job| job.wanted());
        let wanted = asked.unwrap_or_else(|| strategy(&class));
        // The strategy of a step was counted there.
        let report = |message, strategy| EndReport {
            strategy: asked.is_none().then_some((strategy, false)),
            ..EndReport::alert(message, class.category.as_str())
        };
        let failed = "the body failed";
        let (status, reason, report) = match wanted {
            OnFailure::Fail => (Status::Failed, failed, EndReport::default()),
            OnFailure::Manual => {
                (Status::Manual, "parked for a person", report("the job waits for a person", "manual"))
            }
            OnFailure::Escalate => (Status::Failed, failed, report("escalated", "escalate")),
            OnFailure::Rollback => (Status::RollingBack, failed, EndReport::default()),
        };
        let ended = if status == Status::RollingBack {
            undo::start(self, mode, class).await.map(drop)
        } else {
            self.reporting(report).stop(mode, status, Some(class), reason).await.map(drop)
        };
        match ended {
            Err(JobError::Fenced { at }) => Err(JobError::Fenced { at }),
            // The body's own error says more.
            _ => Ok(()),
        }
    }

    /// Runs `body` as part of the job; a panic in it is recorded, and goes on.
    ///
    /// The lease is kept while the end is written, so that no other process begins the job before the panic is
    /// recorded.
    pub fn run<T>(self, body: impl FnOnce() -> T) -> (Self, T) {
        let caught = {
            let _entered = self.scope().enter();
            catch_unwind(AssertUnwindSafe(body))
        };
        match caught {
            Ok(done) => (self, done),
            Err(panic) => {
                block_on(self.broke(Mode::Blocking, &kept_panic(&*panic)));
                resume_unwind(panic)
            }
        }
    }

    /// Returns the job and what its body returned; a panic in it is recorded, and goes on.
    pub async fn ran<T>(self, caught: std::thread::Result<T>) -> (Self, T) {
        match caught {
            Ok(done) => (self, done),
            Err(panic) => {
                let message = kept_panic(&*panic);
                self.broke(Mode::Async, &message).await;
                resume_unwind(panic)
            }
        }
    }
}

/// Whether this process or test world recovers jobs.
///
/// Set by `recover()`, and never reset.
static ARE_RECOVERED: Site<AtomicBool> = Site::new(AtomicBool::new(false), AtomicBool::default);

/// Notes that this process recovers its jobs.
pub(crate) fn jobs_are_recovered() {
    ARE_RECOVERED.store(true, Ordering::Relaxed);
}

/// Warns once that nothing will find this process's jobs after a crash.
///
/// Once in a process or a test world, at its first job: with one call at the start of the program the warning is gone.
fn remind() {
    static SAID: Site<AtomicBool> = Site::new(AtomicBool::new(false), AtomicBool::default);
    let is_first = !ARE_RECOVERED.load(Ordering::Relaxed) && !SAID.swap(true, Ordering::Relaxed);
    #[cfg(not(feature = "tracing"))]
    let _ = is_first;
    #[cfg(feature = "tracing")]
    if is_first {
        crate::base::guarded::guarded(|| {
            tracing::warn!(
                target: "resilience::job",
                "this program runs jobs but never recovers them: add `resilience::recover().await?;` at its start"
            );
        });
    }
}
