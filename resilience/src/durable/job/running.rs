//! A job whose body runs: what it has, and how it ends in the store. `unfinished.rs` reports the end.

use crate::base::block_on::Mode;
use crate::base::guarded::contained;
use crate::base::stopping::{self, PROBLEM};
use crate::classify::Classification;
use crate::durable::job::unfinished::{EndReport, Unfinished};
use crate::durable::lease::hold::Lease;
use crate::durable::record::error::{JobError, Subject};
use crate::durable::record::history::{JobEvent, JobHistory, kept};
use crate::durable::record::key::place;
use crate::durable::record::{Record, Status};
use crate::durable::scope::Scope;
use crate::durable::store::pages::all;
use crate::durable::store::{Completion, Store, StoreError};
use crate::durable::under_way::UnderWay;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A job whose body runs, or whose steps are being undone.
///
/// Dropped before one of its ends was recorded, it is an interruption: the lease is given back, the record becomes
/// `Interrupted`, and the next recovery goes on with it.
#[derive(Debug)]
#[doc(hidden)]
#[must_use]
pub struct RunningJob {
    pub(crate) at: Box<Subject>,
    pub(crate) lease: Lease,
    pub(crate) scope: Scope,
    pub(crate) record: Record,
    pub(crate) unfinished: Unfinished,
    /// The text of the error that the body returned, if that is recorded.
    pub(crate) text: Option<String>,
    /// A shutdown waits until this is dropped, last.
    pub(crate) _under_way: UnderWay,
}

impl RunningJob {
    /// Returns the scopes of the body.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Notes what the error said that the body returned; nothing, if its code panics.
    pub fn saying(self, text: impl FnOnce() -> Option<String>) -> Self {
        let text = contained(text).flatten();
        Self { text: text.map(|text| kept(&text)).filter(|text| !text.is_empty()), ..self }
    }

    /// Returns the key as the caller passed it, without the prefix that it has in the store.
    pub(crate) fn id(&self) -> &str {
        &self.at.key
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.lease.state().store
    }

    /// Returns the number under which everything of this run is written.
    pub(crate) fn fence(&self) -> u64 {
        self.lease.state().fence
    }

    /// Returns an entry in the job's history.
    pub(crate) fn event(&self, strategy: &str, result: &str, reason: &str) -> JobEvent {
        JobEvent::of(&self.record, strategy, result, reason)
    }

    /// Returns the job, with what is reported beside its end once that is recorded.
    pub(super) fn reporting(mut self, report: EndReport) -> Self {
        self.unfinished.report(report);
        self
    }

    /// Returns the job whose body does not begin: its claim is no attempt.
    pub(super) fn not_begun(mut self) -> Self {
        self.record.attempts = self.record.attempts.saturating_sub(1);
        self
    }

    /// Ends the job without a result.
    pub(crate) async fn stop(
        self,
        mode: Mode,
        status: Status,
        class: Option<Classification>,
        reason: &str,
    ) -> Result<Record, JobError> {
        let result = if status == Status::RolledBack { "ok" } else { "failed" };
        let event = self.event(status.as_str(), result, reason);
        let before = JobHistory::read(&self.record.note);
        let note = match class {
            Some(class) => before.failed(class, self.text.clone(), event),
            None => JobHistory { problem: None, ..before }.with(event),
        };
        self.end_as(mode, status, note).await
    }

    /// Ends the job; where the store is out of order, it ends so once the store is in order again.
    pub(super) async fn end_as(
        self,
        mode: Mode,
        status: Status,
        note: JobHistory,
    ) -> Result<Record, JobError> {
        let class = note.class;
        let (job, record) = self.record_as(mode, status, note).await?;
        job.ended(status, class);
        Ok(record)
    }

    /// Records the job's new state; if the store is out of order, that is recorded once the store is in order
    /// again.
    pub(super) async fn record_as(
        mut self,
        mode: Mode,
        status: Status,
        note: JobHistory,
    ) -> Result<(Self, Record), JobError> {
        let key = self.lease.state().key.clone();
        // Steps that are undone are done again if the job starts again: from the beginning.
        let removes = (self.record.status == Status::RollingBack).then(|| place::cursors(self.id()));
        let attempts = Some(self.record.attempts);
        let completion =
            Completion { note: note.write(), attempts, removes, ..Completion::of(key, self.fence(), status) };
        match self.complete(mode, &Arc::new(completion), note.class).await {
            Ok(record) => Ok((self, record)),
            Err(StoreError::Fenced { .. }) => Err(self.fenced()),
            Err(error) => Err(JobError::store(self.at, error)),
        }
    }

