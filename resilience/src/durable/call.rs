//! The common part of the calls of steps and jobs: their owner, the reasons why a body does not run, and the notes for
//! the job around them.
//!
//! A job is interrupted, and not failed, when its body failed because of a call inside that was refused through no
//! fault of the code. So each call of a step, a cursor or an inner job notes its result in the scope of the job around:
//! a refusal is noted under its key, and taken back when the same call succeeds later. The remaining notes are
//! compared, when the body fails, with its error.

use crate::classify::Classify;
use crate::durable::record::alert::{DAMAGED, critical_at};
use crate::durable::record::error::{CheckpointError, JobError, Subject};
use crate::durable::record::key::place;
use crate::durable::record::{Record, codec};
use crate::durable::scope::{self, JobScope};
use crate::event::{Event, emit};
use crate::outcome::{Outcome, Refuse};
use crate::point::PointName;
use crate::policy::Verdict;
use crate::rejected::Rejected;
use serde::de::DeserializeOwned;

/// The step or job that a call belongs to.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) point: PointName,
    /// The name that its records have.
    pub(crate) name: String,
}

impl Identity {
    /// Returns the identity of a plain value.
    pub(crate) fn of_value(name: &str) -> Self {
        Self { point: PointName::from(name.to_owned()), name: name.to_owned() }
    }
}

/// The reason why the body of a step or job does not run.
#[derive(Debug)]
pub(crate) enum NotRun {
    /// The body ran before: its record.
    Recorded(Box<Record>, Box<Subject>),
    /// The body may not run.
    Refused(Rejected),
}

impl From<CheckpointError> for NotRun {
    fn from(error: CheckpointError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<JobError> for NotRun {
    fn from(error: JobError) -> Self {
        Self::Refused(error.into())
    }
}

impl NotRun {
    /// Returns the recorded outcome, or why there is none.
    pub(crate) fn outcome<R: Outcome<Value: DeserializeOwned>>(self) -> Result<R, Rejected> {
        let (record, at) = match self {
            Self::Recorded(record, at) => (record, at),
            Self::Refused(rejected) => return Err(rejected),
        };
        codec::decode(&record.value).map(R::success).map_err(|message| {
            let key = key_in_job(&record, &at);
            let rejected: Rejected = if place::is_job(&record.key) {
                let message = format!("the recorded result cannot be read: {message}");
                JobError::Codec { at, message }.into()
            } else {
                CheckpointError::Undecodable { at, message }.into()
            };
            if let Some(job) = scope::current().job {
                job.refused(key, &rejected.to_string(), rejected.classify());
            }
            report_refusal(&rejected);
            rejected
        })
    }

    /// Returns the result like [`outcome`](Self::outcome), as an outcome of the caller's own type.
    ///
    /// A recorded value that is no longer an `R` is a refusal, too: it is reported, and noted in the job around.
    pub(crate) fn or_refuse<R: Refuse<Value: DeserializeOwned>>(self) -> R {
        self.outcome().unwrap_or_else(R::refuse)
    }
}

/// Reports that a step or job neither ran nor has a value for the caller, or that the value of its body was not
/// recorded.
pub(crate) fn report_refusal(rejected: &Rejected) {
    raise_alerts(rejected);
    if let Rejected::Checkpoint(error) = rejected {
        let (at, job) = (error.place(), scope::current().job_id());
        let (point, key, reason) = (at.point.clone(), at.key.clone(), error.name());
        emit(&Event::StepRefused { point, key, job, reason }, None);
    }
}

/// Returns the key under which the job around knows the call that `record` answers.
///
/// Jobs by their key in the store, steps by their own: an inner job and a step may have the same text as their name.
fn key_in_job(record: &Record, at: &Subject) -> String {
    if place::is_job(&record.key) { record.key.clone() } else { at.key.clone() }
}

/// Raises the alerts of a refused call: its store is down, or its record is damaged.
pub(crate) fn raise_alerts(rejected: &Rejected) {
    alert_of_outage(rejected);
    let damage = match rejected {
        Rejected::Checkpoint(error) => match &**error {
            CheckpointError::Corrupt { at, reason } => Some((at, scope::current().job_id(), reason)),
            _ => None,
        },
        Rejected::Job(error) => match &**error {
            JobError::Corrupt { at, reason } => Some((at, Some(at.key.clone()), reason)),
            _ => None,
        },
        _ => None,
    };
    // Another release of the program reads a record of a later format.
    if let Some((at, job, reason)) = damage.filter(|(_, _, reason)| !reason.is_of_later_release()) {
        critical_at(&at.point, job.as_deref(), DAMAGED, &reason.to_string());
    }
}

/// Raises an alert if `rejected` shows that the store is down.
///
/// Without the feature `ops` there are no alerts; the event and the error say the same.
fn alert_of_outage(rejected: &Rejected) {
    #[cfg(feature = "ops")]
    {
        let outage = match rejected {
            Rejected::Checkpoint(error) => error.outage(),
            Rejected::Job(error) => error.outage(),
            _ => None,
        };
        if let Some((at, error)) = outage {
            crate::event::alert::store_is_down(&at.point, error);
        }
    }
    #[cfg(not(feature = "ops"))]
    let _ = rejected;
}

/// Reports a call that was refused, and notes in the job that it is part of, if any, how it has begun.
///
/// A value that was recorded before takes a refusal of the same key back: the call has succeeded, if another way.
pub(crate) fn record_begin<W>(begun: Result<W, NotRun>) -> Result<W, NotRun> {
    if let Err(NotRun::Refused(rejected)) = &begun {
        report_refusal(rejected);
    }
    if let Some(job) = scope::current().job {
        job.begins();
        match &begun {
            Ok(_) => {}
            Err(NotRun::Recorded(record, at)) => job.succeeded(&key_in_job(record, at)),
            Err(NotRun::Refused(rejected)) => {
                let key = rejected.key().unwrap_or_default();
                let is_job = matches!(rejected, Rejected::Job(_));
                note_refusal(&job, if is_job { place::job(key) } else { key.to_owned() }, rejected);
            }
        }
    }
    begun
}

/// Notes in `job` how the call of `key` has ended.
///
/// A body that failed notes nothing: its error is the code's own.
pub(crate) fn note_end<R: Outcome>(job: &JobScope, key: &str, ended: &Result<(R, Verdict), Rejected>) {
    match ended {
        Ok((outcome, None)) if outcome.is_success() => job.succeeded(key),
        Ok(_) => {}
        Err(rejected) => note_refusal(job, key.to_owned(), rejected),
    }
}

/// Notes in `job` that the call of `key` was refused, unless the code is at fault.
///
/// What interrupts a job rather than failing it is judged by the error itself: busy, contradicted or lost records,
/// an outage of the store and a shutdown do; a key that is empty, or a step inside of itself, does not.
pub(crate) fn note_refusal(job: &JobScope, key: String, rejected: &Rejected) {
    let is_interruption = match rejected {
        Rejected::Checkpoint(error) => error.is_interruption(),
        Rejected::Job(error) => error.is_interruption(),
        Rejected::ShuttingDown { .. } => true,
        _ => false,
    };
    match rejected {
        Rejected::ShuttingDown { .. } => job.cut(),
        Rejected::Checkpoint(error) if matches!(**error, CheckpointError::Cancelled { .. }) => {
            job.cancelled();
        }
        _ => {}
    }
    if is_interruption {
        job.refused(key, &rejected.to_string(), rejected.classify());
    }
}
