//! The report of how a job ends: once, and of an end that is recorded.
//!
//! A job whose end the store does not know is another process's by now, or runs again: it needs no operator, and no
//! strategy has been used. So the alert of an end and its counters wait here, with the event, until the store has
//! answered:
//!
//! | the store | the report |
//! |---|---|
//! | has recorded the end | the event of the end, then its alert and counters |
//! | is out of order, or the call is dropped before the answer: the end is owed | the same, at once, since the end is written without the caller |
//! | says that another holder has the job | `JobInterrupted`, and nothing else |
//! | refuses the end for another reason | `JobInterrupted`, and nothing else: the job runs again |
//!
//! [`Unfinished`] reports when it is dropped, too, so that whatever happens to a job is reported exactly once: a call
//! that is dropped in the middle, by a timeout or with its runtime, is an interruption.

use crate::classify::Classification;
use crate::durable::record::Status;
use crate::durable::record::alert::critical;
use crate::durable::record::error::Subject;
use crate::event::{Event, emit};
use crate::policy::recoveries::count;

/// A guard that reports how a job ends, also if its call is dropped before that.
#[derive(Debug)]
pub(crate) struct Unfinished {
    /// `None` once it is reported.
    at: Option<Box<Subject>>,
    /// The end in the store, with or without the caller.
    ending: Option<WrittenEnd>,
    /// Whether the body runs again: its end is counted.
    is_resumed: bool,
    report: EndReport,
}

/// An end that is written to the store.
#[derive(Debug)]
enum WrittenEnd {
    Ended(Status, Option<Classification>),
    /// Without a result, for this reason.
    Interrupted(String),
}

/// The part of the report that an end has beside its event.
#[derive(Debug, Default)]
pub(super) struct EndReport {
    /// The message of a critical alert, and the reason in it.
    pub(super) alert: Option<(&'static str, String)>,
    /// The strategy that is counted, and whether it worked.
    pub(super) strategy: Option<(&'static str, bool)>,
    /// The number of steps that were undone.
    pub(super) undone: usize,
}

impl EndReport {
    /// Returns the report of a critical alert.
    pub(super) fn alert(message: &'static str, reason: &str) -> Self {
        Self { alert: Some((message, reason.to_owned())), ..Self::default() }
    }
}

impl Unfinished {
    pub(crate) fn new(at: &Subject) -> Self {
        let at = Some(Box::new(at.clone()));
        Self { at, ending: None, is_resumed: false, report: EndReport::default() }
    }

    /// Notes that the body runs again.
    pub(super) fn resumes(&mut self) {
        self.is_resumed = true;
    }

    /// Notes that the body has failed and its steps are undone from now on.
    pub(super) fn begins_undoing(&mut self) {
        if let Some(at) = &self.at
            && std::mem::take(&mut self.is_resumed)
        {
            count(&at.point, "resume", false);
        }
    }

    /// Sets what is reported beside the end.
    pub(super) fn report(&mut self, report: EndReport) {
        self.report = report;
    }

    /// Notes that the store is asked to record the end `status`.
    pub(super) fn writes(&mut self, status: Status, class: Option<Classification>) {
        self.ending = Some(WrittenEnd::Ended(status, class));
    }

    /// Notes that the store is asked to release the job, because of `problem`.
    pub(super) fn releases(&mut self, problem: &str) {
        self.ending = Some(WrittenEnd::Interrupted(problem.to_owned()));
    }

    /// Notes that the store has answered: nothing is owed to it.
    pub(super) fn answered(&mut self) {
        self.ending = None;
    }

    /// Reports why the job is interrupted, or that another one has it now.
    pub(super) fn interrupted(&mut self, problem: &str) {
        if let Some(at) = self.at.take() {
            let (point, job, problem) = (at.point, at.key, problem.to_owned());
            emit(&Event::JobInterrupted { point, job, problem }, None);
        }
    }

    /// Reports that the job is `status` from now on.
    pub(super) fn ended(&mut self, status: Status, class: Option<Classification>) {
        if status == Status::RollingBack {
            self.begins_undoing();
            return self.interrupted("its store did not record that its steps are to be undone");
        }
        let Some(at) = self.at.take() else { return };
        let EndReport { alert, strategy, undone: steps } = std::mem::take(&mut self.report);
        let (point, job) = (at.point.clone(), at.key.clone());
        emit(
            &match status {
                Status::Done => Event::JobDone { point, job },
                Status::RolledBack => Event::RolledBack { point, job, steps },
                _ => Event::JobFailed { point, job, status: status.as_str(), class },
            },
            None,
        );
        if self.is_resumed {
            count(&at.point, "resume", status == Status::Done);
        }
        if let Some((strategy, worked)) = strategy {
            count(&at.point, strategy, worked);
        }
        if let Some((message, reason)) = alert {
            critical(&at, message, &reason);
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        match self.ending.take() {
            Some(WrittenEnd::Ended(status, class)) => self.ended(status, class),
            Some(WrittenEnd::Interrupted(problem)) => self.interrupted(&problem),
            None => self.interrupted("its call was dropped, or its store did not record its end"),
        }
    }
}
