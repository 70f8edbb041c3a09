//! The locks of a run while its command works, and the files that are put back if it fails.
//!
//! Both are locks of the library. The command inherits their descriptors, as that of flock(1) does: a run that is
//! killed frees nothing under a command that still works. When the run ends it unlocks, for all processes that have
//! inherited them.

use super::Run;
use super::end::AttemptEnd;
use super::group;
use super::report::{Report, Result as Ended};
use super::signals::undisturbed;
use crate::Failure;
use crate::args::{RunArgs, StateOptions};
use crate::state;
use resilience::fs::{
    DirLock, FileLock, LockError, LockGuard, Rollback, Transaction, TransactionError, recover,
};
use resilience::lock;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, canonicalize};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// The variable that names the locks which a command has inherited.
pub(super) const HELD: &str = "RESILIENCE_HELD";
/// A wait is shown once it takes longer than this.
const SHOWN_AFTER: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(250);

/// The locks that a run asks for.
pub(super) struct HeldLocks {
    lock: Option<(String, FileLock)>,
    /// The locks of this run and those that it has inherited, as the command finds them in [`HELD`].
    words: Option<String>,
    /// Whether a run around this one holds one of the locks: waiting would never end.
    is_nested: bool,
}

impl HeldLocks {
    pub(super) fn new(args: &RunArgs, place: &StateOptions) -> Result<Self, Failure> {
        let lock = args
            .hold
            .lock
            .as_ref()
            .map(|name| Ok::<_, Failure>((name.clone(), file_lock(name, args.hold.shared, place)?)));
        let lock = lock.transpose()?;
        let inherited = std::env::var(HELD).unwrap_or_default();
        let inherited: BTreeMap<_, _> = inherited.split(':').filter_map(held_word).collect();
        let (kept, asked) = lock_words(args, place)?;
        let is_nested = asked.union(&kept).any(|word| inherited.contains_key(word.as_str()));
        let run = group::own().map(|run| run.identity()).unwrap_or_default();
        let mut words = inherited;
        words.extend(kept.iter().map(|word| (word.as_str(), run.as_str())));
        let words: Vec<_> = words.into_iter().map(|(word, run)| format!("{word}@{run}")).collect();
        let words = (!words.is_empty()).then(|| words.join(":"));
        Ok(Self { lock, words, is_nested })
    }

    pub(super) fn words(&self) -> Option<&str> {
        self.words.as_deref()
    }
}

/// Returns a word of [`HELD`], and the run that holds its lock; `None` if that has ended: a daemon that its command has
/// left behind still has the variable.
fn held_word(entry: &str) -> Option<(&str, &str)> {
    let (word, run) = entry.split_once('@').unwrap_or((entry, ""));
    // The command of a run that was killed has the lock itself.
    let is_held = run.is_empty() || group::lives(run) || inherits_lock();
    (is_held && !word.is_empty()).then_some((word, run))
}

/// Returns whether this process has inherited the descriptor of a file that is still locked by it.
fn inherits_lock() -> bool {
    let files = fs::read_dir("/proc/self/fdinfo").into_iter().flatten().flatten();
    let mut texts = files.filter_map(|file| fs::read_to_string(file.path()).ok());
    texts.any(|text| text.contains("FLOCK"))
}

/// Returns the words for the locks that a run keeps while its command works, and for those that it has until then.
fn lock_words(args: &RunArgs, place: &StateOptions) -> Result<(BTreeSet<String>, BTreeSet<String>), Failure> {
    let files: BTreeSet<_> =
        args.hold.backup.iter().map(|path| word("file", whole(path).as_os_str())).collect();
    let (mut kept, asked) =
        if args.hold.rollback { (files, BTreeSet::new()) } else { (BTreeSet::new(), files) };
    if let Some(name) = &args.hold.lock {
        kept.insert(if name.contains('/') {
            word("lock", whole(Path::new(name)).as_os_str())
        } else if place.state.is_some() || place.app.is_some() {
            word("lock", within(&state::locks_of_run(place)?, name).as_os_str())
        } else {
            word("lock", OsStr::new(name))
        });
    }
    if let Some(key) = &args.checkpoint {
        kept.insert(word("checkpoint", within(&state::of_run(place)?.dir, key).as_os_str()));
    }
    Ok((kept, asked))
}

