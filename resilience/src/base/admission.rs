//! Since when the running code is admitted, for what measures how long a service takes: a call that waits for a slot or a
//! permit below is not slow.
//!
//! What measures keeps the moment in a word of its own and makes it known while its body runs or is polled. What waits for
//! admission in the same stack writes there that it waits, and then since when it does not. A body on the helper thread of
//! a timeout is not seen: its waits count as time of the service.

use super::clock::{nanos, now};
use super::scope::Stack;
use std::cell::Cell;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The call that the running code is part of, and since when it is admitted.
#[derive(Clone, Copy, Debug)]
struct Measured {
    stack: Stack,
    since: u64,
}

/// It waits for admission.
const WAITING: u64 = u64::MAX;

thread_local! {
    static INNERMOST: Cell<Option<Measured>> = const { Cell::new(None) };
}

/// Since when one call is admitted.
#[derive(Debug)]
pub(crate) struct Since(AtomicU64);

impl Since {
    pub(crate) fn now() -> Self {
        Self(AtomicU64::new(nanos(now())))
    }

    /// How many nanoseconds it has run since then; none while it waits.
    pub(crate) fn ran(&self) -> u64 {
        nanos(now()).saturating_sub(self.0.load(Ordering::Relaxed))
    }

    /// Makes it known to the running code, as part of a call of `stack`, until the guard is dropped.
    pub(crate) fn enter(&self, stack: Stack) -> Entered<'_> {
        let since = self.0.load(Ordering::Relaxed);
        Entered { cell: &self.0, before: swap(Some(Measured { stack, since })), since, stays: PhantomData }
    }
}

/// The running code is part of a measured call until this is dropped.
#[derive(Debug)]
pub(crate) struct Entered<'a> {
    cell: &'a AtomicU64,
    before: Option<Measured>,
    since: u64,
    // It restores its own thread, so it must be dropped there.
    stays: PhantomData<Rc<()>>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let Some(own) = swap(self.before) else { return };
        self.cell.store(own.since, Ordering::Relaxed);
        if own.since != self.since {
            // It was below what is around it, too.
            set(own.stack, own.since);
        }
    }
}

fn swap(measured: Option<Measured>) -> Option<Measured> {
    INNERMOST.try_with(|innermost| innermost.replace(measured)).ok().flatten()
}

fn set(stack: Stack, since: u64) {
    let _ = INNERMOST.try_with(|innermost| {
        if let Some(measured) = innermost.get().filter(|measured| measured.stack == stack) {
            innermost.set(Some(Measured { since, ..measured }));
        }
    });
}

/// The running call of `stack` waits for admission from now on.
pub(crate) fn waits(stack: Stack) {
    set(stack, WAITING);
}

/// The running call of `stack` waits no longer.
pub(crate) fn admitted(stack: Stack) {
    if INNERMOST.try_with(Cell::get).ok().flatten().is_some() {
        set(stack, nanos(now()));
    }
}
