//! The file of alerts: appending a line and rotation, both under one lock between processes.
//!
//! # Invariants
//!
//! - Only `alerts.lock` is locked, and it is never renamed or removed. Whoever holds it finds the file at its path to
//!   be the one to write to, and nothing is written to a file that was renamed.
//! - A file without a newline at its end has a line that its writer did not finish: the next line begins with one.

use crate::base::files::{self, is_at};
use crate::base::regular_file::open_to_read;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The file that gets new lines.
const NAME: &str = "alerts.jsonl";
const LOCK: &str = "alerts.lock";
/// The most files, including the one that gets new lines.
const FILES: u32 = 5;
/// The size at which a file is rotated, in bytes.
pub(super) const LARGEST: u64 = 10 << 20;

/// Returns the path of the `n`th file of `dir`, from the newest one.
fn path(dir: &Path, n: u32) -> PathBuf {
    dir.join(if n == 0 { NAME.to_owned() } else { format!("{NAME}.{n}") })
}

/// Returns the paths of all files of `dir`, the newest first.
pub(super) fn paths(dir: &Path) -> Vec<PathBuf> {
    (0..FILES).map(|n| path(dir, n)).collect()
}

/// Opens a file of this user alone, never through a link.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(io::Error::other(format!("{} is a link or no file", path.display())));
    }
    let file = options.open(path)?;
    files::private(path, &file.metadata()?)?;
    files::file_for_owner(&file)?;
    Ok(file)
}

/// The lock of the files of a directory, free again when it is dropped.
///
/// The file is unlocked before it is closed: a process that was forked meanwhile has the descriptor, too, and would keep a
/// lock that is only closed.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

impl Lock {
    /// Waits for the lock of a writer.
    pub(super) fn exclusive(dir: &Path) -> io::Result<Self> {
        let path = dir.join(LOCK);
        loop {
            let file = open(&path)?;
            match file.lock() {
                Ok(()) if is_at(&file, &path) => return Ok(Self(file)),
                Ok(()) => {}
                // The program may have a signal handler that does not restart system calls.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes the lock of a reader, without waiting for a writer. A directory without a lock has no writer.
    pub(super) fn shared(dir: &Path) -> io::Result<Option<Self>> {
        let Ok(file) = open_to_read(&dir.join(LOCK)) else { return Ok(None) };
        file.try_lock_shared()?;
        Ok(Some(Self(file)))
    }
}

/// The files of one directory, to append to.
///
/// The file stays open between two lines. Before each write its inode is compared with the one at the path, because
/// another process may have rotated it.
#[derive(Debug)]
pub(super) struct LogFile {
    dir: PathBuf,
    largest: u64,
    file: Option<File>,
}

impl LogFile {
    pub(super) fn new(dir: PathBuf, largest: u64) -> Self {
        Self { dir, largest, file: None }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes the directory, for this user alone.
    pub(super) fn prepare(&self) -> io::Result<()> {
        Ok(files::prepare(&self.dir, None)?)
    }

    /// Appends lines with their ends in one write; with `synced` it survives a power cut from here on. After an error
    /// nothing of them is in the file, or only a part that readers skip, or all of them without being synced.
    pub(super) fn append(&mut self, lines: &[u8], synced: bool) -> io::Result<()> {
        self.prepare()?;
        let _lock = Lock::exclusive(&self.dir)?;
        let newest = path(&self.dir, 0);
        let mut file =
            self.file.take().filter(|file| is_at(file, &newest)).map_or_else(|| open(&newest), Ok)?;
        let mut length = file.metadata()?.len();
        if length > 0 && length.saturating_add(lines.len() as u64) > self.largest {
            self.rotate()?;
            file = open(&newest)?;
            length = 0;
        }
        write(&mut file, lines, synced)?;
        if length == 0 {
            files::describe(&self.dir, files::ABOUT_STATE);
            if synced {
                files::sync_dir(&self.dir)?;
            }
        }
        self.file = Some(file);
        Ok(())
    }

    /// Renames each file to the next older place, the last of which goes.
    fn rotate(&self) -> io::Result<()> {
        for n in (0..FILES - 1).rev() {
            match fs::rename(path(&self.dir, n), path(&self.dir, n + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Opens the file at `path` for more lines; how long it is.
pub(super) fn append_to(path: &Path) -> io::Result<(File, u64)> {
    let file = open(path)?;
    let length = file.metadata()?.len();
    Ok((file, length))
}

/// Appends lines with their ends in one write, under the lock, and then waits for the disk if `synced`. After an error
/// of the write nothing of them is in the file, unless the disk refuses to shorten it. After one of the disk they stay:
/// a follower may have read them, and would look for the next line behind them.
pub(super) fn write(file: &mut File, lines: &[u8], synced: bool) -> io::Result<()> {
    let length = file.metadata()?.len();
    let begins_with = if ends_in_newline(file, length)? { &b""[..] } else { b"\n" };
    let bytes = [begins_with, lines].concat();
    write_once(file, &bytes).inspect_err(|_| {
        let _ = file.set_len(length);
    })?;
    if synced { file.sync_data() } else { Ok(()) }
}

fn ends_in_newline(file: &mut File, length: u64) -> io::Result<bool> {
    if length == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::Start(length - 1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// Writes `bytes` in one call: parts of two writers must never be mixed, not even where the lock does not hold.
fn write_once(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    loop {
        match file.write(bytes) {
            Ok(written) if written == bytes.len() => return Ok(()),
            Ok(_) => return Err(io::Error::new(io::ErrorKind::StorageFull, "only a part was written")),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
