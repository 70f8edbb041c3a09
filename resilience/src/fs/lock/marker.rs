//! Locks for file systems without locks: a directory that is made, with a heartbeat in it.

use super::LockError;
use crate::base::files::{self, Unusable};
use crate::base::regular_file::open_to_read;
use crate::base::scope;
use crate::base::stopping;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The default time for which a marker without a heartbeat is left alone.
const LEASE: Duration = Duration::from_secs(30);
/// A shorter lease would be over before a slow server has answered.
const LEAST_LEASE: Duration = Duration::from_millis(100);
const PAUSE: Duration = Duration::from_millis(50);

/// A lock for file systems without locks, such as a network share: a directory that one process makes.
///
/// It *reduces overlaps and does not rule them out*: a holder that is stopped for longer than the lease, or cut off
/// from the server, is treated as dead, and goes on working when it comes back. So pass [`MarkerGuard::fence`] to what
/// the work writes to and refuse lower numbers there, or ask [`MarkerGuard::still_ours`] before each step that cannot
/// be undone. On a local file system use [`FileLock`](crate::fs::FileLock), which has none of this.
///
/// The holder raises a counter in the marker at a third of the lease. A marker is taken over when its counter was seen
/// unchanged for a whole lease of the observer's own clock; no time of day takes part. It is renamed to a private name
/// first, and compared there with its former content.
///
/// # Examples
///
/// ```
/// use resilience::fs::MarkerLock;
///
/// # let dir = std::env::temp_dir().join(format!("resilience-marker-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir).unwrap();
/// let guard = MarkerLock::at(dir.join("import.marker")).acquire()?;
/// assert!(guard.still_ours() && guard.fence() == 1);
/// guard.unlock();
/// assert_eq!(MarkerLock::at(dir.join("import.marker")).acquire()?.fence(), 2);
/// # std::fs::remove_dir_all(dir).unwrap();
/// # Ok::<(), resilience::fs::LockError>(())
/// ```
#[derive(Clone, Debug)]
pub struct MarkerLock {
    path: PathBuf,
    wait: Duration,
    lease: Duration,
}

/// The content of a marker: who made it, its fence and its counter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct MarkerContent {
    id: String,
    fence: u64,
    counter: u64,
}

impl MarkerContent {
    /// Reads the marker at `path`; an empty one if its maker has not written it yet, or it is gone.
    ///
    /// # Errors
    ///
    /// It cannot be read, which says nothing about its holder; `InvalidData` if what is there is of no marker.
    fn read(path: &Path) -> io::Result<Self> {
        let text = match open_to_read(&path.join(OWNER)).and_then(io::read_to_string) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            text => text?,
        };
        let mut words = text.split_whitespace();
        let Some(id) = words.next() else { return Ok(Self::default()) };
        let mut number = || words.next().and_then(|word| word.parse().ok());
        match (number(), number(), words.next()) {
            (Some(fence), Some(counter), None) => Ok(Self { id: id.to_owned(), fence, counter }),
            _ => Err(io::Error::from(ErrorKind::InvalidData)),
        }
    }

    /// Returns whether the marker at `path` is known to be of this owner.
    fn is_at(&self, path: &Path) -> bool {
        Self::read(path).is_ok_and(|marker| marker.id == self.id)
    }

    fn text(&self) -> String {
        format!("{} {} {}\n", self.id, self.fence, self.counter)
    }
}

/// The marker that this process has made, wherever it is by now: another holder may have moved it away, and have made
/// its own at the path.
#[derive(Debug)]
struct OwnMarker {
    #[cfg(target_os = "linux")]
    dir: fs::File,
    #[cfg(not(target_os = "linux"))]
    path: PathBuf,
}

impl OwnMarker {
    fn open(path: &Path) -> io::Result<Self> {
        files::dir_for_owner(path)?;
        #[cfg(target_os = "linux")]
        return Ok(Self { dir: fs::File::open(path)? });
        #[cfg(not(target_os = "linux"))]
        return Ok(Self { path: path.to_owned() });
    }

    #[cfg(target_os = "linux")]
    fn write(&self, owner: &MarkerContent) -> io::Result<()> {
        use rustix::fs::{AtFlags, Mode, OFlags, openat, renameat, unlinkat};
        let new = format!("{OWNER}.new-{}", owner.id);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let mut file: fs::File = openat(&self.dir, &*new, flags, Mode::from_raw_mode(0o666))?.into();
        let written = files::file_for_owner(&file)
            .and_then(|()| file.write_all(owner.text().as_bytes()))
            .and_then(|()| Ok(renameat(&self.dir, &*new, &self.dir, OWNER)?));
        written.inspect_err(|_| {
            let _ = unlinkat(&self.dir, &*new, AtFlags::empty());
        })
    }

