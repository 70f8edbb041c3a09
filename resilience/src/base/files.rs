//! The safety of a place in the file system, and the identity of the file at a path.
//!
//! What others can write to could make this process do their work. So a directory of the library is used only if it
//! belongs to this user, no other user may write to it, and no link leads to it; new ones are made for this user alone.
//! Network file systems are recognised, because locks do not hold there.
//!
//! Every refusal names the file, its owner and mode, and what to do.

#[cfg(feature = "sqlite")]
use super::regular_file::other_kind;
#[cfg(any(feature = "sqlite", feature = "fs"))]
use std::fs::TryLockError;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
#[cfg(any(feature = "fs", feature = "ops"))]
use std::path::PathBuf;

/// The reason why a file or directory cannot be used.
///
/// The modules above turn it into errors of their own.
#[derive(Debug)]
pub(crate) enum Unusable {
    /// The place is not safe.
    Refused(String),
    /// The system refused an operation.
    Failed { kind: io::ErrorKind, words: String },
}

impl From<Unusable> for io::Error {
    fn from(problem: Unusable) -> Self {
        match problem {
            Unusable::Refused(words) => Self::new(io::ErrorKind::PermissionDenied, words),
            Unusable::Failed { kind, words } => Self::new(kind, words),
        }
    }
}

/// Returns the error about the file or directory at `path`.
pub(crate) fn failed(path: &Path) -> impl Fn(io::Error) -> Unusable {
    move |error| {
        let rights = match error.kind() {
            io::ErrorKind::PermissionDenied => rights(path),
            _ => String::new(),
        };
        Unusable::Failed { kind: error.kind(), words: format!("{}: {error}{rights}", path.display()) }
    }
}

/// Returns whose right is missing at `path`, or at its directory if it is not there, and what to do.
fn rights(path: &Path) -> String {
    let at = if fs::symlink_metadata(path).is_ok() { path } else { path.parent().unwrap_or(path) };
    match owner_and_user(at) {
        text if text.is_empty() => text,
        text => format!("{text}; run as its user, and allow that with `{}`", allowing(at.is_dir())),
    }
}

/// Returns the command that lets the owner of a directory or file use it.
fn allowing(is_dir: bool) -> &'static str {
    if is_dir { "chmod u+rwx" } else { "chmod u+rw" }
}

/// Refuses a path. The words follow it, as in "/var/state belongs to ..".
fn refused<T>(path: &Path, words: &str) -> Result<T, Unusable> {
    Err(Unusable::Refused(format!("{} {words}", path.display())))
}

/// Makes `dir` and the directories above it, as far as they are missing, for this user alone.
///
/// Each directory that is made is synced into the one above it, so that a store in it is found after a power cut.
/// Existing directories are not changed, whatever their mode: [`inspect`] judges them.
fn make(dir: &Path) -> Result<(), Unusable> {
    if dir.as_os_str().is_empty() || dir.is_dir() {
        return Ok(());
    }
    let above = dir.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make(above)?;
    match private_dir().create(dir) {
        Ok(()) => {
            dir_for_owner(dir).map_err(failed(dir))?;
            #[cfg(all(unix, feature = "tracing"))]
            warn_of_owner(dir, above);
            sync_dir(above)
        }
        // Another process was faster; what else is there is looked at next.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(not_made(dir, above, &error)),
    }
}

/// Warns that `dir` was made in a directory that another user has alone.
#[cfg(all(unix, feature = "tracing"))]
fn warn_of_owner(dir: &Path, above: &Path) {
    let Some(text) = own_user().and_then(|own| warning_of_owner(dir, above, own, "was made")) else { return };
    crate::base::guarded::guarded(|| tracing::warn!(target: "resilience::store", "{text}"));
}

