//! Why a lock could not be taken.

use super::holder::Holder;
use crate::base::files::Unusable;
use crate::base::text::About;
use crate::failure::{Category, Classification, Classify};
use std::io;
use std::path::Path;
use std::time::Duration;

/// The reason why a lock could not be taken.
///
/// | variant | category |
/// |---|---|
/// | `Timeout` | `Transient` |
/// | `Reentered` | `Invalid`: waiting longer would never help |
/// | `Refused` | `Invalid`: a name or a place that cannot be used |
/// | `Failed` | that of the `io::Error` |
///
/// # Examples
///
/// ```
/// use resilience::fs::LockError;
/// use resilience::lock;
/// use std::time::Duration;
///
/// # let _world = resilience::testing::isolate();
/// let held = lock::task("7").acquire()?;
/// let busy = lock::task("7").wait(Duration::ZERO).acquire().unwrap_err();
/// let LockError::Timeout { holders, .. } = busy else { panic!("{busy}") };
/// # #[cfg(target_os = "linux")]
/// assert_eq!(holders[0].pid, std::process::id());
/// # drop(held);
/// # Ok::<(), LockError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// The lock was held by others for as long as the caller would wait.
    #[error(
        "the lock {lock} was not free within {}{}{}{}",
        About(*waited), held_by(holders), stopped(holders), holds_words(holds)
    )]
    #[non_exhaustive]
    Timeout {
        /// The name or path of the lock.
        lock: String,
        /// The time that the caller has waited.
        waited: Duration,
        /// The processes that hold it, as far as they are known.
        holders: Vec<Holder>,
        /// The locks that the calling code holds itself.
        holds: Vec<String>,
    },
    /// The code that asks for the lock runs inside of a call that holds it: it would wait for itself.
    #[error("the lock {lock} is held by the call that asks for it, which would wait for itself")]
    #[non_exhaustive]
    Reentered {
        /// The name or path of the lock.
        lock: String,
    },
    /// The name or the place of the lock cannot be used.
    #[error("{reason}")]
    #[non_exhaustive]
    Refused {
        /// The fault and its remedy.
        reason: String,
    },
    /// The operating system refused an operation on a file.
    #[error("{reason}")]
    #[non_exhaustive]
    Failed {
        /// The kind of the I/O error.
        kind: io::ErrorKind,
        /// The file and the error.
        reason: String,
    },
}

/// Returns the holders of a lock, as an error or a listing adds them; an empty text if they are not known.
pub(super) fn held_by(holders: &[Holder]) -> String {
    let all: Vec<_> = holders.iter().map(Holder::to_string).collect();
    if all.is_empty() { String::new() } else { format!(": held by {}", all.join(", ")) }
}

/// Returns the advice about a stopped holder.
fn stopped(holders: &[Holder]) -> String {
    let stopped = holders.iter().find(|holder| holder.is_stopped);
    stopped.map_or(String::new(), |stopped| {
        format!("; continue the stopped one with `kill -CONT {}`", stopped.pid)
    })
}

/// Returns the words of an error about the locks that the running code holds.
pub(crate) fn holds_words(holds: &[String]) -> String {
    if holds.is_empty() { String::new() } else { format!("; this call holds {}", holds.join(", ")) }
}

impl LockError {
    pub(crate) fn reentered(label: &str) -> Self {
        Self::Reentered { lock: format!("{label:?}") }
    }

    pub(crate) fn refused(path: &Path, words: &str) -> Self {
        Self::Refused { reason: format!("{} {words}", path.display()) }
    }

    pub(crate) fn io(path: &Path, error: &io::Error) -> Self {
        Self::Failed { kind: error.kind(), reason: format!("{}: {error}", path.display()) }
    }
}

impl From<Unusable> for LockError {
    fn from(unusable: Unusable) -> Self {
        match unusable {
            Unusable::Refused(reason) => Self::Refused { reason },
            Unusable::Failed { kind, words: reason } => Self::Failed { kind, reason },
        }
    }
}

impl Classify for LockError {
    fn classify(&self) -> Classification {
        match self {
            Self::Timeout { .. } => Classification::new(Category::Transient).refused(),
            Self::Reentered { .. } | Self::Refused { .. } => Classification::new(Category::Invalid).refused(),
            Self::Failed { kind, .. } => io::Error::from(*kind).classify(),
        }
    }
}
