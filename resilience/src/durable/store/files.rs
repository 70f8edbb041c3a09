//! Whether a place in the file system is safe for a store, and the files in it.
//!
//! A store that others can write to could make this process run any recorded job with any arguments. So a directory is
//! used only if it belongs to this user, no other user may write to it, and no link leads to it; new ones are made for this
//! user alone. A network file system is refused, because SQLite's locks do not hold there: several hosts would damage the
//! file.
//!
//! Every refusal names the file, its owner and mode, and what to do.

use crate::durable::store::StoreError;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// What an error with the file or directory at `path` means for the caller.
pub(crate) fn failed(path: &Path) -> impl Fn(io::Error) -> StoreError {
    move |error| {
        let words = || format!("{}: {error}", path.display());
        of_disk(error.kind(), words).unwrap_or_else(|| StoreError::Unavailable(words()))
    }
}

/// What the operating system's refusal of a write means; `None` if it is none of the disk's own.
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

/// Makes `dir` and the directories above it, as far as they are missing, for this user alone.
fn make(dir: &Path) -> Result<(), StoreError> {
    if dir.as_os_str().is_empty() || dir.is_dir() {
        return Ok(());
    }
    let above = dir.parent().unwrap_or(dir);
    make(above)?;
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(dir) {
        Ok(()) => sync_dir(above),
        // Another process was faster; what else is there is looked at next.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(not_made(dir, above, &error)),
    }
}

/// Why `dir` could not be made in the directory `above`, which is what refused it.
fn not_made(dir: &Path, above: &Path, error: &io::Error) -> StoreError {
    let words = || {
        let words = format!("{} cannot be made in {}: {error}", dir.display(), above.display());
        if error.kind() != io::ErrorKind::PermissionDenied {
            return words;
        }
        format!("{words}{}; set RESILIENCE_STATE to a directory of your own", owner_and_user(above))
    };
    of_disk(error.kind(), words).unwrap_or_else(|| StoreError::Unavailable(words()))
}

/// Whose directory `dir` is and which user this process has, for an error; nothing where that is not known.
#[cfg(unix)]
fn owner_and_user(dir: &Path) -> String {
    use std::os::unix::fs::MetadataExt;
    let Ok(found) = fs::metadata(dir) else { return String::new() };
    let own = own_user().map_or(String::new(), |own| format!(", and this process is of user {own}"));
    format!(". {} belongs to user {} (mode {:04o}){own}", dir.display(), found.uid(), found.mode() & 0o7777)
}

#[cfg(not(unix))]
fn owner_and_user(_: &Path) -> String {
    String::new()
}

/// Makes `dir` if it is not there, for this user alone, and checks that it is safe.
pub(crate) fn prepare(dir: &Path, allow_network: bool) -> Result<(), StoreError> {
    make(dir)?;
    inspect(dir, allow_network)
}

/// Checks that `dir` is safe.
pub(crate) fn inspect(dir: &Path, allow_network: bool) -> Result<(), StoreError> {
    let found = fs::symlink_metadata(dir).map_err(failed(dir))?;
    if !found.is_dir() {
        return refused(dir, "is no directory of its own but a link or a file");
    }
    private(dir, &found)?;
    match file_system(dir) {
        Some(kind) if is_network(&kind) && !allow_network => refused(
            dir,
            &format!(
                "is on a network file system ({kind}), where several hosts would damage it: use a store for many hosts, such as Postgres"
            ),
        ),
        _ => Ok(()),
    }
}

/// Looks whether the store's file at `file` is safe, without opening it; whether it is there.
///
/// # Errors
///
/// That it is a link, belongs to another user, can be written to by others, or is empty: a new store is made under
/// another name first, so that an empty file is what is left of a store.
pub(crate) fn check(file: &Path) -> Result<bool, StoreError> {
    match fs::symlink_metadata(file) {
        Ok(found) if !found.is_file() => refused(file, "is a link or a directory, not a file"),
        Ok(found) if found.len() == 0 => Err(StoreError::Lost(format!(
            "{} is empty: what was in it is gone. Restore the directory from a backup, or remove it to begin anew",
            file.display()
        ))),
        Ok(found) => private(file, &found).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed(file)(error)),
    }
}

/// Makes an empty file beside `file`, for this user alone, in which `owner` makes a new store; returns its path.
pub(crate) fn draft(file: &Path, owner: &str) -> Result<PathBuf, StoreError> {
    let path = file.with_extension(format!("{DRAFT}{owner}"));
    open_file(&path).map(|_| path.clone()).map_err(failed(&path))
}

/// How the extension of a draft begins; the name of its owner follows.
const DRAFT: &str = "new-";

/// The owner of the draft `name` of `file`, or of one of the files that SQLite makes beside a draft.
fn owner_of_draft<'a>(file: &Path, name: &'a str) -> Option<&'a str> {
    let owner = name.strip_prefix(file.file_stem()?.to_str()?)?.strip_prefix('.')?.strip_prefix(DRAFT)?;
    // `pid-random`, as all owners are called.
    let end = owner.match_indices('-').nth(1).map_or(owner.len(), |(end, _)| end);
    owner.get(..end)
}

/// Whether `name` is that of a draft of `file`.
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

/// Puts the store made at `draft` in its place; whether none was there before.
pub(crate) fn publish(draft: &Path, file: &Path) -> Result<bool, StoreError> {
    let linked = match fs::hard_link(draft, file) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        // A file system without links: two processes that make one store at the same moment are not told apart.
        Err(_) if !file.exists() => fs::rename(draft, file).map(|()| true),
        other => other.map(|()| true),
    };
    let _ = fs::remove_file(draft);
    let is_first = linked.map_err(failed(file))?;
    sync_dir(file.parent().unwrap_or(file))?;
    Ok(is_first)
}

