//! Locks by name and by path: taking, listing and pruning them.
//!
//! [`task`], [`named`], [`common`] and [`in_dir`] are locks by name; [`FileLock::at`](crate::fs::FileLock::at) is one
//! by path. The module [`fs`](crate::fs) says how they hold.
//!
//! | function | who shares the lock |
//! |---|---|
//! | [`named`], [`task`] | the processes of this user with one [directory](dir()) of locks: by default, those of one application |
//! | [`common`] | all programs of this user |
//! | [`in_dir`] | the processes of this user that name the same directory |
//! | [`FileLock::at`](crate::fs::FileLock::at) | all processes that may read the file, of any user |
//!
//! # For operators
//!
//! [`list`] shows who holds and who waits, [`prune`] removes files that are not in use, and [`stats`] counts the waits
//! of this process. A lock is never broken: to free one, end the process that [`LockInfo::holders`] names.

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
#[cfg(feature = "durable")]
pub(crate) use error::holds_words;
#[cfg(target_os = "linux")]
pub(crate) use holder::{NamedJournal, journal_named_in, this_process};
pub use list::{LockInfo, list, list_in, prune, prune_in};
#[cfg(target_os = "linux")]
pub(crate) use place::file_stem;
pub use place::{dir, use_dir};
#[cfg(feature = "ops")]
pub(crate) use stats::waits;
pub use stats::{LockStats, stats};

use super::{LockError, LockGuard};
use crate::base::files;
use crate::base::holding::{Holds, holding};
use crate::base::scope;
use crate::base::template::part;
use crate::classify::Classify;
use crate::failure::outcome::Refuse;
use crate::failure::rejected::Rejected;
use place::{Dir, Target};
use std::panic::Location;
use std::path::PathBuf;
use std::time::Duration;

/// The default time for which a lock is waited for.
const WAIT: Duration = Duration::from_secs(30);

/// A lock between processes, by a path or by a name: the file to lock and the time to wait for it.
///
/// The value holds nothing: [`acquire`](Self::acquire) takes the lock. It is waited for up to 30 s, or as long as the
/// timeouts around the code leave. Making the value touches no file; a wrong name or path is reported when it is
/// taken.
///
/// # Which call
///
/// | to | write |
/// |---|---|
/// | run code under the lock | [`call`](Self::call), [`call_async`](Self::call_async): re-entry is refused at once |
/// | hold it across functions, or until an object is dropped | [`acquire`](Self::acquire), [`acquire_async`](Self::acquire_async) |
/// | guard a whole function | `#[with_lock]`, which also counts and reports |
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
    /// The place where the lock was made, for warnings.
    taken_at: String,
}

impl FileLock {
    #[track_caller]
    fn of(target: Target) -> Self {
        let at = Location::caller();
        Self { target, is_shared: false, wait: WAIT, taken_at: format!("{}:{}", at.file(), at.line()) }
    }

