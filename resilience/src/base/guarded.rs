//! Calls into code of the program that must not change what a call returns.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

static HOOK_PANICS: AtomicU64 = AtomicU64::new(0);

/// Returns how often a hook, or a subscriber of `tracing`, has panicked in this process at an event of this
/// library. The panic goes no further: the call ends as it would have ended without it.
pub fn hook_panics() -> u64 {
    HOOK_PANICS.load(Ordering::Relaxed)
}

/// Calls code of the program, a hook or a subscriber, and counts its panic instead of passing it on.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    let result = catch_unwind(AssertUnwindSafe(work));
    if result.is_err() {
        HOOK_PANICS.fetch_add(1, Ordering::Relaxed);
    }
    result.ok()
}
