//! The tables of a store, and the rows in them.

use super::place::{Moment, Place};
use crate::durable::record::key::place;
use crate::durable::record::{Corrupt, Millis, Record, Status};
use crate::durable::store::files::{self, Inode};
use crate::durable::store::rules::{Life, PAGE_BYTES, QUARANTINE, Rows, is_kept_for_a_time, millis};
use crate::durable::store::{Liveness, Page, Quarantined, Query, StoreError};
use rusqlite::{
    Connection, ErrorCode, OpenFlags, OptionalExtension, Params, Transaction, TransactionBehavior, ffi,
    params,
};
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// The version of the tables; a file of a later one is refused.
const SCHEMA: i64 = 2;
/// How long the log may get, in pages of 4 KiB, before a commit moves it into the tables: 4 MiB.
const LOG_PAGES: u32 = 1_000;
/// How many bytes of the log file are kept for the next transactions: 6 MiB.
const LOG_LIMIT: u32 = 6 << 20;
/// How many free pages are returned to the file system at one time of rest.
const SHRINK: u32 = 4_096;
/// Up to how many bytes a file is checked as a whole when it is opened: 32 MiB.
const CHECKED: u64 = 32 << 20;
/// How many rows a page of a listing looks at, at most: those in other states than asked for count, too.
const SCANNED: i64 = 2_000;

/// How long a look waits for another process.
const LOOK: Duration = Duration::from_secs(1);
/// How many owners there may be before a new one looks for those that are dead; recovery does so anyway.
const CROWD: usize = 16;

const TABLES: &str = "
    CREATE TABLE records (
        key TEXT PRIMARY KEY,
        status INTEGER NOT NULL,
        fence INTEGER NOT NULL,
        cancelled INTEGER NOT NULL,
        completed INTEGER NOT NULL,
        expires INTEGER NOT NULL,
        head BLOB NOT NULL,
        body BLOB NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX open_jobs ON records (key) WHERE status <> 2 AND key >= 'j/' AND key < 'j0';
    CREATE INDEX expiring ON records (expires) WHERE expires > 0;
    CREATE TABLE quarantine (
        id INTEGER PRIMARY KEY,
        key TEXT NOT NULL,
        at INTEGER NOT NULL,
        why TEXT NOT NULL,
        record BLOB NOT NULL
    );
    CREATE INDEX quarantined ON quarantine (at);
    CREATE TABLE owners (
        name TEXT PRIMARY KEY,
        counter INTEGER NOT NULL,
        lease INTEGER NOT NULL,
        device INTEGER,
        inode INTEGER
    ) WITHOUT ROWID;
";
/// The fence of the last transaction, the store's identity, and the counts of the steps of unfinished jobs.
const META: &str = "CREATE TABLE meta (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID";
const FENCE: &str = "INSERT INTO meta VALUES ('fence', 0)";
const IDENTITY: &str = "INSERT INTO meta VALUES ('identity', lower(hex(randomblob(16))))";

pub(super) fn connect(file: &Path, busy: Duration, read_only: bool) -> Result<Connection, StoreError> {
    let flags = if read_only {
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX
    } else {
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX
    };
    let connection = Connection::open_with_flags(file, flags).map_err(failed)?;
    connection.busy_timeout(busy).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(32);
    if !read_only {
        connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES).map_err(failed)?;
        connection.pragma_update(None, "journal_size_limit", LOG_LIMIT).map_err(failed)?;
        connection.execute_batch("PRAGMA synchronous = FULL").map_err(failed)?;
    }
    Ok(connection)
}

