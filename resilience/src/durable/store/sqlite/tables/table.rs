//! The transaction of the committer, as the rules of a store see it.
//!
//! One [`Table`] is one transaction, and each operation in it is applied after the other. Rules check everything before
//! they write, so that an operation that is refused leaves nothing behind, and the others in its transaction are
//! committed. A rule that fails after it has written is a fault of the store, and then nothing of the transaction is
//! committed.

use super::super::place::{Clocks, StorePlace};
use super::errors::failed;
use super::rows::{Row, end_of, get, number, row_of, tally};
use crate::base::guarded::contained;
use crate::durable::record::key::place;
use crate::durable::record::{Corrupt, Millis, Record, Status};
use crate::durable::store::rules::{Life, Rows, is_kept_for_a_time};
use crate::durable::store::{Liveness, StoreError};
use rusqlite::{Connection, OptionalExtension, Params, Transaction, params};
use std::time::Duration;

/// The committer's transaction, as one operation after the other sees it.
///
/// Operations of one transaction see what those before them wrote. Each has the clocks of its own caller, taken when
/// it asked: in a test world the committer's thread has other ones.
pub(crate) struct Table<'a> {
    /// `None` if no transaction could be begun.
    tx: Option<&'a Connection>,
    /// `None` while a store is migrated.
    pub(super) place: Option<&'a StorePlace>,
    /// The caller's clocks.
    now: Clocks,
    /// The last fence given out, once one was.
    fence: Option<i64>,
    /// The number of writes.
    writes: u64,
    /// The bytes of records that were written.
    pub(crate) bytes: usize,
    /// Why nothing of this transaction may be committed.
    broken: Option<StoreError>,
}

impl<'a> Table<'a> {
    /// Creates the table of the operations of one transaction; without one each of them fails.
    pub(crate) fn new(tx: Option<&'a Transaction<'a>>, place: &'a StorePlace) -> Self {
        Self { tx: tx.map(|tx| &**tx), place: Some(place), ..Self::without() }
    }

    /// Creates a table for reading only, outside of a transaction of the committer.
    pub(crate) fn reading(connection: &'a Connection, place: &'a StorePlace) -> Self {
        Self { tx: Some(connection), place: Some(place), ..Self::without() }
    }

    pub(super) fn of(tx: &'a Transaction<'a>) -> Self {
        Self { tx: Some(tx), ..Self::without() }
    }

    fn without() -> Self {
        Self { tx: None, place: None, now: Clocks::now(), fence: None, writes: 0, bytes: 0, broken: None }
    }

    /// Returns the transaction.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if none could be begun; the reason is the answer to all of its operations.
    pub(super) fn tx(&self) -> Result<&'a Connection, StoreError> {
        self.tx.ok_or_else(|| StoreError::Unavailable("it cannot be written to right now".to_owned()))
    }

    /// Applies `rule` at the time `now`. Rules write only after everything has been checked: what fails
    /// after that is the store, and then nothing of the whole transaction counts.
    pub(crate) fn apply<T>(
        &mut self,
        now: Clocks,
        rule: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        self.now = now;
        let writes = self.writes;
        let result = contained(|| rule(self))
            .unwrap_or_else(|| Err(StoreError::Unavailable("a rule panicked".to_owned())));
        // A disk that fails makes SQLite roll back by itself: what comes after that would be committed bit by bit.
        let is_over = || self.place.is_some() && self.tx.is_some_and(Connection::is_autocommit);
        if let Err(error) = &result
            && (self.writes != writes || is_over())
        {
            self.broken = Some(error.clone());
        }
        result
    }

    /// Returns whether the transaction may be committed. The last fence that was given out is kept in it; every
    /// transaction that writes takes one, so that the fence also shows whether an acknowledged transaction is missing.
    ///
    /// # Errors
    ///
    /// Why nothing may be committed: the first operation that failed after it had written.
    pub(crate) fn finish(mut self) -> Result<Option<u64>, StoreError> {
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

    /// Runs `sql`, which changes rows; returns their number.
    pub(crate) fn write(&mut self, sql: &str, values: impl Params) -> Result<usize, StoreError> {
        self.writes += 1;
        self.tx()?.prepare_cached(sql).and_then(|mut write| write.execute(values)).map_err(failed)
    }
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
        let used_up = || StoreError::Unavailable("its fences are used up".to_owned());
        let last: i64 = if let Some(last) = self.fence {
            last
        } else {
            let sql = "SELECT value FROM meta WHERE name = 'fence'";
            let mut select = self.tx()?.prepare_cached(sql).map_err(failed)?;
            select.query_row([], |row| row.get(0)).map_err(failed)?
        };
        let fence = last.checked_add(1).ok_or_else(used_up)?;
        self.fence = Some(fence);
        u64::try_from(fence).map_err(|_| used_up())
    }

    fn now(&self) -> Millis {
        self.now.wall
    }

    fn is_dead(&mut self, owner: &str, lease: Duration) -> Result<Life, StoreError> {
        let Some(place) = self.place else { return Ok(Life::Alive(lease)) };
        Ok(place.life(owner, row_of(self.tx()?, owner)?, lease, self.now))
    }

    fn forget_owner(&mut self, owner: &str) -> Result<(), StoreError> {
        // Its other records are judged by the row, as long as its lock shows that it is dead.
        if let (Some(place), Some((_, named))) = (self.place, row_of(self.tx()?, owner)?)
            && place.owners.liveness(owner, named) == Liveness::Dead
        {
            place.may_be_unnamed(owner);
            return Ok(());
        }
        self.write("DELETE FROM owners WHERE name = ?1", [owner]).map(drop)
    }

    fn progress(&mut self, prefix: &str) -> Result<u64, StoreError> {
        if place::is_tally(prefix) {
            return Ok(tally(self.tx()?, prefix)?.map_or(0, |tally| tally.progress_part()));
        }
        let sql = "SELECT key, status, fence, head, body FROM records WHERE key >= ?1 AND key < ?2";
        let mut select = self.tx()?.prepare_cached(sql).map_err(failed)?;
        let rows = select.query_map([prefix, &end_of(prefix)], Row::read).map_err(failed)?;
        let mut sum: u64 = 0;
        for row in rows {
            let part = row.map_err(failed)?.record().map_or(0, |record| record.progress_part());
            sum = sum.wrapping_add(part);
        }
        Ok(sum)
    }

    fn lease(&mut self, key: &str) -> Result<Option<(Status, u64, bool)>, StoreError> {
        let sql = "SELECT status, fence, cancelled FROM records WHERE key = ?1";
        let mut select = self.tx()?.prepare_cached(sql).map_err(failed)?;
        let row = select.query_row([key], |row| {
            let number = |column| row.get_ref(column).map(|value| value.as_i64().ok());
            Ok((number(0)?, number(1)?, number(2)?))
        });
        let Some((status, fence, cancelled)) = row.optional().map_err(failed)? else { return Ok(None) };
        let status = status.and_then(|code| u8::try_from(code).ok()).and_then(Status::from_code);
        let lease = status.zip(fence.and_then(|fence| u64::try_from(fence).ok())).zip(cancelled);
        let ((status, fence), cancelled) =
            lease.ok_or_else(|| StoreError::Corrupt { key: key.to_owned(), reason: Corrupt::Field })?;
        Ok(Some((status, fence, cancelled != 0)))
    }
}