    /// Describes the lock that is the file at `path`, which is made when it is first taken.
    ///
    /// Use a file of its own, not one with data: a program that replaces a file by renaming leaves its lock behind. A
    /// file that has other content keeps it, and then the time since the lock was taken is not known. A second file,
    /// `<path>.turn`, makes the waits fair; where it may not be made, the lock is taken without it. A link and a
    /// directory are refused when the lock is taken. Users who share the lock need the right to read the file. Its
    /// directory has to exist.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::fs::{FileLock, LockError};
    ///
    /// let refused = FileLock::at(std::env::temp_dir()).acquire().unwrap_err();
    /// assert!(matches!(refused, LockError::Refused { .. }));
    /// assert!(refused.to_string().contains("`DirLock::at` locks one by a file in it"));
    /// ```
    #[track_caller]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self::of(Target::Path(files::absolute(path)))
    }

    /// Makes it a reader's lock: any number of readers hold it at once, and none while a writer does.
    ///
    /// A writer that waits goes before readers that come later.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::fs::LockError;
    /// use resilience::lock;
    /// use std::time::Duration;
    ///
    /// # let _world = resilience::testing::isolate();
    /// let reader = || lock::named("index").shared(true).acquire();
    /// let (one, other) = (reader()?, reader()?);
    ///
    /// let writer = lock::named("index").wait(Duration::ZERO).acquire();
    /// assert!(matches!(writer, Err(LockError::Timeout { .. })));
    /// # drop((one, other));
    /// # Ok::<(), LockError>(())
    /// ```
    pub fn shared(mut self, is_shared: bool) -> Self {
        self.is_shared = is_shared;
        self
    }

    /// Sets how long to wait for it; 30 s by default.
    ///
    /// Zero tries for 20 ms: `list`, or a child process that is just being started, can hold it for an instant.
    ///
    /// A shorter timeout around the code ends the wait earlier, and so does the [shutdown](crate::shutdown()). The time
    /// is real time, also in a test world.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Returns the lock, taken at a place that is called `name` in warnings.
    pub(crate) fn taken_at(mut self, name: &str) -> Self {
        name.clone_into(&mut self.taken_at);
        self
    }

    /// Takes the lock; the thread sleeps while it waits.
    ///
    /// A caller that asks again while it has the guard waits for itself until the time is over: only
    /// [`call`](Self::call), [`call_async`](Self::call_async) and `#[with_lock]` know what the running code holds.
    ///
    /// An error leaves nothing behind that could take the lock later. Where the directory of a lock by name is missing,
    /// it is made, for this user alone.
    ///
    /// # Errors
    ///
    /// [`LockError::Timeout`] if it is not free in time, [`LockError::Reentered`] inside of a call that holds it,
    /// [`LockError::Refused`] for a name or place that cannot be used, and errors of the file system.
    ///
    /// # Examples
    ///
    /// A lock that an object holds for as long as it lives:
    ///
    /// ```
    /// use resilience::fs::{LockError, LockGuard};
    /// use resilience::lock;
    ///
    /// struct Scanner {
    ///     _lock: LockGuard,
    /// }
    ///
    /// impl Scanner {
    ///     fn open() -> Result<Self, LockError> {
    ///         Ok(Self { _lock: lock::common("device:scanner").acquire()? })
    ///     }
    /// }
    ///
    /// # let _world = resilience::testing::isolate();
    /// let scanner = Scanner::open()?;
    /// assert!(lock::common("device:scanner").wait(std::time::Duration::ZERO).acquire().is_err());
    /// drop(scanner);
    /// assert!(Scanner::open().is_ok());
    /// # Ok::<(), LockError>(())
    /// ```
    pub fn acquire(&self) -> Result<LockGuard, LockError> {
        self.acquire_with(|| {})
    }

    /// Takes the lock like `acquire`, and calls `waits` before each sleep.
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

    /// Runs `body` while it holds the lock; the thread sleeps while it waits.
    ///
    /// A call inside of `body` that asks for the same lock is refused at once. The lock is released after `body`, also
    /// if that panics.
    ///
    /// # Errors
    ///
    /// The body's own, or its error type made from [`Rejected::LockTimeout`], whose text has the reason.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Rejected;
    /// use resilience::fs::LockError;
    /// use resilience::lock;
    ///
    /// # let _world = resilience::testing::isolate();
    /// lock::task("7").call(|| {
    ///     let again = lock::task("7").acquire();
    ///     assert!(matches!(again, Err(LockError::Reentered { .. })), "it would wait for itself");
    ///     Ok::<(), Rejected>(())
    /// })?;
    /// # Ok::<(), Rejected>(())
    /// ```
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
    /// What the code holds travels with it from thread to thread. Two branches of one `join!` wait for each other, as
    /// two tasks do. A future that is dropped drops `body` first, and then the guard.
    ///
    /// # Errors
    ///
    /// Same as [`call`](Self::call).
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Rejected, lock};
    ///
    /// # let _world = resilience::testing::isolate();
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let rows = lock::task("7").call_async(async || Ok::<u32, Rejected>(42)).await?;
    /// assert_eq!(rows, 42);
    /// # Ok::<(), Rejected>(())
    /// # }).unwrap();
    /// ```
    pub async fn call_async<R: Refuse>(&self, body: impl AsyncFnOnce() -> R) -> R {
        match self.acquire_async().await {
            Ok(guard) => holding(&guard, body()).await,
            Err(error) => R::refuse(self.rejected(&error)),
        }
    }

    fn rejected(&self, error: &LockError) -> Rejected {
        let may_be_free = error.classify().is_retryable();
        Rejected::lock_timeout(self.target.label().into(), None, error.to_string(), may_be_free)
    }
}

