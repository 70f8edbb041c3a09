//! Whether a place in the file system is safe for a store, and the files in it.

use crate::durable::store::StoreError;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::path::Path;

fn failed(path: &Path) -> impl Fn(io::Error) -> StoreError {
    move |error| match error.kind() {
        io::ErrorKind::StorageFull => StoreError::Full,
        io::ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly,
        _ => StoreError::Unavailable(format!("{}: {error}", path.display())),
    }
}

fn refused<T>(path: &Path, words: &str) -> Result<T, StoreError> {
    Err(StoreError::Refused(format!("{} {words}", path.display())))
}

/// Makes `dir` if it is not there, for this user alone, and sees that it is safe.
pub(crate) fn prepare(dir: &Path, allow_network: bool) -> Result<(), StoreError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(failed(dir))?;
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

/// Makes `file` if it is not there, for this user alone, and sees that it is safe.
pub(crate) fn prepare_file(file: &Path) -> Result<(), StoreError> {
    match fs::symlink_metadata(file) {
        Ok(found) if !found.is_file() => refused(file, "is no file of its own but a link"),
        Ok(found) => {
            private(file, &found)?;
            // What SQLite says of a file that it may only read does not name the reason.
            open_file(file).map(drop).map_err(failed(file))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            open_file(file).map(drop).map_err(failed(file))
        }
        Err(error) => Err(failed(file)(error)),
    }
}

/// Opens `file` for writing, made for this user alone if it is not there.
pub(crate) fn open_file(file: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)
}

/// Nobody else owns it or may write to it.
#[cfg(unix)]
fn private(path: &Path, found: &fs::Metadata) -> Result<(), StoreError> {
    use std::os::unix::fs::MetadataExt;
    if found.mode() & 0o022 != 0 {
        return refused(path, "can be written to by others: take the right away with `chmod go-w`");
    }
    match own_user() {
        Some(own) if own != found.uid() => {
            refused(path, &format!("belongs to user {}, not to this process's user {own}", found.uid()))
        }
        _ => Ok(()),
    }
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
    const KINDS: [&str; 12] =
        ["nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre", "9p"];
    KINDS.contains(&kind) || kind.starts_with("fuse")
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
        assert!(["nfs4", "cifs", "fuse.sshfs", "9p"].into_iter().all(is_network));
        assert!(!["ext4", "xfs", "btrfs", "overlay", "tmpfs", "apfs"].into_iter().any(is_network));
    }
}
