//! Records in one SQLite file: durable, and shared by any number of processes of one host.
//!
//! In each process one thread at a time writes: it takes whatever is asked for at the moment into one
//! transaction, so that many callers share one sync.
//!
//! ```text
//!  callers ── apply(rule) ──> commit: queue ── one transaction ──> tables ──> sync ──> answers
//!     │                          │
//!     └── read ──> reader        └── at rest: fold the log, return free pages
//! ```
//!
//! | file | what it knows |
//! |---|---|
//! | `commit` | group commit: the committer, the operations of a transaction, the time of the answers |
//! | `tables/` | SQL: the schema, the rows, and the rules' view of a transaction |
//! | `place` | the directory: whether the files are still the opened ones, the living owners, the mark of the last acknowledged transaction |
//! | `wal` | checksums of the log, which SQLite itself treats as the end of the log if they are wrong |
//! | `upkeep` | the operations of operators: backup, check, size, compacting |
//!
//! # Assumptions
//!
//! - The file has one SQLite in each process. POSIX locks belong to the process, so that a second one in it, or any
//!   other code that opens and closes the file, would take the locks away. So a store that is opened twice is one
//!   handle, found by its inode, and a fork's child may not use the one of its parent.
//! - A transaction that was acknowledged is on disk: `synchronous = FULL`, and the file and its directory are synced
//!   when the store is made.
//! - A write that failed says nothing about the data on disk. The store is poisoned then, and a new opening reads what
//!   is there.
//! - The fence is raised by every transaction that writes. So it also numbers them, and a store that has a lower one
//!   than the mark `acknowledged` beside it has lost work: it is refused, and not used with what is left.

mod commit;
mod place;
mod tables;
mod upkeep;
mod wal;

use super::files::{self, Inode};
use super::rules;
use super::{
    Capabilities, Claim, Claimed, Completion, Cursor, Liveness, Otherwise, Page, Quarantined, Query, Release,
    Store, StoreError, Work,
};
use crate::base::files::{ABOUT_STATE, describe};
use crate::base::of_process::OfProcess;
use crate::base::sync::locked;
use crate::durable::record::{Millis, Record};
use crate::durable::store::owners::Owners;
use commit::Committer;
use place::{Clocks, FILE, MARK, OWNERS, StorePlace, files_of, has_mark, missing, open_mark, read_mark};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::fs;
use std::future::ready;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use tables::{
    Table, at_once, beat, check_small, connect, create, enrol, fold, get, identity, last_fence, list,
    migrate, number, use_log,
};
pub use upkeep::StoreSize;

/// The options for opening a store; see [`SqliteStore::options`].
///
/// # Examples
///
/// ```
/// use resilience::durable::SqliteStore;
/// use std::time::Duration;
///
/// # let dir = std::env::temp_dir().join(format!("resilience-options-{}", std::process::id()));
/// let store = SqliteStore::options().busy_timeout(Duration::from_secs(30)).open(&dir)?;
/// # drop(store);
/// # std::fs::remove_dir_all(&dir).unwrap();
/// # Ok::<(), resilience::durable::StoreError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct SqliteOptions {
    busy: Duration,
    network: bool,
}

impl SqliteOptions {
    /// Sets how long to wait for another process that writes; default 10 s, at most 24 days.
    ///
    /// A process that is stopped in the middle of a commit (`SIGSTOP`, a frozen container) keeps the others waiting
    /// that long, and they get [`StoreError::Unavailable`]; a process that is killed does not.
    pub const fn busy_timeout(mut self, wait: Duration) -> Self {
        // SQLite counts it in milliseconds, in 32 bits with a sign.
        let most = Duration::from_millis(i32::MAX as u64);
        self.busy = if wait.as_nanos() < most.as_nanos() { wait } else { most };
        self
    }

    /// Opens a store on a network file system, too, where several hosts would damage it.
    ///
    /// The lock by which a dead process is recognised, and SQLite's own locks, hold within one host only. The default
    /// refuses such a directory where the system says that it is one.
    pub const fn allow_network_fs(mut self) -> Self {
        self.network = true;
        self
    }

