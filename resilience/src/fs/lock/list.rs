//! The holders and waiters of locks, and removing files of locks that are not in use.
//!
//! Listing must not disturb: a lock that a listing held for an instant would look busy. So on Linux it reads
//! `/proc/locks`, which has the inodes of all files that are locked and who has locked them; elsewhere, and for locks
//! of another pid namespace, it tries to lock.

use super::LockError;
use super::error::held_by;
use super::holder::{Holder, Text, has_ended};
use super::place::{self, LockFiles};
use crate::base::files::{self, Inode};
use crate::base::regular_file::open_to_read;
use crate::base::visible::Visible;
use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// One lock of a directory, with its holders and waiters.
///
/// It is what the system showed at one moment, and may be out of date when it is read. `Display` writes one line:
/// `task:7: held by process 123 (importer), for 12s; process 130 (importer), for 1s waits`.
///
/// # Examples
///
/// ```
/// use resilience::lock;
///
/// # let _world = resilience::testing::isolate();
/// let held = lock::task("1").acquire()?;
/// lock::task("2").acquire()?.unlock();
///
/// let all = lock::list()?;
/// assert_eq!(all.iter().filter(|lock| lock.is_held).count(), 1);
/// assert_eq!(all[1].to_string(), "task:2: free");
/// # drop(held);
/// # Ok::<(), resilience::fs::LockError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LockInfo {
    /// The name that it was asked for by, or its path.
    pub name: String,
    /// The file that is locked; serialised as text, in which bytes that are not UTF-8 are replaced.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::base::serialise::path"))]
    pub path: PathBuf,
    /// Whether the lock is held, by any process.
    pub is_held: bool,
    /// The processes that hold it, as far as they are known: several of a reader's lock.
    pub holders: Vec<Holder>,
    /// The process that waits for it and goes next.
    pub waiter: Option<Holder>,
    /// The journal of a transaction that has not been finished, which the lock file names.
    pub journal: Option<String>,
}

impl fmt::Display for LockInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Visible(&self.name))?;
        match self.holders.as_slice() {
            [] if self.is_held => f.write_str(": held, holder unknown")?,
            [] => f.write_str(": free")?,
            holders => f.write_str(&held_by(holders))?,
        }
        self.waiter.as_ref().map_or(Ok(()), |waiter| write!(f, "; {waiter} waits"))
    }
}

/// The locks that the kernel shows.
///
/// Where it `is_whole`, a file without a line there is not locked by any process that this system shows; where it is
/// not, a file without a line has to be probed.
struct Kernel {
    /// The inode and the process of each.
    locks: Vec<(Inode, u32)>,
    /// Whether the lines were read at one moment, so that none is missing.
    is_whole: bool,
}

/// Returns the locks that the kernel shows; `None` if it shows none.
fn kernel_locks() -> Option<Kernel> {
    // One call reads lines of one moment; between two calls locks may be taken and released, so that a line is left
    // out.
    let (mut file, mut bytes) = (File::open("/proc/locks").ok()?, vec![0; 64 << 10]);
    let first = file.read(&mut bytes).ok()?;
    bytes.truncate(first);
    let is_whole = file.read_to_end(&mut bytes).ok()? == 0;
    let all = String::from_utf8(bytes).ok()?;
    let one = |line: &str| {
        // `1: FLOCK  ADVISORY  WRITE 123 08:01:4567 0 EOF`; what waits has `->` in it.
        let mut fields = line.split_whitespace().skip(1);
        if fields.next()? != "FLOCK" {
            return None;
        }
        let (pid, file) = (fields.nth(2)?, fields.next()?);
        let mut parts = file.split(':');
        let mut number = |radix| u64::from_str_radix(parts.next()?, radix).ok();
        let (major, minor, inode) = (number(16)?, number(16)?, number(10)?);
        Some((Inode(device(major, minor), inode), pid.parse().unwrap_or(0)))
    };
    Some(Kernel { locks: all.lines().filter_map(one).collect(), is_whole })
}

#[cfg(target_os = "linux")]
fn device(major: u64, minor: u64) -> u64 {
    rustix::fs::makedev(major as u32, minor as u32)
}

#[cfg(not(target_os = "linux"))]
fn device(_: u64, _: u64) -> u64 {
    0
}

/// The holders of the file at `path`: whether there are any, and those that are known.
struct FileHolders {
    is_held: bool,
    holders: Vec<Holder>,
    text: Text,
}

