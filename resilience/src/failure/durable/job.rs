//! Why a job refused a call.

use super::facts::{self, Facts};
use super::{Contradiction, Corrupt, EncodedValue, Status, StoreError, Subject};
use crate::failure::Classification;
use std::time::Duration;

/// The reason why a job rejected a call, or could not keep its result.
///
/// It arrives inside [`Rejected::Job`](crate::Rejected::Job), and from the functions of [`jobs`](crate::jobs)
/// directly.
///
/// | variant | what to do |
/// |---|---|
/// | `Busy` | wait for the other holder, or raise `wait` |
/// | `Recursive` | call another job, or a function that is not a job |
/// | `Stopped` | remove the cause, then start the job again with `jobs::resume` |
/// | `Fenced` | find what kept the process from renewing its lease |
/// | `NotRecorded` | mend the store; [`Rejected::not_recorded`](crate::Rejected::not_recorded) has the value |
/// | `Mismatch` | correct the key, `was` or `version`, or start over with `on_mismatch = rerun` |
/// | `Corrupt` | inspect the quarantined bytes, or start over with `on_corrupt = rerun` |
/// | `Lost` | restore the store from a backup, or remove the job |
/// | `Codec` | change the type so that serde writes and reads its values |
/// | `TooLarge` | store the value elsewhere and record a reference to it |
/// | `KeyTooLong`, `EmptyKey` | correct the key: 1 to 512 bytes |
/// | `NotProvided` | add `.provide(Arc::new(..))` to `recover()` |
/// | `Interrupted`, `NotStarted` | remove the reason; the next sweep goes on with the job |
/// | `Unfinished` | look at the layers above the job: one of them answers without a call |
/// | `Unknown`, `UnknownStep` | check the id; `jobs::list` and `jobs::steps` list them |
/// | `UnknownName` | write the recorded name as `was` of the function |
/// | `SameName` | give one of the functions another `name` |
/// | `WrongState` | look at the job's state, which changed or does not allow this |
/// | `Store` | see the [`StoreError`] |
///
/// The variants are `non_exhaustive`: match them with `..`.
///
/// # Examples
///
/// A caller that comes back to a job which another process runs:
///
/// ```
/// use resilience::durable::JobError;
///
/// fn wait(error: &JobError) -> Option<std::time::Duration> {
///     match error {
///         JobError::Busy { .. } => error.retry_after(),
///         _ => None,
///     }
/// }
/// # #[cfg(feature = "testing")]
/// # {
/// # use std::time::Duration;
/// # let busy = resilience::testing::rejected::job_busy("import", "import:7", Duration::from_secs(3));
/// # let resilience::Rejected::Job(busy) = busy else { unreachable!() };
/// # assert_eq!(wait(&busy), Some(Duration::from_secs(3)));
/// # assert_eq!(busy.place().key, "import:7");
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// Another holder runs it, and the wait for it is over: `wait`, 5 minutes by default.
    #[error("job {at} is being run by process {owner}")]
    #[non_exhaustive]
    Busy {
        /// The job.
        at: Box<Subject>,
        /// The process that runs it.
        owner: String,
        /// The remaining time of its lease. The owner renews it while it is alive.
        retry_after: Duration,
    },
    /// The job was called inside of itself, with one id: it would wait for its own end.
    #[error("job {at} is called inside of itself and would wait for its own end")]
    #[non_exhaustive]
    Recursive {
        /// The job.
        at: Box<Subject>,
    },
    /// The job ended before, and not with a result: only `jobs::resume` or `rerun` starts it again.
    ///
    /// Its category is that of the recorded error, so that a fallback answers as at the first time; it is not
    /// retried.
    #[error("job {at} ended before as {status}{}{}; `jobs::resume` or `rerun` starts it again", in_brackets(.class.as_deref()), behind_colon(.text.as_deref()))]
    #[non_exhaustive]
    Stopped {
        /// The job.
        at: Box<Subject>,
        /// The status with which it ended.
        status: Status,
        /// The class of its error, if it had one.
        class: Option<Box<Classification>>,
        /// The text of its error, if that is recorded; see [`JobInfo::text`](crate::durable::JobInfo::text).
        text: Option<String>,
    },
    /// The lease was lost to another holder while the body ran; its result is discarded.
    #[error("job {at} lost its lease to another holder; its result is discarded")]
    #[non_exhaustive]
    Fenced {
        /// The job.
        at: Box<Subject>,
    },
    /// The body succeeded, and the store could not keep its result.
    ///
    /// [`Rejected::not_recorded`](crate::Rejected::not_recorded) returns the value.
    #[error("job {at} was done, but its result could not be recorded: {store}")]
    #[non_exhaustive]
    NotRecorded {
        /// The job.
        at: Box<Subject>,
        /// The encoded result, as JSON.
        value: EncodedValue,
        /// The error of the store.
        store: Box<StoreError>,
    },
    /// The record contradicts the code: another function, version or input.
    #[error("job {at} was recorded for {contradiction}")]
    #[non_exhaustive]
    Mismatch {
        /// The job.
        at: Box<Subject>,
        /// The contradiction.
        contradiction: Box<Contradiction>,
    },
    /// The job's record is damaged; its bytes are kept.
    #[error("the record of job {at} is damaged: {reason}")]
    #[non_exhaustive]
    Corrupt {
        /// The job.
        at: Box<Subject>,
        /// The damage.
        reason: Corrupt,
    },
    /// Records of steps that were done are missing: running the job again would repeat their effects.
    #[error("job {at} has lost records: {recorded} steps were done, {found} are there")]
    #[non_exhaustive]
    Lost {
        /// The job.
        at: Box<Subject>,
        /// The number of recorded steps.
        recorded: u64,
        /// The number of steps that were found.
        found: u64,
    },
    /// An argument or the result cannot be encoded, or a recorded one not be read.
    #[error("job {at}: {message}")]
    #[non_exhaustive]
    Codec {
        /// The job.
        at: Box<Subject>,
        /// The message of the encoder or decoder.
        message: String,
    },
    /// The result or the arguments have more bytes than a record may have, 1 MiB; see
    /// [`Rejected::not_recorded`](crate::Rejected::not_recorded).
    #[error(
        "job {at} would record {bytes} bytes, more than a record may have (1 MiB): store them elsewhere, and record a reference to them"
    )]
    #[non_exhaustive]
    TooLarge {
        /// The job.
        at: Box<Subject>,
        /// The number of bytes.
        bytes: usize,
        /// The encoded result; empty if it is the arguments that are too large.
        value: EncodedValue,
    },
    /// The key has more than 512 bytes.
    #[error("the key of a job of `{}` has {bytes} bytes, more than a key may have (512)", .at.shown_point())]
    #[non_exhaustive]
    KeyTooLong {
        /// The job.
        at: Box<Subject>,
        /// The size of the value.
        bytes: usize,
    },
    /// The key renders to nothing, so that all calls would be one job.
    #[error("the key of a job of `{}` is empty: it needs at least one character", .at.shown_point())]
    #[non_exhaustive]
    EmptyKey {
        /// The job.
        at: Box<Subject>,
    },
    /// An argument that cannot be recorded (`provided(..)`) was not given to `recover()`.
    #[error("job {at} needs a `{ty}`, which `recover()` was not given: add `.provide(Arc::new(..))`")]
    #[non_exhaustive]
    NotProvided {
        /// The job.
        at: Box<Subject>,
        /// Its type.
        ty: &'static str,
    },
    /// The job was interrupted while it ran; its recovery goes on with it.
    #[error("job {at} was interrupted: {problem}")]
    #[non_exhaustive]
    Interrupted {
        /// The job.
        at: Box<Subject>,
        /// Why, in words.
        problem: String,
    },
    /// Recovery called it, and it has ended neither with a result nor with an error: a layer above the job did
    /// not call it, for instance.
    #[error("job `{}` was recovered but did not end: an attribute above `job` may have answered without calling it", .at.shown_key())]
    #[non_exhaustive]
    Unfinished {
        /// The job.
        at: Box<Subject>,
    },
    /// The job was not called; the next sweep tries again.
    #[error("job `{}` was not started: {reason}; the next sweep tries again", .at.shown_key())]
    #[non_exhaustive]
    NotStarted {
        /// The job.
        at: Box<Subject>,
        /// Why.
        reason: String,
    },
    /// There is no job of this id.
    #[error("there is no job `{}`", .at.shown_key())]
    #[non_exhaustive]
    Unknown {
        /// The job.
        at: Box<Subject>,
    },
    /// The job has not recorded such a step.
    #[error("job `{}` has recorded no step `{step}`; `jobs::steps` lists them", .at.shown_key())]
    #[non_exhaustive]
    UnknownStep {
        /// The job.
        at: Box<Subject>,
        /// The key that was asked for.
        step: String,
    },
    /// No function of this program has the job's name: it was renamed, or removed, or another program made
    /// it.
    #[error(
        "job `{}` was recorded under the name `{name}`, which no function of this program has; if it was renamed, write `was = \"{name}\"`",
        .at.shown_key()
    )]
    #[non_exhaustive]
    UnknownName {
        /// The job.
        at: Box<Subject>,
        /// The recorded name.
        name: String,
    },
    /// Several jobs of this program, or steps with an undo, have one name; the text says which.
    #[error("several {what} are called `{}`: {}", .at.shown_key(), .at.shown_point())]
    #[non_exhaustive]
    SameName {
        /// The name and where it is.
        at: Box<Subject>,
        /// The kind of the entries: `"jobs"`, or `"steps with an undo"`.
        what: &'static str,
    },
    /// The job is in a state in which this cannot be done: a finished job cannot be cancelled, for instance.
    #[error("job `{}` is {status}, which does not allow this operation", .at.shown_key())]
    #[non_exhaustive]
    WrongState {
        /// The job.
        at: Box<Subject>,
        /// Its state.
        status: Status,
    },
    /// The store cannot be used, and the body was not run; or all jobs were asked for, and the key of `at` is empty.
    #[error("{}: {store}", .at.not_run())]
    #[non_exhaustive]
    Store {
        /// The job.
        at: Box<Subject>,
        /// The error of the store.
        store: Box<StoreError>,
    },
}