/// Returns the warning about `dir`, which "was made" or "will be made" for the user `own` in the directory `above`, if
/// another user has that alone, who cannot use `dir`: as root with the `HOME` of that user.
///
/// Nothing is refused: in a container the home directory may belong to a user that does not matter there. The user root
/// has the directories of the system, and those that others may write to are shared on purpose.
#[cfg(unix)]
pub fn warning_of_owner(dir: &Path, above: &Path, own: u32, made: &str) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let found = fs::metadata(above).ok()?;
    if [own, 0].contains(&found.uid()) || found.mode() & 0o022 != 0 {
        return None;
    }
    let (dir, above, user) = (dir.display(), above.display(), found.uid());
    Some(format!(
        "{dir} {made} for user {own} in {above}, which belongs to user {user}, who cannot use it: set HOME \
         (`sudo -H`) or RESILIENCE_STATE to a directory of user {own}, or give it to user {user} with `chown`"
    ))
}

/// Returns a builder of directories for this user alone, where the system has modes.
fn private_dir() -> DirBuilder {
    #[cfg(not(unix))]
    return DirBuilder::new();
    #[cfg(unix)]
    {
        let mut builder = DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
    }
}

/// Returns the mode with which the owner can use a file or directory, if the process's mask has left less.
#[cfg(unix)]
fn usable(found: &fs::Metadata) -> Option<fs::Permissions> {
    use std::os::unix::fs::PermissionsExt;
    let (mode, least) = (found.permissions().mode() & 0o7777, if found.is_dir() { 0o700 } else { 0o600 });
    (mode & least != least).then(|| fs::Permissions::from_mode(mode | least))
}

#[cfg(not(unix))]
fn usable(_: &fs::Metadata) -> Option<fs::Permissions> {
    None
}

/// Lets its owner use the directory `dir`, which was just made.
pub(crate) fn dir_for_owner(dir: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(dir)?;
    usable(&found).filter(|_| found.is_dir()).map_or(Ok(()), |mode| fs::set_permissions(dir, mode))
}

/// Lets its owner use `file`, which was just made.
#[cfg(any(feature = "fs", feature = "ops"))]
pub(crate) fn file_for_owner(file: &File) -> io::Result<()> {
    usable(&file.metadata()?).map_or(Ok(()), |mode| file.set_permissions(mode))
}

/// Returns the path in the working directory of now; no file is looked at.
///
/// A path that is kept is made absolute when it is given, so that a change of the working directory leads nowhere else.
#[cfg(any(feature = "fs", feature = "ops"))]
pub(crate) fn absolute(path: impl Into<PathBuf>) -> PathBuf {
    let path = path.into();
    std::path::absolute(&path).unwrap_or(path)
}

/// Refuses to make `dir` in a directory that another user has alone, who could not use it then.
#[cfg(all(unix, feature = "fs"))]
pub(crate) fn not_made_for_another(dir: &Path) -> Result<(), Unusable> {
    use std::os::unix::fs::MetadataExt;
    if fs::symlink_metadata(dir).is_ok() {
        return Ok(());
    }
    let Some((above, Ok(found))) = dir.parent().map(|above| (above, fs::metadata(above))) else {
        return Ok(());
    };
    // The user root has the directories of the system, and those that others may write to are shared on purpose.
    if found.uid() == 0 || found.mode() & 0o022 != 0 { Ok(()) } else { private(above, &found) }
}

#[cfg(all(not(unix), feature = "fs"))]
#[expect(clippy::unnecessary_wraps, reason = "as on other systems")]
pub(crate) fn not_made_for_another(_: &Path) -> Result<(), Unusable> {
    Ok(())
}

/// Refuses a file or directory that its own user cannot read.
#[cfg(unix)]
pub(crate) fn of_use(path: &Path, found: &fs::Metadata) -> Result<(), Unusable> {
    use std::os::unix::fs::MetadataExt;
    let (mode, least) = (found.mode() & 0o7777, if found.is_dir() { 0o500 } else { 0o400 });
    if mode & least == least || own_user().is_none_or(|own| own == 0) {
        return Ok(());
    }
    let words = format!(
        "cannot be used by its own user {} (mode {mode:04o}): allow it with `{}`",
        found.uid(),
        allowing(found.is_dir())
    );
    refused(path, &words)
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "as on other systems")]
pub(crate) fn of_use(_: &Path, _: &fs::Metadata) -> Result<(), Unusable> {
    Ok(())
}

