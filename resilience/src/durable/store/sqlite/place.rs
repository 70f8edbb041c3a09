//! The files of one open store: whether they are still those that were opened, and which processes have them open.

use super::files::{self, Inode};
use crate::durable::record::Millis;
use crate::durable::store::StoreError;
use crate::durable::store::owners::{Owners, Watch};
use crate::durable::store::rules::Life;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, UNIX_EPOCH};

/// The file in the store's directory.
pub(super) const FILE: &str = "store.sqlite";

/// The caller's clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) wall: Millis,
    monotonic: Instant,
    /// A clock that a test moves on in jumps.
    is_manual: bool,
}

impl Moment {
    pub(super) fn now() -> Self {
        let since = crate::clock::time_of_day().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall = Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX);
        #[cfg(feature = "testing")]
        let is_manual = crate::testing::current().is_some();
        #[cfg(not(feature = "testing"))]
        let is_manual = false;
        Self { wall, monotonic: crate::clock::now(), is_manual }
    }
}

/// Where an open store is.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) dir: PathBuf,
    /// The process that opened it: a fork's child must not use it.
    process: u32,
    files: Vec<(PathBuf, Option<Inode>)>,
    pub(super) owners: Owners,
    watch: Mutex<Watch>,
    pub(super) is_volatile: bool,
    /// How long an operation waits for another process.
    pub(super) busy: Duration,
    has_warned: AtomicBool,
    /// A write could not be made durable.
    is_poisoned: AtomicBool,
}

/// The file, its log, and the index of the log.
pub(super) fn files_of(file: &Path) -> [PathBuf; 3] {
    let beside = |end: &str| {
        let mut path = file.as_os_str().to_owned();
        path.push(end);
        PathBuf::from(path)
    };
    [file.to_owned(), beside("-wal"), beside("-shm")]
}

impl Place {
    /// The store in `dir`, whose file is open; a log and its index are there then.
    pub(super) fn new(dir: PathBuf, owners: Owners, busy: Duration) -> Self {
        let files = files_of(&dir.join(FILE)).map(|path| (path.clone(), files::inode(&path)));
        let is_volatile = files::is_volatile(&dir);
        Self {
            dir,
            process: std::process::id(),
            files: files.to_vec(),
            owners,
            watch: Mutex::default(),
            is_volatile,
            busy,
            has_warned: AtomicBool::new(false),
            is_poisoned: AtomicBool::new(false),
        }
    }

    /// Nothing more is written by way of this handle.
    pub(super) fn poison(&self) {
        self.is_poisoned.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_poisoned(&self) -> bool {
        self.is_poisoned.load(Ordering::Relaxed)
    }

    /// Reports once that the log has more than `limit` bytes.
    pub(super) fn watch_log(&self, limit: u64) {
        let bytes = self.log_size();
        if bytes <= limit || self.has_warned.swap(true, Ordering::Relaxed) {
            return;
        }
        #[cfg(feature = "tracing")]
        tracing::warn!(
            target: "resilience::store",
            dir = %self.dir.display(), bytes,
            "the log of the store keeps growing: another program holds a read transaction open"
        );
    }

    /// How many bytes the file of the log has.
    pub(super) fn log_size(&self) -> u64 {
        let log = self.files.get(1).and_then(|(path, _)| std::fs::metadata(path).ok());
        log.map_or(0, |log| log.len())
    }

    /// Checks that the files at their paths are those that were opened, and that this process opened them.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        if self.process != std::process::id() {
            return Err(StoreError::Refused(format!(
                "{} was opened before a fork: open it in the child, too",
                self.dir.display()
            )));
        }
        match self.files.iter().find(|(path, inode)| files::inode(path) != *inode) {
            Some((path, _)) => Err(StoreError::Lost(format!(
                "{} was removed or replaced while it was open: nothing more is written to it. Put the files back \
                 where they were, or restart the program",
                path.display()
            ))),
            None => Ok(()),
        }
    }

    /// Whether `owner`, whose counter is `counter`, is dead.
    pub(super) fn life(&self, owner: &str, counter: Option<u64>, lease: Duration, now: Moment) -> Life {
        use crate::durable::store::Liveness;
        match self.owners.liveness(owner) {
            Liveness::Alive => Life::Alive(lease),
            Liveness::Dead => Life::Dead,
            Liveness::Unknown => {
                let most = if now.is_manual { Duration::MAX } else { lease / 2 };
                let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
                watch.look(owner, counter, lease, most, now.monotonic)
            }
        }
    }
}
