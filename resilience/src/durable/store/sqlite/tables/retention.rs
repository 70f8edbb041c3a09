//! The deletion of old records.
//!
//! Expired records are found by the index of expiry, old ones by prefix and time. A job goes with all that belongs to
//! it, in one transaction; a few at a time, since one record may have a megabyte.

use super::errors::failed;
use super::rows::{Row, begin, end_of, get, number, text};
use super::table::Table;
use crate::durable::record::Millis;
use crate::durable::record::key::place;
use crate::durable::store::StoreError;
use crate::durable::store::rules::{QUARANTINE, Rows};
use rusqlite::params;

/// The expired records, the oldest first, but for the first ones, which stay.
pub(super) const EXPIRED: &str =
    "SELECT key FROM records WHERE expires > 0 AND expires <= ?1 ORDER BY expires LIMIT ?2 OFFSET ?3";
/// The old entries of the quarantine.
pub(super) const LONG_QUARANTINED: &str =
    "DELETE FROM quarantine WHERE id IN (SELECT id FROM quarantine WHERE at < ?1 LIMIT ?2)";

impl Table<'_> {
    /// Deletes the records whose time is over, with their parts, at most `limit` records; returns their number.
    pub(crate) fn delete_expired(&mut self, limit: usize) -> Result<usize, StoreError> {
        let (mut count, mut left) = (0, 0);
        while count < limit {
            let keys = self.expired(limit - count, left)?;
            if keys.is_empty() {
                break;
            }
            for key in &keys {
                match get(self.tx()?, key) {
                    Ok(Some(record)) if record.is_expired(self.now()) => {
                        self.remove(key)?;
                        place::parts_of(key).iter().try_for_each(|prefix| self.remove_all(prefix))?;
                    }
                    // A row whose columns contradict its record is damage, not something old.
                    Ok(Some(_)) => self.quarantine(key, "corrupt")?,
                    Err(StoreError::Corrupt { reason, .. }) if !reason.is_of_later_release() => {
                        self.quarantine(key, "corrupt")?;
                    }
                    // One of a later release, or one whose key is no text any more, so that it cannot be deleted by it.
                    Err(StoreError::Corrupt { .. }) | Ok(None) => {
                        left += 1;
                        continue;
                    }
                    Err(error) => return Err(error),
                }
                count += 1;
            }
        }
        self.forget_the_dead()?;
        let before = number(self.now().saturating_sub(QUARANTINE));
        let more = i64::try_from(limit - count).unwrap_or(i64::MAX);
        let gone = self.write(LONG_QUARANTINED, [before, more])?;
        Ok(count + gone)
    }

    /// Returns the keys of the next expired records, at most `most`, after the first `left`.
    fn expired(&self, most: usize, left: usize) -> Result<Vec<String>, StoreError> {
        let [most, left] = [most, left].map(|count| i64::try_from(count).unwrap_or(i64::MAX));
        let mut select = self.tx()?.prepare_cached(EXPIRED).map_err(failed)?;
        let keys = select.query_map([number(self.now()), most, left], text).map_err(failed)?;
        keys.filter_map(Result::transpose).collect::<Result<_, _>>().map_err(failed)
    }

    /// Deletes the records that ended before `before` under `prefix`, at most `limit` of them; damaged ones are
    /// quarantined. Returns the number of removed records.
    pub(crate) fn delete_older_than(
        &mut self,
        prefix: &str,
        before: Millis,
        limit: usize,
    ) -> Result<usize, StoreError> {
        let mut after = String::new();
        let mut count = 0;
        while count < limit {
            let rows = self.ended_before(prefix, &after, before)?;
            let Some(last) = rows.last() else { return Ok(count) };
            after.clone_from(&last.key);
            for row in rows {
                match row.record() {
                    Ok(record) if record.ended().is_some_and(|ended| ended < before) => {
                        self.remove(&row.key)?;
                    }
                    Ok(_) => continue,
                    Err(reason) if reason.is_of_later_release() => continue,
                    Err(_) => self.quarantine(&row.key, "corrupt")?,
                }
                count += 1;
                if count == limit {
                    break;
                }
            }
        }
        Ok(count)
    }

    /// Returns the next rows that ended before `before`, few at a time: a record may have a megabyte.
    fn ended_before(&self, prefix: &str, after: &str, before: Millis) -> Result<Vec<Row>, StoreError> {
        let (from, begin) = begin(prefix, after);
        let sql = format!(
            "SELECT {} FROM records WHERE {from} AND key < ?2
                AND completed > 0 AND completed < ?3 ORDER BY key LIMIT 32",
            Row::COLUMNS
        );
        let mut select = self.tx()?.prepare_cached(&sql).map_err(failed)?;
        let rows = select.query_map(params![begin, end_of(prefix), number(before)], Row::read);
        // A row without a key cannot be deleted by it.
        let has_key = |row: &rusqlite::Result<Row>| row.as_ref().map_or(true, |row| row.has_key);
        rows.map_err(failed)?.filter(has_key).collect::<Result<_, _>>().map_err(failed)
    }
}
