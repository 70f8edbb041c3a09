//! What these tests share: a directory of their own, an error type, and steps in child processes.

use resilience::durable::CheckpointError;
use resilience::{Classify, Rejected};
use std::cell::Cell;
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
        let name =
            format!("resilience-store-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&dir).expect("a directory");
        Self(dir)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[derive(Debug, Classify, PartialEq)]
pub(crate) enum Error {
    #[classify(transparent)]
    Rejected(Rejected),
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

impl Error {
    /// The error of the checkpoint itself.
    pub(crate) fn checkpoint(self) -> CheckpointError {
        match self {
            Self::Rejected(Rejected::Checkpoint(error)) => *error,
            other => panic!("no error of a checkpoint: {other:?}"),
        }
    }
}

/// Waits for a future of a store that needs no runtime.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    futures::executor::block_on(future)
}

/// This test program again, to run the ignored test `name` only.
pub(crate) fn child(name: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", name, "--ignored", "--quiet", "--nocapture", "--test-threads=1"]);
    command.env("STORE_TEST_DIR", dir);
    command
}

/// The directory that [`child`] was given; `None` in a run of all ignored tests.
pub(crate) fn given_dir() -> Option<PathBuf> {
    std::env::var_os("STORE_TEST_DIR").map(PathBuf::from)
}

/// Numbers that are the same on every machine: a linear congruential generator (Knuth, MMIX).
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn seeded(seed: u64) -> Self {
        let mut random = Self(seed);
        random.below(1);
        random
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

/// The quarantine of the default store: why, and the bytes, the newest first.
pub(crate) fn quarantined() -> Vec<(String, Vec<u8>)> {
    use resilience::checkpoints::blocking::{quarantine, quarantined};
    let entries = quarantine(10).expect("a store");
    let shown = |id| quarantined(id).expect("a store").expect("the entry").bytes.expect("its bytes");
    entries.into_iter().map(|entry| (entry.why.clone(), shown(entry.id))).collect()
}

thread_local! {
    static RUNS: Cell<u32> = const { Cell::new(0) };
}

/// One more run of a body; how many there were before it.
pub(crate) fn ran() -> u32 {
    RUNS.with(|runs| runs.replace(runs.get() + 1))
}

/// How many runs there were since this was asked last.
pub(crate) fn runs() -> u32 {
    RUNS.with(|runs| runs.replace(0))
}

/// Counts what is reported at WARN of stores.
#[derive(Clone, Default)]
pub(crate) struct Warnings(Arc<AtomicU32>);

impl Warnings {
    /// How many there were.
    pub(crate) fn count(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN && metadata.target() == "resilience::store"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