impl JobError {
    /// Returns which job it is about.
    pub fn place(&self) -> &Subject {
        self.facts().at
    }

    /// Returns when to come back, where that is known: for [`Busy`](Self::Busy).
    pub fn retry_after(&self) -> Option<Duration> {
        self.facts().class.retry_after
    }

    /// Returns the class of the call's error.
    pub(crate) fn class(&self) -> Classification {
        self.facts().class
    }

    /// Returns whether the call was refused without a fault of the running code: another call may succeed.
    pub(crate) fn is_interruption(&self) -> bool {
        self.facts().is_interruption
    }

    /// Returns the encoded value of a body that has run, if the store did not keep it.
    pub(crate) fn not_recorded(&self) -> Option<&[u8]> {
        self.facts().value
    }

    /// Returns the error of the job for `error` of the store.
    pub(crate) fn store(at: Box<Subject>, error: StoreError) -> Self {
        match error {
            StoreError::Fenced { .. } => Self::Fenced { at },
            StoreError::Corrupt { reason, .. } => Self::Corrupt { at, reason },
            StoreError::TooLarge { bytes } => Self::TooLarge { at, bytes, value: EncodedValue::default() },
            other => Self::Store { at, store: Box::new(other) },
        }
    }

    /// Returns the place whose call found the store to be down, and the store's error.
    #[cfg(feature = "ops")]
    pub(crate) fn outage(&self) -> Option<(&Subject, &StoreError)> {
        match self {
            Self::Store { at, store } | Self::NotRecorded { at, store, .. } => Some((at, store)),
            _ => None,
        }
    }

