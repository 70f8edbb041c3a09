//! Locks of directories: a lock on the file `.lock` in the directory, because a directory itself cannot be locked
//! everywhere.
//!
//! A [`DirLock`] is a [`FileLock`] at that file, with the same waits, errors and guards. It keeps out those who take
//! the same lock, and nothing else: a program that writes into the directory without asking is not stopped.

use super::{FileLock, LockError, LockGuard};
use std::path::PathBuf;
use std::time::Duration;

/// The lock of a directory: the file `.lock` in it.
///
/// The file and its neighbour `.lock.turn` stay in the directory when the lock is released. It excludes other users of
/// the lock, not changes of the directory. It does not lock the directories in it.
///
/// See also [`FileLock::at`] for a single file, and [`lock_all`](crate::fs::lock_all) for several directories at once,
/// which takes a `DirLock` as well.
///
/// # Examples
///
/// ```
/// use resilience::fs::DirLock;
///
/// # let dir = std::env::temp_dir().join(format!("resilience-dir-lock-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir).unwrap();
/// let guard = DirLock::at(&dir).acquire()?;
/// assert!(guard.path().ends_with(".lock"));
/// # drop(guard);
/// # std::fs::remove_dir_all(dir).unwrap();
/// # Ok::<(), resilience::fs::LockError>(())
/// ```
#[derive(Clone, Debug)]
pub struct DirLock(FileLock);

impl DirLock {
    /// Describes the lock of the directory `dir`, which has to exist when the lock is taken.
    ///
    /// It touches no file. [`acquire`](Self::acquire) does, and makes the file `.lock`, but never the directory.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::fs::{DirLock, LockError};
    /// use std::io::ErrorKind;
    ///
    /// let missing = DirLock::at("/no/such/directory").acquire().unwrap_err();
    /// let LockError::Failed { kind, .. } = missing else { panic!("{missing}") };
    /// assert_eq!(kind, ErrorKind::NotFound);
    /// ```
    #[track_caller]
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self(FileLock::at(dir.into().join(".lock")))
    }

    /// Makes it a reader's lock; see [`FileLock::shared`].
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::fs::DirLock;
    ///
    /// # let dir = std::env::temp_dir().join(format!("resilience-dir-readers-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir).unwrap();
    /// let readers = [DirLock::at(&dir).shared(true).acquire()?, DirLock::at(&dir).shared(true).acquire()?];
    /// assert_eq!(readers[0].path(), readers[1].path());
    /// # drop(readers);
    /// # std::fs::remove_dir_all(dir).unwrap();
    /// # Ok::<(), resilience::fs::LockError>(())
    /// ```
    pub fn shared(self, is_shared: bool) -> Self {
        Self(self.0.shared(is_shared))
    }

    /// Sets how long to wait for it, by default 30 s; see [`FileLock::wait`].
    pub fn wait(self, wait: Duration) -> Self {
        Self(self.0.wait(wait))
    }

    /// Takes the lock; the thread sleeps while it waits.
    ///
    /// # Errors
    ///
    /// Same as [`FileLock::acquire`].
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::fs::{DirLock, LockError};
    /// use std::time::Duration;
    ///
    /// # let dir = std::env::temp_dir().join(format!("resilience-dir-acquire-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir).unwrap();
    /// let lock = DirLock::at(&dir).wait(Duration::ZERO);
    /// let guard = lock.acquire()?;
    /// assert!(matches!(lock.acquire(), Err(LockError::Timeout { .. })));
    /// drop(guard);
    /// assert!(lock.acquire().is_ok());
    /// # std::fs::remove_dir_all(dir).unwrap();
    /// # Ok::<(), LockError>(())
    /// ```
    pub fn acquire(&self) -> Result<LockGuard, LockError> {
        self.0.acquire()
    }

    /// Takes the lock, for which it waits without blocking.
    ///
    /// # Errors
    ///
    /// Same as [`FileLock::acquire`].
    pub async fn acquire_async(&self) -> Result<LockGuard, LockError> {
        self.0.acquire_async().await
    }
}

impl From<DirLock> for FileLock {
    fn from(lock: DirLock) -> Self {
        lock.0
    }
}
