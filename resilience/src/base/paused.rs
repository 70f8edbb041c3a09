//! Tokio's clock where a test has paused it (`start_paused`, `tokio::time::pause`).
//!
//! It moves by `advance`, and by itself to the next timer of tokio's; nothing that blocks a thread moves it.
//! So that a sync function can end by time (`give_up_after`, a breaker's recovery), the waits of sync
//! functions in the same runtime are added to it.
//!
//! Outside of tests this costs one relaxed load for each reading of the clock. The table is small and forgets the
//! oldest runtime, since each `#[tokio::test]` makes a new one.

use super::replaced::{Replaced, replace};
use super::sync::locked;
use super::time::later;
use std::cell::Cell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::{Handle, Id};

/// The time that sync functions have waited under the paused clock of each runtime: the last few runtimes.
static SLEPT: Mutex<Vec<(Id, Duration)>> = Mutex::new(Vec::new());
/// Whether there is such a runtime; outside of tests there is none.
static ANY: AtomicBool = AtomicBool::new(false);
/// The number of runtimes that are remembered.
const RUNTIMES: usize = 64;

thread_local! {
    /// The value that [`is_blocked`] returns.
    static IS_BLOCKED: Cell<bool> = const { Cell::new(false) };
}

/// Notes that this thread blocks until a future is done, until the guard is dropped.
pub(super) fn block() -> Replaced<Cell<bool>> {
    replace(&IS_BLOCKED, true)
}

/// Returns whether this thread blocks until the running future is done, so that it drives no runtime meanwhile.
pub(super) fn is_blocked() -> bool {
    IS_BLOCKED.get()
}

/// Returns tokio's reading of the time if its clock is not the system's: in a runtime that has paused it.
///
/// A clock that runs with the system's reads between two readings of that, and moves on in between; where
/// the clock is too coarse to show either, it is read again.
pub(crate) fn paused_clock() -> Option<Instant> {
    let tokio = || tokio::time::Instant::now().into_std();
    loop {
        let (first, system, second) = (tokio(), Instant::now(), tokio());
        if system < first || second < system {
            return Some(second);
        }
        if first < second {
            return None;
        }
        std::hint::spin_loop();
    }
}

/// Returns a reading of tokio's clock plus the waits of sync functions on it.
#[inline]
pub(super) fn moved_on(reading: Instant) -> Instant {
    if ANY.load(Ordering::Relaxed) { with_all_slept(reading) } else { reading }
}

/// Returns a reading plus the time that sync functions have waited under the clock of this runtime.
///
/// Only tests come here: the lock is not a cost of a program.
#[cold]
#[inline(never)]
fn with_all_slept(reading: Instant) -> Instant {
    let Ok(runtime) = Handle::try_current() else { return reading };
    let slept = locked(&SLEPT);
    let of_this = slept.iter().find(|(id, _)| *id == runtime.id());
    of_this.map_or(reading, |(_, slept)| later(reading, *slept))
}

/// Notes that a sync function has waited on this thread.
///
/// Outside of a paused clock nothing is noted: there the wait has passed on the clock by itself.
pub(super) fn slept(wait: Duration) {
    if paused_clock().is_none() {
        return;
    }
    let Ok(runtime) = Handle::try_current() else { return };
    let mut slept = locked(&SLEPT);
    if let Some((_, slept)) = slept.iter_mut().find(|(id, _)| *id == runtime.id()) {
        *slept = slept.saturating_add(wait);
    } else {
        let first = slept.len().saturating_sub(RUNTIMES - 1);
        slept.drain(..first);
        slept.push((runtime.id(), wait));
        ANY.store(true, Ordering::Relaxed);
    }
}
