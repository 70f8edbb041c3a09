//! Which of several counters a thread counts in.
//!
//! A counter that all threads write is a cache line that they take from each other. So what every call counts is counted
//! in one of [`SHARDS`] lines, and read as their sum. A thread gets its number once; more threads than lines share.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many threads count apart; more of them share, and all of a model.
pub(crate) const SHARDS: usize = if cfg!(loom) { 1 } else { 8 };

thread_local! {
    /// The number of this thread; none until it was given one.
    static OWN: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// The number of this thread; beyond [`SHARDS`] until it is given one.
#[inline]
pub(crate) fn own() -> usize {
    OWN.get()
}

/// Gives this thread a number, if it has none; returns it.
#[cold]
#[inline(never)]
pub(crate) fn assign() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    if OWN.get() >= SHARDS {
        OWN.set(NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS);
    }
    OWN.get()
}

/// The number of this thread, which is given one now if it has none.
#[cfg(feature = "ops")]
#[inline]
pub(crate) fn own_or_assigned() -> usize {
    match own() {
        own if own < SHARDS => own,
        _ => assign() % SHARDS,
    }
}