/// Returns the path of what is called `name` in this directory; any text may be a name.
fn within(dir: &Path, name: &str) -> PathBuf {
    let mut path = whole(dir).into_os_string();
    path.push("/");
    path.push(name);
    path.into()
}

/// Returns one word of [`HELD`]: no character of it ends the word.
fn word(kind: &str, name: &OsStr) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let plain = |byte: u8| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    format!("{kind}={}", name.as_bytes().iter().copied().map(plain).collect::<String>())
}

/// Returns `path` from the root on, as far as that is known.
fn whole(path: &Path) -> PathBuf {
    if let Ok(whole) = canonicalize(path) {
        return whole;
    }
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let dir = canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    dir.join(path.file_name().unwrap_or_default())
}

fn file_lock(name: &str, is_shared: bool, place: &StateOptions) -> Result<FileLock, Failure> {
    let lock = match Path::new(name) {
        dir if name.contains('/') && dir.is_dir() => DirLock::at(dir).into(),
        file if name.contains('/') => FileLock::at(file),
        _ => {
            let dir = state::locks_of_run(place)?;
            state::warn_of_owner(&dir);
            lock::in_dir(dir, name)
        }
    };
    Ok(lock.shared(is_shared))
}

/// The backups and locks of the files of a run, with the descriptors that its command inherits.
pub(super) struct HeldFiles {
    rollback: Rollback,
    _inherited: Vec<OwnedFd>,
}

/// Duplicates the descriptor of each lock for the command. It is closed with the run; the lock is released before.
pub(super) fn inherited<'a>(locks: impl IntoIterator<Item = &'a LockGuard>) -> io::Result<Vec<OwnedFd>> {
    locks.into_iter().map(|lock| Ok(rustix::io::dup(lock)?)).collect()
}

/// Does `work` on a thread of its own, if there is room for one.
async fn on_thread<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> io::Result<R> {
    let (send, done) = oneshot::channel();
    thread::Builder::new().name("backups".to_owned()).spawn(move || send.send(work()))?;
    done.await.map_err(|_| io::Error::other("their thread has panicked"))
}

/// The lock that is waited for, and since when.
#[derive(Default)]
pub(super) struct LockWait(RefCell<Option<(String, Instant)>>);

impl LockWait {
    pub(super) fn begin(&self, what: String) {
        self.0.replace(Some((what, Instant::now())));
    }

    pub(super) fn end(&self, report: &Report) {
        self.0.replace(None);
        report.shows(None);
    }

    /// Shows long waits on a terminal, for ever.
    pub(super) async fn shown(&self, report: &Report) {
        loop {
            tokio::time::sleep(LOOK).await;
            if let Some((what, since)) = &*self.0.borrow()
                && since.elapsed() >= SHOWN_AFTER
            {
                report.shows(Some(&format!("{what}, for {}s", since.elapsed().as_secs())));
            }
        }
    }
}

