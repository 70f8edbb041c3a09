//! The seams of time: reading the clock, sleeping on a thread, waiting in a future.
//!
//! Nothing else in the crate reads a clock or sleeps. On a thread inside a test world all three act
//! on the world's clock; without one they follow tokio's clock (paused or not), else the system's.
//!
//! # Who reads it
//!
//! A call that succeeds without a timeout reads no clock at all. The first failure reads it once, and the reading is
//! passed along: a policy that asked twice could see two different moments in one decision. Readings are [`Instant`]s;
//! the state of a policy keeps them as nanoseconds after [`origin`], which fit an atomic integer.
//!
//! # Invariants
//!
//! - Arithmetic on moments goes through [`later`] and `saturating_duration_since`: settings may be `Duration::MAX`.
//! - A wait in async code is a [`Timer`], in sync code [`sleep`]; a function never mixes them.

#[cfg(feature = "ops")]
pub(crate) use super::time::beginning;
pub(crate) use super::time::{later, nanos, origin};
#[cfg(feature = "ops")]
pub(crate) use super::timer::alarm_of_thread;
pub(crate) use super::timer::real_time;
pub(crate) use super::timer::{Timer, alarm, pause, watch};

use super::real_clock;
use super::world::World;
use std::time::{Duration, Instant, SystemTime};

/// Returns the present moment, never earlier than one seen before on the same clock.
pub(crate) fn now() -> Instant {
    World::here().map_or_else(real_clock::real_now, |world| world.now())
}

/// Returns the present moment in [`nanos`].
pub(crate) fn now_nanos() -> u64 {
    nanos(now())
}

/// Returns whether the clock of this thread is that of a test world, which moves only when the test moves it.
#[cfg(feature = "durable")]
pub(crate) fn is_manual() -> bool {
    World::here().is_some()
}

/// Returns whether the clock of this thread is that of a test world, or one that tokio has paused: waits on it take no
/// real time.
#[cfg(feature = "durable")]
pub(crate) fn is_of_a_test() -> bool {
    is_manual() || real_clock::paused_clock().is_some()
}

/// Returns the time of day, moved on with [`now`] if that is not the system's clock.
///
/// For what leaves the process: records in a store, dates from servers. It may jump when the system's clock is set, so
/// no policy measures a wait with it.
pub(crate) fn time_of_day() -> SystemTime {
    if let Some(time) = World::here().and_then(|world| world.time_of_day()) {
        return time;
    }
    let moved = now().saturating_duration_since(Instant::now());
    let real = SystemTime::now();
    real.checked_add(moved).unwrap_or(real)
}

/// Blocks this thread for `wait`, at least; in a test world moves its clock instead. Under a paused clock
/// of tokio's the wait counts as time that has passed on it.
pub(crate) fn sleep(wait: Duration) {
    if let Some(world) = World::here() {
        return world.sleep(wait);
    }
    real_clock::sleep(wait);
}

/// Notes that this thread has blocked for `wait`: under a paused clock of tokio's that counts as time that has passed.
pub(crate) fn slept(wait: Duration) {
    real_clock::slept(wait);
}

/// Returns whether this thread is polling a future for tokio, so that blocking it stops other tasks.
///
/// What tokio polls has a budget, and what runs on a thread for blocking work has none: units are taken
/// until the budget is used up or larger than any, and then all of them are given back.
#[cfg(all(feature = "tokio", feature = "tracing"))]
pub(crate) fn is_polled() -> bool {
    use std::task::{Context, Poll, Waker};
    /// More than the budget of a task: that is 128 units.
    const ENOUGH: usize = 512;
    if tokio::runtime::Handle::try_current().is_err() {
        return false;
    }
    let mut units = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    while units.len() < ENOUGH
        && let Poll::Ready(unit) = tokio::task::coop::poll_proceed(&mut cx)
    {
        units.push(unit);
    }
    let is_limited = units.len() < ENOUGH;
    // The last first: each remembers the budget from which it was taken.
    while units.pop().is_some() {}
    is_limited
}
