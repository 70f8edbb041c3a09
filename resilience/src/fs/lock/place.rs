//! The places of locks: the directory of named ones, and the file of each.

use super::super::LockError;
use crate::base::digest::hash;
use crate::base::files::{self, Inode};
use crate::base::of_process::OfProcess;
use crate::base::regular_file::other_kind;
use crate::base::site::Site;
use crate::base::state_dir::{self, ChosenDir};
use crate::base::sync::locked;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The most bytes that the name of a lock may have.
const NAME_LIMIT: usize = 1024;
/// The most bytes that the name of a file may have.
const FILE_LIMIT: usize = 255;
/// The text for a directory of locks.
const ABOUT: &str = "Locks of programs that use the Rust library `resilience`, one file for each name.\n\
    Do not remove files while such a program runs: `resilience::lock::prune()` removes those that are not in use.\n";
const ON_NETWORK: &str = "where locks do not hold between hosts: use a lease in a store for many hosts, such as \
    Postgres, or a `MarkerLock`";

/// The directory of named locks that the program has chosen; each test world has its own.
static DIR: Site<ChosenDir> = Site::new(ChosenDir::new(false), || ChosenDir::new(true));

/// Makes `dir` the directory of the locks that have a name, for this process or test world.
///
/// Without it they are in the directory `locks` beside the store: below `RESILIENCE_STATE`, or below the platform's
/// directory for state and the name of the [application](crate::application). Test worlds, and test binaries
/// without one, use a temporary directory. Processes that share locks use the same directory.
///
/// # Examples
///
/// ```
/// # let _world = resilience::testing::isolate();
/// let dir = std::env::temp_dir().join(format!("resilience-use-dir-{}", std::process::id()));
/// resilience::lock::use_dir(&dir);
/// let guard = resilience::lock::task("report").acquire()?;
/// assert!(guard.path().starts_with(dir.canonicalize().unwrap()));
/// # drop(guard);
/// # std::fs::remove_dir_all(dir).unwrap();
/// # Ok::<(), resilience::fs::LockError>(())
/// ```
pub fn use_dir(dir: impl Into<PathBuf>) {
    *locked(&DIR.dir) = Some(files::absolute(dir));
}

/// Returns the directory of the locks that have a name; the first lock makes it.
///
/// It reads the environment and the [application](crate::application) at each call, unless [`use_dir`] has set it.
///
/// # Errors
///
/// [`LockError::Refused`] if there is no home directory, and nothing else says where it is.
///
/// # Examples
///
/// ```
/// use resilience::lock;
///
/// # let _world = resilience::testing::isolate();
/// lock::use_dir("/var/lib/importer/locks");
/// assert_eq!(lock::dir()?.to_str(), Some("/var/lib/importer/locks"));
/// # Ok::<(), resilience::fs::LockError>(())
/// ```
pub fn dir() -> Result<PathBuf, LockError> {
    let mut dir = locked(&DIR.dir);
    if let Some(dir) = &*dir {
        return Ok(dir.clone());
    }
    if DIR.in_world || state_dir::is_bare_test() {
        return Ok(dir.insert(temporary()).clone());
    }
    state_dir::own_state_dir().map(|dir| dir.join("locks")).ok_or_else(missing_home)
}

fn missing_home() -> LockError {
    let reason = "there is no home directory: set RESILIENCE_STATE to a directory".to_owned();
    LockError::Refused { reason }
}

/// Returns the directory of the locks that all programs of this user share.
pub(super) fn common_dir() -> Result<PathBuf, LockError> {
    if DIR.in_world || state_dir::is_bare_test() || locked(&DIR.dir).is_some() {
        return Ok(dir()?.join("common"));
    }
    state_dir::common_dir().map(|dir| dir.join("locks")).ok_or_else(missing_home)
}

