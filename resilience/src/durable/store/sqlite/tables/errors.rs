//! The meaning of SQLite's errors to the callers of a store.
//!
//! The library decides by the error: an outage leaves a job to its recovery, a full disk is reported as such, and
//! damage is never treated as absence. So SQLite's codes are mapped here, in one table, and nowhere else.

use crate::durable::store::StoreError;
use crate::durable::store::files;
use rusqlite::{ErrorCode, ffi};

/// Returns whether another connection is in the way.
pub(crate) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Returns the store's error for an error of SQLite; asked right after it occurred.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(crate) fn failed(error: rusqlite::Error) -> StoreError {
    let rusqlite::Error::SqliteFailure(code, _) = &error else {
        return StoreError::Unavailable(error.to_string());
    };
    // SQLite itself distinguishes only a full disk from other errors of input and output.
    meaning(*code, std::io::Error::last_os_error().kind(), &error.to_string())
}

/// Returns the store's error for the result code `code` of SQLite, if the last call of the operating system that failed
/// did so with `os`.
fn meaning(code: ffi::Error, os: std::io::ErrorKind, words: &str) -> StoreError {
    let unavailable = || StoreError::Unavailable(words.to_owned());
    match (code.code, code.extended_code) {
        // Whatever the reason: the kernel may have dropped the written data.
        (_, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC) => StoreError::Poisoned,
        (_, ffi::SQLITE_READONLY_DBMOVED | ffi::SQLITE_IOERR_VNODE) => StoreError::Lost(format!(
            "its file was removed or replaced while it was open ({words}): nothing more is written to it. Put the file \
             back where it was, or restart the program"
        )),
        (_, ffi::SQLITE_IOERR_WRITE | ffi::SQLITE_IOERR_TRUNCATE | ffi::SQLITE_IOERR_SHMSIZE) => {
            files::of_disk(os, || words.to_owned()).unwrap_or_else(unavailable)
        }
        (ErrorCode::DiskFull, _) => StoreError::Full,
        (ErrorCode::ReadOnly, _) => StoreError::ReadOnly,
        (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => {
            StoreError::Unavailable("another process has it locked".to_owned())
        }
        (ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt, _) | (_, ffi::SQLITE_IOERR_DATA) => {
            StoreError::Unavailable(format!("its file is damaged ({words}); nothing in it was changed"))
        }
        // SQLite's name for `EIO` in reading: the bytes may be as they were written.
        (_, ffi::SQLITE_IOERR_CORRUPTFS) => StoreError::Unavailable(format!(
            "its file cannot be read ({words}): the disk or its file system reports an error"
        )),
        // Its index names pages that a file or the log does not have: it was cut.
        (_, ffi::SQLITE_IOERR_SHORT_READ) => StoreError::Unavailable(
            "its file is damaged (it, or its log, is shorter than it was); nothing in it was changed"
                .to_owned(),
        ),
        _ => unavailable(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;
    use std::path::Path;

    const ROOM: &[i32] = &[ffi::SQLITE_FULL];
    const READ_ONLY: &[i32] = &[
        ffi::SQLITE_READONLY,
        ffi::SQLITE_READONLY_RECOVERY,
        ffi::SQLITE_READONLY_CANTLOCK,
        ffi::SQLITE_READONLY_ROLLBACK,
        ffi::SQLITE_READONLY_CANTINIT,
        ffi::SQLITE_READONLY_DIRECTORY,
    ];
    const LOST: &[i32] = &[ffi::SQLITE_READONLY_DBMOVED, ffi::SQLITE_IOERR_VNODE];
    const POISONED: &[i32] = &[ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_DIR_FSYNC];
    const LOCKED: &[i32] = &[
        ffi::SQLITE_BUSY,
        ffi::SQLITE_BUSY_RECOVERY,
        ffi::SQLITE_BUSY_SNAPSHOT,
        ffi::SQLITE_BUSY_TIMEOUT,
        ffi::SQLITE_LOCKED,
        ffi::SQLITE_LOCKED_SHAREDCACHE,
        ffi::SQLITE_LOCKED_VTAB,
    ];
    const DAMAGED: &[i32] = &[
        ffi::SQLITE_CORRUPT,
        ffi::SQLITE_CORRUPT_VTAB,
        ffi::SQLITE_CORRUPT_SEQUENCE,
        ffi::SQLITE_CORRUPT_INDEX,
        ffi::SQLITE_NOTADB,
        ffi::SQLITE_IOERR_DATA,
        ffi::SQLITE_IOERR_SHORT_READ,
    ];
    /// The codes whose meaning is the operating system's.
    const OF_THE_SYSTEM: &[i32] =
        &[ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_IOERR_TRUNCATE, ffi::SQLITE_IOERR_SHMSIZE];

    /// Returns every code that SQLite has, up to its 36 errors of input and output.
    fn codes() -> impl Iterator<Item = i32> {
        (ffi::SQLITE_ERROR..=ffi::SQLITE_NOTADB).flat_map(|code| (0..=36).map(move |more| code | more << 8))
    }

    fn meant(code: i32, os: ErrorKind) -> StoreError {
        meaning(ffi::Error::new(code), os, "its words")
    }

    #[test]
    fn every_sqlite_error_code_is_mapped() {
        for code in codes() {
            let meant = meant(code, ErrorKind::Other);
            let text = meant.to_string();
            let is_as_listed = match &meant {
                StoreError::Full => ROOM.contains(&(code & 0xff)),
                StoreError::ReadOnly => code & 0xff == ffi::SQLITE_READONLY && !LOST.contains(&code),
                StoreError::Lost(_) => LOST.contains(&code),
                StoreError::Poisoned => POISONED.contains(&code),
                StoreError::Unavailable(_) if text.contains("locked") => LOCKED.contains(&(code & 0xff)),
                StoreError::Unavailable(_) if text.contains("damaged") => {
                    DAMAGED.contains(&(code & 0xff)) || DAMAGED.contains(&code)
                }
                StoreError::Unavailable(_) => {
                    let listed = [ROOM, READ_ONLY, LOST, POISONED, LOCKED, DAMAGED];
                    listed.iter().all(|listed| !listed.contains(&code))
                }
                _ => false,
            };
            assert!(is_as_listed, "{code}: {meant:?}");
        }
    }

    #[test]
    fn a_disk_that_cannot_be_read_is_no_damage() {
        let text = meant(ffi::SQLITE_IOERR_CORRUPTFS, ErrorKind::Other).to_string();
        assert!(text.contains("its file cannot be read (its words)"), "{text}");
    }

    #[test]
    fn os_errors_are_mapped_to_store_errors() {
        let meanings = [
            (ErrorKind::StorageFull, StoreError::Full),
            (ErrorKind::QuotaExceeded, StoreError::Full),
            (ErrorKind::FileTooLarge, StoreError::Full),
            (ErrorKind::ReadOnlyFilesystem, StoreError::ReadOnly),
            (ErrorKind::StaleNetworkFileHandle, StoreError::Lost("its words".to_owned())),
            (ErrorKind::Other, StoreError::Unavailable("its words".to_owned())),
        ];
        for (os, meaning) in meanings {
            for code in OF_THE_SYSTEM {
                assert_eq!(meant(*code, os), meaning, "{code} {os}");
            }
            // An error that is older than the one of SQLite.
            for code in codes().filter(|code| !OF_THE_SYSTEM.contains(code)) {
                assert_eq!(meant(code, os), meant(code, ErrorKind::Other), "{code} {os}");
            }
        }
        for (os, meaning) in [(28, StoreError::Full), (122, StoreError::Full), (30, StoreError::ReadOnly)] {
            if cfg!(target_os = "linux") {
                let error = std::io::Error::from_raw_os_error(os);
                assert_eq!(files::failed(Path::new("file"))(error), meaning, "{os}");
            }
        }
    }
}
