//! A lock that is held.

#[cfg(target_os = "linux")]
use super::holder::{self, Text};
use super::locked::Locked;
use super::place::Place;
use super::{held, queue};
use crate::base::files;
use crate::base::holding::Holds;
#[cfg(target_os = "linux")]
use crate::base::world::reached;
#[cfg(target_os = "linux")]
use std::io;
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

/// Holds a lock until it is dropped.
///
/// In a child that was forked while it is held it does nothing: the lock stays with the process that has taken it. Send
/// it to the thread or task that does the work; it may be dropped on any thread.
///
/// # Examples
///
/// ```
/// use resilience::fs::FileLock;
///
/// # let dir = std::env::temp_dir().join(format!("resilience-guard-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir).unwrap();
/// # let path = dir.join("import.lock");
/// let guard = FileLock::at(&path).acquire()?;
/// assert!(guard.still_ours());
/// guard.unlock();
/// # std::fs::remove_dir_all(dir).unwrap();
/// # Ok::<(), resilience::fs::LockError>(())
/// ```
#[derive(Debug)]
#[must_use = "the lock is free again when this is dropped"]
pub struct LockGuard {
    place: Place,
    number: usize,
    locked: Locked,
}

impl LockGuard {
    pub(super) fn new(place: Place, number: usize, locked: Locked) -> Self {
        Self { place, number, locked }
    }

    /// Returns the file that is locked.
    pub fn path(&self) -> &Path {
        &self.place.path
    }

    /// Returns the name or the path that the lock was asked for by.
    pub fn name(&self) -> &str {
        &self.place.label
    }

    /// Returns whether the locked file is still the one at its path.
    ///
    /// A program that cleans directories may have removed it: then other processes lock a new file, and do not wait for
    /// this guard. Ask before a step that cannot be undone. In a forked child it is `false`.
    pub fn still_ours(&self) -> bool {
        self.locked.is_ours() && files::is_at(&self.locked.file, &self.place.path)
    }

    /// The journal of a transaction that the lock file names.
    #[cfg(target_os = "linux")]
    pub(crate) fn journal(&self) -> Option<String> {
        Text::read(&self.locked.file).journal
    }

    /// The format of the lock file, where a later version has written it: what it says is not known.
    #[cfg(target_os = "linux")]
    pub(crate) fn later_format(&self) -> Option<u32> {
        Text::read(&self.locked.file).later
    }

    /// Makes the lock file name `journal`, and syncs it.
    #[cfg(target_os = "linux")]
    pub(crate) fn set_journal(&self, journal: Option<&str>) -> io::Result<()> {
        reached("fs name journal");
        holder::write(&self.locked.file, &self.place.label, journal)?;
        reached("fs sync lock");
        self.locked.file.sync_all()
    }

    /// Whether this is the process that has taken the lock, and not a forked child.
    pub(crate) fn is_of_this_process(&self) -> bool {
        self.locked.is_ours()
    }

    /// Releases the lock, as dropping it does.
    pub fn unlock(self) {
        drop(self);
    }
}

/// The file that is locked.
///
/// A child process that inherits a duplicate of it keeps the lock for as long as it runs, even if this process is killed;
/// when the guard is dropped, the lock is free for all of them.
#[cfg(unix)]
impl AsFd for LockGuard {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.locked.file.as_fd()
    }
}

impl Holds for LockGuard {
    fn number(&self) -> usize {
        self.number
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        if !self.locked.is_ours() {
            return;
        }
        held::leave(self.number);
        self.locked.unlock();
        queue::released(&self.place.path);
    }
}
