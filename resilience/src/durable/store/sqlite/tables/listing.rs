//! Pages of the records and of the quarantine.
//!
//! A listing reads heads, and bodies only where values are asked for. It ends after a bounded number of rows that were
//! looked at, not only of rows that were found: a filter that admits little must not hold a reader open for long, which
//! would keep the log from shrinking.

use super::errors::failed;
use super::rows::{Row, begin, bytes, end_of, number, text};
use crate::durable::record::Status;
use crate::durable::store::rules::PAGE_BYTES;
use crate::durable::store::{Page, Quarantined, Query, StoreError};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension};

/// The most rows that a page of a listing looks at: those in other states than requested count, too.
const SCANNED: i64 = 2_000;

/// The rows of a query, as statements select them.
///
/// The texts of the statements are few, one for each shape of query, so that SQLite's cache of prepared ones finds
/// them.
pub(super) struct Selection<'a> {
    columns: &'static str,
    /// One bound on each side, and these first: SQLite searches by the first ones, and reads all rows between them.
    from: &'static str,
    begin: &'a str,
    end: String,
    /// Only some states; empty for all.
    only: String,
    open: &'static str,
}

impl<'a> Selection<'a> {
    pub(super) fn of(query: &'a Query) -> Self {
        // By the states to leave out, so that a row whose status was damaged is listed as damaged. `Free` is left to the
        // record: a flipped bit makes it of `Running`.
        let is_other = |status: &&Status| **status != Status::Free && !query.statuses.contains(status);
        let others = Status::ALL.iter().filter(is_other);
        let others: Vec<_> = others.map(|status| status.code().to_string()).collect();
        let only = if query.statuses.is_empty() {
            String::new()
        } else {
            format!("AND status NOT IN ({})", others.join(","))
        };
        let is_open = !query.statuses.is_empty() && !query.statuses.contains(&Status::Done);
        // The planner uses a partial index only where its condition is spelled out.
        let open = if is_open && query.prefix.starts_with("j/") {
            "AND status <> 2 AND key >= 'j/' AND key < 'j0'"
        } else {
            ""
        };
        let (from, begin) = begin(&query.prefix, &query.after);
        let columns = if query.values { Row::COLUMNS } else { Row::HEAD };
        Self { columns, from, begin, end: end_of(&query.prefix), only, open }
    }

    /// Selects the last key that a page looks at.
    pub(super) fn last(&self) -> String {
        let Self { from, open, .. } = self;
        format!(
            "SELECT key FROM records WHERE {from} AND key < ?2 {open} ORDER BY key LIMIT 1 OFFSET {SCANNED}"
        )
    }

    /// Selects the rows of a page, up to the end that `to` compares with the second parameter.
    pub(super) fn rows(&self, to: &str) -> String {
        let Self { columns, from, only, open, .. } = self;
        format!("SELECT {columns} FROM records WHERE {from} AND {to} {only} {open} ORDER BY key")
    }
}

/// Lists one page of records.
///
/// A page ends at the requested number of records, at 4 MiB, or after 2,000 rows of which most are in other
/// states, whichever is first; `next` is where the next one begins, and `None` only at the end. So a page may be
/// empty although more follow. Damaged rows are listed apart, and count.
pub(crate) fn list(connection: &Connection, query: &Query) -> Result<Page, StoreError> {
    let selection = Selection::of(query);
    let Selection { begin, end, .. } = &selection;
    // Few rows in these states among many in others would make one page take long.
    let bound = if selection.only.is_empty() {
        None
    } else {
        let mut select = connection.prepare_cached(&selection.last()).map_err(failed)?;
        select.query_row([begin, end.as_str()], text).optional().map_err(failed)?.flatten()
    };
    let (to, last) = bound.as_ref().map_or(("key < ?2", end), |bound| ("key <= ?2", bound));
    let mut select = connection.prepare_cached(&selection.rows(to)).map_err(failed)?;
    let rows = select.query_map([begin, last.as_str()], Row::read).map_err(failed)?;
    let mut page = Page::default();
    let mut size = 0;
    for row in rows {
        let row = row.map_err(failed)?;
        size += row.head.len() + row.body.as_ref().map_or(0, Vec::len);
        match row.record() {
            Ok(record) if query.statuses.is_empty() || query.statuses.contains(&record.status) => {
                page.records.push(record);
            }
            Ok(_) => {}
            Err(reason) => page.corrupt.push((row.key.clone(), reason)),
        }
        let is_full = page.records.len() + page.corrupt.len() >= query.size() || size > PAGE_BYTES;
        // A page ends at a key by which the next one can begin.
        if is_full && row.has_key {
            page.next = Some(row.key);
            return Ok(page);
        }
    }
    page.next = bound;
    Ok(page)
}

const QUARANTINED: &str = "SELECT id, key, at, why, length(record), record FROM quarantine";

fn entry(row: &rusqlite::Row<'_>) -> rusqlite::Result<Quarantined> {
    let count = |value: ValueRef<'_>| value.as_i64().ok().and_then(|value| u64::try_from(value).ok());
    let number = |column| row.get_ref(column).map(|value| count(value).unwrap_or(0));
    let text = |column| bytes(row, column).map(|text| String::from_utf8_lossy(text).into_owned());
    let size = usize::try_from(number(4)?).unwrap_or(usize::MAX);
    Ok(Quarantined::new(number(0)?, text(1)?, number(2)?, text(3)?, size))
}

/// Returns the newest entries of the quarantine before the entry `before`.
pub(crate) fn quarantine(
    connection: &Connection,
    before: i64,
    limit: usize,
) -> Result<Vec<Quarantined>, StoreError> {
    let sql = format!("{QUARANTINED} WHERE id < ?1 ORDER BY id DESC LIMIT ?2");
    let mut select = connection.prepare_cached(&sql).map_err(failed)?;
    let rows = select.query_map([before, i64::try_from(limit).unwrap_or(i64::MAX)], entry);
    rows.and_then(Iterator::collect).map_err(failed)
}

/// Returns the entry `id` of the quarantine.
pub(crate) fn quarantined(connection: &Connection, id: u64) -> Result<Option<Quarantined>, StoreError> {
    let sql = format!("{QUARANTINED} WHERE id = ?1");
    let mut select = connection.prepare_cached(&sql).map_err(failed)?;
    let row =
        |row: &rusqlite::Row<'_>| Ok(Quarantined { bytes: Some(bytes(row, 5)?.to_vec()), ..entry(row)? });
    select.query_row([number(id)], row).optional().map_err(failed)
}