    /// Opens the store in `dir`, which is made if it is not there.
    ///
    /// A process has each store open once: opened again, by whatever path, it is the same handle, with the options
    /// of the first.
    ///
    /// # Errors
    ///
    /// [`StoreError::Refused`] if the directory belongs to another user, others may write to it, it is a link or
    /// on a network file system, something else than a file is in the place of one of its files, or the file is of a
    /// later release; [`StoreError::ReadOnly`] if the file system is mounted read-only; [`StoreError::Lost`] if the file
    /// is empty or missing beside its log; [`StoreError::Unavailable`] if the file or its log is damaged; else what
    /// SQLite says.
    pub fn open(self, dir: impl AsRef<Path>) -> Result<SqliteStore, StoreError> {
        let dir = absolute(dir.as_ref())?;
        files::prepare(&dir, self.network)?;
        let dir = fs::canonicalize(&dir).unwrap_or(dir);
        let file = dir.join(FILE);
        let door = door(&dir);
        let _alone = locked(&door);
        if let Some(inner) = find(&file) {
            return Ok(SqliteStore { inner });
        }
        let [_, log, _] = files_of(&file);
        let mut is_there = files::check(&file)?;
        let mark = dir.join(MARK);
        [&log, &mark].into_iter().try_for_each(|file| files::check_regular(file))?;
        if !is_there && (fs::metadata(&log).is_ok_and(|log| log.len() > 0) || has_mark(&dir)) {
            // Another process may have made it since, and used it.
            is_there = files::check(&file)?;
            if !is_there {
                return Err(StoreError::Lost(format!(
                    "{} is missing, and a store was here: restore it from a backup, or remove the directory to start over",
                    file.display()
                )));
            }
        }
        // A directory that may not be written to is reported here, in words that name the file.
        let owners = Owners::join(dir.join(OWNERS))?;
        if !is_there {
            let draft = files::draft(&file, owners.own())?;
            create(&draft).inspect_err(|_| files::discard(&draft))?;
            // Another process may have been faster.
            files::publish(&draft, &file)?;
            describe(&dir, ABOUT_STATE);
        }
        let inner = Arc::new(Inner::open(dir, owners, self.busy)?);
        locked(&OPEN).push(Arc::downgrade(&inner));
        Ok(SqliteStore { inner })
    }
}

/// The stores that this process has open.
static OPEN: OfProcess<Mutex<Vec<Weak<Inner>>>> = OfProcess::locked(Vec::new());

/// Returns the open store in `file`.
///
/// A store whose files were replaced, or that is poisoned, does not count: opening it again makes a new one.
fn find(file: &Path) -> Option<Arc<Inner>> {
    let inode = files::inode(file)?;
    // The handles that are dropped below may be the last ones, whose store is closed then: that takes its time.
    let inners: Vec<_> = {
        let mut open = locked(&OPEN);
        open.retain(|inner| inner.strong_count() > 0);
        open.iter().filter_map(Weak::upgrade).collect()
    };
    let is_it = |inner: &Arc<Inner>| {
        inner.place.is_of(inode) && inner.place.check().is_ok() && !inner.place.is_poisoned()
    };
    inners.into_iter().find(is_it)
}

/// The directories whose stores are being opened by this process, and the state that only one of its threads may hold.
static DOORS: OfProcess<Mutex<Doors>> = OfProcess::locked(BTreeMap::new());

type Doors = BTreeMap<Option<Inode>, Weak<Mutex<()>>>;

/// Returns the lock for opening the store in `dir`: stores in other directories can be opened at the same time.
fn door(dir: &Path) -> Arc<Mutex<()>> {
    let inode = files::inode(dir);
    let mut doors = locked(&DOORS);
    doors.retain(|_, door| door.strong_count() > 0);
    let known = doors.get(&inode).and_then(Weak::upgrade);
    known.unwrap_or_else(|| {
        let door = Arc::default();
        doors.insert(inode, Arc::downgrade(&door));
        door
    })
}

/// Returns `dir` as an absolute path: the process may change its directory later.
fn absolute(dir: &Path) -> Result<PathBuf, StoreError> {
    std::path::absolute(dir).map_err(|error| StoreError::Refused(format!("{}: {error}", dir.display())))
}

