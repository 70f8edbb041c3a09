//! The events of all policies.

use crate::base::name::PointName;
use crate::failure::Classification;
use std::fmt;
use std::time::Duration;

/// One thing that a policy did.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(tag = "kind", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Event {
    /// An attempt failed.
    #[non_exhaustive]
    AttemptFailed {
        /// The point that was called.
        point: PointName,
        /// The attempt that failed, counted from 1.
        attempt: u32,
        /// How many attempts the call may make, those under `on(category, ..)` included.
        attempts_max: u32,
        /// What the error means.
        class: Classification,
        /// How long the next attempt waits; `None` if no attempt follows.
        #[cfg_attr(
            feature = "serde",
            serde(rename = "delay_s", serialize_with = "crate::base::serialise::seconds")
        )]
        delay: Option<Duration>,
        /// Why no attempt follows; `None` if one does.
        reason: Option<&'static str>,
    },
    /// A retry begins its wait.
    #[non_exhaustive]
    Retrying {
        /// The point that was called.
        point: PointName,
        /// The attempt that failed, counted from 1.
        attempt: u32,
        /// How many attempts the call may make, those under `on(category, ..)` included.
        attempts_max: u32,
        /// What the error means.
        class: Classification,
        /// How long the retry waits.
        #[cfg_attr(
            feature = "serde",
            serde(rename = "delay_s", serialize_with = "crate::base::serialise::seconds")
        )]
        delay: Duration,
    },
    /// A call succeeded after retries.
    #[non_exhaustive]
    Recovered {
        /// The point that was called.
        point: PointName,
        /// The attempt that succeeded, counted from 1.
        attempt: u32,
        /// How many attempts the call may make, those under `on(category, ..)` included.
        attempts_max: u32,
    },
    /// A call failed after at least one retry, or although its error would have been retried: the budget
    /// is used up, or no wait fits into `give_up_after`, `retry_after_cap` or a timeout.
    ///
    /// A call whose first error is not retryable is only an [`AttemptFailed`](Self::AttemptFailed).
    #[non_exhaustive]
    GaveUp {
        /// The point that was called.
        point: PointName,
        /// How many attempts were made.
        attempt: u32,
        /// How many attempts the call may make, those under `on(category, ..)` included.
        attempts_max: u32,
        /// What the last error means.
        class: Classification,
        /// Why no further attempt follows.
        reason: &'static str,
    },
    /// A circuit breaker opened.
    #[non_exhaustive]
    Opened {
        /// The point whose breaker it is.
        point: PointName,
        /// The key, on a keyed breaker.
        key: Option<PointName>,
        /// What the error that tripped it means; `None` where it was opened by hand.
        class: Option<Classification>,
        /// How many failures tripped it.
        failures: u32,
        /// How long it stays open; `None` where only a person closes it.
        #[cfg_attr(
            feature = "serde",
            serde(rename = "recovery_s", serialize_with = "crate::base::serialise::seconds")
        )]
        recovery: Option<Duration>,
    },
    /// A circuit breaker admits probes.
    #[non_exhaustive]
    HalfOpened {
        /// The point whose breaker it is.
        point: PointName,
        /// The key, on a keyed breaker.
        key: Option<PointName>,
    },
    /// A circuit breaker closed.
    #[non_exhaustive]
    Closed {
        /// The point whose breaker it is.
        point: PointName,
        /// The key, on a keyed breaker.
        key: Option<PointName>,
    },
    /// A policy refused a call.
    #[non_exhaustive]
    Rejected {
        /// The point that was called.
        point: PointName,
        /// The key, on a keyed policy.
        key: Option<PointName>,
        /// The policy that refused, as in its attribute.
        policy: &'static str,
        /// When it will admit a call again, if it knows.
        #[cfg_attr(
            feature = "serde",
            serde(rename = "retry_after_s", serialize_with = "crate::base::serialise::seconds")
        )]
        retry_after: Option<Duration>,
    },
    /// A timeout ended a call.
    #[non_exhaustive]
    TimedOut {
        /// The point that was called.
        point: PointName,
        /// The time that the call was given.
        #[cfg_attr(
            feature = "serde",
            serde(rename = "limit_s", serialize_with = "crate::base::serialise::seconds")
        )]
        limit: Duration,
    },
    /// A fallback answered.
    #[non_exhaustive]
    FellBack {
        /// The point that was called.
        point: PointName,
        /// What the error means that the fallback stands in for.
        class: Classification,
        /// Which fallback answered, counted from 1.
        step: u32,
    },
    /// A step's value was recorded.
    #[non_exhaustive]
    StepRecorded {
        /// The point that was called.
        point: PointName,
        /// The step's key.
        key: String,
        /// The id of the job that the step belongs to.
        job: Option<String>,
    },
    /// A recorded value was given in place of a call.
    #[non_exhaustive]
    StepReused {
        /// The point that was called.
        point: PointName,
        /// The step's key.
        key: String,
        /// The id of the job that the step belongs to.
        job: Option<String>,
    },
    /// The body of a job begins to run for the first time.
    #[non_exhaustive]
    JobStarted {
        /// The point of the job.
        point: PointName,
        /// The job's id.
        job: String,
    },
    /// A job that lost its owner begins to run again.
    #[non_exhaustive]
    JobResumed {
        /// The point of the job.
        point: PointName,
        /// The job's id.
        job: String,
    },
    /// The result of a job was recorded.
    #[non_exhaustive]
    JobDone {
        /// The point of the job.
        point: PointName,
        /// The job's id.
        job: String,
    },
    /// A job has ended without a result.
    #[non_exhaustive]
    JobFailed {
        /// The point of the job.
        point: PointName,
        /// The job's id.
        job: String,
        /// What it is from now on: `"failed"`, `"manual"` or `"dead"`.
        status: &'static str,
        /// What the error of its body means, if there was one.
        class: Option<Classification>,
    },
    /// A job has stopped before its end, and goes on when it is recovered.
    #[non_exhaustive]
    JobInterrupted {
        /// The point of the job, or `recover`.
        point: PointName,
        /// The job's id.
        job: String,
        /// Why, in words.
        problem: String,
    },
    /// A job has undone its steps.
    #[non_exhaustive]
    RolledBack {
        /// The point of the job.
        point: PointName,
        /// The job's id.
        job: String,
        /// How many steps were undone.
        steps: usize,
    },
    /// An operator should look at the point.
    #[non_exhaustive]
    Alert {
        /// The point that it is about.
        point: PointName,
        /// The id of the job that it is about, or of the job that the point runs in.
        job: Option<String>,
        /// How bad it is.
        level: AlertLevel,
        /// What happened, in words.
        message: &'static str,
        /// Why, in words: categories and names, never values.
        reason: String,
    },
}