    fn facts(&self) -> Facts<'_> {
        match self {
            Self::Busy { at, retry_after, .. } => Facts::interrupted(at, facts::BUSY).until(*retry_after),
            Self::Recursive { at } => Facts::refused(at, "call another job, or a function that is not a job"),
            Self::Stopped { at, class, .. } => {
                let action = "remove the cause, then start the job again with `jobs::resume`";
                let facts = Facts::refused(at, action);
                match class {
                    Some(class) => facts.of_class(**class),
                    None => facts,
                }
            }
            Self::Fenced { at } => Facts::interrupted(at, facts::FENCED).done(),
            Self::NotRecorded { at, value, .. } => {
                Facts::refused(at, facts::NOT_RECORDED).done().with_value(value)
            }
            Self::Mismatch { at, .. } => Facts::interrupted(at, facts::MISMATCH),
            Self::Corrupt { at, reason } => Facts::unreadable(at, *reason),
            Self::Lost { at, .. } => {
                Facts::interrupted(at, "restore the store from a backup, or remove the job")
            }
            Self::Codec { at, .. } => Facts::refused(at, facts::ENCODE),
            Self::TooLarge { at, value, .. } => {
                let facts = Facts::refused(at, facts::TOO_LARGE).with_value(value);
                if value.is_empty() { facts } else { facts.done() }
            }
            Self::KeyTooLong { at, .. } => Facts::refused(at, facts::KEY_TOO_LONG),
            Self::EmptyKey { at } => Facts::refused(at, "give the job a key of its own"),
            Self::NotProvided { at, .. } => Facts::refused(at, "add `.provide(Arc::new(..))` to `recover()`"),
            Self::Interrupted { at, .. } | Self::NotStarted { at, .. } => {
                Facts::refused(at, "remove the reason; the next sweep goes on with the job")
            }
            Self::Unfinished { at } => Facts::refused(at, "look at the layers above the job"),
            Self::Unknown { at } => Facts::refused(at, "check the job's id; `jobs::list` lists them"),
            Self::UnknownStep { at, .. } => {
                Facts::refused(at, "check the step's key; `jobs::steps` lists them")
            }
            Self::UnknownName { at, .. } => {
                Facts::refused(at, "write the recorded name as `was` of the function")
            }
            Self::SameName { at, .. } => Facts::refused(at, "give one of the functions another `name`"),
            Self::WrongState { at, .. } => Facts::refused(at, "look at the job's state"),
            Self::Store { at, .. } => Facts::interrupted(at, facts::STORE),
        }
    }
}

/// Returns the category of a class, in brackets.
fn in_brackets(class: Option<&Classification>) -> String {
    class.map_or(String::new(), |class| format!(" ({})", class.category))
}

fn behind_colon(text: Option<&str>) -> String {
    text.map_or(String::new(), |text| format!(": {text}"))
}
