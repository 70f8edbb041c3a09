//! The tables of a store: how they are made, opened and brought up to date.
//!
//! `PRAGMA user_version` is the version of the tables. An earlier one is migrated in one transaction at open; a later
//! one is refused, because a release that does not know a table could break what it means. A change of the tables needs
//! a new version, a migration, and golden files of both (`tests/golden/`).
//!
//! A new file is made under another name and linked into place when it is complete, so that no process ever sees a
//! store without its tables.

use super::errors::failed;
use super::table::Table;
use super::version::SCHEMA;
use crate::durable::record::Record;
use crate::durable::store::StoreError;
use crate::durable::store::rules::Rows;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};
use std::path::Path;
use std::time::Duration;

/// The length of the log, in pages of 4 KiB, at which a commit moves it into the tables: 4 MiB.
const LOG_PAGES: u32 = 1_000;
/// The bytes of the log file that are kept for the next transactions: 6 MiB.
const LOG_LIMIT: u32 = 6 << 20;

pub(super) const TABLES: &str = "
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

/// Opens a connection. One that writes syncs every commit (`FULL`), begins a checkpoint by itself after 4 MiB of log,
/// and keeps 6 MiB of the log's file. Neither has a mutex of its own: each is behind one of this crate's.
pub(crate) fn connect(file: &Path, busy: Duration, read_only: bool) -> Result<Connection, StoreError> {
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

/// Makes a store in the empty file `file`, complete when this returns.
///
/// Without a journal: the file is a draft under another name, and is removed if this fails.
pub(crate) fn create(file: &Path) -> Result<(), StoreError> {
    let connection = connect_draft(file)?;
    connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL").map_err(failed)?;
    let tables =
        format!("BEGIN; {TABLES} {META}; {FENCE}; {IDENTITY}; PRAGMA user_version = {SCHEMA}; COMMIT");
    connection.execute_batch(&tables).map_err(failed)?;
    connection.close().map_err(|(_, error)| failed(error))?;
    create_log(file)
}

/// Turns on the write-ahead log of the store in `file`, which no other process has open.
pub(crate) fn create_log(file: &Path) -> Result<(), StoreError> {
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

/// Turns on the write-ahead log, if it is off.
pub(crate) fn use_log(connection: &Connection) -> Result<(), StoreError> {
    let mut pragma = connection.prepare("PRAGMA journal_mode = WAL").map_err(failed)?;
    // The file is written to after the one row of the answer: only the end of the rows shows whether that was done.
    let modes: Result<Vec<String>, _> = pragma.query_map([], |row| row.get(0)).and_then(Iterator::collect);
    match modes.map_err(failed)?.pop() {
        Some(mode) if mode == "wal" => Ok(()),
        mode => Err(StoreError::Unavailable(format!("its log cannot be made: its journal is {mode:?}"))),
    }
}

/// Checks that the tables are of this release, and brings those of an earlier one up to date.
///
/// # Errors
///
/// [`StoreError::Refused`] for tables of a later release; else what SQLite says, and then the file is what it was.
pub(crate) fn migrate(writer: &mut Connection) -> Result<(), StoreError> {
    let version = |connection: &Connection| -> Result<i64, StoreError> {
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)
    };
    if version(writer)? == 1 {
        let tx = writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        // Another process may have been faster.
        if version(&tx)? == 1 {
            migrate_1(&tx)?;
            tx.commit().map_err(failed)?;
            // Free pages are returned to the file system from now on; that takes one rewriting of the file. If
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

/// Migrates the tables of version 1: the record in one blob, no owners, no identity.
///
/// Records that this release cannot read keep their bytes. They are damage of their key from then on, and not lost.
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
            // The record stays unchanged: damaged, or of a format that a later release reads.
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

/// Returns the fence of the last transaction.
///
/// Compared with the mark beside the store, it shows whether an older copy was put in place of the file.
pub(crate) fn last_fence(connection: &Connection) -> Result<u64, StoreError> {
    let sql = "SELECT value FROM meta WHERE name = 'fence'";
    let fence: i64 = connection.query_row(sql, [], |row| row.get(0)).map_err(failed)?;
    Ok(fence.unsigned_abs())
}

/// Returns the identity of this store among all others.
///
/// 128 random bits in hexadecimal, made with the file: a copy of the file has the same. Handles with one identity
/// share their leases and the locks of their keys.
pub(crate) fn identity(connection: &Connection) -> Result<String, StoreError> {
    let sql = "SELECT value FROM meta WHERE name = 'identity'";
    connection.query_row(sql, [], |row| row.get(0)).map_err(failed)
}
