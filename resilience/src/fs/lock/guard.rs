//! A lock that is held, and its release.
//!
//! A guard knows the process that has taken it. In any other one, such as a forked child, it answers that the lock is
//! not held and releases nothing: an unlock there would free the lock of the parent. Dropping it unlocks the file
//! before closing it, because a duplicate of the descriptor would keep a lock that is only closed, and then calls the
//! next waiter of this process.

#[cfg(target_os = "linux")]
use super::holder::{self, NamedJournal, Text};
use super::locked::Locked;
use super::place::LockFiles;
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

/// The guard of a lock, which is held until this is dropped.
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
    place: LockFiles,
    number: usize,
    locked: Locked,
}

impl LockGuard {
    pub(super) fn new(place: LockFiles, number: usize, locked: Locked) -> Self {
        Self { place, number, locked }
    }

    /// Returns the file that is locked.
    ///
    /// It is absolute, and its directory has no links in it. For a lock by name it is a file in the
    /// [directory](crate::lock::dir()) of locks.
    pub fn path(&self) -> &Path {
        &self.place.path
    }

    /// Returns the name or the path that the lock was asked for by.
    ///
    /// # Examples
    ///
    /// ```
    /// # let _world = resilience::testing::isolate();
    /// let guard = resilience::lock::task("TASK-7").acquire()?;
    /// assert_eq!(guard.name(), "task:TASK-7");
    /// assert!(guard.path().extension().is_some_and(|end| end == "lock"));
    /// # drop(guard);
    /// # Ok::<(), resilience::fs::LockError>(())
    /// ```
    pub fn name(&self) -> &str {
        &self.place.label
    }

    /// Returns whether the locked file is still the one at its path.
    ///
    /// A program that cleans directories may have removed it: then other processes lock a new file, and do not wait for
    /// this guard. Ask before a step that cannot be undone. In a forked child it is `false`.
    ///
    /// It costs two system calls that look at the file, and does not touch the lock.
    ///
    /// # Examples
    ///
    /// ```
    /// # let _world = resilience::testing::isolate();
    /// let guard = resilience::lock::task("report").acquire()?;
    /// assert!(guard.still_ours());
    ///
    /// // What a program that cleans directories may do:
    /// # #[cfg(unix)] {
    /// std::fs::remove_file(guard.path()).unwrap();
    /// assert!(!guard.still_ours(), "another process could lock a new file now");
    /// # }
    /// # drop(guard);
    /// # Ok::<(), resilience::fs::LockError>(())
    /// ```
    pub fn still_ours(&self) -> bool {
        self.locked.is_ours() && files::is_at(&self.locked.file, &self.place.path)
    }

    /// Returns the journal of a transaction that the lock file names.
    #[cfg(target_os = "linux")]
    pub(crate) fn journal(&self) -> Option<NamedJournal> {
        Text::read(&self.locked.file).journal
    }

    /// Returns the format of the lock file, if a later version has written it: its content is not known.
    #[cfg(target_os = "linux")]
    pub(crate) fn later_format(&self) -> Option<u32> {
        Text::read(&self.locked.file).later
    }

    /// Makes the lock file name `journal`, and syncs it.
    #[cfg(target_os = "linux")]
    pub(crate) fn set_journal(&self, journal: Option<&NamedJournal>) -> io::Result<()> {
        reached("fs name journal");
        holder::write(&self.locked.file, &self.place.label, journal)?;
        reached("fs sync lock");
        self.locked.file.sync_all()
    }

    /// Returns whether this is the process that has taken the lock, and not a forked child.
    pub(crate) fn is_of_this_process(&self) -> bool {
        self.locked.is_ours()
    }

    /// Releases the lock, as dropping it does.
    ///
    /// It says in the code where the lock ends. Releasing cannot fail: the kernel frees the lock at the latest when the
    /// file is closed, or its process ends. The file stays where it is.
    pub fn unlock(self) {
        drop(self);
    }
}

/// The file that is locked.
///
/// A child process that inherits a duplicate of it keeps the lock for as long as it runs, even if this process is
/// killed; when the guard is dropped, the lock is free for all of them.
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
