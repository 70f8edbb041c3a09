//! The handlers of events and sinks of alerts that the running code is part of.
//!
//! An event that is raised inside a handler is not delivered to that handler, or it would cause itself without end. The
//! mark goes where the code of the handler goes: to helper threads and carried tasks ([`carry`](super::carry)), and to
//! handlers of events that it raises.

use super::replaced::{Replaced, replace};
use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};

thread_local! {
    static INSIDE: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// Returns the number of a new handler.
pub(crate) fn new_number() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

/// Returns the numbers of the handlers that the running code is part of.
pub(crate) fn here() -> Vec<u64> {
    INSIDE.try_with(|inside| inside.borrow().clone()).unwrap_or_default()
}

/// Makes the running code part of the handlers with these numbers, and of no other, until the guard is dropped.
pub(crate) fn enter(handlers: Vec<u64>) -> Replaced<RefCell<Vec<u64>>> {
    replace(&INSIDE, handlers)
}
