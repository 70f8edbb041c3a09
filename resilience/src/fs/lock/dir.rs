//! Locks of directories.

use super::{FileLock, LockError, LockGuard};
use std::path::PathBuf;
use std::time::Duration;

/// The lock of a directory: of the file `.lock` in it.
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
    /// The lock of the directory `dir`, which has to be there when it is taken.
    #[track_caller]
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self(FileLock::at(dir.into().join(".lock")))
    }

    /// Makes it a reader's lock; see [`FileLock::shared`].
    pub fn shared(self, is_shared: bool) -> Self {
        Self(self.0.shared(is_shared))
    }

    /// Sets how long to wait for it; see [`FileLock::wait`].
    pub fn wait(self, wait: Duration) -> Self {
        Self(self.0.wait(wait))
    }

    /// Takes the lock; the thread sleeps while it waits.
    ///
    /// # Errors
    ///
    /// Same as [`FileLock::acquire`].
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