/// Reads from the store in `file` without writing anything, whatever other processes do with it: by a connection for
/// this one time.
///
/// Without a log nothing but the file is needed, and SQLite is opened as if the file did not change, since it would make
/// a log otherwise. If that was not so, what was read does not count.
pub(super) fn look<T>(
    file: &Path,
    read: impl Fn(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    const LOOKS: usize = 10;
    let mut last = Err(StoreError::Unavailable("it changes all the time".to_owned()));
    for _ in 0..LOOKS {
        let before = Seen::of(file);
        if before.log.is_some() {
            let looked = connect(file, LOOK, true).and_then(|connection| {
                check_version(&connection)?;
                read(&connection)
            });
            let is_refused =
                matches!(looked, Err(StoreError::Unavailable(_) | StoreError::ReadOnly | StoreError::Full));
            // The log's index cannot be made in this directory, or the log went away meanwhile.
            if !is_refused || has_log(file) {
                return looked;
            }
        }
        let flags =
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        let uri = format!("file:{}?immutable=1", uri_path(file));
        last = Connection::open_with_flags(uri, flags).map_err(failed).and_then(|connection| {
            check_version(&connection)?;
            read(&connection)
        });
        if Seen::of(file) == before {
            return last;
        }
    }
    last
}

/// What a file and its log looked like.
#[derive(PartialEq, Eq)]
struct Seen {
    file: Option<(u64, Option<SystemTime>)>,
    log: Option<u64>,
}

impl Seen {
    fn of(file: &Path) -> Self {
        let [_, log, _] = super::place::files_of(file);
        let found = std::fs::metadata(file).ok();
        let file = found.map(|found| (found.len(), found.modified().ok()));
        Self { file, log: std::fs::metadata(log).ok().map(|log| log.len()) }
    }
}

/// Checks that this release reads the tables.
fn check_version(connection: &Connection) -> Result<(), StoreError> {
    let version: i64 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    let help = match version {
        SCHEMA => return Ok(()),
        earlier if earlier < SCHEMA => {
            "open it with a program of this release first, which brings it up to date"
        }
        _ => "use the release that made it, or a later one",
    };
    Err(StoreError::Refused(format!(
        "its tables are of version {version}, and this release reads version {SCHEMA}: {help}"
    )))
}

fn has_log(file: &Path) -> bool {
    let [_, log, _] = super::place::files_of(file);
    std::fs::metadata(log).is_ok_and(|log| log.len() > 0)
}

/// A path as a URI has it.
fn uri_path(file: &Path) -> String {
    let escaped = |byte: u8| match byte {
        b'/' | b'.' | b'-' | b'_' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    file.as_os_str().as_encoded_bytes().iter().copied().map(escaped).collect()
}

/// Makes a store in the empty file `file`, complete when this returns.
pub(super) fn create(file: &Path) -> Result<(), StoreError> {
    let connection = connect_draft(file)?;
    connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL").map_err(failed)?;
    let tables =
        format!("BEGIN; {TABLES} {META}; {FENCE}; {IDENTITY}; PRAGMA user_version = {SCHEMA}; COMMIT");
    connection.execute_batch(&tables).map_err(failed)?;
    connection.close().map_err(|(_, error)| failed(error))?;
    create_log(file)
}

/// Has the store in `file`, which no other process has open, be written to by way of a log.
pub(super) fn create_log(file: &Path) -> Result<(), StoreError> {
    let connection = connect_draft(file)?;
    use_log(&connection)?;
    connection.close().map_err(|(_, error)| failed(error))
}

/// Opens a file that is removed if it cannot be completed: nothing in it has to be rolled back.
fn connect_draft(file: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags).map_err(failed)?;
    connection.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = FULL").map_err(failed)?;
    Ok(connection)
}

/// Has the tables be written to by way of a log, if they are not yet.
pub(super) fn use_log(connection: &Connection) -> Result<(), StoreError> {
    let mut pragma = connection.prepare("PRAGMA journal_mode = WAL").map_err(failed)?;
    // The file is written to after the one row of the answer: only the end of the rows shows whether that was done.
    let modes: Result<Vec<String>, _> = pragma.query_map([], |row| row.get(0)).and_then(Iterator::collect);
    match modes.map_err(failed)?.pop() {
        Some(mode) if mode == "wal" => Ok(()),
        mode => Err(StoreError::Unavailable(format!("its log cannot be made: its journal is {mode:?}"))),
    }
}

/// Checks that the tables are of this release, and brings those of an earlier one up to date.
pub(super) fn migrate(writer: &mut Connection) -> Result<(), StoreError> {
    let version = |connection: &Connection| -> Result<i64, StoreError> {
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)
    };
    if version(writer)? == 1 {
        let tx = writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        // Another process may have been faster.
        if version(&tx)? == 1 {
            migrate_1(&tx)?;
            tx.commit().map_err(failed)?;
            // What is free is returned to the file system from now on; that takes one rewriting of the file. Where
            // another process is in the way, the file stays as large as it was.
            let _ = writer.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; VACUUM");
        }
    }
    match version(writer)? {
        SCHEMA => Ok(()),
        other => Err(StoreError::Refused(format!(
            "its tables are of version {other}, this release knows versions 1 to {SCHEMA}: use the release that made \
             it, or a later one"
        ))),
    }
}

/// From the tables of version 1: the record in one blob, no owners, no identity.
fn migrate_1(tx: &Transaction<'_>) -> Result<(), StoreError> {
    let old =
        "DROP INDEX open_jobs; ALTER TABLE records RENAME TO records_1; ALTER TABLE aside RENAME TO aside_1;
        ALTER TABLE meta RENAME TO meta_1";
    let new =
        format!("{TABLES} {META}; INSERT INTO meta SELECT * FROM meta_1; DROP TABLE meta_1; {IDENTITY}");
    tx.execute_batch(old).and_then(|()| tx.execute_batch(&new)).map_err(failed)?;
    let mut table = Table::of(tx);
    let mut after = String::new();
    loop {
        let next = "SELECT key, record FROM records_1 WHERE key > ?1 ORDER BY key LIMIT 1";
        let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?));
        let next =
            tx.prepare_cached(next).map_err(failed)?.query_row([&after], row).optional().map_err(failed)?;
        let Some((key, bytes)) = next else { break };
        if let Ok(record) = Record::decode(&key, &bytes) {
            table.put(&record)?;
        } else {
            // It stays what it was: damaged, or of a format that a later release reads.
            let sql = "INSERT INTO records VALUES (?1, 0, 0, 0, 0, 0, ?2, x'')";
            table.write(sql, params![key, bytes]).map(drop)?;
        }
        after = key;
    }
    let rest = format!(
        "INSERT INTO quarantine SELECT id, key, at, why, record FROM aside_1;
         DROP TABLE records_1; DROP TABLE aside_1; PRAGMA user_version = {SCHEMA}"
    );
    tx.execute_batch(&rest).map_err(failed)
}

/// The fence of the last transaction.
pub(super) fn last_fence(connection: &Connection) -> Result<u64, StoreError> {
    let sql = "SELECT value FROM meta WHERE name = 'fence'";
    let fence: i64 = connection.query_row(sql, [], |row| row.get(0)).map_err(failed)?;
    Ok(fence.unsigned_abs())
}

/// The identity of this store among all others.
pub(super) fn identity(connection: &Connection) -> Result<String, StoreError> {
    let sql = "SELECT value FROM meta WHERE name = 'identity'";
    connection.query_row(sql, [], |row| row.get(0)).map_err(failed)
}