/// A store in one SQLite file, for any number of processes of one host.
///
/// Write-ahead log with `synchronous=FULL`: acknowledged records survive `kill -9` and, as far as the
/// disk keeps its word, a power cut. Any number of processes of one host may have it open; each holds a
/// lock beside it, by which the others know at once that it has died. `docs/durable.md` has the protocol.
///
/// Only SQLite may open the file while a program has it open: reading or copying it from the same process drops
/// SQLite's locks. [`backup`](Self::backup) makes a copy of a store in use. At rest, two seconds after the last write,
/// everything is in the one file.
///
/// | file in the directory | what it is |
/// |---|---|
/// | `store.sqlite` | the tables: back up this one, at rest or by [`backup`](Self::backup) |
/// | `store.sqlite-wal`, `store.sqlite-shm` | SQLite's log and its index, while the store is in use |
/// | `owners/<name>.lock` | one for each process that has the store open, which holds it locked |
/// | `acknowledged` | the number of the last acknowledged transaction, by which a store that was replaced by an older copy is recognised |
/// | `README` | says what the directory is |
///
/// Opening costs a few milliseconds and a thread; clone the handle, or open it again, which returns the same one. An
/// operation waits for one sync of the disk, together with all others that are asked for at the time; reads wait for
/// none. The directory belongs to one user, on a local file system. When the disk is full, writes fail with
/// [`StoreError::Full`] and existing records can still be read.
///
/// The SQLite built along syncs with `fsync`. With `LIBSQLITE3_FLAGS=-DHAVE_FDATASYNC=1` in the environment of
/// the build it uses `fdatasync`, which is as safe and up to a third faster with many writers.
///
/// # Examples
///
/// ```
/// use resilience::durable::SqliteStore;
///
/// # let dir = std::env::temp_dir().join(format!("resilience-doc-{}", std::process::id()));
/// let store = std::sync::Arc::new(SqliteStore::open(&dir)?);
/// # std::fs::remove_dir_all(&dir).unwrap();
/// # Ok::<(), resilience::durable::StoreError>(())
/// ```
#[derive(Clone, Debug)]
pub struct SqliteStore {
    inner: Arc<Inner>,
}

/// The part of a store that all its handles share; when the last handle is dropped, queued operations are committed,
/// and the files are closed.
#[derive(Debug)]
struct Inner {
    place: Arc<StorePlace>,
    /// `None` for a store that is only looked at: by a new connection each time.
    open: Option<Connections>,
    identity: String,
}

/// Two connections, so that a read never waits for a sync: with a log, SQLite's readers see the last commit while the
/// next one is written.
#[derive(Debug)]
struct Connections {
    /// Closed before the writer: the last connection to close moves the log into the tables, which one that only reads
    /// cannot do.
    reader: Mutex<Connection>,
    committer: Committer,
}

impl Inner {
    /// Opens the store in `dir`, whose file is there, as the owner that has joined.
    fn open(dir: PathBuf, owners: Owners, busy: Duration) -> Result<Self, StoreError> {
        let file = dir.join(FILE);
        sound_log(&file)?;
        let mut writer = connect(&file, busy, false)?;
        migrate(&mut writer)?;
        use_log(&writer)?;
        check_small(&writer)?;
        // In this order: other processes commit at the same time.
        let mut mark = open_mark(&dir)?;
        let acknowledged = read_mark(&mut mark);
        if let Some(words) = missing(&dir, acknowledged, last_fence(&writer)?) {
            return Err(StoreError::Lost(words));
        }
        let identity = identity(&writer)?;
        let reader = Mutex::new(connect(&file, busy, true)?);
        let place = Arc::new(StorePlace::new(dir, owners, busy, Some(mark)));
        if let Ok(named) = tables::owners(&writer) {
            place.owners.clear(&named);
        }
        files::clear_drafts(&file, |owner| place.owners.holds_lock(owner));
        fold(&writer, &place);
        let open = Some(Connections { committer: Committer::start(writer, place.clone())?, reader });
        Ok(Self { place, open, identity })
    }

    /// Looks at the store in `dir`, without writing anything.
    fn inspect(dir: PathBuf) -> Result<Self, StoreError> {
        let identity = tables::look(&dir.join(FILE), identity)?;
        let owners = Owners::look(dir.join(OWNERS));
        let place = Arc::new(StorePlace::new(dir, owners, Duration::from_secs(1), None));
        Ok(Self { place, open: None, identity })
    }
}

/// Checks that the files of the store in `file` are files, and its log for damage.
fn sound_log(file: &Path) -> Result<(), StoreError> {
    let [_, log, index] = files_of(file);
    let journal = file.with_extension("sqlite-journal");
    [file, &log, &index, &journal].into_iter().try_for_each(files::check_regular)?;
    match wal::damage(&log) {
        None => Ok(()),
        Some(frame) => Err(StoreError::Unavailable(format!(
            "its log {} is damaged at frame {frame}, and acknowledged work is behind that; nothing was changed. \
             Restore the directory from a backup; or remove the log to go on without what is in it",
            log.display()
        ))),
    }
}

