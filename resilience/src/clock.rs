//! The seams of time: reading the clock, sleeping on a thread, waiting in a future.
//!
//! Nothing else in the crate reads a clock or sleeps. On a thread inside a test world all three act
//! on the world's clock; without one they follow tokio's clock (paused or not), else the system's.

#[cfg(feature = "tokio")]
mod paused;
mod timer;

#[cfg(feature = "tokio")]
pub(crate) use paused::paused_clock;
pub(crate) use timer::{Timer, alarm, pause};

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

/// The present moment, never earlier than one seen before on the same clock.
pub(crate) fn now() -> Instant {
    #[cfg(feature = "testing")]
    if let Some(world) = crate::testing::current() {
        return world.now();
    }
    real_now()
}

/// The present moment outside of any test world.
pub(crate) fn real_now() -> Instant {
    #[cfg(feature = "tokio")]
    return paused::moved_on(tokio::time::Instant::now().into_std());
    #[cfg(not(feature = "tokio"))]
    Instant::now()
}

/// Tokio's reading of the time where its clock is not the system's.
#[cfg(all(feature = "testing", not(feature = "tokio")))]
pub(crate) fn paused_clock() -> Option<Instant> {
    None
}

/// Whether the clock of this thread is a test world's, which moves only when the test says so.
#[cfg(feature = "durable")]
pub(crate) fn is_manual() -> bool {
    #[cfg(feature = "testing")]
    return crate::testing::current().is_some();
    #[cfg(not(feature = "testing"))]
    false
}

/// A moment of the real clock as this thread's clock reads it.
pub(crate) fn on_this_clock(at: Instant) -> Instant {
    #[cfg(feature = "testing")]
    if let Some(world) = crate::testing::current() {
        return later(world.now(), at.saturating_duration_since(real_now()));
    }
    at
}

/// The time of day, moved on with [`now`] where that is not the system's clock.
pub(crate) fn time_of_day() -> SystemTime {
    #[cfg(feature = "testing")]
    if let Some(time) = crate::testing::current().and_then(|world| world.time_of_day()) {
        return time;
    }
    let moved = now().saturating_duration_since(Instant::now());
    let real = SystemTime::now();
    real.checked_add(moved).unwrap_or(real)
}

/// A moment before every reading of every clock, a paused one included, as far as the machine has been up
/// that long: moments counted from it fit an integer.
pub(crate) fn origin() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    *ORIGIN.get_or_init(|| {
        let now = Instant::now();
        let earlier = [86_400, 3_600, 60, 1].map(Duration::from_secs);
        earlier.into_iter().find_map(|earlier| now.checked_sub(earlier)).unwrap_or(now)
    })
}

/// A moment in nanoseconds after [`origin`]: 584 years fit.
#[inline]
pub(crate) fn nanos(moment: Instant) -> u64 {
    let after = moment.saturating_duration_since(origin());
    after.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(after.subsec_nanos()))
}

/// `from + wait`, or a moment about thirty years ahead where that would overflow.
pub(crate) fn later(from: Instant, wait: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
    from.checked_add(wait).or_else(|| from.checked_add(FAR)).unwrap_or(from)
}

/// Blocks this thread for `wait`, at least; in a test world moves its clock instead. Under a paused clock
/// of tokio's the wait counts as time that has passed on it.
pub(crate) fn sleep(wait: Duration) {
    #[cfg(feature = "testing")]
    if let Some(world) = crate::testing::current() {
        return world.sleep(wait);
    }
    std::thread::sleep(wait);
    #[cfg(feature = "tokio")]
    paused::slept(wait);
}

/// Whether this thread is polling a future for tokio, so that blocking it stops other tasks.
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