/// Returns why `dir` could not be made in the directory `above`, which refused it.
fn not_made(dir: &Path, above: &Path, error: &io::Error) -> Unusable {
    let words = || {
        let words = format!("{} cannot be made in {}: {error}", dir.display(), above.display());
        if error.kind() != io::ErrorKind::PermissionDenied {
            return words;
        }
        format!("{words}{}; set RESILIENCE_STATE to a directory of your own", owner_and_user(above))
    };
    Unusable::Failed { kind: error.kind(), words: words() }
}

/// Returns the owner of `dir` and the user of this process, for an error; an empty text if that is not known.
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

/// Makes `dir` if it does not exist, for this user alone, and checks that it is safe; `advice` says what to do if it is
/// on a network file system, which is allowed without one.
pub(crate) fn prepare(dir: &Path, advice: Option<&str>) -> Result<(), Unusable> {
    make(dir)?;
    inspect(dir, advice)
}

/// The file that says what a directory is.
const README: &str = "README";
/// The text for a directory of state.
#[cfg(any(feature = "sqlite", feature = "ops"))]
pub(crate) const ABOUT_STATE: &str = "State of a program that uses the Rust library `resilience`: its jobs, steps, alerts and locks.\n\
    Do not remove files while the program runs, nor while a job is unfinished: what was recorded would run again.\n";

/// Writes `about` into a file of `dir`, for this user alone, if that file does not exist.
///
/// It is for people: a directory without it works as well.
pub(crate) fn describe(dir: &Path, about: &str) {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let _ = options.open(dir.join(README)).and_then(|mut file| file.write_all(about.as_bytes()));
}

/// Checks that `dir` is safe; see [`prepare`].
pub(crate) fn inspect(dir: &Path, advice: Option<&str>) -> Result<(), Unusable> {
    let found = fs::symlink_metadata(dir).map_err(failed(dir))?;
    if found.is_symlink() {
        let to = fs::canonicalize(dir).map_err(failed(dir))?;
        return refused(dir, &format!("is a link: name the directory that it leads to, {}", to.display()));
    }
    if !found.is_dir() {
        return refused(dir, "is not a directory");
    }
    private(dir, &found)?;
    of_use(dir, &found)?;
    advice.map_or(Ok(()), |advice| not_on_network(dir, advice))
}

/// Checks that `dir` is on a file system of this host.
pub(crate) fn not_on_network(dir: &Path, advice: &str) -> Result<(), Unusable> {
    match file_system(dir) {
        Some(kind) if is_network(&kind) => {
            refused(dir, &format!("is on a network file system ({kind}), {advice}"))
        }
        _ => Ok(()),
    }
}

/// Makes the names in `dir` survive a power cut.
///
/// Does nothing on other systems than Unix, where a directory cannot be opened.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), Unusable> {
    if cfg!(unix) {
        return File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed(dir));
    }
    Ok(())
}

/// The identity of a file among all others of this machine.
///
/// Device and number. It is used again once the file is removed and closed by all, so that only an inode that is
/// held open identifies a file for certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Inode(pub(crate) u64, pub(crate) u64);

/// Returns the file at `path`; `None` if there is none.
///
/// A link at `path` is not followed: it is a file of its own.
pub(crate) fn inode(path: &Path) -> Option<Inode> {
    seen(path).ok().flatten().map(|(inode, _)| inode)
}

/// Returns the size of the file at `path` in bytes; 0 if there is none.
#[cfg(feature = "sqlite")]
pub(crate) fn size(path: &Path) -> u64 {
    seen(path).ok().flatten().map_or(0, |(_, bytes)| bytes)
}