/// Looks for damage in the tables and their indexes, if the file is not too large for that.
pub(super) fn check_small(connection: &Connection) -> Result<(), StoreError> {
    let size = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
    let size: i64 = connection.query_row(size, [], |row| row.get(0)).map_err(failed)?;
    if u64::try_from(size).unwrap_or(0) > CHECKED {
        return Ok(());
    }
    match integrity(connection)?.first() {
        None => Ok(()),
        Some(words) => Err(StoreError::Unavailable(format!(
            "its file is damaged ({words}); nothing in it was changed. Restore it from a backup"
        ))),
    }
}

/// What is wrong with the tables and their indexes; nothing if they are sound.
pub(super) fn integrity(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut check = connection.prepare("PRAGMA integrity_check(10)").map_err(failed)?;
    let found: Result<Vec<String>, _> = check.query_map([], |row| row.get(0)).and_then(Iterator::collect);
    Ok(found.map_err(failed)?.into_iter().filter(|words| words != "ok").collect())
}

/// The bytes of the tables, and those of their free pages.
pub(super) fn size(connection: &Connection) -> Result<(u64, u64), StoreError> {
    let sql = "SELECT page_count * page_size, freelist_count * page_size
        FROM pragma_page_count, pragma_page_size, pragma_freelist_count";
    let row = |row: &rusqlite::Row<'_>| {
        Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, i64>(1)?.unsigned_abs()))
    };
    connection.query_row(sql, [], row).map_err(failed)
}

/// The records that are damaged, in words.
pub(super) fn damaged_records(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut found = Vec::new();
    let sql = format!("SELECT {} FROM records ORDER BY key", Row::COLUMNS);
    let mut select = connection.prepare(&sql).map_err(failed)?;
    let mut rows = select.query([]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let row = Row::read(row).map_err(failed)?;
        if let Err(reason) = row.record() {
            found.push(format!("the record of `{}` is damaged: {reason}", row.key));
        }
    }
    Ok(found)
}

/// Rewrites the file without free pages, and moves the log into it.
pub(super) fn compact(connection: &Connection, place: &Place) -> Result<(), StoreError> {
    connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; VACUUM").map_err(failed)?;
    fold(connection, place, Duration::ZERO);
    Ok(())
}

/// Moves the log into the tables, as far as readers and other processes let it within `wait`; whether nothing is left in
/// it.
pub(super) fn fold(connection: &Connection, place: &Place, wait: Duration) -> bool {
    let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
    let busy = connection
        .busy_timeout(wait)
        .and_then(|()| connection.query_row(sql, [], |row| row.get::<_, i64>(0)));
    let _ = connection.busy_timeout(place.busy);
    place.watch_log(place.log_size());
    busy == Ok(0)
}

/// Returns free pages to the file system, some at a time; whether there are more.
pub(super) fn shrink(connection: &Connection) -> bool {
    let free =
        || connection.pragma_query_value(None, "freelist_count", |row| row.get::<_, i64>(0)).unwrap_or(0);
    if free() == 0 {
        return false;
    }
    let mut shrunk = false;
    let step = connection.prepare(&format!("PRAGMA incremental_vacuum({SHRINK})")).and_then(|mut vacuum| {
        let mut rows = vacuum.query([])?;
        while rows.next()?.is_some() {}
        Ok(())
    });
    shrunk |= step.is_ok();
    // A store that was not made to shrink keeps its free pages.
    shrunk
        && free() > 0
        && connection.pragma_query_value(None, "auto_vacuum", |row| row.get::<_, i64>(0)) == Ok(2)
}

/// Whether another connection is in the way.
pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// What an error of SQLite means for the caller; asked right after it occurred.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(super) fn failed(error: rusqlite::Error) -> StoreError {
    let rusqlite::Error::SqliteFailure(code, _) = &error else {
        return StoreError::Unavailable(error.to_string());
    };
    // SQLite itself distinguishes only a full disk from other errors of input and output.
    meaning(*code, std::io::Error::last_os_error().kind(), &error.to_string())
}

/// What the result code `code` of SQLite means, if the last call of the operating system that failed did so with `os`.
fn meaning(code: ffi::Error, os: std::io::ErrorKind, words: &str) -> StoreError {
    let unavailable = || StoreError::Unavailable(words.to_owned());
    match (code.code, code.extended_code) {
        // Whatever the reason: the kernel may have dropped what was written.
        (_, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC) => StoreError::Poisoned,
        (_, ffi::SQLITE_READONLY_DBMOVED | ffi::SQLITE_IOERR_VNODE) => StoreError::Lost(format!(
            "its file was removed or replaced while it was open ({words}): nothing more is written to it. Put the file \
             back where it was, or restart the program"
        )),
        (_, ffi::SQLITE_IOERR_WRITE | ffi::SQLITE_IOERR_TRUNCATE | ffi::SQLITE_IOERR_SHMSIZE) => {
            files::of_disk(os, || words.to_owned()).unwrap_or_else(unavailable)
        }
        (ErrorCode::DiskFull, _) => StoreError::Full,
        (ErrorCode::ReadOnly, _) => StoreError::ReadOnly,
        (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => {
            StoreError::Unavailable("another process has it locked".to_owned())
        }
        (ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt, _)
        | (_, ffi::SQLITE_IOERR_DATA | ffi::SQLITE_IOERR_CORRUPTFS) => {
            StoreError::Unavailable(format!("its file is damaged ({words}); nothing in it was changed"))
        }
        _ => unavailable(),
    }
}

/// The committer's transaction, as one operation after the other sees it.
pub(super) struct Table<'a> {
    /// `None` if no transaction could be begun.
    tx: Option<&'a Connection>,
    /// `None` while a store is migrated.
    place: Option<&'a Place>,
    /// The caller's clocks.
    now: Moment,
    /// The last fence given out, once one was.
    fence: Option<i64>,
    /// How often something was written.
    writes: u64,
    /// How many bytes of records were written.
    pub(super) bytes: usize,
    /// Why nothing of this transaction may be committed.
    broken: Option<StoreError>,
}

