//! The tables of a store, and the rows in them.

use super::commit::Commit;
use crate::durable::record::{Corrupt, Millis, Record, Status};
use crate::durable::store::owners::Owners;
use crate::durable::store::rules::Rows;
use crate::durable::store::{Page, Query, StoreError};
use rusqlite::{
    Connection, ErrorCode, OpenFlags, OptionalExtension, Params, Transaction, TransactionBehavior, params,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

/// The version of the tables; a file of a later one is refused.
const SCHEMA: i64 = 1;
/// How far the fence counter is moved on at each start: claims that were not yet on disk when the power
/// went took numbers below that.
const FENCE_STEP: u64 = 1_000_000;
/// How long the log may get before it is moved into the tables: 16 MiB.
const LOG_PAGES: u32 = 4_096;

const TABLES: &str = "
    CREATE TABLE records (
        key TEXT PRIMARY KEY,
        status INTEGER NOT NULL,
        fence INTEGER NOT NULL,
        cancelled INTEGER NOT NULL,
        completed INTEGER NOT NULL,
        record BLOB NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX open_jobs ON records (key) WHERE status <> 2 AND key >= 'j/' AND key < 'j0';
    CREATE TABLE aside (
        id INTEGER PRIMARY KEY,
        key TEXT NOT NULL,
        at INTEGER NOT NULL,
        why TEXT NOT NULL,
        record BLOB NOT NULL
    );
    CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO meta VALUES ('fence', 0);
";

pub(super) fn connect(file: &Path, busy: Duration, read_only: bool) -> Result<Connection, StoreError> {
    let flags = if read_only {
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX
    } else {
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX
    };
    let connection = Connection::open_with_flags(file, flags).map_err(failed)?;
    connection.busy_timeout(busy).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(32);
    if !read_only {
        connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
        connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES).map_err(failed)?;
        Commit::Disk.prepare(&connection)?;
    }
    Ok(connection)
}

/// Makes the tables, or sees that they are those of this release; moves the fences on.
pub(super) fn migrate(writer: &mut Connection) -> Result<(), StoreError> {
    let tx = writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let version: i64 = tx.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    match version {
        0 => {
            tx.execute_batch(TABLES).map_err(failed)?;
            tx.pragma_update(None, "user_version", SCHEMA).map_err(failed)?;
        }
        SCHEMA => {}
        later => {
            return Err(StoreError::Refused(format!(
                "its tables are of version {later}, this release knows {SCHEMA}: use the release that made it, or a later one"
            )));
        }
    }
    let step = i64::try_from(FENCE_STEP).unwrap_or(0);
    tx.execute("UPDATE meta SET value = value + ?1 WHERE name = 'fence'", [step]).map_err(failed)?;
    tx.commit().map_err(failed)
}

/// What an error of SQLite means for the caller.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(super) fn failed(error: rusqlite::Error) -> StoreError {
    const IOERR_FSYNC: i32 = 1034;
    const IOERR_DIR_FSYNC: i32 = 1290;
    let rusqlite::Error::SqliteFailure(code, _) = &error else {
        return StoreError::Unavailable(error.to_string());
    };
    match (code.code, code.extended_code) {
        (_, IOERR_FSYNC | IOERR_DIR_FSYNC) => StoreError::Poisoned,
        (ErrorCode::DiskFull, _) => StoreError::Full,
        (ErrorCode::ReadOnly, _) => StoreError::ReadOnly,
        (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => {
            StoreError::Unavailable("another process has it locked".to_owned())
        }
        (ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt, _) => {
            StoreError::Unavailable(format!("its file is damaged ({error}); nothing in it was changed"))
        }
        _ => StoreError::Unavailable(error.to_string()),
    }
}

/// The committer's transaction, as one operation after the other sees it.
pub(super) struct Table<'a> {
    /// `None` if there is no transaction to be had.
    tx: Option<&'a Transaction<'a>>,
    owners: &'a Owners,
    /// The caller's reading of the clock.
    now: Millis,
    /// The last fence given out, once one was.
    fence: Option<i64>,
    /// How often something was written.
    writes: u64,
    /// Why nothing of this transaction may be committed.
    broken: Option<StoreError>,
}

impl<'a> Table<'a> {
    /// The operations of one transaction; without one each of them fails.
    pub(super) fn new(tx: Option<&'a Transaction<'a>>, owners: &'a Owners) -> Self {
        Self { tx, owners, now: 0, fence: None, writes: 0, broken: None }
    }

    fn tx(&self) -> Result<&'a Transaction<'a>, StoreError> {
        self.tx.ok_or_else(|| StoreError::Unavailable("it cannot be written to right now".to_owned()))
    }