/// Returns a directory for the locks of one test world. Those of processes that are gone are removed.
fn temporary() -> PathBuf {
    const PREFIX: &str = "resilience-locks-";
    let all = std::env::temp_dir();
    for entry in fs::read_dir(&all).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok());
        let is_gone = pid.is_some_and(|pid: u32| !Path::new(&format!("/proc/{pid}")).exists());
        if is_gone && Path::new("/proc/self").exists() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    let own = RandomState::new().hash_one(std::process::id());
    all.join(format!("{PREFIX}{}-{own:016x}", std::process::id()))
}

/// The target of a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A name in the directory of the program, of the user, or another one.
    Named { name: String, dir: Dir },
    /// A file.
    Path(PathBuf),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Dir {
    OfProgram,
    Common,
    Given(PathBuf),
}

/// The files of one lock.
#[derive(Clone, Debug)]
pub(crate) struct LockFiles {
    /// The file that is locked; its directory has no links in it.
    pub(crate) path: PathBuf,
    /// The file that is locked by who tries.
    pub(crate) turn: PathBuf,
    /// The name or path, for people.
    pub(crate) label: String,
    /// Whether its directory is one of this library.
    is_own: bool,
}

/// Returns the readable beginning of a file's name, and 128 bits of hash of the exact bytes of the name.
///
/// The hash has lower-case letters only, so that file systems that ignore case, or change the form of letters, keep
/// the names apart.
pub(crate) fn file_stem(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' };
    let prefix: String = name.chars().take(40).map(plain).collect();
    format!("{prefix}-{:032x}", hash(name.as_bytes()))
}

impl Target {
    /// Returns the files of the lock. Those of a name are in a directory that is made if it does not exist.
    pub(super) fn place(&self) -> Result<LockFiles, LockError> {
        match self {
            Self::Named { name, dir } => {
                if name.is_empty() || name.len() > NAME_LIMIT {
                    let reason = format!(
                        "the name of a lock has 1 to {NAME_LIMIT} bytes, and this one has {}",
                        name.len()
                    );
                    return Err(LockError::Refused { reason });
                }
                let dir = match dir {
                    Dir::OfProgram => self::dir()?,
                    Dir::Common => common_dir()?,
                    Dir::Given(dir) => dir.clone(),
                };
                let dir = prepared(&dir)?;
                let stem = file_stem(name);
                let (path, turn) = (dir.join(format!("{stem}.lock")), dir.join(format!("{stem}.turn")));
                Ok(LockFiles { path, turn, label: name.clone(), is_own: true })
            }
            Self::Path(path) => LockFiles::at(path),
        }
    }

    /// Returns the name or path, for people.
    pub(super) fn label(&self) -> String {
        match self {
            Self::Named { name, .. } => name.clone(),
            Self::Path(path) => path.display().to_string(),
        }
    }
}

/// The directories that were looked at since the process began, with the inodes that they had.
static CHECKED: OfProcess<Mutex<BTreeSet<(PathBuf, Inode, DirCheck)>>> = OfProcess::locked(BTreeSet::new());

/// The kind of a check, which costs system calls: each is made once for a directory and its inode, and again if the
/// directory is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum DirCheck {
    Own,
    OnHost,
    Excludes,
}

/// Runs `check` of the directory `dir` unless it has passed before.
pub(super) fn once(
    dir: &Path,
    kind: DirCheck,
    check: impl FnOnce() -> Result<(), LockError>,
) -> Result<(), LockError> {
    let key = |dir: &Path| Some((dir.to_owned(), files::inode(dir)?, kind));
    if key(dir).is_some_and(|key| locked(&CHECKED).contains(&key)) {
        return Ok(());
    }
    check()?;
    locked(&CHECKED).extend(key(dir));
    Ok(())
}