impl<'a> Table<'a> {
    /// The operations of one transaction; without one each of them fails.
    pub(super) fn new(tx: Option<&'a Transaction<'a>>, place: &'a Place) -> Self {
        Self { tx: tx.map(|tx| &**tx), place: Some(place), ..Self::without() }
    }

    /// For reading only, outside of a transaction of the committer.
    pub(super) fn reading(connection: &'a Connection, place: &'a Place) -> Self {
        Self { tx: Some(connection), place: Some(place), ..Self::without() }
    }

    fn of(tx: &'a Transaction<'a>) -> Self {
        Self { tx: Some(tx), ..Self::without() }
    }

    fn without() -> Self {
        Self { tx: None, place: None, now: Moment::now(), fence: None, writes: 0, bytes: 0, broken: None }
    }

    fn tx(&self) -> Result<&'a Connection, StoreError> {
        self.tx.ok_or_else(|| StoreError::Unavailable("it cannot be written to right now".to_owned()))
    }

    /// Applies `rule` at the time `now`. Rules write only after everything has been checked: what fails
    /// after that is the store, and then nothing of the whole transaction counts.
    pub(super) fn apply<T>(
        &mut self,
        now: Moment,
        rule: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        self.now = now;
        let writes = self.writes;
        let result = catch_unwind(AssertUnwindSafe(|| rule(self)))
            .unwrap_or_else(|_| Err(StoreError::Unavailable("a rule panicked".to_owned())));
        // A disk that fails makes SQLite roll back by itself: what comes after that would be committed bit by bit.
        let is_over = || self.place.is_some() && self.tx.is_some_and(Connection::is_autocommit);
        if let Err(error) = &result
            && (self.writes != writes || is_over())
        {
            self.broken = Some(error.clone());
        }
        result
    }

    /// Whether the transaction may be committed. The last fence that was given out is kept in it; every transaction
    /// that writes takes one, so that the fence also shows whether an acknowledged transaction is missing.
    pub(super) fn finish(mut self) -> Result<Option<u64>, StoreError> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        if self.writes == 0 {
            return Ok(None);
        }
        let fence = self.next_fence()?;
        self.write("UPDATE meta SET value = ?1 WHERE name = 'fence'", [number(fence)])?;
        Ok(Some(fence))
    }

    /// Deletes what is to be deleted by itself by now, with its parts, at most `limit` records; returns how many.
    pub(super) fn delete_expired(&mut self, limit: usize) -> Result<usize, StoreError> {
        let sql = "SELECT key FROM records WHERE expires > 0 AND expires <= ?1 ORDER BY expires LIMIT ?2";
        let (now, limit) = (number(self.now.wall), i64::try_from(limit).unwrap_or(i64::MAX));
        let keys: Vec<String> = {
            let mut select = self.tx()?.prepare_cached(sql).map_err(failed)?;
            let keys = select.query_map([now, limit], |row| row.get(0));
            keys.and_then(Iterator::collect).map_err(failed)?
        };
        for key in &keys {
            // A row whose columns contradict its record is damage, not something old.
            let is_expired =
                matches!(get(self.tx()?, key), Ok(Some(record)) if record.is_expired(self.now.wall));
            if !is_expired {
                self.quarantine(key, "corrupt")?;
                continue;
            }
            self.remove(key)?;
            place::parts_of(key).iter().try_for_each(|prefix| self.remove_all(prefix))?;
        }
        self.forget_the_dead()?;
        let before = number(self.now.wall.saturating_sub(QUARANTINE));
        let sql = "DELETE FROM quarantine WHERE id IN (SELECT id FROM quarantine WHERE at < ?1 LIMIT ?2)";
        let gone = self.write(sql, [before, limit])?;
        Ok(keys.len() + gone)
    }

    /// Deletes the rows and files of owners that do not live and that no record names any more.
    fn forget_the_dead(&mut self) -> Result<(), StoreError> {
        let Some(place) = self.place else { return Ok(()) };
        let mut gone = owners(self.tx()?)?;
        let mut named = gone.clone();
        for name in &named {
            let inode = row_of(self.tx()?, name)?.and_then(|(_, inode)| inode);
            if place.owners.liveness(name, inode) == Liveness::Alive {
                gone.remove(name);
            }
        }
        if gone.is_empty() {
            return Ok(());
        }
        for prefix in [place::JOBS, place::STEPS, place::CURSORS] {
            // The index of open jobs is used only where its condition is spelled out.
            let open =
                if prefix == place::JOBS { "AND status <> 2 AND key >= 'j/' AND key < 'j0'" } else { "" };
            let sql = format!(
                "SELECT key, status, fence, head, NULL FROM records
                    WHERE key >= ?1 AND key < ?2 AND status IN (1, 6) {open}"
            );
            let mut select = self.tx()?.prepare_cached(&sql).map_err(failed)?;
            for row in select.query_map([prefix, &end_of(prefix)], Row::read).map_err(failed)? {
                if let Ok(record) = row.map_err(failed)?.record() {
                    gone.remove(&record.owner);
                }
            }
        }
        for name in gone {
            self.write("DELETE FROM owners WHERE name = ?1", [&name])?;
            named.remove(&name);
        }
        place.owners.clear(&named);
        Ok(())
    }

    /// Device and inode of this process's own lock file.
    fn own_inode(&self) -> (Option<i64>, Option<i64>) {
        let inode = self.place.and_then(|place| place.owners.inode());
        (inode.map(|inode| inode.0.cast_signed()), inode.map(|inode| inode.1.cast_signed()))
    }

    /// Deletes what ended before `before` under `prefix`, at most `limit` records; what is damaged is
    /// quarantined. Returns how many are gone.
    pub(super) fn delete_older_than(
        &mut self,
        prefix: &str,
        before: Millis,
        limit: usize,
    ) -> Result<usize, StoreError> {
        let mut after = String::new();
        let mut count = 0;
        loop {
            let rows = self.ended_before(prefix, &after, before)?;
            let Some(last) = rows.last() else { return Ok(count) };
            after.clone_from(&last.key);
            for row in rows {
                match row.record() {
                    Ok(record) if record.has_ended_before(before) => self.remove(&row.key)?,
                    Ok(_) | Err(Corrupt::LaterFormat(_) | Corrupt::UnknownCodec(_)) => continue,
                    Err(_) => self.quarantine(&row.key, "corrupt")?,
                }
                count += 1;
                if count == limit {
                    return Ok(count);
                }
            }
        }
    }

    /// The next rows that ended before `before`, few at a time: a record may have a megabyte.
    fn ended_before(&self, prefix: &str, after: &str, before: Millis) -> Result<Vec<Row>, StoreError> {
        let (from, begin) = begin(prefix, after);
        let sql = format!(
            "SELECT {} FROM records WHERE {from} AND key < ?2
                AND completed > 0 AND completed < ?3 ORDER BY key LIMIT 32",
            Row::COLUMNS
        );
        let mut select = self.tx()?.prepare_cached(&sql).map_err(failed)?;
        let rows = select.query_map(params![begin, end_of(prefix), number(before)], Row::read);
        rows.and_then(Iterator::collect).map_err(failed)
    }

    /// Runs `sql`, which changes something; returns how many rows.
    pub(super) fn write(&mut self, sql: &str, values: impl Params) -> Result<usize, StoreError> {
        self.writes += 1;
        self.tx()?.prepare_cached(sql).and_then(|mut write| write.execute(values)).map_err(failed)
    }
}

pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The columns of a row, compared with the record that they are taken from.
struct Row {
    key: String,
    status: i64,
    fence: i64,
    head: Vec<u8>,
    /// `None` where values are not asked for.
    body: Option<Vec<u8>>,
}

impl Row {
    const COLUMNS: &'static str = "key, status, fence, head, body";
    const HEAD: &'static str = "key, status, fence, head, NULL";

    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            key: row.get(0)?,
            status: row.get(1)?,
            fence: row.get(2)?,
            head: row.get(3)?,
            body: row.get(4)?,
        })
    }

    fn record(&self) -> Result<Record, Corrupt> {
        let record = match &self.body {
            // A format without a head and a body, which could not be read when the store was brought up to date.
            Some(body) if body.is_empty() => Record::decode(&self.key, &self.head)?,
            Some(body) => Record::decode_parts(&self.key, &self.head, body)?,
            None => Record::decode_head(&self.key, &self.head)?,
        };
        let agrees = i64::from(record.status.code()) == self.status && number(record.fence) == self.fence;
        if agrees { Ok(record) } else { Err(Corrupt::Contradiction) }
    }
}

/// Has all that `read` reads be of one moment, which costs less than a lock for each statement, too.
pub(super) fn at_once<T>(
    reader: &Connection,
    read: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let tx = reader.unchecked_transaction().map_err(failed)?;
    read(&tx)
}

pub(super) fn get(connection: &Connection, key: &str) -> Result<Option<Record>, StoreError> {
    if place::is_tally(key) {
        return tally(connection, key);
    }
    let sql = "SELECT key, status, fence, head, body FROM records WHERE key = ?1";
    let row = connection.prepare_cached(sql).map_err(failed)?.query_row([key], Row::read).optional();
    let corrupt = |reason| StoreError::Corrupt { key: key.to_owned(), reason };
    match row.map_err(failed)? {
        Some(row) => row.record().map(Some).map_err(corrupt),
        None => neighbours(connection, key).map(|()| None),
    }
}

/// The count of a job's steps, which is beside the fence: a step changes two pages, its own and theirs.
fn tally(connection: &Connection, key: &str) -> Result<Option<Record>, StoreError> {
    let sql = "SELECT value FROM meta WHERE name = ?1";
    let bytes = connection.prepare_cached(sql).map_err(failed)?.query_row([key], |row| row.get(0)).optional();
    let bytes: Option<Vec<u8>> = bytes.map_err(failed)?;
    let corrupt = |reason| StoreError::Corrupt { key: key.to_owned(), reason };
    bytes.map(|bytes| Record::decode(key, &bytes).map_err(corrupt)).transpose()
}

/// Looks at the rows around the place where `key` is not: a row whose key was damaged is there, as the search for
/// its key ends beside it.
fn neighbours(connection: &Connection, key: &str) -> Result<(), StoreError> {
    for sql in [
        "SELECT key, status, fence, head, NULL FROM records WHERE key < ?1 ORDER BY key DESC LIMIT 1",
        "SELECT key, status, fence, head, NULL FROM records WHERE key > ?1 ORDER BY key LIMIT 1",
    ] {
        let row = connection.prepare_cached(sql).map_err(failed)?.query_row([key], Row::read).optional();
        let Some(row) = row.map_err(failed)? else { continue };
        if row.record() == Err(Corrupt::OtherKey) {
            return Err(StoreError::Corrupt { key: row.key, reason: Corrupt::OtherKey });
        }
    }
    Ok(())
}

/// The condition on the first parameter for keys that begin with `prefix` and come after `after`, and its value.
fn begin<'a>(prefix: &'a str, after: &'a str) -> (&'static str, &'a str) {
    if after < prefix { ("key >= ?1", prefix) } else { ("key > ?1", after) }
}