/// Returns the file at `path` and its size, which is looked up before every commit; `None` if there is none.
///
/// The times are not requested: after a request Linux gives the next write a time of its own, which the next sync has
/// to write, too.
#[cfg(target_os = "linux")]
pub(crate) fn seen(path: &Path) -> io::Result<Option<(Inode, u64)>> {
    use rustix::fs::{AtFlags, CWD, StatxFlags, makedev, statx};
    match statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::INO | StatxFlags::SIZE) {
        Ok(found) => {
            let device = makedev(found.stx_dev_major, found.stx_dev_minor);
            Ok(Some((Inode(device, found.stx_ino), found.stx_size)))
        }
        // A sandbox that does not know the call.
        Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => metadata(path),
        Err(error) => if_any(Err(error.into())),
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn seen(path: &Path) -> io::Result<Option<(Inode, u64)>> {
    metadata(path)
}

/// Returns `None` for a file that is not there. Any other failed look, such as at a directory that may not be entered,
/// does not say whether it is.
fn if_any<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Returns the file and its size from `lstat`, on systems without `statx`.
#[cfg(unix)]
fn metadata(path: &Path) -> io::Result<Option<(Inode, u64)>> {
    use std::os::unix::fs::MetadataExt;
    let found = if_any(fs::symlink_metadata(path))?;
    Ok(found.map(|found| (Inode(found.dev(), found.ino()), found.len())))
}

/// Returns the size. Without inodes all files are equal: that a file was replaced is not noticed.
#[cfg(not(unix))]
fn metadata(path: &Path) -> io::Result<Option<(Inode, u64)>> {
    let found = if_any(fs::symlink_metadata(path))?;
    Ok(found.map(|found| (Inode(0, 0), found.len())))
}

/// Returns the file that the link at `path` leads to.
#[cfg(all(unix, feature = "fs"))]
pub(crate) fn inode_behind(path: &Path) -> Option<Inode> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).ok().map(|found| Inode(found.dev(), found.ino()))
}

#[cfg(all(not(unix), feature = "fs"))]
pub(crate) fn inode_behind(_: &Path) -> Option<Inode> {
    None
}

/// Returns the inode of an open file.
#[cfg(unix)]
pub(crate) fn inode_of(file: &File) -> Option<Inode> {
    use std::os::unix::fs::MetadataExt;
    file.metadata().map(|found| Inode(found.dev(), found.ino())).ok()
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "as on other systems")]
pub(crate) fn inode_of(_: &File) -> Option<Inode> {
    Some(Inode(0, 0))
}

/// Returns whether `file` is the one at `path`.
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    let own = inode_of(file);
    own.is_some() && own == inode(path)
}

/// Opens `file` for writing, made for this user alone if it is not there.
///
/// # Errors
///
/// Also for a pipe, which waits for a reader, and for whatever else is not a regular file.
#[cfg(feature = "sqlite")]
pub(crate) fn open_file(file: &Path) -> io::Result<File> {
    if let Some(kind) = fs::metadata(file).ok().and_then(|found| other_kind(&found)) {
        return Err(io::Error::other(format!("it is {kind}, not a regular file")));
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)
}

/// Checks that this process's user owns `path`, and that no other user may write to it. Another owner is reported
/// first: only that user can change the mode.
#[cfg(unix)]
pub(crate) fn private(path: &Path, found: &fs::Metadata) -> Result<(), Unusable> {
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
            "can be written to by users other than its owner {owner} (mode {mode:04o}): run `chmod go-w` on it"
        );
        return refused(path, &words);
    }
    Ok(())
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "as on other systems")]
pub(crate) fn private(_: &Path, _: &fs::Metadata) -> Result<(), Unusable> {
    Ok(())
}

/// Returns the user of this process, if the system shows it in a file.
///
/// The effective user, which decides what the kernel allows. `None` where there is no `/proc`: then owners are not
/// compared.
#[cfg(unix)]
pub(crate) fn own_user() -> Option<u32> {
    let status = kernel_text("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Returns the text of a file of the kernel. Names of programs and mounts in it may have any bytes: those that are not
/// UTF-8 become U+FFFD.
pub(crate) fn kernel_text(path: impl AsRef<Path>) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&fs::read(path)?).into_owned())
}

/// Returns the kind of file system that `dir` is on, if the system shows it in a file.
///
/// `None` where there is no `/proc`, as on macOS: such a directory is treated as a local one.
fn file_system(dir: &Path) -> Option<String> {
    let dir = fs::canonicalize(dir).ok()?;
    kind_in(&kernel_text("/proc/self/mountinfo").ok()?, Path::new(&*dir.to_string_lossy()))
}

