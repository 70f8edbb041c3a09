//! The choice of one of several counters for a thread.
//!
//! A counter that all threads write is a cache line that they take from each other. So events of every call are counted
//! in one of [`SHARDS`] lines, and read as their sum. A thread gets its number once; more threads than lines share.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of threads that count separately; more threads share, and all of a model.
pub(crate) const SHARDS: usize = if cfg!(loom) { 1 } else { 8 };

thread_local! {
    /// The number of this thread; none until it was given one.
    static OWN: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// Returns the number of this thread; at least [`SHARDS`] until it is assigned one.
#[inline]
pub(crate) fn own() -> usize {
    OWN.get()
}

/// Assigns a number to this thread, if it has none; returns it.
#[cold]
#[inline(never)]
pub(crate) fn assign() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    if OWN.get() >= SHARDS {
        OWN.set(NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS);
    }
    OWN.get()
}

/// Returns the number of this thread, which is assigned now if it has none.
#[cfg(feature = "ops")]
#[inline]
pub(crate) fn own_or_assigned() -> usize {
    match own() {
        own if own < SHARDS => own,
        _ => assign() % SHARDS,
    }
}