    #[cfg(not(target_os = "linux"))]
    fn write(&self, owner: &MarkerContent) -> io::Result<()> {
        replace(&self.path.join(OWNER), &owner.text(), &owner.id, false)
    }
}

const OWNER: &str = "owner";

/// Returns whether a marker has a file of this name: the owner, or what a server keeps of one that is still open.
fn is_of_marker(name: &str) -> bool {
    name == OWNER
        || ["owner.new-", ".nfs", ".smb", ".fuse_hidden"].iter().any(|start| name.starts_with(start))
}

/// Removes the marker at `path`, a private name; what others have put into it stays there.
fn remove(path: &Path) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(is_of_marker) {
            let _ = fs::remove_file(entry.path());
        }
    }
    let _ = fs::remove_dir(path);
}

/// Returns the fence after the one that the file at `path` keeps, and keeps it there: before it is used, it survives a
/// power cut, since a lower one would be refused for ever.
///
/// # Errors
///
/// Those of the file system; `InvalidData` if the file has no number that another one follows.
fn next_fence(path: &Path, id: &str) -> io::Result<u64> {
    let last = match open_to_read(path).and_then(io::read_to_string) {
        Err(error) if error.kind() == ErrorKind::NotFound => 0,
        text => {
            text?.trim().parse().map_err(|_| io::Error::new(ErrorKind::InvalidData, "it has no fence"))?
        }
    };
    let next = u64::checked_add(last, 1)
        .ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "its fences are used up"))?;
    replace(path, &next.to_string(), id, true)?;
    match files::sync_dir(path.parent().unwrap_or(path)) {
        // A server may not know that of a directory.
        Err(Unusable::Failed { kind: ErrorKind::InvalidInput | ErrorKind::Unsupported, .. }) => Ok(next),
        synced => Ok(synced.map(|()| next)?),
    }
}

/// Replaces the file at `path`, so that a reader sees the old text or the new one; with `synced` also after a power cut.
fn replace(path: &Path, text: &str, id: &str, synced: bool) -> io::Result<()> {
    let new = path.with_extension(format!("new-{id}"));
    let mut file = fs::File::create(&new)?;
    let written = files::file_for_owner(&file)
        .and_then(|()| file.write_all(text.as_bytes()))
        .and_then(|()| if synced { file.sync_all() } else { Ok(()) })
        .and_then(|()| fs::rename(&new, path));
    written.inspect_err(|_| {
        let _ = fs::remove_file(&new);
    })
}