impl SqliteStore {
    /// Opens the store in `dir`, which is made if it is not there, for this user alone.
    ///
    /// # Errors
    ///
    /// Fails like [`SqliteOptions::open`].
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::options().open(dir)
    }

    /// Opens the store in `dir` to look at it, whoever owns it.
    ///
    /// It does not join the processes that use the store, and writes nothing: every operation that writes fails with
    /// [`StoreError::ReadOnly`].
    ///
    /// Each look opens the files and closes them again, so that it sees what others have written, and blocks no
    /// other process. Where a log is in use, SQLite keeps its index (`store.sqlite-shm`).
    ///
    /// # Errors
    ///
    /// [`StoreError::Refused`] if there is no store, or it is of another release; [`StoreError::Lost`] if its file is
    /// empty; [`StoreError::Unavailable`] if it is damaged or may not be read.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::durable::SqliteStore;
    /// use resilience::jobs;
    /// use std::sync::Arc;
    ///
    /// # let dir = std::env::temp_dir().join(format!("resilience-inspect-{}", std::process::id()));
    /// # drop(SqliteStore::open(&dir)?);
    /// let store = Arc::new(SqliteStore::inspect(&dir)?);
    /// println!("{}", jobs::blocking::of(store).count()?);
    /// # std::fs::remove_dir_all(&dir)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn inspect(dir: impl AsRef<Path>) -> Result<Self, StoreError> {
        let dir = absolute(dir.as_ref())?;
        let file = dir.join(FILE);
        files::check_regular(&file)?;
        match fs::metadata(&file) {
            Ok(found) if found.len() == 0 => {
                return Err(StoreError::Lost(format!("{} is empty: what was in it is gone", file.display())));
            }
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(StoreError::Refused(format!("there is no store: {} is missing", file.display())));
            }
            Err(error) => return Err(files::failed(&file)(error)),
        }
        let dir = fs::canonicalize(&dir).unwrap_or(dir);
        // The log of a store that this process has open is SQLite's alone; it was checked when it was opened.
        if find(&file).is_none() {
            sound_log(&file)?;
        }
        Ok(Self { inner: Arc::new(Inner::inspect(dir)?) })
    }

    /// Returns the options with which a store is opened: a `busy_timeout` of 10 s, and no network file systems.
    pub const fn options() -> SqliteOptions {
        SqliteOptions { busy: Duration::from_secs(10), network: false }
    }

    /// Returns the store's directory, as an absolute path without links.
    pub fn dir(&self) -> &Path {
        &self.inner.place.dir
    }

    /// Makes the committer apply `rule`; it is queued before the future is polled.
    fn apply<T: Send + 'static>(
        &self,
        rule: impl FnOnce(&mut Table<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Work<'_, T> {
        // A fork has no thread that would answer, and the queue may be locked for ever.
        if let Err(error) = self.inner.place.check_process() {
            return Box::pin(ready(Err(error)));
        }
        match &self.inner.open {
            Some(open) => open.committer.apply(Clocks::now(), rule),
            None => Box::pin(ready(Err(StoreError::ReadOnly))),
        }
    }

    /// Reads on the calling thread: it takes no sync and no turn, and is done before the future is polled.
    fn read<T: Send + 'static>(&self, read: impl Fn(&Connection) -> Result<T, StoreError>) -> Work<'_, T> {
        Box::pin(ready(self.read_now(read)))
    }

    fn read_now<T>(&self, read: impl Fn(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let place = &self.inner.place;
        match &self.inner.open {
            Some(open) => place.check().and_then(|()| at_once(&locked(&open.reader), read)),
            None => tables::look(&place.dir.join(FILE), read),
        }
    }
}

impl Store for SqliteStore {
    fn get<'a>(&'a self, key: &'a str) -> Work<'a, Option<Record>> {
        self.read(|connection| get(connection, key))
    }