/// The severity of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "UPPERCASE"))]
#[non_exhaustive]
pub enum AlertLevel {
    /// Worth a look.
    Warning,
    /// A person must act.
    Critical,
}

impl AlertLevel {
    /// `"WARNING"` or `"CRITICAL"`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
        }
    }
}

impl Event {
    /// The point, or the policy made by hand, that this event is about.
    pub fn point(&self) -> &str {
        match self {
            Self::AttemptFailed { point, .. }
            | Self::Retrying { point, .. }
            | Self::Recovered { point, .. }
            | Self::GaveUp { point, .. }
            | Self::Opened { point, .. }
            | Self::HalfOpened { point, .. }
            | Self::Closed { point, .. }
            | Self::Rejected { point, .. }
            | Self::TimedOut { point, .. }
            | Self::FellBack { point, .. }
            | Self::StepRecorded { point, .. }
            | Self::StepReused { point, .. }
            | Self::JobStarted { point, .. }
            | Self::JobResumed { point, .. }
            | Self::JobDone { point, .. }
            | Self::JobFailed { point, .. }
            | Self::JobInterrupted { point, .. }
            | Self::RolledBack { point, .. }
            | Self::Alert { point, .. } => point,
        }
    }
}

impl Event {
    /// Returns the key of a keyed policy or of a step, if the event has one.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Opened { key, .. }
            | Self::HalfOpened { key, .. }
            | Self::Closed { key, .. }
            | Self::Rejected { key, .. } => key.as_deref(),
            Self::StepRecorded { key, .. } | Self::StepReused { key, .. } => Some(key),
            _ => None,
        }
    }

    /// Returns the id of the job that the event is about or belongs to.
    pub fn job(&self) -> Option<&str> {
        match self {
            Self::JobStarted { job, .. }
            | Self::JobResumed { job, .. }
            | Self::JobDone { job, .. }
            | Self::JobFailed { job, .. }
            | Self::JobInterrupted { job, .. }
            | Self::RolledBack { job, .. } => Some(job),
            Self::StepRecorded { job, .. } | Self::StepReused { job, .. } | Self::Alert { job, .. } => {
                job.as_deref()
            }
            _ => None,
        }
    }
}