fn look(path: &Path, kernel: Option<&Kernel>) -> FileHolders {
    let Ok(file) = open_to_read(path) else {
        return FileHolders { is_held: false, holders: Vec::new(), text: Text::default() };
    };
    let (text, inode) = (Text::read(&file), files::inode_of(&file));
    // The device in the kernel's list is not everywhere the one of `stat`: then only the inode says that it may be.
    let same = |locked: &Inode| inode.is_some_and(|inode| inode == *locked);
    let similar = |locked: &Inode| inode.is_some_and(|inode| inode.1 == locked.1);
    let locks = kernel.map_or(&[][..], |kernel| &kernel.locks);
    let mut pids: Vec<u32> = locks.iter().filter(|(locked, _)| same(locked)).map(|(_, pid)| *pid).collect();
    let is_sure = kernel.is_some_and(|kernel| kernel.is_whole)
        && !locks.iter().any(|(locked, _)| similar(locked))
        && !text.is_of_another_namespace()
        // The kernel does not show a lock whose process has ended, although a child may have inherited it.
        && !text.has_ended();
    let is_held = !pids.is_empty() || (!is_sure && probe(&file));
    let living = text.living().filter(|_| is_held);
    if let (true, Some(living)) = (pids.is_empty(), &living) {
        pids.push(living.pid);
    }
    if is_held && pids.iter().all(|pid| has_ended(*pid)) {
        // Its children may have inherited the lock.
        let inheriting_processes = inode.map(inheriting_processes).unwrap_or_default();
        if !inheriting_processes.is_empty() {
            pids = inheriting_processes;
        }
    }
    pids.sort_unstable();
    pids.dedup();
    let holder =
        |pid| living.clone().filter(|living| living.pid == pid).unwrap_or_else(|| Holder::unknown(pid));
    FileHolders { is_held, holders: pids.into_iter().map(holder).collect(), text }
}

/// Returns whether `file` cannot be locked.
fn probe(file: &File) -> bool {
    let is_held = file.try_lock().is_err();
    let _ = file.unlock();
    is_held
}

/// Returns whether a stopped process holds the lock of the file at `path`. It never tries to lock.
pub(super) fn is_held_by_stopped(path: &Path) -> bool {
    let Ok(file) = open_to_read(path) else { return false };
    // The kernel knows a process that was stopped before it wrote who it is.
    let (inode, locks) = (files::inode_of(&file), kernel_locks().map_or(Vec::new(), |kernel| kernel.locks));
    let mut pids = locks.iter().filter(|(locked, _)| Some(*locked) == inode).map(|(_, pid)| *pid);
    pids.any(|pid| Holder::unknown(pid).is_stopped)
        || Text::read(&file).living().is_some_and(|waiter| waiter.is_stopped)
}

/// Returns the processes that have the file `inode` open and locked, although another one has locked it.
///
/// It reads the descriptors of every process, so it is asked only where the process that has locked the file has ended
/// and the file is locked all the same.
fn inheriting_processes(inode: Inode) -> Vec<u32> {
    let entries = |dir: &str| fs::read_dir(dir).into_iter().flatten().flatten();
    let is_heir = |pid: u32| {
        entries(&format!("/proc/{pid}/fd")).any(|file| {
            let info = || fs::read_to_string(format!("/proc/{pid}/fdinfo/{}", file.file_name().display()));
            files::inode_behind(&file.path()) == Some(inode)
                && info().is_ok_and(|info| info.contains("FLOCK"))
        })
    };
    let pids = entries("/proc").filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| *pid != std::process::id() && is_heir(*pid)).collect()
}

/// Returns the holders of the lock at `place`, as far as they are known.
pub(super) fn holders(place: &LockFiles) -> Vec<Holder> {
    look(&place.path, kernel_locks().as_ref()).holders
}

/// Lists the locks that have a name in the [directory](super::dir()) of this program, held or not, by name.
///
/// On Linux it takes no lock, so that listing never makes one look busy; where the system does not show which files are
/// locked, it tries each for an instant. Locks [at a path](crate::fs::FileLock::at) outside of the directory are not
/// listed. A file that is removed during the call is left out or shown as free.
///
/// # Errors
///
/// [`LockError::Failed`] if the directory cannot be read, and [`LockError::Refused`] if nothing says where it is. A
/// directory that does not exist has no locks.
///
/// # Examples
///
/// ```
/// use resilience::lock;
///
/// # let _world = resilience::testing::isolate();
/// assert!(lock::list()?.is_empty());
/// let guard = lock::named("nightly report").acquire()?;
/// assert_eq!(lock::list()?[0].name, "nightly report");
/// # drop(guard);
/// # Ok::<(), resilience::fs::LockError>(())
/// ```
pub fn list() -> Result<Vec<LockInfo>, LockError> {
    list_in(&place::dir()?)
}