impl MarkerLock {
    /// Describes the lock that is the directory at `path`, which exists while the lock is held.
    ///
    /// Its parent has to exist. Three neighbours belong to it: `<path>.fence`, which keeps the last fence and must
    /// stay, and `<path>.taken-..` and `<path>.left-..`, which exist for a moment while a marker is taken over or
    /// released. What exists at the path and is no marker is refused, and stays as it is.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::fs::MarkerLock;
    ///
    /// # let dir = std::env::temp_dir().join(format!("resilience-marker-at-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir).unwrap();
    /// let path = dir.join("import.marker");
    /// let guard = MarkerLock::at(&path).acquire()?;
    /// assert!(path.is_dir());
    /// guard.unlock();
    /// assert!(!path.exists() && dir.join("import.marker.fence").is_file());
    /// # std::fs::remove_dir_all(dir).unwrap();
    /// # Ok::<(), resilience::fs::LockError>(())
    /// ```
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: files::absolute(path), wait: Duration::from_secs(30), lease: LEASE }
    }

    /// Sets how long to wait for it; 30 s by default. Zero tries once.
    ///
    /// A dead holder's marker is taken over only after a whole lease of waiting, so that a wait that is not longer than
    /// the lease never gets it.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::fs::{LockError, MarkerLock};
    /// use std::time::Duration;
    ///
    /// # let dir = std::env::temp_dir().join(format!("resilience-marker-wait-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir).unwrap();
    /// let lock = MarkerLock::at(dir.join("import.marker")).wait(Duration::ZERO);
    /// let held = lock.acquire()?;
    /// assert!(matches!(lock.acquire(), Err(LockError::Timeout { .. })));
    /// # drop(held);
    /// # std::fs::remove_dir_all(dir).unwrap();
    /// # Ok::<(), resilience::fs::LockError>(())
    /// ```
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Sets how long a marker may be without a heartbeat; 30 s by default, and at least 100 ms.
    ///
    /// The holder writes its heartbeat every third of it. All users of one marker set the same: one with a shorter
    /// lease would take over a marker whose holder lives. Set it well above the longest time that the server may not
    /// answer.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::fs::MarkerLock;
    /// use std::time::Duration;
    ///
    /// let lock = MarkerLock::at("/mnt/share/import.marker").lease(Duration::from_secs(60)).wait(Duration::from_secs(90));
    /// # let _ = lock;
    /// ```
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease.max(LEAST_LEASE);
        self
    }

    /// Takes the lock; the thread sleeps while it waits. In async code, call it on a thread for blocking work.
    ///
    /// In the calling process it starts one thread for the heartbeat, which ends with the guard. Waiters try about
    /// every 50 ms, in no order. [`LockError::Timeout`] names no holder: the marker does not say who it is.
    ///
    /// # Errors
    ///
    /// [`LockError::Timeout`] if it is not free in time, also if it cannot be read, which says nothing about its
    /// holder; `Refused` if there is something else at its path; and errors of the file system.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::fs::{LockError, MarkerLock};
    ///
    /// # let dir = std::env::temp_dir().join(format!("resilience-marker-acquire-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir).unwrap();
    /// let guard = MarkerLock::at(dir.join("import.marker")).acquire()?;
    /// // .. one step after the other, each with a look at `guard.still_ours()` ..
    /// guard.unlock();
    ///
    /// let nowhere = MarkerLock::at(dir.join("no/such/directory")).acquire();
    /// assert!(matches!(nowhere, Err(LockError::Failed { .. })));
    /// # std::fs::remove_dir_all(dir).unwrap();
    /// # Ok::<(), LockError>(())
    /// ```
    pub fn acquire(&self) -> Result<MarkerGuard, LockError> {
        let failed = |error: io::Error| LockError::io(&self.path, &error);
        let id = format!("{:016x}", RandomState::new().hash_one(std::process::id()));
        let began = Instant::now();
        let wait = scope::at_most(self.wait);
        let mut seen: Option<(MarkerContent, Instant)> = None;
        loop {
            match fs::create_dir(&self.path) {
                Ok(()) => return self.enter(id).map_err(failed),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(error)),
            }
            let owner = MarkerContent::read(&self.path);
            match (owner, &seen) {
                (Ok(owner), Some((before, since))) if *before == owner => {
                    if since.elapsed() >= self.lease {
                        self.check()?;
                        self.take_over(&owner, &id);
                        seen = None;
                        continue;
                    }
                }
                (Ok(owner), _) => {
                    self.check()?;
                    seen = Some((owner, Instant::now()));
                }
                (Err(error), _) if error.kind() == ErrorKind::InvalidData => {
                    return Err(self.no_marker("its file `owner` is of another program"));
                }
                (Err(_), _) => {
                    self.check()?;
                    seen = None;
                }
            }
            let left = wait.saturating_sub(began.elapsed());
            if left.is_zero() || stopping::has_begun() {
                let (lock, waited) = (format!("{:?}", self.path.display().to_string()), began.elapsed());
                return Err(LockError::Timeout { lock, waited, holders: Vec::new(), holds: Vec::new() });
            }
            thread::sleep(left.min(PAUSE).min(self.lease / 4));
        }
    }

    /// Puts the owner into the new marker and begins the heartbeat.
    fn enter(&self, id: String) -> io::Result<MarkerGuard> {
        let is_over = Arc::new(AtomicBool::new(false));
        let enter = || {
            let marker = OwnMarker::open(&self.path)?;
            let fence_file = sibling(&self.path, "fence");
            let named =
                |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", fence_file.display()));
            let owner = MarkerContent { fence: next_fence(&fence_file, &id).map_err(named)?, id, counter: 0 };
            marker.write(&owner)?;
            let (path, pause) = (self.path.clone(), self.lease / 3);
            Ok((beat(path, marker, owner.clone(), pause, is_over.clone())?, owner))
        };
        let (heart, owner) = enter().inspect_err(|_: &io::Error| remove(&self.path))?;
        Ok(MarkerGuard {
            path: self.path.clone(),
            owner,
            process: std::process::id(),
            is_over,
            heart: Some(heart),
        })
    }

    /// Refuses what is at the path and is no marker: it would be removed once it had not changed for a lease.
    fn check(&self) -> Result<(), LockError> {
        let found = match fs::symlink_metadata(&self.path) {
            // It was released meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(LockError::io(&self.path, &error)),
            Ok(found) => found,
        };
        if !found.is_dir() {
            return Err(self.no_marker("it is not a directory"));
        }
        // One that may not be listed cannot be read, either.
        let mut names =
            fs::read_dir(&self.path).into_iter().flatten().flatten().map(|entry| entry.file_name());
        match names.find(|name| !name.to_str().is_some_and(is_of_marker)) {
            Some(name) => Err(self.no_marker(&format!("it has `{}` in it", name.to_string_lossy()))),
            None => Ok(()),
        }
    }

    fn no_marker(&self, why: &str) -> LockError {
        let words = "a marker is a directory that exists only while it is held, name another path";
        LockError::refused(&self.path, &format!("is no marker, {why}: {words}"))
    }

    /// Removes the marker of a holder that is treated as dead, if it is still the one that was seen.
    fn take_over(&self, seen: &MarkerContent, id: &str) {
        let private = sibling(&self.path, &format!("taken-{id}"));
        if fs::rename(&self.path, &private).is_err() {
            return;
        }
        let is_seen = MarkerContent::read(&private).is_ok_and(|marker| marker == *seen);
        if is_seen || fs::rename(&private, &self.path).is_err() {
            remove(&private);
        }
    }
}

