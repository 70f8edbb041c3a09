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
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    File::open(path)
}