/// The first text after all that begin with `prefix`, in the order of bytes.
pub(super) fn end_of(prefix: &str) -> String {
    let mut end: Vec<char> = prefix.chars().collect();
    while let Some(last) = end.pop() {
        // A range of characters steps over what is none.
        if let Some(next) = (last..=char::MAX).nth(1) {
            end.push(next);
            return end.into_iter().collect();
        }
    }
    char::MAX.to_string().repeat(64)
}

impl Rows for Table<'_> {
    fn get(&mut self, key: &str) -> Result<Option<Record>, StoreError> {
        get(self.tx()?, key)
    }

    fn put(&mut self, record: &Record) -> Result<(), StoreError> {
        if place::is_tally(&record.key) {
            let sql = "INSERT OR REPLACE INTO meta VALUES (?1, ?2)";
            return self.write(sql, params![record.key, record.encode()]).map(drop);
        }
        let sql = "INSERT INTO records (key, status, fence, cancelled, completed, expires, head, body)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (key) DO UPDATE SET
            status = ?2, fence = ?3, cancelled = ?4, completed = ?5, expires = ?6, head = ?7, body = ?8";
        let expires = record.expires().filter(|_| is_kept_for_a_time(&record.key));
        let (head, body) = record.encode_parts();
        self.bytes = self.bytes.saturating_add(head.len()).saturating_add(body.len());
        let values = params![
            record.key,
            record.status.code(),
            number(record.fence),
            record.cancelled,
            record.ended().map_or(0, number),
            expires.map_or(0, number),
            head,
            body
        ];
        self.write(sql, values).map(drop)
    }

    fn quarantine(&mut self, key: &str, why: &'static str) -> Result<(), StoreError> {
        let sql = "INSERT INTO quarantine (key, at, why, record)
            SELECT key, ?2, ?3, CAST(head || body AS BLOB) FROM records WHERE key = ?1";
        self.write(sql, params![key, number(self.now.wall), why])?;
        let sql = "SELECT length(record) FROM quarantine WHERE id = last_insert_rowid()";
        let mut select = self.tx()?.prepare_cached(sql).map_err(failed)?;
        let bytes: Option<i64> = select.query_row([], |row| row.get(0)).optional().map_err(failed)?;
        self.bytes = self.bytes.saturating_add(bytes.map_or(0, |bytes| usize::try_from(bytes).unwrap_or(0)));
        self.remove(key)
    }

    fn remove_all(&mut self, prefix: &str) -> Result<(), StoreError> {
        if place::is_tally(prefix) {
            return self.write("DELETE FROM meta WHERE name = ?1", [prefix]).map(drop);
        }
        let sql = "DELETE FROM records WHERE key >= ?1 AND key < ?2";
        self.write(sql, [prefix, &end_of(prefix)]).map(drop)
    }

    fn remove(&mut self, key: &str) -> Result<(), StoreError> {
        self.write("DELETE FROM records WHERE key = ?1", [key]).map(drop)
    }

    fn next_fence(&mut self) -> Result<u64, StoreError> {
        let last = if let Some(last) = self.fence {
            last
        } else {
            let sql = "SELECT value FROM meta WHERE name = 'fence'";
            let mut select = self.tx()?.prepare_cached(sql).map_err(failed)?;
            select.query_row([], |row| row.get(0)).map_err(failed)?
        };
        let fence = last.saturating_add(1);
        self.fence = Some(fence);
        u64::try_from(fence).map_err(|_| StoreError::Unavailable("its fences are used up".to_owned()))
    }

    fn now(&self) -> Millis {
        self.now.wall
    }

    fn is_dead(&mut self, owner: &str, lease: Duration) -> Result<Life, StoreError> {
        let Some(place) = self.place else { return Ok(Life::Alive(lease)) };
        Ok(place.life(owner, row_of(self.tx()?, owner)?, lease, self.now))
    }

    fn bury(&mut self, owner: &str) -> Result<(), StoreError> {
        // Its other records are judged by the row, as long as its lock shows that it is dead.
        if let (Some(place), Some((_, named))) = (self.place, row_of(self.tx()?, owner)?)
            && place.owners.liveness(owner, named) == Liveness::Dead
        {
            return Ok(());
        }
        self.write("DELETE FROM owners WHERE name = ?1", [owner]).map(drop)
    }

    fn revisions(&mut self, prefix: &str) -> Result<u64, StoreError> {
        if place::is_tally(prefix) {
            return Ok(tally(self.tx()?, prefix)?.map_or(0, |tally| tally.revision));
        }
        let sql = "SELECT key, status, fence, head, NULL FROM records WHERE key >= ?1 AND key < ?2";
        let mut select = self.tx()?.prepare_cached(sql).map_err(failed)?;
        let rows = select.query_map([prefix, &end_of(prefix)], Row::read).map_err(failed)?;
        let mut sum: u64 = 0;
        for row in rows {
            let revision = row.map_err(failed)?.record().map_or(0, |record| record.revision);
            sum = sum.saturating_add(revision);
        }
        Ok(sum)
    }

    fn lease(&mut self, key: &str) -> Result<Option<(Status, u64, bool)>, StoreError> {
        let sql = "SELECT status, fence, cancelled FROM records WHERE key = ?1";
        let mut select = self.tx()?.prepare_cached(sql).map_err(failed)?;
        let row = select.query_row([key], |row| {
            Ok((row.get::<_, u8>(0)?, row.get::<_, i64>(1)?, row.get::<_, bool>(2)?))
        });
        let Some((status, fence, cancelled)) = row.optional().map_err(failed)? else { return Ok(None) };
        let status = Status::from_code(status)
            .ok_or_else(|| StoreError::Corrupt { key: key.to_owned(), reason: Corrupt::Field })?;
        Ok(Some((status, u64::try_from(fence).unwrap_or(0), cancelled)))
    }
}