    /// Applies `rule` at the time `now`. Rules write only after everything has been checked: what fails
    /// after that is the store, and then nothing of the whole transaction counts.
    pub(super) fn apply<T>(
        &mut self,
        now: Millis,
        rule: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        self.now = now;
        let writes = self.writes;
        let result = catch_unwind(AssertUnwindSafe(|| rule(self)))
            .unwrap_or_else(|_| Err(StoreError::Unavailable("a rule panicked".to_owned())));
        if let Err(error) = &result
            && self.writes != writes
        {
            self.broken = Some(error.clone());
        }
        result
    }

    /// Whether the transaction may be committed; the last fence that was given out is kept in it.
    pub(super) fn finish(mut self) -> Result<(), StoreError> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        match self.fence.take() {
            Some(fence) => self.write("UPDATE meta SET value = ?1 WHERE name = 'fence'", [fence]).map(drop),
            None => Ok(()),
        }
    }

    /// Deletes what ended before `before` under `prefix`, at most `limit` records; what is damaged is kept
    /// aside. Returns how many are gone.
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
                    Err(_) => self.set_aside(&row.key, "corrupt")?,
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
        let sql = format!(
            "SELECT {} FROM records WHERE key >= ?1 AND key < ?2 AND key > ?3
                AND completed > 0 AND completed < ?4 ORDER BY key LIMIT 32",
            Row::COLUMNS
        );
        let mut select = self.tx()?.prepare_cached(&sql).map_err(failed)?;
        let rows = select.query_map(params![prefix, end_of(prefix), after, number(before)], Row::read);
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

/// The columns of a row, held against the record that they are taken from.
struct Row {
    key: String,
    status: i64,
    fence: i64,
    bytes: Vec<u8>,
}

impl Row {
    const COLUMNS: &'static str = "key, status, fence, record";

    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { key: row.get(0)?, status: row.get(1)?, fence: row.get(2)?, bytes: row.get(3)? })
    }

    fn record(&self) -> Result<Record, Corrupt> {
        let record = Record::decode(&self.key, &self.bytes)?;
        let agrees = i64::from(record.status.code()) == self.status && number(record.fence) == self.fence;
        if agrees { Ok(record) } else { Err(Corrupt::Contradiction) }
    }
}

pub(super) fn get(connection: &Connection, key: &str) -> Result<Option<Record>, StoreError> {
    let sql = "SELECT key, status, fence, record FROM records WHERE key = ?1";
    let row = connection.prepare_cached(sql).map_err(failed)?.query_row([key], Row::read).optional();
    let corrupt = |reason| StoreError::Corrupt { key: key.to_owned(), reason };
    row.map_err(failed)?.map(|row| row.record().map_err(corrupt)).transpose()
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
        let sql = "INSERT INTO records (key, status, fence, cancelled, completed, record)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6)
            ON CONFLICT (key) DO UPDATE SET status = ?2, fence = ?3, cancelled = ?4, completed = ?5, record = ?6";
        let values = params![
            record.key,
            record.status.code(),
            number(record.fence),
            record.cancelled,
            record.ended().map_or(0, number),
            record.encode()
        ];
        self.write(sql, values).map(drop)
    }

    fn set_aside(&mut self, key: &str, why: &'static str) -> Result<(), StoreError> {
        let sql =
            "INSERT INTO aside (key, at, why, record) SELECT key, ?2, ?3, record FROM records WHERE key = ?1";
        self.write(sql, params![key, number(self.now), why])?;
        self.remove(key)
    }

    fn remove_all(&mut self, prefix: &str) -> Result<(), StoreError> {
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
        self.now
    }

    fn is_gone(&self, owner: &str) -> bool {
        self.owners.is_gone(owner)
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
    let sql = format!(
        "SELECT {} FROM records WHERE key >= ?1 AND key < ?2 AND key > ?3 {only} {open} ORDER BY key LIMIT ?4",
        Row::COLUMNS
    );
    let mut select = connection.prepare_cached(&sql).map_err(failed)?;
    let size = query.size();
    let limit = i64::try_from(size).unwrap_or(i64::MAX);
    let rows = select
        .query_map(params![query.prefix, end_of(&query.prefix), query.after, limit], Row::read)
        .map_err(failed)?;
    let mut page = Page::default();
    let mut last = None;
    for row in rows {
        let row = row.map_err(failed)?;
        match row.record() {
            Ok(record) => page.records.push(record),
            Err(reason) => page.corrupt.push((row.key.clone(), reason)),
        }
        last = Some(row.key);
    }
    if page.records.len() + page.corrupt.len() == size {
        page.next = last;
    }
    Ok(page)
}
