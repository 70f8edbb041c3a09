//! The operations of an operator on a store: measure it, check it, copy it, make it smaller.

use super::commit::on_thread;
use super::place::{FILE, OWNERS, last_acknowledged, missing};
use super::tables::{self, connect, create_log, damaged_records, failed};
use super::{Inner, SqliteStore, absolute, find, sound_log};
use crate::durable::store::StoreError;
use crate::durable::store::files;
use crate::durable::store::owners::Owners;
use rusqlite::Connection;
use std::collections::HashSet;
use std::fs::{self, DirEntry};
use std::path::Path;

/// The size of a store; see [`SqliteStore::size`].
///
/// The log is empty at rest, and at most about 16 MiB while no reader holds it. Free pages are given back to the file
/// system at rest, some at a time; [`compact`](SqliteStore::compact) returns all of them at once.
///
/// # Examples
///
/// ```
/// use resilience::durable::SqliteStore;
///
/// # let dir = std::env::temp_dir().join(format!("resilience-size-{}", std::process::id()));
/// let store = SqliteStore::open(&dir)?;
/// let size = store.size_blocking()?;
/// assert!(size.tables >= 4096 && size.free <= size.tables);
/// assert!(size.to_string().contains("bytes of tables"));
/// # drop(store);
/// # std::fs::remove_dir_all(&dir).unwrap();
/// # Ok::<(), resilience::durable::StoreError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct StoreSize {
    /// The bytes of the tables, free pages included.
    pub tables: u64,
    /// The bytes of the log's file.
    pub log: u64,
    /// The bytes of the pages in the tables that nothing is in.
    pub free: u64,
}

/// Writes `40960 bytes of tables (4096 free), 0 bytes of log`.
impl std::fmt::Display for StoreSize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes of tables ({} free), {} bytes of log", self.tables, self.free, self.log)
    }
}

impl SqliteStore {
    /// Returns the size of the store.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub async fn size(&self) -> Result<StoreSize, StoreError> {
        let inner = self.inner.clone();
        on_thread(move || inner.size()).await
    }

    /// Returns the size of the store, from sync code; see [`size`](Self::size).
    ///
    /// # Errors
    ///
    /// Fails like [`size`](Self::size).
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::durable::SqliteStore;
    ///
    /// # let scratch = std::env::temp_dir().join(format!("resilience-upkeep-{}", std::process::id()));
    /// # let (dir, copy) = (scratch.join("state"), scratch.join("copy"));
    /// let store = SqliteStore::open(&dir)?;
    /// println!("{}", store.size_blocking()?);
    /// assert!(store.integrity_blocking()?.is_empty());
    /// store.backup_blocking(&copy)?;
    /// store.compact_blocking()?;
    /// SqliteStore::inspect(&copy)?;
    /// # drop(store);
    /// # std::fs::remove_dir_all(scratch).unwrap();
    /// # Ok::<(), resilience::durable::StoreError>(())
    /// ```
    pub fn size_blocking(&self) -> Result<StoreSize, StoreError> {
        self.inner.size()
    }

    /// Checks the tables, their indexes and every record, and whether acknowledged work is missing.
    ///
    /// Returns the damage, in words; an empty list for a sound store. It reads the whole file, on a thread of its own;
    /// others can write at the same time.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be read at all.
    pub async fn integrity(&self) -> Result<Vec<String>, StoreError> {
        let inner = self.inner.clone();
        on_thread(move || inner.integrity()).await
    }

    /// Checks the store from sync code; see [`integrity`](Self::integrity).
    ///
    /// # Errors
    ///
    /// Fails like [`integrity`](Self::integrity).
    pub fn integrity_blocking(&self) -> Result<Vec<String>, StoreError> {
        self.inner.integrity()
    }

    /// Makes a copy of the store in the new directory `to`, which opens as a store.
    ///
    /// Records that were acknowledged before the call are in it. Others can write at the same time; the copy is made on
    /// a thread of its own, also when the future is dropped.
    ///
    /// The copy is for the day on which the store is lost: it has the same identity, so that idempotency keys stay. A
    /// program that opens it while the store is in use would run the same jobs again; [`inspect`](Self::inspect) does
    /// not.
    ///
    /// # Errors
    ///
    /// [`StoreError::Refused`] if there is anything in `to` but the remains of a copy whose process died;
    /// [`StoreError::Full`] if there is no room.
    pub async fn backup(&self, to: impl AsRef<Path>) -> Result<(), StoreError> {
        let (inner, to) = (self.inner.clone(), absolute(to.as_ref())?);
        on_thread(move || inner.backup(&to)).await
    }

    /// Makes a copy of the store from sync code; see [`backup`](Self::backup).
    ///
    /// # Errors
    ///
    /// Fails like [`backup`](Self::backup).
    pub fn backup_blocking(&self, to: impl AsRef<Path>) -> Result<(), StoreError> {
        self.inner.backup(&absolute(to.as_ref())?)
    }

    /// Rewrites the store's file without free pages and moves the log into it. A store shrinks by itself when it is at
    /// rest; this makes it as small as it can be, at once.
    ///
    /// It needs room for a second copy of the tables. It runs on a thread of its own; what this process writes waits
    /// for it, and so does what others write, for as long as their `busy_timeout`.
    ///
    /// # Errors
    ///
    /// [`StoreError::ReadOnly`] for a store that is only looked at; [`StoreError::Full`] if there is no room;
    /// [`StoreError::Unavailable`] if another process reads or writes for longer than the `busy_timeout`.
    pub async fn compact(&self) -> Result<(), StoreError> {
        let inner = self.inner.clone();
        on_thread(move || inner.compact()).await
    }

    /// Makes the store smaller from sync code; see [`compact`](Self::compact).
    ///
    /// # Errors
    ///
    /// Fails like [`compact`](Self::compact).
    pub fn compact_blocking(&self) -> Result<(), StoreError> {
        self.inner.compact()
    }
}

