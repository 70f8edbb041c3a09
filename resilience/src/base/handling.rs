//! Which handlers of events and sinks of alerts the running code is part of.
//!
//! An event that is raised inside a handler is not delivered to that handler, or it would cause itself without end. The
//! mark goes where the code of the handler goes: to helper threads and carried tasks ([`carry`](super::carry)), and to
//! handlers of events that it raises.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};

thread_local! {
    static INSIDE: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// The number of a new handler.
pub(crate) fn new_number() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

/// The numbers of the handlers that the running code is part of.
pub(crate) fn here() -> Vec<u64> {
    INSIDE.try_with(|inside| inside.borrow().clone()).unwrap_or_default()
}

/// The code is part of handlers until this is dropped, then of those of before.
#[derive(Debug)]
pub(crate) struct Inside {
    before: Vec<u64>,
}

/// Makes the running code part of the handlers with these numbers, and of no other.
pub(crate) fn enter(handlers: Vec<u64>) -> Inside {
    Inside { before: INSIDE.try_with(|inside| inside.replace(handlers)).unwrap_or_default() }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let before = std::mem::take(&mut self.before);
        let _ = INSIDE.try_with(|inside| inside.replace(before));
    }
}