impl Run<'_> {
    /// Returns the rest of the time for the whole run.
    pub(super) fn left(&self) -> Option<Duration> {
        self.args.total_timeout.map(|total| total.saturating_sub(self.began.elapsed()))
    }

    /// Returns how long a lock may be waited for.
    fn wait(&self) -> Duration {
        let wait = if self.held.is_nested { Duration::ZERO } else { self.args.hold.wait.unwrap_or_default() };
        self.left().map_or(wait, |left| wait.min(left))
    }

    /// Runs the part of the run that happens under the lock.
    pub(super) async fn locked(&self) -> Result<Ended, Failure> {
        let Some((name, lock)) = &self.held.lock else { return self.recorded().await };
        self.waits.begin(format!("waiting for the lock {name}"));
        let taken = lock.clone().wait(self.wait()).acquire_async().await;
        self.waits.end(self.report);
        match taken {
            Ok(guard) => {
                self.report.step(|| format!("took the lock {name}"));
                let _inherited = inherited([&guard])?;
                let ended = self.recorded().await;
                if !guard.still_ours() {
                    self.report.fault(&format!(
                        "{} was removed while the lock {name} was held: others may have run at the same time",
                        guard.path().display()
                    ));
                }
                guard.unlock();
                ended
            }
            Err(error @ LockError::Timeout { .. }) => Ok(self.busy(&error.to_string()).ended()),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns whether a run around this one holds what it asks for.
    pub(super) fn is_nested(&self) -> bool {
        self.held.is_nested
    }

    /// Returns the end of a run that has waited for a lock in vain.
    pub(super) fn busy(&self, error: &str) -> AttemptEnd {
        if self.left().is_some_and(|left| left.is_zero()) {
            return AttemptEnd::OutOfTime { was_killed: false };
        }
        let nested = if self.held.is_nested { "; a run around this one holds it" } else { "" };
        AttemptEnd::Busy(format!("{error}{nested}"))
    }

    /// Puts back what a killed run has left, and backs up the files of this one.
    pub(super) async fn back_up(&self) -> Result<(), AttemptEnd> {
        if self.args.hold.backup.is_empty() {
            return Ok(());
        }
        self.waits.begin("waiting for the locks of the files".to_owned());
        let (paths, wait, keeps_locks) =
            (self.args.hold.backup.clone(), self.wait(), self.args.hold.rollback);
        let files =
            Transaction::many(&paths).follow(true).limit(u64::MAX).keep(self.args.hold.keep).wait(wait);
        // The rollback waits for other processes: signals are handled during these waits.
        let work = move || {
            let put_back = recover(&paths, wait)?;
            let rollback = files.back_up()?;
            if !keeps_locks {
                rollback.accept()?;
                return Ok((put_back, None));
            }
            Ok::<_, TransactionError>((put_back, Some(rollback)))
        };
        let done =
            on_thread(work).await.map_err(|error| AttemptEnd::Failed(format!("no backups: {error}")))?;
        self.waits.end(self.report);
        let (put_back, rollback) = done.map_err(|error| match error {
            TransactionError::Lock(LockError::Timeout { .. }) => self.busy(&error.to_string()),
            error => AttemptEnd::Failed(error.to_string()),
        })?;
        for path in put_back {
            self.report.fault(&format!("{}: put back after a run that was killed", path.display()));
        }
        let Some(rollback) = rollback else { return Ok(()) };
        let inherited = inherited(rollback.locks()).map_err(|error| AttemptEnd::Failed(error.to_string()))?;
        self.files.replace(Some(HeldFiles { rollback, _inherited: inherited }));
        Ok(())
    }

    /// Puts the files back after an attempt; returns whether another one may follow.
    pub(super) fn restore(&self) -> bool {
        let files = self.files.borrow();
        files.as_ref().is_none_or(|files| undisturbed(|| files.rollback.restore().is_ok()))
    }

    /// Puts the files back permanently; `None` if there are none.
    pub(super) fn roll_back(&self) -> Option<Result<(), String>> {
        let files = self.files.take()?;
        let done = undisturbed(|| files.rollback.roll_back());
        let done = done.map_err(|error| error.to_string());
        if done.is_ok() {
            self.report.step(|| "put the files back".to_owned());
        }
        Some(done)
    }

    /// Lets the changes of the files stay.
    pub(super) fn accept(&self) -> Result<(), TransactionError> {
        self.files.take().map_or(Ok(()), |files| files.rollback.accept())
    }
}
