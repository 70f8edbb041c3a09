//! The safety of a place in the file system for a store, and the files in it.
//!
//! A store that others can write to could make this process run any recorded job with any arguments. So a directory is
//! used only if it belongs to this user, no other user may write to it, and no link leads to it; new ones are made for
//! this user alone. A network file system is refused, because SQLite's locks do not hold there: several hosts would
//! damage the file.
//!
//! Every refusal names the file, its owner and mode, and what to do.

use crate::base::files::{self as base, Unusable};
pub(crate) use crate::base::files::{
    Inode, inode, inode_of, is_at, is_volatile, open_file, remove_unlocked, seen, size, try_lock,
};
use crate::base::regular_file::other_kind;
use crate::durable::store::StoreError;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Returns the error of the caller for an error with the file or directory at `path`.
pub(crate) fn failed(path: &Path) -> impl Fn(io::Error) -> StoreError {
    move |error| of_unusable(base::failed(path)(error))
}

fn of_unusable(unusable: Unusable) -> StoreError {
    match unusable {
        Unusable::Refused(words) => StoreError::Refused(words),
        Unusable::Failed { kind, words } => {
            of_disk(kind, || words.clone()).unwrap_or(StoreError::Unavailable(words))
        }
    }
}

/// Returns the error for the operating system's refusal of a write; `None` if it is none of the disk's own.
pub(crate) fn of_disk(kind: io::ErrorKind, words: impl Fn() -> String) -> Option<StoreError> {
    match kind {
        // The disk, the user's quota, and the process's limit of a file's size.
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            Some(StoreError::Full)
        }
        io::ErrorKind::ReadOnlyFilesystem => Some(StoreError::ReadOnly),
        // The server of a network file system does not know the open file any more.
        io::ErrorKind::StaleNetworkFileHandle => Some(StoreError::Lost(words())),
        _ => None,
    }
}

fn refused<T>(path: &Path, words: &str) -> Result<T, StoreError> {
    Err(StoreError::Refused(format!("{} {words}", path.display())))
}

/// Makes `dir` if it is not there, for this user alone, and checks that it is safe.
pub(crate) fn prepare(dir: &Path, allow_network: bool) -> Result<(), StoreError> {
    const ADVICE: &str = "where several hosts would damage it: use a store for many hosts, such as Postgres";
    base::prepare(dir, (!allow_network).then_some(ADVICE)).map_err(of_unusable)
}

/// Refuses the place of a file of the store, if something else than a regular file is there: opening or reading that
/// could block forever, and the error of SQLite would not name it.
///
/// # Errors
///
/// What is there.
pub(crate) fn check_regular(path: &Path) -> Result<(), StoreError> {
    match fs::metadata(path).ok().and_then(|found| other_kind(&found)) {
        Some(kind) => refused(path, &format!("is {kind}, not a regular file: move it away")),
        None => Ok(()),
    }
}

/// Looks whether the store's file at `file` is safe, without opening it; whether it is there.
///
/// # Errors
///
/// That it is a link, belongs to another user, can be written to by others, or is empty: a new store is made under
/// another name first, so that an empty file is the remains of a store.
pub(crate) fn check(file: &Path) -> Result<bool, StoreError> {
    let found = fs::symlink_metadata(file);
    if let Some(kind) = found.as_ref().ok().and_then(other_kind) {
        return refused(file, &format!("is {kind}, not a regular file"));
    }
    match found {
        Ok(found) if found.len() == 0 => Err(StoreError::Lost(format!(
            "{} is empty: what was in it is gone. Restore the directory from a backup, or remove it to start over",
            file.display()
        ))),
        Ok(found) => {
            base::private(file, &found).and_then(|()| base::of_use(file, &found)).map_err(of_unusable)?;
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed(file)(error)),
    }
}

/// Makes an empty file beside `file`, for this user alone, in which `owner` makes a new store; returns its path.
pub(crate) fn draft(file: &Path, owner: &str) -> Result<PathBuf, StoreError> {
    let path = file.with_extension(format!("{DRAFT}{owner}"));
    open_file(&path).map(|_| path.clone()).map_err(failed(&path))
}

/// The start of the extension of a draft; the name of its owner follows.
const DRAFT: &str = "new-";

/// Returns the owner of the draft `name` of `file`, or of one of the files that SQLite makes beside a draft.
fn owner_of_draft<'a>(file: &Path, name: &'a str) -> Option<&'a str> {
    let owner = name.strip_prefix(file.file_stem()?.to_str()?)?.strip_prefix('.')?.strip_prefix(DRAFT)?;
    // `pid-random`, as all owners are called.
    let end = owner.match_indices('-').nth(1).map_or(owner.len(), |(end, _)| end);
    owner.get(..end)
}

/// Returns whether `name` is that of a draft of `file`.
pub(crate) fn is_draft(file: &Path, name: &str) -> bool {
    owner_of_draft(file, name).is_some()
}

/// Removes the drafts beside `file` whose owners do not live: their processes died before they could.
pub(crate) fn clear_drafts(file: &Path, is_alive: impl Fn(&str) -> bool) {
    let Some(entries) = file.parent().and_then(|dir| fs::read_dir(dir).ok()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| owner_of_draft(file, name));
        if owner.is_some_and(|owner| !is_alive(owner)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Removes the store at `draft` that could not be made, with the files that SQLite left beside it.
pub(crate) fn discard(draft: &Path) {
    for end in ["", "-journal", "-wal", "-shm"] {
        let mut path = draft.as_os_str().to_owned();
        path.push(end);
        let _ = fs::remove_file(path);
    }
}

/// Puts the store made at `draft` in its place; returns whether none was there before.
pub(crate) fn publish(draft: &Path, file: &Path) -> Result<bool, StoreError> {
    let linked = match fs::hard_link(draft, file) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        // A file system without links: two processes that make one store at the same moment are not told apart.
        Err(_) if !file.exists() => fs::rename(draft, file).map(|()| true),
        other => other.map(|()| true),
    };
    let _ = fs::remove_file(draft);
    let is_first = linked.map_err(failed(file))?;
    base::sync_dir(file.parent().unwrap_or(file)).map_err(of_unusable)?;
    Ok(is_first)
}
