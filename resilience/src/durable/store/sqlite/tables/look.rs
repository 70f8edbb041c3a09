//! Reading from a store without opening it: nothing is written.
//!
//! Each look opens the file read-only, reads one consistent state, and closes it again. It takes no lock that a writer
//! waits for. Where no log is in use it leaves no trace in the directory; where one is, SQLite keeps the log's index. A
//! store of another user can be looked at, as far as its mode allows.

use super::super::place::files_of;
use super::errors::failed;
use super::schema::connect;
use super::version::check_version;
use crate::durable::store::StoreError;
use rusqlite::{Connection, OpenFlags};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// The time that a look waits for another process.
const LOOK: Duration = Duration::from_secs(1);

/// Reads from the store in `file` without writing anything, whatever other processes do with it: by a connection for
/// this one time.
///
/// Without a log nothing but the file is needed, and SQLite is opened as if the file did not change, since it would
/// make a log otherwise. If the file did change, the result does not count.
pub(crate) fn look<T>(
    file: &Path,
    read: impl Fn(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    const LOOKS: usize = 10;
    let mut last = Err(StoreError::Unavailable("it changes all the time".to_owned()));
    let [_, log, _] = files_of(file);
    let log_size = || fs::metadata(&log).ok().map(|log| log.len());
    let state = || {
        let found = fs::metadata(file).ok();
        (found.map(|found| (found.len(), found.modified().ok())), log_size())
    };
    for _ in 0..LOOKS {
        let before = state();
        if let (_, Some(_)) = before {
            let looked = connect(file, LOOK, true).and_then(|connection| {
                check_version(&connection)?;
                read(&connection)
            });
            let is_refused =
                matches!(looked, Err(StoreError::Unavailable(_) | StoreError::ReadOnly | StoreError::Full));
            // The log's index cannot be made in this directory, or the log has gone away.
            if !is_refused || log_size().is_some_and(|bytes| bytes > 0) {
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
        if state() == before {
            return last;
        }
    }
    last
}

/// Returns a path in the form of a URI.
fn uri_path(file: &Path) -> String {
    let escaped = |byte: u8| match byte {
        b'/' | b'.' | b'-' | b'_' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    file.as_os_str().as_encoded_bytes().iter().copied().map(escaped).collect()
}