/// Returns the directory `dir` of the library's own, made if it does not exist, without links in its path.
pub(super) fn prepared(dir: &Path) -> Result<PathBuf, LockError> {
    once(dir, DirCheck::Own, || {
        let made = files::not_made_for_another(dir).and_then(|()| files::prepare(dir, Some(ON_NETWORK)));
        made.map_err(|unusable| match LockError::from(unusable) {
            LockError::Refused { reason } => LockError::Refused {
                reason: format!(
                    "{reason}. A name means one lock for one user; between users, lock a path with `FileLock::at`"
                ),
            },
            other => other,
        })?;
        files::describe(dir, ABOUT);
        Ok(())
    })?;
    fs::canonicalize(dir).map_err(|error| LockError::io(dir, &error))
}

impl LockFiles {
    /// Returns the lock of the file at `path`.
    fn at(path: &Path) -> Result<Self, LockError> {
        let Some(name) = path.file_name() else {
            return Err(LockError::refused(path, "names no file that could be locked"));
        };
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let dir = fs::canonicalize(dir).map_err(|error| LockError::io(dir, &error))?;
        let whole = dir.join(name);
        match fs::symlink_metadata(&whole) {
            Ok(found) if found.is_dir() => {
                let words = "is a directory: `DirLock::at` locks one by a file in it";
                return Err(LockError::refused(&whole, words));
            }
            Ok(found) if !found.is_file() => {
                return Err(LockError::refused(&whole, "is a link or not a regular file"));
            }
            _ => {}
        }
        once(&dir, DirCheck::OnHost, || Ok(files::not_on_network(&dir, ON_NETWORK)?))?;
        let mut turn = name.to_owned();
        turn.push(".turn");
        if turn.len() > FILE_LIMIT {
            turn = OsString::from(format!(".{:032x}.turn", hash(name.as_encoded_bytes())));
        }
        let label = whole.display().to_string();
        Ok(Self { turn: dir.join(turn), path: whole, label, is_own: false })
    }

    /// Returns the directory of its files.
    pub(super) fn dir(&self) -> &Path {
        self.path.parent().unwrap_or(&self.path)
    }

    /// Makes its directory again if another program has removed it; returns whether it was made.
    pub(super) fn make_again(&self) -> bool {
        self.is_own && prepared(self.dir()).is_ok()
    }

    /// Returns whether this error with its turn leaves the lock itself usable.
    pub(super) fn may_lack_a_turn(&self, error: &LockError) -> bool {
        !self.is_own && matches!(error, LockError::Failed { kind, .. } if forbids_writing(*kind))
    }

    /// Opens one of its files, made if it is not there.
    ///
    /// The files of a name are for this user alone. One at a path is made with the usual rights; who may only read it
    /// can lock it as well. What is there and is no regular file is named in the error, where it cannot be opened.
    pub(super) fn open(&self, path: &Path) -> io::Result<File> {
        self.opened(path).map_err(|error| {
            match fs::symlink_metadata(path).ok().and_then(|found| other_kind(&found)) {
                Some(kind) => io::Error::new(error.kind(), format!("it is {kind}, not a regular file")),
                None => error,
            }
        })
    }

    fn opened(&self, path: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        #[cfg(target_os = "linux")]
        std::os::unix::fs::OpenOptionsExt::custom_flags(
            &mut options,
            rustix::fs::OFlags::NOFOLLOW.bits().cast_signed(),
        );
        match options.open(path) {
            // Systems refuse to create an existing file of another user, so it is created only if it does not exist.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                options.create_new(true);
                #[cfg(unix)]
                if self.is_own {
                    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
                }
                match options.open(path) {
                    Ok(file) => files::file_for_owner(&file).map(|()| file),
                    // Another process was faster.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                        options.create_new(false).create(true).truncate(false).open(path)
                    }
                    Err(error) => Err(error),
                }
            }
            // A pipe that may only be read would wait for a writer.
            Err(error) if forbids_writing(error.kind()) && !self.is_own && is_file(path) => {
                options.write(false).open(path)
            }
            opened => opened,
        }
    }
}

/// Returns whether a file that cannot be opened for this reason may still be read.
fn forbids_writing(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

fn is_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
}