/// One line without the key, which is made of arguments: `search: opened after 5 failures, unavailable (503),
/// medium, for 60s`.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.point())?;
        match self {
            Self::AttemptFailed { attempt, attempts_max, class, reason, .. } => {
                write!(f, "attempt {attempt} of {attempts_max} failed: {class}")?;
                reason.map_or(Ok(()), |reason| write!(f, "; {reason}"))
            }
            Self::Retrying { attempt, attempts_max, class, delay, .. } => {
                write!(f, "retrying after attempt {attempt} of {attempts_max}: {class}; in {delay:?}")
            }
            Self::Recovered { attempt, attempts_max, .. } => {
                write!(f, "recovered in attempt {attempt} of {attempts_max}")
            }
            Self::GaveUp { attempt, attempts_max, class, reason, .. } => {
                write!(f, "gave up after attempt {attempt} of {attempts_max}: {class}; {reason}")
            }
            Self::Opened { class, failures, recovery, .. } => {
                match class {
                    Some(class) => write!(f, "opened after {failures} failures, {class}")?,
                    None => f.write_str("opened by hand")?,
                }
                recovery.map_or(Ok(()), |recovery| write!(f, ", for {recovery:?}"))
            }
            Self::HalfOpened { .. } => f.write_str("half-open"),
            Self::Closed { .. } => f.write_str("closed"),
            Self::Rejected { policy, retry_after, .. } => {
                write!(f, "rejected by {policy}")?;
                retry_after.map_or(Ok(()), |wait| write!(f, ", for {wait:?}"))
            }
            Self::TimedOut { limit, .. } => write!(f, "timed out after {limit:?}"),
            Self::FellBack { class, step, .. } => write!(f, "fallback {step} answered: {class}"),
            Self::StepRecorded { job, .. } => {
                f.write_str("step recorded")?;
                job.as_ref().map_or(Ok(()), |job| write!(f, ", job {job}"))
            }
            Self::StepReused { job, .. } => {
                f.write_str("recorded step reused")?;
                job.as_ref().map_or(Ok(()), |job| write!(f, ", job {job}"))
            }
            Self::JobStarted { job, .. } => write!(f, "job {job} started"),
            Self::JobResumed { job, .. } => write!(f, "job {job} resumed"),
            Self::JobDone { job, .. } => write!(f, "job {job} done"),
            Self::JobFailed { job, status, class, .. } => {
                write!(f, "job {job} {status}")?;
                class.map_or(Ok(()), |class| write!(f, ": {class}"))
            }
            Self::JobInterrupted { job, problem, .. } => write!(f, "job {job} interrupted: {problem}"),
            Self::RolledBack { job, steps, .. } => write!(f, "job {job} rolled back, {steps} steps"),
            Self::Alert { job, level, message, reason, .. } => {
                write!(f, "{}: ", level.as_str())?;
                job.as_ref().map_or(Ok(()), |job| write!(f, "job {job}: "))?;
                write!(f, "{message}: {reason}")
            }
        }
    }
}

/// A function that is called with an event.
pub type Hook = fn(&Event);