/// Lists the locks in the directory `dir`, for instance of another program; see [`list`].
///
/// # Errors
///
/// Same as [`list`].
///
/// # Examples
///
/// ```
/// use resilience::lock;
///
/// # let dir = std::env::temp_dir().join(format!("resilience-list-in-{}", std::process::id()));
/// let guard = lock::in_dir(&dir, "import").acquire()?;
/// let all = lock::list_in(&dir)?;
/// assert_eq!((all.len(), all[0].name.as_str(), all[0].is_held), (1, "import", true));
/// # drop(guard);
/// # std::fs::remove_dir_all(dir).unwrap();
/// # Ok::<(), resilience::fs::LockError>(())
/// ```
pub fn list_in(dir: impl AsRef<Path>) -> Result<Vec<LockInfo>, LockError> {
    let kernel = kernel_locks();
    let mut all = Vec::new();
    for path in lock_files(dir.as_ref())? {
        let lock = look(&path, kernel.as_ref());
        let waiting = look(&path.with_extension("turn"), kernel.as_ref());
        // Everyone passes the turn; who waits has written into it.
        let waiter = waiting.holders.into_iter().find(|waiter| waiter.age.is_some());
        let name = match lock.text.label {
            label if label.is_empty() => path.display().to_string(),
            label => label,
        };
        let (is_held, holders, journal) =
            (lock.is_held, lock.holders, lock.text.journal.map(|named| named.path));
        all.push(LockInfo { name, path, is_held, holders, waiter, journal });
    }
    all.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(all)
}

fn lock_files(dir: &Path) -> Result<Vec<PathBuf>, LockError> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| LockError::io(dir, &error))?,
    };
    let paths = entries.flatten().map(|entry| entry.path());
    Ok(paths.filter(|path| path.extension().is_some_and(|end| end == "lock")).collect())
}

/// Removes the files of locks that have a name and are not in use, in the [directory](super::dir()) of this program;
/// returns how many locks were removed.
///
/// A file is removed while it is locked here, once it was compared with the one at its path; who opened it before
/// notices that, and opens the new one. A lock stays that is held or waited for, or whose file names the journal of a
/// transaction.
///
/// Files cost little: it is for directories in which names come and go, such as one lock for each task. A file that
/// cannot be removed is left there, and is not an error.
///
/// # Errors
///
/// Same as [`list`].
///
/// # Examples
///
/// ```
/// use resilience::lock;
///
/// # let _world = resilience::testing::isolate();
/// let held = lock::task("1").acquire()?;
/// lock::task("2").acquire()?.unlock();
/// assert_eq!(lock::prune()?, 1);
/// assert_eq!(lock::list()?.len(), 1);
/// # drop(held);
/// # Ok::<(), resilience::fs::LockError>(())
/// ```
pub fn prune() -> Result<usize, LockError> {
    prune_in(&place::dir()?)
}

/// Removes the files of locks that are not in use in the directory `dir`; see [`prune`].
///
/// # Errors
///
/// Same as [`list`].
///
/// # Examples
///
/// ```
/// use resilience::lock;
///
/// # let dir = std::env::temp_dir().join(format!("resilience-prune-in-{}", std::process::id()));
/// lock::in_dir(&dir, "import").acquire()?.unlock();
/// assert_eq!(lock::prune_in(&dir)?, 1);
/// assert_eq!(lock::prune_in(&dir)?, 0, "nothing is left");
/// # std::fs::remove_dir_all(dir).unwrap();
/// # Ok::<(), resilience::fs::LockError>(())
/// ```
pub fn prune_in(dir: impl AsRef<Path>) -> Result<usize, LockError> {
    let mut removed = 0;
    for path in lock_files(dir.as_ref())? {
        let turn = path.with_extension("turn");
        // The turn first, as every caller does: its holder is the only one that tries to lock the file.
        files::remove_unlocked(&turn, |_| {
            let is_gone = files::remove_unlocked(&path, |file| !Text::read(file).may_name_a_journal());
            removed += usize::from(is_gone);
            is_gone
        });
    }
    Ok(removed)
}