    /// Ends the lease as `completion` says, which is reported once the lease ends so, whether the caller is there then
    /// or not.
    ///
    /// The report is set before the store is asked: the caller may be dropped while it waits, and the end is
    /// written all the same.
    ///
    /// # Errors
    ///
    /// Those of the store. After an outage the end is owed, and counts as reported with the drop of `self`.
    pub(super) async fn complete(
        &mut self,
        mode: Mode,
        completion: &Arc<Completion>,
        class: Option<Classification>,
    ) -> Result<Record, StoreError> {
        self.unfinished.writes(completion.status, class);
        let done = self.lease.complete(mode, completion).await;
        if !matches!(&done, Err(error) if error.is_outage()) {
            self.unfinished.answered();
        }
        done
    }

    /// Notes that the job has ended in the store.
    pub(super) fn ended(mut self, status: Status, class: Option<Classification>) {
        self.unfinished.ended(status, class);
        self.lease.ended();
    }

    /// Notes that the job ends in the store as soon as the store takes that.
    pub(super) fn ended_later(mut self, completion: Completion, class: Option<Classification>) {
        self.unfinished.ended(completion.status, class);
        self.lease.complete_later(completion);
    }

    /// Notes that the job has another holder by now.
    ///
    /// Nothing more is written: the holder that has it now has the record, and its history.
    pub(super) fn fenced(mut self) -> JobError {
        // A shutdown gives the leases of the jobs back that it leaves.
        let problem = if stopping::has_begun() { PROBLEM } else { "its lease was lost to another holder" };
        self.unfinished.interrupted(problem);
        self.lease.ended();
        JobError::Fenced { at: self.at }
    }

    /// Returns the note of a job that ends because of `problem`.
    pub(super) fn with_problem(
        &self,
        problem: &str,
        class: Option<&Classification>,
        event: JobEvent,
    ) -> JobHistory {
        let event = match class {
            Some(class) => event.because(class),
            None => event,
        };
        let before = JobHistory::read(&self.record.note);
        // The problem says more than the text of the error.
        let (class, text) = class.map_or((before.class, before.text), |class| (Some(*class), None));
        JobHistory { class, text, problem: Some(problem.to_owned()), events: before.events }.with(event)
    }
}

pin_project_lite::pin_project! {
    /// A body whose panic is its result.
    #[derive(Debug)]
    #[doc(hidden)]
    #[must_use = "futures do nothing unless polled"]
    pub struct CatchPanic<F> {
        #[pin]
        body: F,
    }
}

impl<F> CatchPanic<F> {
    /// Catches the panics of `body`.
    pub fn new(body: F) -> Self {
        Self { body }
    }
}

impl<F: Future> Future for CatchPanic<F> {
    type Output = std::thread::Result<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let body = self.project().body;
        match catch_unwind(AssertUnwindSafe(|| body.poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

/// Returns the note of a job whose call was dropped.
///
/// It is made of the record at the time when the drop reaches the store: steps were recorded since the job began.
pub(crate) fn dropped(record: &Record) -> Vec<u8> {
    let problem = "its call was dropped before it ended: by a timeout around it, or the end of its runtime";
    JobHistory::interrupted(record, problem, "its call was dropped").write()
}

/// Returns every step of a job, whatever its state.
///
/// # Errors
///
/// [`StoreError::Corrupt`] of the first damaged one: a rollback must not leave out a step that it cannot read.
pub(crate) async fn steps(store: &Arc<dyn Store>, job: &str) -> Result<Vec<Record>, StoreError> {
    let (found, damaged) = all(store, place::step(Some(job), "")).await?;
    match damaged.into_iter().next() {
        Some((key, reason)) => Err(StoreError::Corrupt { key, reason }),
        None => Ok(found),
    }
}