/// Returns the lock of the task `id`: the one that `#[with_lock("task:{id}")]` takes.
///
/// The id may have any characters; ids that differ have different locks. It is written into the name as the template of
/// the attribute writes it, with the characters escaped that would make two ids alike.
///
/// # Examples
///
/// ```
/// use resilience::lock;
///
/// # let _world = resilience::testing::isolate();
/// let (one, other) = (lock::task("a/b").acquire()?, lock::task("a:b").acquire()?);
/// assert_ne!(one.path(), other.path());
/// # drop((one, other));
/// # Ok::<(), resilience::fs::LockError>(())
/// ```
#[track_caller]
pub fn task(id: impl AsRef<str>) -> FileLock {
    named(format!("task:{}", part(id.as_ref())))
}

/// Describes the lock called `name`, in the [directory](dir()) of this program.
///
/// A name has 1 to 1,024 bytes, any of them; the file is called by its beginning and a hash of the exact bytes. A name
/// means one lock for each user and directory: between users, lock a path.
///
/// # Examples
///
/// ```
/// use resilience::fs::LockError;
/// use resilience::lock;
///
/// # let _world = resilience::testing::isolate();
/// let guard = lock::named("Nightly report").acquire()?;
/// let file = guard.path().file_name().unwrap().to_str().unwrap();
/// assert!(file.starts_with("Nightly_report-"), "{file}");
///
/// assert!(matches!(lock::named("").acquire(), Err(LockError::Refused { .. })));
/// # drop(guard);
/// # Ok::<(), LockError>(())
/// ```
#[track_caller]
pub fn named(name: impl Into<String>) -> FileLock {
    FileLock::of(Target::Named { name: name.into(), dir: Dir::OfProgram })
}

/// Describes the lock called `name` that all programs of this user share.
///
/// It is in `resilience/locks` below the platform's directory for state. After [`use_dir`], and in test worlds, it is
/// in the directory `common` below that of this program. Programs have to agree on names, so name the thing that is
/// locked:
/// `device:scanner`.
///
/// # Examples
///
/// ```
/// use resilience::lock;
///
/// # let _world = resilience::testing::isolate();
/// let (shared, own) = (lock::common("device:scanner").acquire()?, lock::named("device:scanner").acquire()?);
/// assert_ne!(shared.path(), own.path(), "two locks");
/// # drop((shared, own));
/// # Ok::<(), resilience::fs::LockError>(())
/// ```
#[track_caller]
pub fn common(name: impl Into<String>) -> FileLock {
    FileLock::of(Target::Named { name: name.into(), dir: Dir::Common })
}

/// Describes the lock called `name` in the directory `dir`, which is made for this user alone if it is missing.
///
/// A directory that belongs to another user, or that others may write, is refused when the lock is taken.
///
/// # Examples
///
/// ```
/// use resilience::lock;
///
/// # let dir = std::env::temp_dir().join(format!("resilience-in-dir-{}", std::process::id()));
/// let guard = lock::in_dir(&dir, "import").acquire()?;
/// assert!(guard.path().starts_with(dir.canonicalize().unwrap()));
/// # drop(guard);
/// # std::fs::remove_dir_all(dir).unwrap();
/// # Ok::<(), resilience::fs::LockError>(())
/// ```
#[track_caller]
pub fn in_dir(dir: impl Into<PathBuf>, name: impl Into<String>) -> FileLock {
    FileLock::of(Target::Named { name: name.into(), dir: Dir::Given(files::absolute(dir)) })
}
