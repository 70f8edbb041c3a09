//! Why a checkpoint refused a call.

use super::facts::{self, Facts};
use super::{Contradiction, Corrupt, EncodedValue, StoreError, Subject};
use crate::failure::{Category, Classification};
use std::time::Duration;

/// The reason why a checkpoint rejected a call, or could not keep its result.
///
/// It arrives inside [`Rejected::Checkpoint`](crate::Rejected::Checkpoint). "Ran" says whether the body has
/// run in this call: what it did is then done, and calling again may do it twice.
///
/// | variant | ran | what to do |
/// |---|---|---|
/// | `Busy` | no | wait for the other holder, or raise `wait` |
/// | `Fenced` | yes | find what kept the process from renewing its lease; the other holder's value counts |
/// | `NotRecorded` | yes | mend the store; [`Rejected::not_recorded`](crate::Rejected::not_recorded) has the value |
/// | `Mismatch` | no | correct the key, `was` or `version`, or start over with `on_mismatch = rerun` |
/// | `Corrupt` | no | inspect the quarantined bytes, or start over with `on_corrupt = rerun` |
/// | `Undecodable` | no | restore the type, or start over with `on_mismatch = rerun` |
/// | `Encode` | yes | change the type so that serde writes and reads its values |
/// | `TooLarge` | yes, if it has a value | store the value elsewhere and record a reference to it |
/// | `KeyTooLong`, `EmptyKey` | no | correct the key: 1 to 512 bytes |
/// | `OutsideJob` | no | call the step inside its job, in a task through `in_scope` |
/// | `NoKey`, `Overlap` | no | give the step a key of its own |
/// | `Recursive` | no | give the inner call another key |
/// | `Cancelled` | no | nothing: a person asked the job to stop |
/// | `Store` | no | see the [`StoreError`] |
///
/// The variants are `non_exhaustive`: match them with `..`.
///
/// # Examples
///
/// ```
/// use resilience::Rejected;
/// use resilience::durable::CheckpointError;
///
/// /// The HTTP status of a request whose step was rejected.
/// fn status(rejected: &Rejected) -> u16 {
///     match rejected {
///         Rejected::Checkpoint(error) => match **error {
///             CheckpointError::Busy { .. } => 409,
///             CheckpointError::Store { .. } | CheckpointError::NotRecorded { .. } => 503,
///             _ => 500,
///         },
///         _ => 503,
///     }
/// }
/// # #[cfg(feature = "testing")]
/// # {
/// # use resilience::testing::rejected;
/// # let busy = rejected::checkpoint_busy("fetch", "page:7", std::time::Duration::from_secs(3));
/// # assert_eq!(status(&busy), 409);
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Another holder does the work, and the wait for it is over: `wait`, 5 minutes by default, or less if a
    /// timeout around the call ends earlier.
    #[error("step {at} is being run by process {owner}")]
    #[non_exhaustive]
    Busy {
        /// The step.
        at: Box<Subject>,
        /// The process that does it.
        owner: String,
        /// The remaining time of its lease. The owner renews it while it is alive.
        retry_after: Duration,
    },
    /// The lease was lost to another holder while the body ran; its value is discarded.
    ///
    /// That happens to a process that was stopped, or could not reach the store, for longer than its lease.
    #[error("step {at} lost its lease to another holder; its value is discarded")]
    #[non_exhaustive]
    Fenced {
        /// The step.
        at: Box<Subject>,
    },
    /// The body succeeded, and the store could not keep its value.
    ///
    /// [`Rejected::not_recorded`](crate::Rejected::not_recorded) returns the value, so that the effect need
    /// not be repeated.
    #[error("step {at} was done, but its value could not be recorded: {store}")]
    #[non_exhaustive]
    NotRecorded {
        /// The step.
        at: Box<Subject>,
        /// The encoded value, as JSON.
        value: EncodedValue,
        /// The error of the store.
        store: Box<StoreError>,
    },
    /// The record contradicts the code, which would return a value that belongs to something else.
    #[error("step {at} was recorded for {contradiction}")]
    #[non_exhaustive]
    Mismatch {
        /// The step.
        at: Box<Subject>,
        /// The contradiction.
        contradiction: Box<Contradiction>,
    },
    /// The bytes under the key are damaged; they are kept.
    #[error("the record of step {at} is damaged: {reason}")]
    #[non_exhaustive]
    Corrupt {
        /// The step.
        at: Box<Subject>,
        /// The damage.
        reason: Corrupt,
    },
    /// The recorded value is no longer a value of the function's type: a field was renamed or removed.
    #[error("the recorded value of step {at} cannot be read: {message}; {}", start_over(.at))]
    #[non_exhaustive]
    Undecodable {
        /// The step.
        at: Box<Subject>,
        /// The message of the decoder.
        message: String,
    },
    /// The value cannot be encoded, so nothing was recorded; for instance a map whose keys are not texts, or a
    /// NaN.
    #[error("the value of step {at} cannot be recorded: {message}")]
    #[non_exhaustive]
    Encode {
        /// The step.
        at: Box<Subject>,
        /// The message of the encoder.
        message: String,
    },
    /// The value has more bytes than a record may have, 1 MiB; see
    /// [`Rejected::not_recorded`](crate::Rejected::not_recorded).
    #[error(
        "the value of step {at} has {bytes} bytes, more than a record may have (1 MiB): store it elsewhere, and record a reference to it"
    )]
    #[non_exhaustive]
    TooLarge {
        /// The step.
        at: Box<Subject>,
        /// The number of bytes.
        bytes: usize,
        /// The encoded value; empty if the body did not run.
        value: EncodedValue,
    },
    /// The key has more than 512 bytes.
    #[error("the key of a step of `{}` has {bytes} bytes, more than a key may have (512)", .at.shown_point())]
    #[non_exhaustive]
    KeyTooLong {
        /// The step.
        at: Box<Subject>,
        /// The size of the value.
        bytes: usize,
    },
    /// The key renders to nothing, so that all calls would share it.
    #[error("the key of a step of `{}` is empty: it needs at least one character", .at.shown_point())]
    #[non_exhaustive]
    EmptyKey {
        /// The step.
        at: Box<Subject>,
    },
    /// A step that belongs to a job (`in_job`) was called outside of every job, for instance in a spawned
    /// task.
    #[error(
        "step {at} belongs to a job (`in_job`), and was called outside of every job: make the task that calls it part of its job with `resilience::in_scope(..)`"
    )]
    #[non_exhaustive]
    OutsideJob {
        /// The step.
        at: Box<Subject>,
    },
    /// A step without a key was called outside of a job. Inside, its place in the job distinguishes it.
    #[error("`{}` has no key and was called outside of a job: write `checkpoint(\"name:{{id}}\")`, or call it in a job", .at.shown_point())]
    #[non_exhaustive]
    NoKey {
        /// The step.
        at: Box<Subject>,
    },
    /// Two calls of a step without a key overlap: after a crash it could not be known which is which.
    #[error("two calls of step {at} overlap: give it a key, for instance `checkpoint(\"page:{{n}}\")`")]
    #[non_exhaustive]
    Overlap {
        /// The step.
        at: Box<Subject>,
    },
    /// The step was called inside of itself: it would wait for its own end.
    #[error(
        "step {at} is called inside of itself and would wait for its own end: the inner call needs another key"
    )]
    #[non_exhaustive]
    Recursive {
        /// The step.
        at: Box<Subject>,
    },
    /// The job around the step was asked to stop; the step has not begun.
    #[error("the job of step {at} was cancelled")]
    #[non_exhaustive]
    Cancelled {
        /// The step.
        at: Box<Subject>,
    },
    /// The store cannot be used, and the body was not run.
    #[error("step {at} was not run: {store}")]
    #[non_exhaustive]
    Store {
        /// The step.
        at: Box<Subject>,
        /// The error of the store.
        store: Box<StoreError>,
    },
}