    fn claim(&self, claim: Claim) -> Work<'_, Claimed> {
        if claim.holder.is_none() {
            let owner = self.owner();
            return self.apply(move |table| {
                let claimed = rules::claim(table, &claim)?;
                if matches!(claimed, Claimed::Held(_)) {
                    enrol(table, &owner, claim.lease)?;
                }
                Ok(claimed)
            });
        }
        // Looking at a step of a job writes nothing, unless its damaged bytes have to be replaced.
        let look = Claim { on_corrupt: Otherwise::Error, ..claim.clone() };
        let place = &self.inner.place;
        let Some(open) = &self.inner.open else { return Box::pin(ready(Err(StoreError::ReadOnly))) };
        let looked = place.check().and_then(|()| {
            at_once(&locked(&open.reader), |reader| {
                Table::reading(reader, place).apply(Clocks::now(), |table| rules::claim(table, &look))
            })
        });
        match looked {
            Err(damage) if claim.replaces_damage(&damage) => {
                self.apply(move |table| rules::claim(table, &claim))
            }
            looked => Box::pin(ready(looked)),
        }
    }

    fn renew(&self, lease: Duration) -> Work<'_, ()> {
        if self.inner.place.check_process().is_ok() {
            self.inner.place.owners.keep();
        }
        let owner = self.owner();
        let renewed = self.apply(move |table| beat(table, &owner, lease));
        let key = self.owner();
        Box::pin(async move { if renewed.await? { Ok(()) } else { Err(StoreError::Fenced { key }) } })
    }

    fn complete(&self, completion: Completion) -> Work<'_, Record> {
        self.apply(move |table| rules::complete(table, &completion))
    }

    fn put_cursor(&self, cursor: Cursor) -> Work<'_, ()> {
        self.apply(move |table| rules::put_cursor(table, &cursor))
    }

    fn release(&self, release: Release) -> Work<'_, ()> {
        self.apply(move |table| rules::release(table, &release))
    }

    fn cas(&self, expected: Option<u64>, record: Record) -> Work<'_, Record> {
        self.apply(move |table| rules::cas(table, expected, record))
    }

    fn list(&self, query: Query) -> Work<'_, Page> {
        self.read(|connection| list(connection, &query))
    }

    fn delete_older_than<'a>(&'a self, prefix: &'a str, before: Millis, limit: usize) -> Work<'a, usize> {
        let prefix = prefix.to_owned();
        self.apply(move |table| table.delete_older_than(&prefix, before, limit))
    }

    fn delete_expired(&self, limit: usize) -> Work<'_, usize> {
        self.apply(move |table| table.delete_expired(limit))
    }

    fn remove(&self, key: String, with: Vec<String>) -> Work<'_, bool> {
        self.apply(move |table| rules::remove(table, &key, &with))
    }

    fn remove_ended(&self, keys: Vec<String>, before: Millis) -> Work<'_, usize> {
        self.apply(move |table| rules::remove_ended(table, &keys, before))
    }

    fn quarantine(&self, before: Option<u64>, limit: usize) -> Work<'_, Vec<Quarantined>> {
        let before = before.map_or(i64::MAX, number);
        self.read(|connection| tables::quarantine(connection, before, limit))
    }

    fn quarantined(&self, id: u64) -> Work<'_, Option<Quarantined>> {
        self.read(|connection| tables::quarantined(connection, id))
    }

    fn remove_quarantined(&self, id: u64) -> Work<'_, bool> {
        self.apply(move |table| {
            table.write("DELETE FROM quarantine WHERE id = ?1", [number(id)]).map(|count| count > 0)
        })
    }

    fn now(&self) -> Work<'_, Millis> {
        Box::pin(ready(Ok(Clocks::now().wall)))
    }

    fn capabilities(&self) -> Capabilities {
        let capabilities = Capabilities::new().sees_dead_owners();
        if self.inner.place.is_volatile { capabilities } else { capabilities.durable() }
    }

    fn liveness(&self, owner: &str) -> Liveness {
        let row = self.read_now(|connection| tables::row_of(connection, owner)).ok().flatten();
        self.inner.place.owners.liveness(owner, row.and_then(|(_, named)| named))
    }

    fn kind(&self) -> &'static str {
        "sqlite"
    }

    fn owner(&self) -> String {
        self.inner.place.owners.own().to_owned()
    }

    fn identity(&self) -> String {
        self.inner.identity.clone()
    }

    /// Moves the log into the tables.
    fn flush(&self) -> Work<'_, ()> {
        let inner = self.inner.clone();
        commit::on_thread(move || inner.flush())
    }
}
