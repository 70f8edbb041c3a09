//! Looking after the tables: damage in them, their size, and the room that they take.
//!
//! At rest the log is moved into the tables without waiting for a reader that is in the way. When it is long, a commit
//! waits up to 20 ms for readers, and up to 2 s for another process that is moving it just now. Free pages go back to
//! the file system 4,096 at a time, at rest: shrinking a large store must not delay its next commit.

use super::super::place::StorePlace;
use super::errors::failed;
use super::rows::Row;
use crate::durable::store::StoreError;
use rusqlite::Connection;
use std::time::{Duration, Instant};

/// The number of free pages that are returned to the file system at one time of rest.
const SHRINK: u32 = 4_096;
/// The time that readers are waited for when the log is long.
const READERS: Duration = Duration::from_millis(20);
/// The time that a checkpoint of another process is waited for when the log is long: several syncs of a slow disk.
const CHECKPOINT: Duration = Duration::from_secs(2);
/// The period in which a checkpoint of another process is checked.
const CHECKPOINT_POLL: Duration = Duration::from_millis(1);
/// The size up to which a file is checked as a whole when it is opened: 32 MiB.
const CHECKED: u64 = 32 << 20;

/// Looks for damage in the tables and their indexes, if the file is not too large for that.
///
/// A larger file is not looked through at each start, which would take seconds: operators check it by
/// [`SqliteStore::integrity_blocking`](crate::durable::SqliteStore::integrity_blocking).
pub(crate) fn check_small(connection: &Connection) -> Result<(), StoreError> {
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

/// Returns the damage of the tables and their indexes; empty if they are sound.
pub(crate) fn integrity(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut check = connection.prepare("PRAGMA integrity_check(10)").map_err(failed)?;
    let found: Result<Vec<String>, _> = check.query_map([], |row| row.get(0)).and_then(Iterator::collect);
    Ok(found.map_err(failed)?.into_iter().filter(|words| words != "ok").collect())
}

/// Returns the damaged records, in words.
///
/// It reads every body, so that it takes as long as reading the file.
pub(crate) fn damaged_records(connection: &Connection) -> Result<Vec<String>, StoreError> {
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

/// Returns the bytes of the tables, and those of their free pages.
pub(crate) fn size(connection: &Connection) -> Result<(u64, u64), StoreError> {
    let sql = "SELECT page_count * page_size, freelist_count * page_size
        FROM pragma_page_count, pragma_page_size, pragma_freelist_count";
    let row = |row: &rusqlite::Row<'_>| {
        Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, i64>(1)?.unsigned_abs()))
    };
    connection.query_row(sql, [], row).map_err(failed)
}

/// Rewrites the file without free pages, and moves the log into it.
pub(crate) fn compact(connection: &Connection, place: &StorePlace) -> Result<(), StoreError> {
    connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; VACUUM").map_err(failed)?;
    fold(connection, place);
    Ok(())
}

/// Moves the log into the tables, as far as readers and other processes allow it without a wait; returns whether
/// nothing is left in it.
pub(crate) fn fold(connection: &Connection, place: &StorePlace) -> bool {
    fold_within(connection, place, Duration::ZERO, Duration::ZERO)
}

/// Moves a log that is long into the tables, and waits for who is in the way.
pub(crate) fn fold_long(connection: &Connection, place: &StorePlace) {
    fold_within(connection, place, READERS, CHECKPOINT);
}

fn fold_within(connection: &Connection, place: &StorePlace, readers: Duration, checkpoint: Duration) -> bool {
    let fold = || {
        let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
        connection.query_row(sql, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
    };
    let began = Instant::now();
    let mut folded = connection.busy_timeout(readers).and_then(|()| fold());
    // SQLite's own timeout is for readers and writers, and not for another process's checkpoint, which this answer
    // means.
    while matches!(folded, Ok((1, -1))) && began.elapsed() < checkpoint {
        std::thread::sleep(CHECKPOINT_POLL);
        folded = fold();
    }
    let _ = connection.busy_timeout(place.busy);
    place.watch_log(place.log_size());
    matches!(folded, Ok((0, _)))
}

/// Returns free pages to the file system, some at a time; whether there are more.
///
/// `false` also where the file is of an earlier release and was never rewritten: such a file keeps its free pages for
/// new rows.
pub(crate) fn shrink(connection: &Connection) -> bool {
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
