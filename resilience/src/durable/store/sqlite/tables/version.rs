//! The version of the tables, which every transaction compares.

use super::errors::failed;
use crate::durable::store::StoreError;
use rusqlite::Connection;

/// The version of the tables; a file of a later one is refused.
pub(super) const SCHEMA: i64 = 2;

/// Checks that this release reads the tables.
///
/// For a look that may not write: an earlier version is refused, too, and the error says how it is brought up to
/// date. And for every transaction of an open store: a program of a later release may have brought it up to date.
pub(crate) fn check_version(connection: &Connection) -> Result<(), StoreError> {
    let select = connection.prepare_cached("PRAGMA user_version");
    let version: i64 =
        select.and_then(|mut select| select.query_row([], |row| row.get(0))).map_err(failed)?;
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
