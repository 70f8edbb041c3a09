//! The rows of the tables, and reading them.
//!
//! "Not found" is an answer that makes a body run, so it has to be certain. A row whose key was damaged is not found
//! under its key; it is found by the look at its neighbours, whose keys and heads have to agree.

use super::errors::failed;
use super::version::check_version;
use crate::durable::record::key::place;
use crate::durable::record::{Corrupt, Record};
use crate::durable::store::StoreError;
use crate::durable::store::files::Inode;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension};
use std::borrow::Cow;

/// Returns a number with the sign that SQLite's numbers have: the largest one for a larger value.
pub(crate) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Returns the bytes of a column, and none for a number: a flipped bit makes a text of a blob, which has the same bytes,
/// or a number, which no record has there.
pub(super) fn bytes<'a>(row: &'a rusqlite::Row<'_>, column: usize) -> rusqlite::Result<&'a [u8]> {
    match row.get_ref(column)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Ok(bytes),
        _ => Ok(&[]),
    }
}

/// Returns the text of a column; `None` if it is damaged.
pub(super) fn text(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<String>> {
    Ok(str::from_utf8(bytes(row, 0)?).ok().map(str::to_owned))
}

/// The columns of a row, compared with the record that they are taken from.
///
/// Any row can be read, whatever is damaged in it: a listing does not end at a damaged row.
pub(super) struct Row {
    /// The key, with replacement characters if it `has_key` no longer.
    pub(super) key: String,
    /// Whether the key is a text, by which the row can be found again.
    pub(super) has_key: bool,
    status: Option<i64>,
    fence: Option<i64>,
    pub(super) head: Vec<u8>,
    /// `None` where values are not asked for.
    pub(super) body: Option<Vec<u8>>,
}

impl Row {
    pub(super) const COLUMNS: &'static str = "key, status, fence, head, body";
    pub(super) const HEAD: &'static str = "key, status, fence, head, NULL";

    pub(super) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let key = String::from_utf8_lossy(bytes(row, 0)?);
        let number = |column| row.get_ref(column).map(|value| value.as_i64().ok());
        let has_body = !matches!(row.get_ref(4)?, ValueRef::Null);
        Ok(Self {
            has_key: matches!(key, Cow::Borrowed(_)),
            key: key.into_owned(),
            status: number(1)?,
            fence: number(2)?,
            head: bytes(row, 3)?.to_vec(),
            body: has_body.then(|| bytes(row, 4).map(<[u8]>::to_vec)).transpose()?,
        })
    }

    /// Decodes the record of the row.
    ///
    /// # Errors
    ///
    /// Why the row is damaged: its bytes do not match their checksum, are of another key, or its columns say something
    /// else.
    pub(super) fn record(&self) -> Result<Record, Corrupt> {
        let record = match &self.body {
            // A format without a head and a body, which could not be read when the store was brought up to date.
            Some(body) if body.is_empty() => Record::decode(&self.key, &self.head)?,
            Some(body) => Record::decode_parts(&self.key, &self.head, body)?,
            None => Record::decode_head(&self.key, &self.head)?,
        };
        let agrees =
            self.status == Some(record.status.code().into()) && self.fence == Some(number(record.fence));
        if agrees { Ok(record) } else { Err(Corrupt::Contradiction) }
    }
}

/// Runs `read` in one read transaction: it sees one moment, and costs less than a lock for each statement.
pub(crate) fn at_once<T>(
    reader: &Connection,
    read: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let tx = reader.unchecked_transaction().map_err(failed)?;
    check_version(&tx)?;
    read(&tx)
}

/// Reads the record of `key`; `None` if there is none.
///
/// # Errors
///
/// [`StoreError::Corrupt`] for a damaged row, and for a missing one whose neighbour is damaged in its key; else what
/// SQLite says.
pub(crate) fn get(connection: &Connection, key: &str) -> Result<Option<Record>, StoreError> {
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

/// Returns the count of a job's steps, which is beside the fence: a step changes two pages, its own and theirs.
pub(super) fn tally(connection: &Connection, key: &str) -> Result<Option<Record>, StoreError> {
    let sql = "SELECT value FROM meta WHERE name = ?1";
    let read = |row: &rusqlite::Row<'_>| bytes(row, 0).map(<[u8]>::to_vec);
    let bytes = connection.prepare_cached(sql).map_err(failed)?.query_row([key], read).optional();
    let bytes = bytes.map_err(failed)?;
    let corrupt = |reason| StoreError::Corrupt { key: key.to_owned(), reason };
    bytes.map(|bytes| Record::decode(key, &bytes).map_err(corrupt)).transpose()
}

/// Looks at the rows around the place where `key` is not: a row whose key was damaged is there, as the search for
/// its key ends beside it.
///
/// It costs two searches for each key that is new. Without it a flipped bit in a key would make a finished payment
/// look like one that was never begun.
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

/// Returns the condition on the first parameter for keys that begin with `prefix` and come after `after`, and its
/// value.
pub(super) fn begin<'a>(prefix: &'a str, after: &'a str) -> (&'static str, &'a str) {
    if after < prefix { ("key >= ?1", prefix) } else { ("key > ?1", after) }
}

/// Returns the first text after all that begin with `prefix`, in the order of bytes.
///
/// As a bound it makes a search by prefix a range of the primary key, which `LIKE` is only under conditions.
pub(crate) fn end_of(prefix: &str) -> String {
    let mut end: Vec<char> = prefix.chars().collect();
    while let Some(last) = end.pop() {
        // A range of characters steps over numbers that are no characters.
        if let Some(next) = (last..=char::MAX).nth(1) {
            end.push(next);
            return end.into_iter().collect();
        }
    }
    char::MAX.to_string().repeat(64)
}

/// Returns the counter of the owner `name`, and the file that its row names.
pub(crate) fn row_of(
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
