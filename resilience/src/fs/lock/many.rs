//! Taking several locks at once, in one order.
//!
//! The order is that of the device and inode of the lock files, which every process sees alike; names would not do,
//! since two names may lead to one file. The files are made before they are sorted. If one was removed and made again
//! while the locks were taken, the order no longer fits, and the round begins again within the same limit.

use super::acquire::{Acquire, acquire};
use super::place::LockFiles;
use super::{FileLock, LockError, LockGuard};
use crate::base::files::{self, Inode};
use crate::base::scope;
use std::time::{Duration, Instant};

/// Takes all `locks`, in the order of their files on the disk; the thread sleeps while it waits.
///
/// All callers take them in the same order, so that two of them never wait for each other. A lock that is named twice
/// is taken once; if one of the two is not a reader's lock, neither is the result. `wait` is the limit of all together,
/// and replaces those of the locks.
///
/// # Errors
///
/// Same as [`FileLock::acquire`], of the first lock that cannot be taken; then none is held.
///
/// # Examples
///
/// ```
/// use resilience::fs::lock_all;
/// use resilience::lock;
/// use std::time::Duration;
///
/// # let _world = resilience::testing::isolate();
/// let guards = lock_all([lock::task("7"), lock::task("3"), lock::task("7")], Duration::from_secs(5))?;
/// assert_eq!(guards.len(), 2);
/// # drop(guards);
/// # Ok::<(), resilience::fs::LockError>(())
/// ```
pub fn lock_all<L: Into<FileLock>>(
    locks: impl IntoIterator<Item = L>,
    wait: Duration,
) -> Result<Vec<LockGuard>, LockError> {
    let round = ManyLocks::new(locks, wait)?;
    loop {
        let mut guards = Vec::new();
        for lock in round.sorted()? {
            guards.push(acquire(round.limited(lock), || {})?);
        }
        if let Some(guards) = ManyLocks::finished(guards) {
            return Ok(guards);
        }
    }
}

/// Takes all `locks`, for which it waits without blocking; see [`lock_all`].
///
/// A future that is dropped releases the locks that it has taken so far.
///
/// # Errors
///
/// Same as [`lock_all`].
///
/// # Examples
///
/// ```
/// use resilience::fs::lock_all_async;
/// use resilience::lock;
/// use std::time::Duration;
///
/// # let _world = resilience::testing::isolate();
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let both = lock_all_async([lock::task("from"), lock::task("to")], Duration::from_secs(5)).await?;
/// assert_eq!(both.len(), 2);
/// # Ok::<(), resilience::fs::LockError>(())
/// # }).unwrap();
/// ```
pub async fn lock_all_async<L: Into<FileLock>>(
    locks: impl IntoIterator<Item = L>,
    wait: Duration,
) -> Result<Vec<LockGuard>, LockError> {
    let round = ManyLocks::new(locks, wait)?;
    loop {
        let mut guards = Vec::new();
        for lock in round.sorted()? {
            guards.push(Acquire::new(round.limited(lock)).await?);
        }
        if let Some(guards) = ManyLocks::finished(guards) {
            return Ok(guards);
        }
    }
}

/// The locks, and until when they may be waited for.
struct ManyLocks {
    locks: Vec<(FileLock, LockFiles)>,
    began: Instant,
    wait: Duration,
}

impl ManyLocks {
    fn new<L: Into<FileLock>>(locks: impl IntoIterator<Item = L>, wait: Duration) -> Result<Self, LockError> {
        let locks = locks.into_iter().map(|lock| {
            let lock = lock.into();
            let place = lock.target.place()?;
            Ok((lock, place))
        });
        Ok(Self {
            locks: locks.collect::<Result<_, LockError>>()?,
            began: Instant::now(),
            wait: scope::at_most(wait),
        })
    }

    /// Returns the locks in the order of their files, which are made if they do not exist, each once.
    fn sorted(&self) -> Result<Vec<FileLock>, LockError> {
        let mut found = Vec::<(Option<Inode>, FileLock)>::new();
        for (lock, place) in &self.locks {
            let mut inode = files::inode(&place.path);
            if inode.is_none() {
                let file = place.open(&place.path);
                inode = files::inode_of(&file.map_err(|error| LockError::io(&place.path, &error))?);
            }
            match found.iter_mut().find(|(other, _)| *other == inode) {
                Some((_, same)) => same.is_shared &= lock.is_shared,
                None => found.push((inode, lock.clone())),
            }
        }
        found.sort_by_key(|(inode, _)| *inode);
        Ok(found.into_iter().map(|(_, lock)| lock).collect())
    }

    /// Returns `lock`, which waits for as long as all together still may.
    fn limited(&self, lock: FileLock) -> FileLock {
        lock.wait(self.wait.saturating_sub(self.began.elapsed()))
    }

    /// Returns the guards, unless a file was removed before the end, so that the order was another one.
    fn finished(guards: Vec<LockGuard>) -> Option<Vec<LockGuard>> {
        let inodes: Vec<_> = guards.iter().map(|guard| files::inode(guard.path())).collect();
        inodes.is_sorted().then_some(guards)
    }
}