impl Inner {
    /// Reads by a connection of its own: other readers of this process go on.
    fn read_apart<T>(&self, read: impl Fn(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let file = self.place.dir.join(FILE);
        if self.open.is_none() {
            return tables::look(&file, read);
        }
        self.place.check()?;
        read(&connect(&file, self.place.busy, true)?)
    }

    fn size(&self) -> Result<StoreSize, StoreError> {
        let (tables, free) = self.read_apart(tables::size)?;
        Ok(StoreSize { tables, free, log: self.place.log_size() })
    }

    fn integrity(&self) -> Result<Vec<String>, StoreError> {
        let file = self.place.dir.join(FILE);
        // The log of a store that this process has open is SQLite's alone; it was checked when it was opened.
        let log =
            if find(&file).is_some() { None } else { sound_log(&file).err().map(|error| error.to_string()) };
        // Before the tables are read: other processes commit at the same time.
        let acknowledged = last_acknowledged(&self.place.dir);
        let mut found = self.read_apart(|connection| {
            let mut found = tables::integrity(connection)?;
            // Records cannot be read from pages that are damaged.
            if found.is_empty() {
                found = damaged_records(connection)?;
                found.extend(missing(&self.place.dir, acknowledged, tables::last_fence(connection)?));
            }
            Ok(found)
        })?;
        found.extend(log);
        Ok(found)
    }

    fn backup(&self, to: &Path) -> Result<(), StoreError> {
        let file = to.join(FILE);
        let not_empty = || {
            StoreError::Refused(format!("{} is not empty: a copy is made in a new directory", to.display()))
        };
        let is_new = match fs::read_dir(to) {
            Ok(entries) => {
                // The files that a process leaves behind that dies while it makes a copy.
                let is_left = |entry: DirEntry| match entry.file_name().to_str() {
                    Some(OWNERS) => Owners::are_all_in(&entry.path()),
                    name => name.is_some_and(|name| files::is_draft(&file, name)),
                };
                if !entries.flatten().all(is_left) {
                    return Err(not_empty());
                }
                false
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
            Err(error) => return Err(files::failed(to)(error)),
        };
        files::prepare(to, true)?;
        let owners = Owners::join(to.join(OWNERS))?;
        owners.clear(&HashSet::new());
        files::clear_drafts(&file, |owner| owners.holds_lock(owner));
        let draft = files::draft(&file, owners.own())?;
        let copied = self.copy_to(&draft).and_then(|()| files::publish(&draft, &file));
        if copied.is_err() {
            files::discard(&draft);
        }
        drop(owners);
        // Others may make a copy, too, or have opened this one by now.
        let _ = fs::remove_dir(to.join(OWNERS));
        if copied.is_err() && is_new {
            let _ = fs::remove_dir(to);
        }
        if copied? { Ok(()) } else { Err(not_empty()) }
    }

    fn copy_to(&self, draft: &Path) -> Result<(), StoreError> {
        let path =
            draft.to_str().ok_or_else(|| StoreError::Refused(format!("{} is not UTF-8", draft.display())))?;
        // A second try begins with an empty file again.
        self.read_apart(|connection| {
            fs::File::create(draft).map_err(files::failed(draft))?;
            connection.execute("VACUUM INTO ?1", [path]).map(drop).map_err(failed)
        })?;
        create_log(draft)?;
        fs::File::open(draft).and_then(|draft| draft.sync_all()).map_err(files::failed(draft))
    }

    pub(super) fn flush(&self) -> Result<(), StoreError> {
        self.open.as_ref().map_or(Ok(()), |open| open.committer.flush())
    }

    fn compact(&self) -> Result<(), StoreError> {
        let Some(open) = &self.open else { return Err(StoreError::ReadOnly) };
        open.committer.compact()
    }
}