/// Makes the names in `dir` survive a power cut.
fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    if cfg!(unix) {
        return File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed(dir));
    }
    Ok(())
}

/// The identity of a file among all others of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Inode(pub(crate) u64, pub(crate) u64);

/// The file at `path`; `None` if there is none.
pub(crate) fn inode(path: &Path) -> Option<Inode> {
    seen(path).map(|(inode, _)| inode)
}

/// How many bytes the file at `path` has; 0 if there is none.
pub(crate) fn size(path: &Path) -> u64 {
    seen(path).map_or(0, |(_, bytes)| bytes)
}

/// The file at `path` and its size, looked up before every commit.
///
/// The times are not asked for: once they were, Linux gives the next write a time of its own, which the next sync has
/// to write, too.
#[cfg(target_os = "linux")]
fn seen(path: &Path) -> Option<(Inode, u64)> {
    use rustix::fs::{AtFlags, CWD, StatxFlags, makedev, statx};
    match statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::INO | StatxFlags::SIZE) {
        Ok(found) => {
            let device = makedev(found.stx_dev_major, found.stx_dev_minor);
            Some((Inode(device, found.stx_ino), found.stx_size))
        }
        // A sandbox that does not know the call.
        Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => metadata(path),
        Err(_) => None,
    }
}

#[cfg(not(target_os = "linux"))]
fn seen(path: &Path) -> Option<(Inode, u64)> {
    metadata(path)
}

#[cfg(unix)]
fn metadata(path: &Path) -> Option<(Inode, u64)> {
    use std::os::unix::fs::MetadataExt;
    let found = fs::symlink_metadata(path).ok()?;
    Some((Inode(found.dev(), found.ino()), found.len()))
}

#[cfg(not(unix))]
fn metadata(path: &Path) -> Option<(Inode, u64)> {
    let found = fs::symlink_metadata(path).ok()?;
    Some((Inode(0, 0), found.len()))
}

/// The inode of an open file.
#[cfg(unix)]
pub(crate) fn inode_of(file: &File) -> Option<Inode> {
    use std::os::unix::fs::MetadataExt;
    file.metadata().map(|found| Inode(found.dev(), found.ino())).ok()
}

#[cfg(not(unix))]
pub(crate) fn inode_of(_: &File) -> Option<Inode> {
    Some(Inode(0, 0))
}

/// Whether `file` is the one at `path`.
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    let own = inode_of(file);
    own.is_some() && own == inode(path)
}

/// Opens `file` for writing, made for this user alone if it is not there.
pub(crate) fn open_file(file: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)
}

/// Checks that this process's user owns `path`, and that no other user may write to it. Another owner is reported first:
/// only that user can change the mode.
#[cfg(unix)]
fn private(path: &Path, found: &fs::Metadata) -> Result<(), StoreError> {
    use std::os::unix::fs::MetadataExt;
    let (owner, mode) = (found.uid(), found.mode() & 0o7777);
    if let Some(own) = own_user().filter(|own| *own != owner) {
        let words = format!(
            "belongs to user {owner} (mode {mode:04o}), not to this process's user {own}: run as that user, or set \
             RESILIENCE_STATE to a directory of your own"
        );
        return refused(path, &words);
    }
    if mode & 0o022 != 0 {
        let words = format!(
            "can be written to by others than its user {owner} (mode {mode:04o}): take the right away with `chmod go-w`"
        );
        return refused(path, &words);
    }
    Ok(())
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "as on other systems")]
fn private(_: &Path, _: &fs::Metadata) -> Result<(), StoreError> {
    Ok(())
}

/// The user of this process, where the system says so in a file.
#[cfg(unix)]
fn own_user() -> Option<u32> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The kind of file system that `dir` is on, where the system says so in a file.
fn file_system(dir: &Path) -> Option<String> {
    let dir = fs::canonicalize(dir).ok()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let kind = |line: &str| {
        let (fields, rest) = line.split_once(" - ")?;
        let place = fields.split(' ').nth(4)?.replace("\\040", " ");
        let is_above = dir.starts_with(&place);
        is_above.then(|| (place.len(), rest.split(' ').next().unwrap_or("").to_owned()))
    };
    // The last of several mounts on one place hides the others.
    mounts.lines().filter_map(kind).max_by_key(|(length, _)| *length).map(|(_, kind)| kind)
}

fn is_network(kind: &str) -> bool {
    const KINDS: [&str; 17] = [
        "gpfs",
        "beegfs",
        "ocfs2",
        "gfs2",
        "virtiofs",
        "nfs",
        "nfs4",
        "cifs",
        "smb",
        "smb2",
        "smb3",
        "smbfs",
        "afs",
        "ceph",
        "glusterfs",
        "lustre",
        "9p",
    ];
    // An overlay in user space, as containers without root have it, is on a disk of this host.
    KINDS.contains(&kind) || (kind.starts_with("fuse.") && kind != "fuse.fuse-overlayfs")
}

/// Whether what is written to `dir` is gone with the power.
pub(crate) fn is_volatile(dir: &Path) -> bool {
    matches!(file_system(dir).as_deref(), Some("tmpfs" | "ramfs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known() {
        assert!(["nfs4", "cifs", "fuse.sshfs", "9p", "virtiofs", "gpfs"].into_iter().all(is_network));
        assert!(
            !["ext4", "xfs", "btrfs", "overlay", "tmpfs", "apfs", "fuseblk", "fuse.fuse-overlayfs"]
                .into_iter()
                .any(is_network)
        );
    }
}
