//! Opening what must be a regular file.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Opens the file at `path`, through links, to read it.
///
/// # Errors
///
/// Also for a directory, a pipe or a device: opening a pipe waits for a writer, and reading one need not end.
pub(crate) fn open_to_read(path: &Path) -> io::Result<File> {
    match other_kind(&fs::metadata(path)?) {
        Some(kind) => Err(io::Error::other(format!("it is {kind}, not a regular file"))),
        None => File::open(path),
    }
}

/// Returns what is found in the place of a regular file; `None` if it is one.
pub(crate) fn other_kind(found: &fs::Metadata) -> Option<&'static str> {
    let kind = found.file_type();
    if kind.is_file() {
        return None;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return Some("a pipe");
        }
        if kind.is_socket() {
            return Some("a socket");
        }
    }
    Some(if kind.is_dir() {
        "a directory"
    } else if kind.is_symlink() {
        "a link"
    } else {
        "a device"
    })
}
