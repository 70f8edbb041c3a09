//! The files of one open store: whether they are still the opened ones, and which processes have them open.
//!
//! An administrator may remove, replace or restore the files of a store that is open. SQLite would go on with the open
//! descriptors, and everything acknowledged since would be gone with them. So the inodes at the path are compared with
//! those that were opened before each commit, and a store that is no longer there answers `Lost`.
//!
//! The turn to write ([`WriteTurn`]) makes the queue between processes fair: SQLite's own wait polls, and a process
//! that commits without pause would keep the others out.

use crate::base::regular_file::open_to_read;
use crate::base::sync::locked;
use crate::durable::record::Millis;
use crate::durable::store::StoreError;
use crate::durable::store::files::{self, Inode};
use crate::durable::store::owners::{CounterWatch, Owners};
use crate::durable::store::rules::Life;
use std::collections::HashSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant, UNIX_EPOCH};

/// The length from which the file of the log is long enough: commits of ordinary size restart it at 4 MiB.
const LOG_PREPARED: u64 = 4 << 20;
/// The file of the log is made longer to a multiple of this.
const LOG_STEP: u64 = 64 << 10;
/// The bytes of the log from which it is reported: a reader keeps it from shrinking.
const LOG_WARNING: u64 = 64 << 20;

/// The file in the store's directory.
pub(super) const FILE: &str = "store.sqlite";
/// The directory beside it in which each process that has the store open holds a lock.
pub(super) const OWNERS: &str = "owners";

/// The caller's clocks.
///
/// Taken where an operation is asked for, and carried along: it is applied on another thread, which is in no test
/// world.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clocks {
    pub(super) wall: Millis,
    monotonic: Instant,
    /// A clock that a test moves on in jumps.
    is_manual: bool,
}

impl Clocks {
    /// Returns the time by the clocks of the calling thread, a test world's included.
    pub(super) fn now() -> Self {
        let since = crate::base::clock::time_of_day().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall = Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX);
        Self { wall, monotonic: crate::base::clock::now(), is_manual: crate::base::clock::is_manual() }
    }
}

/// The place of an open store.
#[derive(Debug)]
pub(super) struct StorePlace {
    pub(super) dir: PathBuf,
    /// The process that opened it: a fork's child must not use it.
    process: u32,
    files: Vec<(PathBuf, Option<Inode>)>,
    pub(super) owners: Owners,
    watch: Mutex<CounterWatch>,
    pub(super) is_volatile: bool,
    /// The time that an operation waits for another process.
    pub(super) busy: Duration,
    has_warned: AtomicBool,
    /// A write could not be made durable.
    is_poisoned: AtomicBool,
    /// The dead owners that records still named when all records were looked through.
    still_named: Mutex<HashSet<String>>,
    /// `None` for who only looks.
    mark: Option<Mutex<File>>,
}

/// The right to try to write next, among the processes that share a store.
#[derive(Debug)]
pub(super) struct WriteTurn<'a> {
    file: Option<MutexGuard<'a, File>>,
}

impl Drop for WriteTurn<'_> {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            let _ = file.unlock();
        }
    }
}

/// The file beside the store that says how far it has been acknowledged, its mark: the fence of a transaction, and a
/// checksum.
///
/// It is written after the transaction is on disk and never synced, so that after a power cut it may be behind, but
/// never ahead. A store that is behind it has lost acknowledged work, whatever the reason.
pub(super) const MARK: &str = "acknowledged";

/// Opens the mark of the store in `dir`, made if it does not exist.
pub(super) fn open_mark(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join(MARK);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&path).map_err(files::failed(&path))
}

/// Returns whether a store was in `dir`: it has left its mark.
pub(super) fn has_mark(dir: &Path) -> bool {
    std::fs::metadata(dir.join(MARK)).is_ok_and(|mark| mark.len() > 0)
}

/// Returns how far the store in `dir` was acknowledged, without making the file.
pub(super) fn last_acknowledged(dir: &Path) -> Option<u64> {
    read_mark(&mut open_to_read(&dir.join(MARK)).ok()?)
}

/// Reads the number in a mark that was just opened; `None` if it is shorter or torn by a power cut, and says nothing.
pub(super) fn read_mark(mark: &mut File) -> Option<u64> {
    let mut bytes = [0; 16];
    mark.read_exact(&mut bytes).ok()?;
    let (number, sum) = bytes.split_at(8);
    let number = u64::from_le_bytes(number.try_into().ok()?);
    (sum == checksum(number)).then_some(number)
}