pub(super) fn list(connection: &Connection, query: &Query) -> Result<Page, StoreError> {
    let statuses: Vec<_> = query.statuses.iter().map(|status| status.code().to_string()).collect();
    let only =
        if statuses.is_empty() { String::new() } else { format!("AND status IN ({})", statuses.join(",")) };
    let is_open = !query.statuses.is_empty() && !query.statuses.contains(&Status::Done);
    // The planner uses a partial index only where its condition is spelled out.
    let open = if is_open && query.prefix.starts_with("j/") {
        "AND status <> 2 AND key >= 'j/' AND key < 'j0'"
    } else {
        ""
    };
    let columns = if query.values { Row::COLUMNS } else { Row::HEAD };
    // One bound on each side, and these first: SQLite searches by the first ones, and reads all rows between them.
    let (from, begin) = begin(&query.prefix, &query.after);
    let end = end_of(&query.prefix);
    // Few rows in these states among many in others would make one page take long.
    let bound: Option<String> = if only.is_empty() {
        None
    } else {
        let sql = format!(
            "SELECT key FROM records WHERE {from} AND key < ?2 {open} ORDER BY key LIMIT 1 OFFSET {SCANNED}"
        );
        let mut select = connection.prepare_cached(&sql).map_err(failed)?;
        select.query_row([begin, &end], |row| row.get(0)).optional().map_err(failed)?
    };
    let (to, last) = bound.as_ref().map_or(("key < ?2", &end), |bound| ("key <= ?2", bound));
    let sql =
        format!("SELECT {columns} FROM records WHERE {from} AND {to} {only} {open} ORDER BY key LIMIT ?3");
    let mut select = connection.prepare_cached(&sql).map_err(failed)?;
    let size = query.size();
    let limit = i64::try_from(size).unwrap_or(i64::MAX);
    let rows = select.query_map(params![begin, last, limit], Row::read).map_err(failed)?;
    let mut page = Page::default();
    let (mut last, mut bytes) = (None, 0);
    for row in rows {
        let row = row.map_err(failed)?;
        bytes += row.head.len() + row.body.as_ref().map_or(0, Vec::len);
        match row.record() {
            Ok(record) => page.records.push(record),
            Err(reason) => page.corrupt.push((row.key.clone(), reason)),
        }
        last = Some(row.key);
        if bytes > PAGE_BYTES {
            page.next = last;
            return Ok(page);
        }
    }
    let is_full = page.records.len() + page.corrupt.len() == size;
    page.next = if is_full { last } else { bound };
    Ok(page)
}

const QUARANTINED: &str = "SELECT id, key, at, why, length(record), record FROM quarantine";

fn entry(row: &rusqlite::Row<'_>) -> rusqlite::Result<Quarantined> {
    let number = |column: usize| row.get::<_, i64>(column).map(|value| u64::try_from(value).unwrap_or(0));
    let size = usize::try_from(number(4)?).unwrap_or(usize::MAX);
    Ok(Quarantined::new(number(0)?, row.get::<_, String>(1)?, number(2)?, row.get::<_, String>(3)?, size))
}

/// The newest entries of the quarantine before the entry `before`.
pub(super) fn quarantine(
    connection: &Connection,
    before: i64,
    limit: usize,
) -> Result<Vec<Quarantined>, StoreError> {
    let sql = format!("{QUARANTINED} WHERE id < ?1 ORDER BY id DESC LIMIT ?2");
    let mut select = connection.prepare_cached(&sql).map_err(failed)?;
    let rows = select.query_map([before, i64::try_from(limit).unwrap_or(i64::MAX)], entry);
    rows.and_then(Iterator::collect).map_err(failed)
}

/// The entry `id` of the quarantine.
pub(super) fn quarantined(connection: &Connection, id: u64) -> Result<Option<Quarantined>, StoreError> {
    let sql = format!("{QUARANTINED} WHERE id = ?1");
    let mut select = connection.prepare_cached(&sql).map_err(failed)?;
    let row = |row: &rusqlite::Row<'_>| Ok(Quarantined { bytes: row.get(5)?, ..entry(row)? });
    select.query_row([number(id)], row).optional().map_err(failed)
}

/// The counter of the owner `name`, and the file that its row names.
pub(super) fn row_of(
    connection: &Connection,
    name: &str,
) -> Result<Option<(u64, Option<Inode>)>, StoreError> {
    let sql = "SELECT counter, device, inode FROM owners WHERE name = ?1";
    let row = connection.prepare_cached(sql).map_err(failed)?.query_row([name], |row| {
        let named = row.get::<_, Option<i64>>(1)?.zip(row.get::<_, Option<i64>>(2)?);
        let named = named.map(|(device, inode)| Inode(device.cast_unsigned(), inode.cast_unsigned()));
        Ok((row.get::<_, i64>(0)?.unsigned_abs(), named))
    });
    row.optional().map_err(failed)
}

/// All owners that have a row.
pub(super) fn owners(connection: &Connection) -> Result<HashSet<String>, StoreError> {
    let mut select = connection.prepare_cached("SELECT name FROM owners").map_err(failed)?;
    select.query_map([], |row| row.get(0)).and_then(Iterator::collect).map_err(failed)
}

