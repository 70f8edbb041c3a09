//! What the tests share that use files or processes: a directory of their own, this program in another process, and the
//! number of warnings.

#![allow(dead_code, reason = "each test program uses its part")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// A directory that is gone when the test is over.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("resilience-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let dir = place().join(name);
        std::fs::create_dir_all(&dir).expect("a directory");
        Self(dir.canonicalize().expect("a directory"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file and returns its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Returns the directory in which tests write. On Linux it is in memory, because waiting for a disk took most of the time
/// of the tests; tests of power cuts replay the writes and syncs that they recorded.
pub(crate) fn place() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if std::env::var_os("TMPDIR").is_none() && memory.is_dir() { memory } else { std::env::temp_dir() }
}

/// Puts a pipe at `path`: a reader that opens it waits for a writer.
pub(crate) fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").args(["-m", "600"]).arg(path).status().expect("mkfifo").success());
}

/// This test program again, to run the ignored test `name` only.
pub(crate) fn child(name: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", name, "--ignored", "--quiet", "--nocapture", "--test-threads=1"]);
    command.env("TEST_DIR", dir);
    command
}

/// The directory that [`child`] was given; `None` in a run of all ignored tests.
pub(crate) fn given_dir() -> Option<PathBuf> {
    std::env::var_os("TEST_DIR").map(PathBuf::from)
}

/// Counts the warnings of one target.
#[derive(Clone)]
pub(crate) struct Warnings {
    target: &'static str,
    count: Arc<AtomicU32>,
}

impl Warnings {
    pub(crate) fn of(target: &'static str) -> Self {
        Self { target, count: Arc::default() }
    }

    pub(crate) fn count(&self) -> u32 {
        self.count.load(Ordering::SeqCst)
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN && metadata.target() == self.target
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        self.count.fetch_add(1, Ordering::SeqCst);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