/// Returns the words for the transactions up to `acknowledged` that are missing in the store in `dir`, whose last one
/// has `fence`.
pub(super) fn missing(dir: &Path, acknowledged: Option<u64>, fence: u64) -> Option<String> {
    let number = acknowledged.filter(|number| *number > fence)?;
    Some(format!(
        "acknowledged work is missing: its last transaction is {fence}, and {number} was acknowledged. Its log or its \
         file was damaged or replaced: restore the directory from a backup; or remove {} to go on without what is \
         missing",
        dir.join(MARK).display()
    ))
}

/// Distinguishes a mark from bytes that a power cut left.
fn checksum(number: u64) -> [u8; 8] {
    (!number).rotate_left(17).to_le_bytes()
}

/// Returns the file, its log, and the index of the log.
pub(super) fn files_of(file: &Path) -> [PathBuf; 3] {
    let beside = |end: &str| {
        let mut path = file.as_os_str().to_owned();
        path.push(end);
        PathBuf::from(path)
    };
    [file.to_owned(), beside("-wal"), beside("-shm")]
}

impl StorePlace {
    /// Creates the place of the store in `dir`, whose file is open; a log and its index exist then.
    pub(super) fn new(dir: PathBuf, owners: Owners, busy: Duration, mark: Option<File>) -> Self {
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
            still_named: Mutex::default(),
            mark: mark.map(Mutex::new),
        }
    }

    /// Waits until no other process tries to write. Without this queue a process that writes all the time would
    /// nearly always be faster than those that sleep between two tries. It is a courtesy: where it takes long, because
    /// a process was stopped in it, SQLite's own lock decides.
    pub(super) fn queue(&self) -> WriteTurn<'_> {
        const PATIENCE: Duration = Duration::from_millis(500);
        let Some(mark) = &self.mark else { return WriteTurn { file: None } };
        let file = locked(mark);
        let began = Instant::now();
        while let Err(TryLockError::WouldBlock) = file.try_lock() {
            if began.elapsed() > PATIENCE {
                return WriteTurn { file: None };
            }
            std::thread::sleep(Duration::from_micros(50).mul_f64(1.0 + 3.0 * crate::base::rng::uniform()));
        }
        WriteTurn { file: Some(file) }
    }

    /// Notes that the transaction with `fence` is on disk.
    pub(super) fn acknowledged(&self, fence: u64) {
        if let Some(mark) = &self.mark {
            let bytes = [fence.to_le_bytes(), checksum(fence)].concat();
            let mut file = locked(mark);
            // Behind, it says less; that is all.
            let _ = file.rewind().and_then(|()| file.write_all(&bytes));
        }
    }

    /// Removes those of `dead` that records still named at the last look. That look takes long in a large
    /// store; a record of such an owner changes by this process, or the next one to open the store looks again.
    pub(super) fn not_named_before(&self, dead: &mut HashSet<String>) {
        let named = locked(&self.still_named);
        dead.retain(|owner| !named.contains(owner));
    }

    /// Notes that records name the dead owner `owner`.
    pub(super) fn is_named(&self, owner: String) {
        locked(&self.still_named).insert(owner);
    }

    /// Notes that a record of the dead owner `owner` has changed.
    pub(super) fn may_be_unnamed(&self, owner: &str) {
        locked(&self.still_named).remove(owner);
    }

    /// Poisons this handle: nothing more is written by way of it.
    pub(super) fn poison(&self) {
        self.is_poisoned.store(true, Ordering::Relaxed);
    }

    /// Returns whether this handle is poisoned; a store that is opened again has a new handle.
    pub(super) fn is_poisoned(&self) -> bool {
        self.is_poisoned.load(Ordering::Relaxed)
    }

    /// Reports once that the log has more than 64 MiB, when it has `bytes`.
    pub(super) fn watch_log(&self, bytes: u64) {
        let is_first = bytes > LOG_WARNING && !self.has_warned.swap(true, Ordering::Relaxed);
        #[cfg(feature = "tracing")]
        if is_first {
            crate::base::guarded::guarded(|| {
                tracing::warn!(
                    target: "resilience::store",
                    dir = %self.dir.display(), bytes,
                    "the log of the store keeps growing: another program holds a read transaction open"
                );
            });
        }
        #[cfg(not(feature = "tracing"))]
        let _ = is_first;
    }

    /// Returns how many bytes the file of the log has.
    pub(super) fn log_size(&self) -> u64 {
        self.files.get(1).map_or(0, |(path, _)| files::size(path))
    }

    /// Makes the file of the log longer if its end is reached, up to twice as long, and returns its size.
    ///
    /// A sync of a file that has grown has to write where it ends, too, and takes about twice as long. Only who holds
    /// the right to write may call this. SQLite ends a log at the first frame that is none, as a frame of zeros is.
    pub(super) fn prepare_log(&self) -> u64 {
        let bytes = self.log_size();
        // Frames of 4,120 bytes seldom end where a prepared file does.
        if bytes.is_multiple_of(LOG_STEP) || bytes >= LOG_PREPARED {
            return bytes;
        }
        let Some((path, inode)) = self.files.get(1) else { return bytes };
        let longer = (2 * bytes).next_multiple_of(LOG_STEP);
        let zeros = vec![0; usize::try_from(longer - bytes).unwrap_or_default()];
        // SQLite holds no lock on this file that closing it would drop.
        let Ok(mut log) = OpenOptions::new().write(true).open(path) else { return bytes };
        if files::inode_of(&log) != *inode {
            return bytes;
        }
        let written = log.seek(SeekFrom::Start(bytes)).and_then(|_| log.write_all(&zeros));
        if written.is_err() {
            // A full disk: the commit needs the room that is left.
            let _ = log.set_len(bytes);
            return bytes;
        }
        longer
    }

    /// Returns whether the store was opened in the file with this inode.
    pub(super) fn is_of(&self, inode: Inode) -> bool {
        self.files.first().is_some_and(|(_, opened)| *opened == Some(inode))
    }

    /// Checks that this process opened the store.
    pub(super) fn check_process(&self) -> Result<(), StoreError> {
        if self.process == std::process::id() {
            return Ok(());
        }
        let words = format!("{} was opened before a fork: open it in the child, too", self.dir.display());
        Err(StoreError::Refused(words))
    }

    /// Checks that the files at their paths are the opened ones, and that this process opened them.
    ///
    /// It costs a look at the metadata of each file, before each commit and each read.
    ///
    /// # Errors
    ///
    /// [`StoreError::Lost`] if a file is another one or none, or the one of the tables is empty;
    /// [`StoreError::Unavailable`] if it cannot be looked at; [`StoreError::Refused`] in a fork's child.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.check_process()?;
        for (at, (path, opened)) in self.files.iter().enumerate() {
            let found = files::seen(path).map_err(files::failed(path))?;
            if found.map(|(inode, _)| inode) != *opened {
                return Err(StoreError::Lost(format!(
                    "{} was removed or replaced while it was open: nothing more is written to it. Put the files \
                     back where they were, or restart the program",
                    path.display()
                )));
            }
            // The log is empty at times, the tables never are.
            if at == 0 && found.is_some_and(|(_, bytes)| bytes == 0) {
                return Err(StoreError::Lost(format!(
                    "{} was emptied while it was open: what was in it is gone, and nothing more is written to it. \
                     Restore the directory from a backup, and restart the program",
                    path.display()
                )));
            }
        }
        Ok(())
    }

    /// Returns whether `owner` is dead, whose row has the counter and names the file in `row`.
    ///
    /// The lock decides where it can be judged. Otherwise the counter does, on the caller's monotonic clock; a pause
    /// between two looks counts for half a lease at most, since an observer that was stopped has seen nothing.
    pub(super) fn life(
        &self,
        owner: &str,
        row: Option<(u64, Option<Inode>)>,
        lease: Duration,
        now: Clocks,
    ) -> Life {
        use crate::durable::store::Liveness;
        let (counter, named) = (row.map(|(counter, _)| counter), row.and_then(|(_, named)| named));
        match self.owners.liveness(owner, named) {
            Liveness::Alive => Life::Alive(lease),
            Liveness::Dead => Life::Dead,
            Liveness::Unknown => {
                let most = if now.is_manual { Duration::MAX } else { lease / 2 };
                let mut watch = locked(&self.watch);
                watch.look(owner, counter, lease, most, now.monotonic)
            }
        }
    }
}