fn sibling(path: &Path, end: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(end);
    path.with_file_name(name)
}

/// Starts the thread that raises the counter of the marker at `path` every `pause`, while it is that of `owner`.
fn beat(
    path: PathBuf,
    marker: OwnMarker,
    mut owner: MarkerContent,
    pause: Duration,
    is_over: Arc<AtomicBool>,
) -> io::Result<JoinHandle<()>> {
    let work = move || {
        let mut next = Instant::now() + pause;
        while !is_over.load(Ordering::Acquire) {
            let left = next.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                thread::park_timeout(left);
                continue;
            }
            // A server that does not answer now may do so next time; otherwise the lease ends.
            match MarkerContent::read(&path) {
                Ok(found) if found.id != owner.id => return,
                Ok(_) => {
                    owner.counter += 1;
                    let _ = marker.write(&owner);
                }
                Err(_) => {}
            }
            next = Instant::now() + pause;
        }
    };
    thread::Builder::new().name("resilience-marker".into()).spawn(work)
}

/// The guard of a [`MarkerLock`], which is held until this is dropped.
///
/// A thread of its own writes the heartbeat. Dropping the guard ends that thread and waits for its last write, so that
/// it blocks while the server does not answer. A marker that was taken over is left to its new holder.
///
/// # Examples
///
/// A step that is refused by the server if another process has taken over:
///
/// ```
/// use resilience::fs::MarkerLock;
///
/// # let dir = std::env::temp_dir().join(format!("resilience-marker-guard-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir).unwrap();
/// # let write_unless_higher = |_fence: u64| true;
/// let guard = MarkerLock::at(dir.join("import.marker")).acquire()?;
/// if guard.still_ours() {
///     assert!(write_unless_higher(guard.fence()));
/// }
/// # drop(guard);
/// # std::fs::remove_dir_all(dir).unwrap();
/// # Ok::<(), resilience::fs::LockError>(())
/// ```
#[derive(Debug)]
#[must_use = "the lock is free again when this is dropped"]
pub struct MarkerGuard {
    path: PathBuf,
    owner: MarkerContent,
    process: u32,
    is_over: Arc<AtomicBool>,
    heart: Option<JoinHandle<()>>,
}

impl MarkerGuard {
    /// Returns a number that is higher than those of all earlier holders.
    ///
    /// A service that refuses lower numbers than it has seen is safe from a holder that has lost the lock.
    ///
    /// It begins at 1, and is kept in `<path>.fence`: where that file is removed, it begins at 1 again. While it cannot be
    /// read, the lock cannot be acquired.
    pub fn fence(&self) -> u64 {
        self.owner.fence
    }

    /// Returns whether the marker is still the one that this guard has made.
    ///
    /// The function reads a file on the server. `true` is the answer of that moment: the marker may be taken over right
    /// after it.
    pub fn still_ours(&self) -> bool {
        self.process == std::process::id() && self.owner.is_at(&self.path)
    }

    /// Releases the lock, as dropping it does.
    pub fn unlock(self) {
        drop(self);
    }
}

impl Drop for MarkerGuard {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            return;
        }
        self.is_over.store(true, Ordering::Release);
        if let Some(heart) = self.heart.take() {
            heart.thread().unpark();
            let _ = heart.join();
        }
        let private = sibling(&self.path, &format!("left-{}", self.owner.id));
        // Renamed first: a marker that is removed file by file could look like one without an owner.
        if !self.still_ours() || fs::rename(&self.path, &private).is_err() {
            return;
        }
        // It may have been taken over since the look, as in `take_over`.
        if self.owner.is_at(&private) || fs::rename(&private, &self.path).is_err() {
            remove(&private);
        }
    }
}
