//! What these tests share: a directory of their own, an error type, and steps in child processes.

#[path = "../shared/mod.rs"]
mod shared;

use resilience::durable::CheckpointError;
use resilience::{Classify, Rejected};
pub(crate) use shared::*;
use std::cell::Cell;

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