/// Returns the kind of the file system with `dir`, a path without links, by the lines of `mounts`.
fn kind_in(mounts: &str, dir: &Path) -> Option<String> {
    // The backslash is the last one: the digits behind it may be part of the name.
    const ESCAPED: [(&str, &str); 4] = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    let kind = |line: &str| {
        let (fields, rest) = line.split_once(" - ")?;
        let place = fields.split(' ').nth(4)?.to_owned();
        let place = ESCAPED.iter().fold(place, |place, (escape, meaning)| place.replace(escape, meaning));
        let is_above = dir.starts_with(&place);
        is_above.then(|| (place.len(), rest.split(' ').next().unwrap_or("").to_owned()))
    };
    // The last of several mounts on one place hides the others.
    mounts.lines().filter_map(kind).max_by_key(|(length, _)| *length).map(|(_, kind)| kind)
}

/// Returns whether the locks or caches of a file system are not shared by all hosts that mount it; of those in user
/// space (`fuse.*`) all but one count, because their servers are not known.
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

/// Returns whether files in `dir` are lost with the power.
#[cfg(feature = "sqlite")]
pub(crate) fn is_volatile(dir: &Path) -> bool {
    matches!(file_system(dir).as_deref(), Some("tmpfs" | "ramfs"))
}

/// The number of times that a file is opened again that others remove between opening and locking it.
#[cfg(any(feature = "sqlite", feature = "fs"))]
const TRIES: u32 = 1_000;

/// Opens the file at `path` with `open` and locks it; `None` if another handle has it locked.
///
/// The opened file is compared with that at the path once it is locked: a file that was removed before that is locked
/// for no other process, so the new one is opened again.
#[cfg(any(feature = "sqlite", feature = "fs"))]
pub(crate) fn try_lock(
    path: &Path,
    is_shared: bool,
    open: impl Fn(&Path) -> io::Result<File>,
) -> io::Result<Option<File>> {
    for _ in 0..TRIES {
        let file = open(path)?;
        match if is_shared { file.try_lock_shared() } else { file.try_lock() } {
            Ok(()) if is_at(&file, path) => return Ok(Some(file)),
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::Error::other("other processes keep removing it"))
}

/// Removes the file at `path` if no handle has it locked, and `may_go` agrees while it is held locked here; whether it
/// was removed.
#[cfg(any(feature = "sqlite", feature = "fs"))]
pub(crate) fn remove_unlocked(path: &Path, may_go: impl FnOnce(&File) -> bool) -> bool {
    let Ok(file) = OpenOptions::new().read(true).write(true).open(path) else { return false };
    let is_own = file.try_lock().is_ok() && is_at(&file, path) && may_go(&file);
    let is_gone = is_own && fs::remove_file(path).is_ok();
    let _ = file.unlock();
    is_gone
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_recognized() {
        assert!(["nfs4", "cifs", "fuse.sshfs", "9p", "virtiofs", "gpfs"].into_iter().all(is_network));
        assert!(
            !["ext4", "xfs", "btrfs", "overlay", "tmpfs", "apfs", "fuseblk", "fuse.fuse-overlayfs"]
                .into_iter()
                .any(is_network)
        );
    }

    #[test]
    fn a_mount_is_found_whatever_is_in_its_path() {
        let mounts = r"22 1 0:20 / / rw - ext4 /dev/sda1 rw
23 22 0:21 / /a\040b rw - nfs server:/ rw
24 22 0:22 / /a\011b rw,relatime shared:1 - cifs //server/a rw
25 22 0:23 / /a\134040b rw - 9p a rw
26 22 0:24 / /a\012b rw - ceph a rw";
        for (dir, kind) in
            [("/a b/c", "nfs"), ("/a\tb", "cifs"), (r"/a\040b", "9p"), ("/a\nb", "ceph"), ("/ab", "ext4")]
        {
            assert_eq!(kind_in(mounts, Path::new(dir)).as_deref(), Some(kind), "{dir}");
        }
    }

    /// The kernel cuts the name off after 15 bytes, also in the middle of a character.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_user_is_known_whatever_the_name_of_the_program() {
        let name = fs::read("/proc/self/comm").expect("the name of this program");
        fs::write("/proc/self/comm", b"pr\xc3\xbcfung\xc3").expect("another name");
        let own = own_user();
        fs::write("/proc/self/comm", name).expect("the name before");
        assert!(own.is_some());
    }
}
