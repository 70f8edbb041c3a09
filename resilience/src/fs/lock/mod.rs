//! Locks by name and by path: taking, listing and pruning them.
//!
//! [`task`], [`named`], [`common`] and [`in_dir`] are locks by name; [`FileLock::at`](crate::fs::FileLock::at) is one by
//! path. The module [`fs`](crate::fs) says how they hold.

mod acquire;
pub(super) mod dir;
pub(super) mod error;
pub(super) mod guard;
pub(crate) mod held;
pub(super) mod holder;
mod list;
mod locked;
pub(super) mod many;
pub(super) mod marker;
mod place;
mod queue;
mod stats;

pub(crate) use acquire::Acquire;
#[cfg(target_os = "linux")]
pub(crate) use holder::this_process;
pub use list::{LockInfo, list, list_in, prune, prune_in};
#[cfg(target_os = "linux")]
pub(crate) use place::file_stem;
pub use place::{dir, use_dir};
pub use stats::{LockStats, stats};

use super::{LockError, LockGuard};
use crate::base::holding::{Holding, Holds};
use crate::base::scope;
use crate::base::template::part;
use crate::failure::outcome::Refuse;
use crate::failure::rejected::Rejected;
use place::{Dir, Target};
use std::panic::Location;
use std::path::PathBuf;
use std::time::Duration;

/// How long a lock is waited for unless said otherwise.
const WAIT: Duration = Duration::from_secs(30);

/// A lock between processes, by a path or by a name: what to lock and how long to wait for it.
///
/// The value holds nothing: [`acquire`](Self::acquire) takes the lock. It is waited for up to 30 s, or as long as the
/// timeouts around the code leave.
///
/// # Examples
///
/// ```
/// use resilience::fs::FileLock;
/// use std::time::Duration;
///
/// # let dir = std::env::temp_dir().join(format!("resilience-file-lock-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir).unwrap();
/// # let path = dir.join("import.lock");
/// let import = FileLock::at(&path).wait(Duration::from_secs(5));
/// let rows: Result<u32, resilience::Rejected> = import.call(|| Ok(7));
/// assert_eq!(rows.unwrap(), 7);
/// # std::fs::remove_dir_all(dir).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct FileLock {
    target: Target,
    is_shared: bool,
    wait: Duration,
    /// Where it was made, for warnings.
    taken_at: String,
}

impl FileLock {
    #[track_caller]
    fn of(target: Target) -> Self {
        let at = Location::caller();
        Self { target, is_shared: false, wait: WAIT, taken_at: format!("{}:{}", at.file(), at.line()) }
    }

    /// The lock that is the file at `path`, made when it is first taken.
    ///
    /// Use a file of its own, not one with data: what replaces a file by renaming leaves its lock behind. A file that has
    /// other content keeps it, and then nothing says since when the lock is held. A second file,
    /// `<path>.turn`, makes the waits fair. A link and a directory are refused when the lock is taken. Users who share the
    /// lock need the right to read the file.
    #[track_caller]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self::of(Target::Path(path.into()))
    }

    /// Makes it a reader's lock: any number of readers hold it at once, and none while a writer does.
    ///
    /// A writer that waits goes before readers that come later.
    pub fn shared(mut self, is_shared: bool) -> Self {
        self.is_shared = is_shared;
        self
    }

    /// Sets how long to wait for it; 30 s by default.
    ///
    /// Zero tries for 20 ms: a look at the lock, or a child that is just being started, can hold it for an instant.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// The same, taken at a place that is called `name` in warnings.
    pub(crate) fn taken_at(mut self, name: &str) -> Self {
        name.clone_into(&mut self.taken_at);
        self
    }

    /// Takes the lock; the thread sleeps while it waits.
    ///
    /// A caller that asks again while it has the guard waits for itself until the time is over: only
    /// [`call`](Self::call), [`call_async`](Self::call_async) and `#[with_lock]` know what the running code holds.
    ///
    /// # Errors
    ///
    /// [`LockError::Timeout`] if it is not free in time, [`LockError::Reentered`] inside of a call that holds it,
    /// [`LockError::Refused`] for a name or place that cannot be used, and errors of the file system.
    pub fn acquire(&self) -> Result<LockGuard, LockError> {
        self.acquire_with(|| {})
    }

    /// The same, which calls `waits` before each sleep.
    pub(crate) fn acquire_with(&self, waits: impl FnMut()) -> Result<LockGuard, LockError> {
        acquire::acquire(self.clone(), waits)
    }

    /// Takes the lock, for which it waits without blocking, on any executor.
    ///
    /// Each try is a few system calls on local files, which return at once. A future that is dropped takes the lock
    /// neither then nor later. The wait is in real time, whatever clock a test world has.
    ///
    /// # Errors
    ///
    /// Same as [`acquire`](Self::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// # let _world = resilience::testing::isolate();
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let guard = resilience::lock::task("7").acquire_async().await?;
    /// assert_eq!(guard.name(), "task:7");
    /// # Ok::<(), resilience::fs::LockError>(())
    /// # }).unwrap();
    /// ```
    pub async fn acquire_async(&self) -> Result<LockGuard, LockError> {
        Acquire::new(self.clone()).await
    }

    /// Runs `body` while it holds the lock.
    ///
    /// A call inside of `body` that asks for the same lock is refused at once.
    ///
    /// # Errors
    ///
    /// The body's own, or its error type made from [`Rejected::LockTimeout`], whose text has the reason.
    pub fn call<R: Refuse>(&self, body: impl FnOnce() -> R) -> R {
        match self.acquire() {
            Ok(guard) => {
                let _holding = scope::holding(guard.number());
                body()
            }
            Err(error) => R::refuse(self.rejected(&error)),
        }
    }

    /// Runs the async `body` while it holds the lock, for which it waits without blocking.
    ///
    /// # Errors
    ///
    /// Same as [`call`](Self::call).
    pub async fn call_async<R: Refuse>(&self, body: impl AsyncFnOnce() -> R) -> R {
        match self.acquire_async().await {
            Ok(guard) => Holding::new(&guard, body()).await,
            Err(error) => R::refuse(self.rejected(&error)),
        }
    }

    fn rejected(&self, error: &LockError) -> Rejected {
        Rejected::lock_timeout(self.target.label().into(), None, error.to_string())
    }
}

/// The lock of the task `id`: the one that `#[with_lock("task:{id}")]` takes.
///
/// The id may have any characters; ids that differ have different locks.
#[track_caller]
pub fn task(id: impl AsRef<str>) -> FileLock {
    named(format!("task:{}", part(id.as_ref())))
}

/// The lock called `name`, in the [directory](dir()) of this program.
///
/// A name has 1 to 1,024 bytes, any of them; the file is called by its beginning and a hash of the exact bytes. A name
/// means one lock for each user and directory: between users, lock a path.
#[track_caller]
pub fn named(name: impl Into<String>) -> FileLock {
    FileLock::of(Target::Named { name: name.into(), dir: Dir::OfProgram })
}

/// The lock called `name` that all programs of this user share, in `resilience/locks` below the platform's directory for
/// state.
#[track_caller]
pub fn common(name: impl Into<String>) -> FileLock {
    FileLock::of(Target::Named { name: name.into(), dir: Dir::Common })
}

/// The lock called `name` in the directory `dir`, which is made for this user alone if it is not there.
#[track_caller]
pub fn in_dir(dir: impl Into<PathBuf>, name: impl Into<String>) -> FileLock {
    FileLock::of(Target::Named { name: name.into(), dir: Dir::Given(dir.into()) })
}
