//! A file that is locked.

use std::fs::File;

/// A file that is locked, and unlocked when this is dropped.
///
/// The file is unlocked before it is closed: a child between fork and exec, or a duplicate of the descriptor, would
/// keep a lock that is only closed. In a process other than the one that has locked it nothing happens: an unlock in a
/// forked child would free the lock of its parent.
#[derive(Debug)]
pub(super) struct Locked {
    pub(super) file: File,
    process: u32,
    is_held: bool,
}

impl Locked {
    pub(super) fn new(file: File) -> Self {
        Self { file, process: std::process::id(), is_held: true }
    }

    pub(super) fn unlock(&mut self) {
        if self.is_ours() && std::mem::take(&mut self.is_held) {
            let _ = self.file.unlock();
        }
    }

    pub(super) fn is_ours(&self) -> bool {
        self.process == std::process::id()
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        self.unlock();
    }
}
