//! The cached calls that the running code is part of, innermost first: a call that meets itself must not wait for
//! itself. They travel where the limits of timeouts travel.

use super::replaced::{Replaced, replace};
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// One cached call that runs.
#[derive(Debug)]
pub(crate) struct Mark {
    /// The table and the hash of the key.
    of: (usize, u64),
    /// Whether a retry in the call gave up for lack of time.
    out_of_time: AtomicBool,
    /// Whether a simpler call in it answered, or a call with another value.
    degraded: AtomicBool,
    around: Option<Arc<Self>>,
}

thread_local! {
    static INNERMOST: RefCell<Option<Arc<Mark>>> = const { RefCell::new(None) };
}

/// Returns the innermost call that the running code is part of.
pub(crate) fn innermost() -> Option<Arc<Mark>> {
    INNERMOST.try_with(|innermost| innermost.borrow().clone()).ok().flatten()
}

/// Returns a mark and those around it: each keeps the mark that it was made in.
fn chain(first: Option<&Arc<Mark>>) -> impl Iterator<Item = &Arc<Mark>> {
    std::iter::successors(first, |mark| mark.around.as_ref())
}

/// Returns whether the running code is part of a call for the key with this hash in this table.
pub(crate) fn is_inside(of: (usize, u64)) -> bool {
    chain(innermost().as_ref()).any(|mark| mark.of == of)
}

/// Notes that a retry gives up because its time is over, and so do the calls that it is part of.
#[cold]
pub(crate) fn out_of_time() {
    for mark in chain(innermost().as_ref()) {
        mark.out_of_time.store(true, Ordering::Relaxed);
    }
}

/// Notes that a simpler call answers, or one with another value: the calls around it return less than was requested.
#[cold]
pub(crate) fn degraded() {
    for mark in chain(innermost().as_ref()) {
        mark.degraded.store(true, Ordering::Relaxed);
    }
}

impl Mark {
    /// Creates the mark of a call inside those that the running code is part of.
    pub(crate) fn new(of: (usize, u64)) -> Arc<Self> {
        Arc::new(Self {
            of,
            out_of_time: AtomicBool::new(false),
            degraded: AtomicBool::new(false),
            around: innermost(),
        })
    }

    /// Returns whether a simpler call inside it answered, or a call with another value.
    pub(crate) fn is_degraded(&self) -> bool {
        self.degraded.load(Ordering::Relaxed)
    }

    /// Returns whether a retry inside it gave up for lack of time.
    pub(crate) fn is_out_of_time(&self) -> bool {
        self.out_of_time.load(Ordering::Relaxed)
    }
}

/// Makes the running code part of the call of `mark`, if there is one, until the guard is dropped.
pub(crate) fn enter(mark: Option<Arc<Mark>>) -> Replaced<RefCell<Option<Arc<Mark>>>> {
    replace(&INNERMOST, mark)
}