/// The point of the errors of a cursor, which belongs to no function.
pub(crate) const CURSOR: &str = "progress";

/// The point of the errors of `checkpoints`, which belong to no function.
pub(crate) const CHECKPOINTS: &str = "checkpoints";

/// Returns what to do if the recorded value is of another type.
fn start_over(at: &Subject) -> &'static str {
    match &*at.point {
        CURSOR => "if its type has changed, open the cursor under another name",
        CHECKPOINTS => "load it as the type that was recorded",
        _ => "if its type has changed, write `on_mismatch = rerun` to do the step again",
    }
}

impl CheckpointError {
    /// Returns which step it is about.
    pub fn place(&self) -> &Subject {
        self.facts().at
    }

    /// Returns when to come back, where that is known: for [`Busy`](Self::Busy).
    pub fn retry_after(&self) -> Option<Duration> {
        self.facts().class.retry_after
    }

    /// Returns the name of the variant in snake case.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Busy { .. } => "busy",
            Self::Fenced { .. } => "fenced",
            Self::NotRecorded { .. } => "not_recorded",
            Self::Mismatch { .. } => "mismatch",
            Self::Corrupt { .. } => "corrupt",
            Self::Undecodable { .. } => "undecodable",
            Self::Encode { .. } => "encode",
            Self::TooLarge { .. } => "too_large",
            Self::KeyTooLong { .. } => "key_too_long",
            Self::EmptyKey { .. } => "empty_key",
            Self::OutsideJob { .. } => "outside_job",
            Self::NoKey { .. } => "no_key",
            Self::Overlap { .. } => "overlap",
            Self::Recursive { .. } => "recursive",
            Self::Cancelled { .. } => "cancelled",
            Self::Store { .. } => "store",
        }
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

    /// Returns the error of the step for `error` of the store.
    pub(crate) fn store(at: Box<Subject>, error: StoreError) -> Self {
        match error {
            StoreError::Fenced { .. } => Self::Fenced { at },
            StoreError::Cancelled { .. } => Self::Cancelled { at },
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
            Self::Fenced { at } => Facts::interrupted(at, facts::FENCED).done(),
            Self::NotRecorded { at, value, .. } => {
                Facts::refused(at, facts::NOT_RECORDED).done().with_value(value)
            }
            Self::Mismatch { at, .. } => Facts::interrupted(at, facts::MISMATCH),
            Self::Corrupt { at, reason } => Facts::unreadable(at, *reason),
            Self::Undecodable { at, .. } => Facts::interrupted(at, facts::UNDECODABLE),
            Self::Encode { at, .. } => Facts::refused(at, facts::ENCODE).done(),
            Self::TooLarge { at, value, .. } => Facts::refused(at, facts::TOO_LARGE).done().with_value(value),
            Self::KeyTooLong { at, .. } => Facts::refused(at, facts::KEY_TOO_LONG),
            Self::EmptyKey { at } | Self::NoKey { at } | Self::Overlap { at } => {
                Facts::refused(at, "give the step a key of its own")
            }
            Self::OutsideJob { at } => {
                Facts::refused(at, "call the step inside its job, in a task through `in_scope`")
            }
            Self::Recursive { at } => Facts::refused(at, "give the inner call another key"),
            // The job around the step was asked to stop.
            Self::Cancelled { at } => {
                let class = Classification::new(Category::Cancelled);
                Facts::refused(at, "").of_class(class)
            }
            Self::Store { at, .. } => Facts::interrupted(at, facts::STORE),
        }
    }
}
