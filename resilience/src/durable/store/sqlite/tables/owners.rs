//! The rows of the processes that share a store.
//!
//! A row has the counter that the owner's heartbeat raises, and the device and inode of the file that it holds locked.
//! The row of a dead owner stays as long as a record names it: its other records are judged by it.

use super::errors::failed;
use super::rows::{Row, end_of, number, row_of, text};
use super::table::Table;
use crate::durable::record::key::place;
use crate::durable::store::rules::millis;
use crate::durable::store::{Liveness, StoreError};
use rusqlite::{Connection, params};
use std::collections::HashSet;
use std::time::Duration;

/// The number of owners from which a new one looks for dead ones; recovery does so anyway.
const CROWD: usize = 16;

impl Table<'_> {
    /// Deletes the rows and files of owners that do not live and that no record names any more.
    pub(super) fn forget_the_dead(&mut self) -> Result<(), StoreError> {
        let Some(place) = self.place else { return Ok(()) };
        let mut gone = owners(self.tx()?)?;
        let mut named = gone.clone();
        for name in &named {
            // A damaged row is kept: it cannot be judged by it.
            let is_known = match row_of(self.tx()?, name) {
                Ok(row) => place.owners.liveness(name, row.and_then(|(_, inode)| inode)) != Liveness::Alive,
                Err(_) => false,
            };
            if !is_known {
                gone.remove(name);
            }
        }
        place.not_named_before(&mut gone);
        if gone.is_empty() {
            return Ok(());
        }
        for prefix in [place::JOBS, place::STEPS, place::CURSORS, place::LOCKS] {
            // The index of open jobs is used only where its condition is spelled out.
            let open =
                if prefix == place::JOBS { "AND status <> 2 AND key >= 'j/' AND key < 'j0'" } else { "" };
            let sql = format!(
                "SELECT key, status, fence, head, NULL FROM records
                    WHERE key >= ?1 AND key < ?2 AND status IN (1, 6) {open}"
            );
            let mut select = self.tx()?.prepare_cached(&sql).map_err(failed)?;
            for row in select.query_map([prefix, &end_of(prefix)], Row::read).map_err(failed)? {
                if let Ok(record) = row.map_err(failed)?.record()
                    && let Some(owner) = gone.take(&record.owner)
                {
                    place.is_named(owner);
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

    /// Returns device and inode of this process's own lock file.
    fn own_inode(&self) -> (Option<i64>, Option<i64>) {
        let inode = self.place.and_then(|place| place.owners.inode());
        (inode.map(|inode| inode.0.cast_signed()), inode.map(|inode| inode.1.cast_signed()))
    }
}

/// Returns all owners that have a row; not those whose names are damaged, since no record has such a name.
pub(crate) fn owners(connection: &Connection) -> Result<HashSet<String>, StoreError> {
    let mut select = connection.prepare_cached("SELECT name FROM owners").map_err(failed)?;
    let names = select.query_map([], text).map_err(failed)?;
    names.filter_map(Result::transpose).collect::<Result<_, _>>().map_err(failed)
}

/// Adds a row for the owner of a claim, by which others judge it.
///
/// In the transaction of its first claim, so that no process ever sees a record whose owner has no row. With more
/// than 16 rows it also deletes those of the dead: a program that is started every minute leaves one each time.
pub(crate) fn enrol(table: &mut Table<'_>, name: &str, lease: Duration) -> Result<(), StoreError> {
    let (device, inode) = table.own_inode();
    let sql = "INSERT INTO owners VALUES (?1, 1, ?2, ?3, ?4) ON CONFLICT (name) DO NOTHING";
    let is_new = table.write(sql, params![name, number(millis(lease)), device, inode])? > 0;
    if is_new && owners(table.tx()?)?.len() > CROWD {
        table.forget_the_dead()?;
    }
    Ok(())
}

/// Raises the counter of the owner `name`; whether it was there.
///
/// A row that was not there has been deleted by a process that treated this one as dead; it is made again, and the
/// caller has to compare its leases with their records.
pub(crate) fn beat(table: &mut Table<'_>, name: &str, lease: Duration) -> Result<bool, StoreError> {
    let (device, inode) = table.own_inode();
    let sql = "UPDATE owners SET counter = counter + 1, lease = ?2, device = ?3, inode = ?4 WHERE name = ?1";
    let is_there = table.write(sql, params![name, number(millis(lease)), device, inode])? > 0;
    if !is_there {
        enrol(table, name, lease)?;
    }
    Ok(is_there)
}
