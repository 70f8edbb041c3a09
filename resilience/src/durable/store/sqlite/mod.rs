//! Records in one SQLite file: durable, and shared by any number of processes of one host.
//!
//! In each process one thread at a time writes: it takes whatever is asked for at the moment into one
//! transaction, so that many callers share one sync.

mod commit;
pub(crate) mod files;
mod tables;

use super::rules;
use super::{Aside, Capabilities, Claim, Claimed, Completion, Cursor, Page, Query, Store, StoreError, Work};
use crate::durable::record::{Millis, Record, Status};
use crate::durable::store::owners::Owners;
use commit::{Commit, Committer, locked};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};
use tables::{connect, failed, get, list, migrate};

/// The file in the store's directory.
const FILE: &str = "store.sqlite";

/// How a store is opened; see [`SqliteStore::options`].
#[derive(Clone, Debug)]
#[must_use]
pub struct SqliteOptions {
    busy: Duration,
    network: bool,
}

impl SqliteOptions {
    /// How long to wait for another process that writes; default 10 s. One that is stopped in the middle of a
    /// commit (`SIGSTOP`, a frozen container) keeps the others waiting that long, and they are told
    /// [`StoreError::Unavailable`]; one that is killed does not.
    pub const fn busy_timeout(mut self, wait: Duration) -> Self {
        self.busy = wait;
        self
    }

    /// Opens a store on a network file system, too, where several hosts would damage it.
    pub const fn allow_network_fs(mut self) -> Self {
        self.network = true;
        self
    }

    /// Opens the store in `dir`, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// [`StoreError::Refused`] if the directory is somebody else's, others may write to it, it is a link or
    /// on a network file system, or the file is of a later release; else whatever SQLite says.
    pub fn open(self, dir: impl AsRef<Path>) -> Result<SqliteStore, StoreError> {
        let dir = dir.as_ref();
        files::prepare(dir, self.network)?;
        let file = dir.join(FILE);
        files::prepare_file(&file)?;
        let mut writer = connect(&file, self.busy, false)?;
        let reader = connect(&file, self.busy, true);
        migrate(&mut writer)?;
        let owners = Arc::new(Owners::join(&dir.join("owners"))?);
        let committer = Committer::start(writer, owners.clone())?;
        let (clock, is_volatile) = (AtomicU64::new(0), files::is_volatile(dir));
        Ok(SqliteStore {
            dir: dir.to_owned(),
            committer,
            reader: Mutex::new(reader?),
            owners,
            clock,
            is_volatile,
        })
    }
}

/// A store in one SQLite file.
///
/// Write-ahead log with `synchronous=FULL`: what was acknowledged survives `kill -9` and, as far as the
/// disk keeps its word, a power cut. Any number of processes of one host may have it open; each holds a
/// lock beside it, by which the others know at once that it has died.
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
#[derive(Debug)]
pub struct SqliteStore {
    dir: PathBuf,
    committer: Committer,
    reader: Mutex<Connection>,
    owners: Arc<Owners>,
    /// The latest reading of the clock, so that it never goes back.
    clock: AtomicU64,
    is_volatile: bool,
}

impl SqliteStore {
    /// Opens the store in `dir`, which is made if it is not there, for this user alone.
    ///
    /// # Errors
    ///
    /// As [`SqliteOptions::open`].
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::options().open(dir)
    }

    /// The options with which a store is opened.
    pub const fn options() -> SqliteOptions {
        SqliteOptions { busy: Duration::from_secs(10), network: false }
    }

    /// The store's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The time of day on the calling thread, never earlier than before.
    fn clock(&self) -> Millis {
        let since = crate::clock::time_of_day().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX);
        self.clock.fetch_max(now, Ordering::Relaxed).max(now)
    }

    /// Has the committer apply `rule`; it is on its way before the future is polled.
    fn apply<T: Send + 'static>(
        &self,
        waits_for: Commit,
        rule: impl FnOnce(&mut tables::Table<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Work<'_, T> {
        self.committer.apply(waits_for, self.clock(), rule)
    }

    fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Work<'_, T> {
        Box::pin(std::future::ready(read(&locked(&self.reader))))
    }
}

impl Store for SqliteStore {
    fn get<'a>(&'a self, key: &'a str) -> Work<'a, Option<Record>> {
        self.read(|connection| get(connection, key))
    }

    fn claim(&self, claim: Claim) -> Work<'_, Claimed> {
        // A claim that is forgotten was never worked on by anybody who still lives.
        let waits_for = if claim.durable { Commit::Disk } else { Commit::Kernel };
        self.apply(waits_for, move |table| rules::claim(table, &claim))
    }

    fn renew<'a>(&'a self, key: &'a str, fence: u64, lease: Duration) -> Work<'a, ()> {
        let key = key.to_owned();
        self.apply(Commit::Kernel, move |table| rules::renew(table, &key, fence, lease))
    }

    fn complete(&self, completion: Completion) -> Work<'_, Record> {
        self.apply(Commit::Disk, move |table| rules::complete(table, &completion))
    }

    fn put_cursor(&self, cursor: Cursor) -> Work<'_, ()> {
        self.apply(Commit::Disk, move |table| rules::put_cursor(table, &cursor))
    }

    fn release<'a>(&'a self, key: &'a str, fence: u64, status: Status) -> Work<'a, ()> {
        let key = key.to_owned();
        self.apply(Commit::Kernel, move |table| rules::release(table, &key, fence, status))
    }

    fn cas(&self, expected: Option<u64>, record: Record) -> Work<'_, Record> {
        self.apply(Commit::Disk, move |table| rules::cas(table, expected, record))
    }

    fn list(&self, query: Query) -> Work<'_, Page> {
        self.read(|connection| list(connection, &query))
    }

    fn delete_older_than<'a>(&'a self, prefix: &'a str, before: Millis, limit: usize) -> Work<'a, usize> {
        let prefix = prefix.to_owned();
        self.apply(Commit::Disk, move |table| table.delete_older_than(&prefix, before, limit))
    }

    fn remove(&self, key: String, with: Vec<String>) -> Work<'_, bool> {
        self.apply(Commit::Disk, move |table| rules::remove(table, &key, &with))
    }

    fn aside(&self, limit: usize) -> Work<'_, Vec<Aside>> {
        self.read(|connection| {
            let sql = "SELECT key, at, why, record FROM aside ORDER BY id DESC LIMIT ?1";
            let mut select = connection.prepare_cached(sql).map_err(failed)?;
            let rows = select.query_map([i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
                let at: i64 = row.get(1)?;
                let at = Millis::try_from(at).unwrap_or(0);
                Ok(Aside { key: row.get(0)?, at, why: row.get(2)?, bytes: row.get(3)? })
            });
            rows.and_then(Iterator::collect).map_err(failed)
        })
    }

    fn now(&self) -> Work<'_, Millis> {
        Box::pin(std::future::ready(Ok(self.clock())))
    }

    fn capabilities(&self) -> Capabilities {
        let capabilities = Capabilities::new().sees_dead_owners();
        if self.is_volatile { capabilities } else { capabilities.durable() }
    }

    fn is_gone(&self, owner: &str) -> bool {
        self.owners.is_gone(owner)
    }
}
