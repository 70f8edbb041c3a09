//! Why a transaction did not happen, or has not been finished.

use crate::failure::{Category, Classification, Classify};
use crate::fs::LockError;
use std::io;
use std::path::{Path, PathBuf};

/// The reason why a transaction did not happen, or has not been finished.
///
/// Except with `Unfinished`, no file was changed.
///
/// | variant | category | what helps |
/// |---|---|---|
/// | `Lock` | that of the [`LockError`] | to wait longer, or to look at who holds it |
/// | `Refused` | `Invalid` | what the reason says: the call fails again until then |
/// | `Conflict` | `Conflict` | to run it again, with the new content |
/// | `Failed` | that of the `io::Error` | room on the disk, or rights |
/// | `Corrupt` | `Corrupt` | a person, who compares the files with their backups |
/// | `Unfinished` | `Resource`: it happens, and is not repeated | the next transaction on one of the files, once the reason is gone |
///
/// The error of `run` is that of its closure, which is often an [`io::Error`]: it has this one inside.
///
/// # Examples
///
/// ```
/// use resilience::fs::{Transaction, TransactionError};
///
/// let failed: std::io::Result<()> = Transaction::edit("/", |file| file.write("x"));
/// let error = failed.unwrap_err();
/// let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<TransactionError>());
/// assert!(matches!(inner, Some(TransactionError::Refused { .. })), "{error}");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransactionError {
    /// The lock of a file could not be taken, or its lock file was removed during the transaction.
    #[error("{0}")]
    Lock(LockError),
    /// Something about the file could not be kept, or the file cannot be edited at all.
    #[error("{}: {reason}", path.display())]
    #[non_exhaustive]
    Refused {
        /// The file.
        path: PathBuf,
        /// The fault and its remedy.
        reason: String,
    },
    /// Another program has changed the file during the transaction, without the lock.
    #[error("{}: another program has changed it meanwhile, without the lock", path.display())]
    #[non_exhaustive]
    Conflict {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused an operation.
    #[error("{reason}")]
    #[non_exhaustive]
    Failed {
        /// The kind of the I/O error.
        kind: io::ErrorKind,
        /// The file and the error.
        reason: String,
    },
    /// The journal of an earlier transaction, which has to be finished first, cannot be read; or a file that should be
    /// edited as JSON is none.
    #[error("{}: {reason}", path.display())]
    #[non_exhaustive]
    Corrupt {
        /// The journal or the file.
        path: PathBuf,
        /// The damage, and its place.
        reason: String,
    },
    /// The transaction is committed, and a file could not be replaced.
    ///
    /// It is never undone: the next transaction on one of its files finishes it first.
    #[error("the transaction is committed, but not finished: {reason}")]
    #[non_exhaustive]
    Unfinished {
        /// The journal of the remaining work; `None` for one file without backups, which has only not been
        /// synced.
        journal: Option<PathBuf>,
        /// The operation that failed.
        reason: String,
    },
}

impl TransactionError {
    pub(super) fn refused(path: &Path, reason: impl Into<String>) -> Self {
        Self::Refused { path: path.to_owned(), reason: reason.into() }
    }

    pub(super) fn corrupt(path: &Path, reason: impl Into<String>) -> Self {
        Self::Corrupt { path: path.to_owned(), reason: reason.into() }
    }

    pub(super) fn failed(path: &Path, error: &io::Error) -> Self {
        Self::Failed { kind: error.kind(), reason: format!("{}: {error}", path.display()) }
    }
}

impl From<LockError> for TransactionError {
    fn from(error: LockError) -> Self {
        Self::Lock(error)
    }
}

/// The [`TransactionError`] is the inner error.
impl From<TransactionError> for io::Error {
    fn from(error: TransactionError) -> Self {
        let kind = match &error {
            TransactionError::Failed { kind, .. } => *kind,
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

impl Classify for TransactionError {
    fn classify(&self) -> Classification {
        match self {
            Self::Lock(error) => error.classify(),
            Self::Refused { .. } => Classification::new(Category::Invalid).refused(),
            Self::Conflict { .. } => Classification::new(Category::Conflict),
            Self::Failed { kind, .. } => io::Error::from(*kind).classify(),
            Self::Corrupt { .. } => Category::Corrupt.into(),
            Self::Unfinished { .. } => Category::Resource.into(),
        }
    }
}