/// Gives the owner of a claim its row, by which others judge it.
pub(super) fn enrol(table: &mut Table<'_>, name: &str, lease: Duration) -> Result<(), StoreError> {
    let (device, inode) = table.own_inode();
    let sql = "INSERT INTO owners VALUES (?1, 1, ?2, ?3, ?4) ON CONFLICT (name) DO NOTHING";
    let is_new = table.write(sql, params![name, number(millis(lease)), device, inode])? > 0;
    if is_new && owners(table.tx()?)?.len() > CROWD {
        table.forget_the_dead()?;
    }
    Ok(())
}

/// Raises the counter of the owner `name`; whether it was there.
pub(super) fn beat(table: &mut Table<'_>, name: &str, lease: Duration) -> Result<bool, StoreError> {
    let (device, inode) = table.own_inode();
    let sql = "UPDATE owners SET counter = counter + 1, lease = ?2, device = ?3, inode = ?4 WHERE name = ?1";
    let is_there = table.write(sql, params![name, number(millis(lease)), device, inode])? > 0;
    if !is_there {
        enrol(table, name, lease)?;
    }
    Ok(is_there)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;

    const ROOM: &[i32] = &[ffi::SQLITE_FULL];
    const READ_ONLY: &[i32] = &[
        ffi::SQLITE_READONLY,
        ffi::SQLITE_READONLY_RECOVERY,
        ffi::SQLITE_READONLY_CANTLOCK,
        ffi::SQLITE_READONLY_ROLLBACK,
        ffi::SQLITE_READONLY_CANTINIT,
        ffi::SQLITE_READONLY_DIRECTORY,
    ];
    const LOST: &[i32] = &[ffi::SQLITE_READONLY_DBMOVED, ffi::SQLITE_IOERR_VNODE];
    const POISONED: &[i32] = &[ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_DIR_FSYNC];
    const LOCKED: &[i32] = &[
        ffi::SQLITE_BUSY,
        ffi::SQLITE_BUSY_RECOVERY,
        ffi::SQLITE_BUSY_SNAPSHOT,
        ffi::SQLITE_BUSY_TIMEOUT,
        ffi::SQLITE_LOCKED,
        ffi::SQLITE_LOCKED_SHAREDCACHE,
        ffi::SQLITE_LOCKED_VTAB,
    ];
    const DAMAGED: &[i32] = &[
        ffi::SQLITE_CORRUPT,
        ffi::SQLITE_CORRUPT_VTAB,
        ffi::SQLITE_CORRUPT_SEQUENCE,
        ffi::SQLITE_CORRUPT_INDEX,
        ffi::SQLITE_NOTADB,
        ffi::SQLITE_IOERR_DATA,
        ffi::SQLITE_IOERR_CORRUPTFS,
    ];
    /// Those whose meaning is the operating system's.
    const OF_THE_SYSTEM: &[i32] =
        &[ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_IOERR_TRUNCATE, ffi::SQLITE_IOERR_SHMSIZE];

    /// Every code that SQLite has, up to its 36 errors of input and output.
    fn codes() -> impl Iterator<Item = i32> {
        (ffi::SQLITE_ERROR..=ffi::SQLITE_NOTADB).flat_map(|code| (0..=36).map(move |more| code | more << 8))
    }

    fn meant(code: i32, os: ErrorKind) -> StoreError {
        meaning(ffi::Error::new(code), os, "its words")
    }

    #[test]
    fn every_code_of_sqlite_has_its_meaning() {
        for code in codes() {
            let meant = meant(code, ErrorKind::Other);
            let text = meant.to_string();
            let is_as_listed = match &meant {
                StoreError::Full => ROOM.contains(&(code & 0xff)),
                StoreError::ReadOnly => code & 0xff == ffi::SQLITE_READONLY && !LOST.contains(&code),
                StoreError::Lost(_) => LOST.contains(&code),
                StoreError::Poisoned => POISONED.contains(&code),
                StoreError::Unavailable(_) if text.contains("locked") => LOCKED.contains(&(code & 0xff)),
                StoreError::Unavailable(_) if text.contains("damaged") => {
                    DAMAGED.contains(&(code & 0xff)) || DAMAGED.contains(&code)
                }
                StoreError::Unavailable(_) => {
                    let listed = [ROOM, READ_ONLY, LOST, POISONED, LOCKED, DAMAGED];
                    listed.iter().all(|listed| !listed.contains(&code))
                }
                _ => false,
            };
            assert!(is_as_listed, "{code}: {meant:?}");
        }
    }

    #[test]
    fn what_the_system_refuses_has_its_meaning() {
        let meanings = [
            (ErrorKind::StorageFull, StoreError::Full),
            (ErrorKind::QuotaExceeded, StoreError::Full),
            (ErrorKind::FileTooLarge, StoreError::Full),
            (ErrorKind::ReadOnlyFilesystem, StoreError::ReadOnly),
            (ErrorKind::StaleNetworkFileHandle, StoreError::Lost("its words".to_owned())),
            (ErrorKind::Other, StoreError::Unavailable("its words".to_owned())),
        ];
        for (os, meaning) in meanings {
            for code in OF_THE_SYSTEM {
                assert_eq!(meant(*code, os), meaning, "{code} {os}");
            }
            // An error that is older than the one of SQLite.
            for code in codes().filter(|code| !OF_THE_SYSTEM.contains(code)) {
                assert_eq!(meant(code, os), meant(code, ErrorKind::Other), "{code} {os}");
            }
        }
        for (os, meaning) in [(28, StoreError::Full), (122, StoreError::Full), (30, StoreError::ReadOnly)] {
            if cfg!(target_os = "linux") {
                let error = std::io::Error::from_raw_os_error(os);
                assert_eq!(files::failed(Path::new("file"))(error), meaning, "{os}");
            }
        }
    }
}
