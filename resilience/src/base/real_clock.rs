//! The clock outside of test worlds: the system's, or tokio's where a test has paused that.
//!
//! Only `clock.rs` and the test world read it. With the feature `tokio` the reading is always tokio's, which is the
//! system's unless the runtime of this thread has paused it; that a test has done so cannot be asked, and need not be.

use std::time::{Duration, Instant};

#[cfg(feature = "tokio")]
pub(super) use super::paused::paused_clock;

/// Returns tokio's reading of the time if its clock is not the system's.
#[cfg(all(any(feature = "testing", feature = "durable"), not(feature = "tokio")))]
pub(super) const fn paused_clock() -> Option<Instant> {
    None
}

/// Returns the present moment outside of any test world.
pub(super) fn real_now() -> Instant {
    #[cfg(feature = "tokio")]
    return super::paused::moved_on(tokio::time::Instant::now().into_std());
    #[cfg(not(feature = "tokio"))]
    Instant::now()
}

/// Blocks this thread for `wait`, at least. Under a paused clock of tokio's the wait counts as time that has passed on
/// it.
pub(super) fn sleep(wait: Duration) {
    std::thread::sleep(wait);
    slept(wait);
}

/// Notes that this thread has blocked for `wait`.
pub(super) fn slept(wait: Duration) {
    #[cfg(feature = "tokio")]
    super::paused::slept(wait);
    #[cfg(not(feature = "tokio"))]
    let _ = wait;
}
