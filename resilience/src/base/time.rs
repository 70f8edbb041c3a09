//! Moments as numbers, and arithmetic that does not overflow.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Returns a moment before every reading of every clock, a paused one included, as far as the machine has been up
/// that long: moments counted from it fit an integer.
///
/// It is a day ago, or less on a machine that has just started: a paused clock can be behind the system's.
pub(crate) fn origin() -> Instant {
    ends().0
}

/// Returns the first moment that was requested: when this process began to use the crate.
#[cfg(feature = "ops")]
pub(crate) fn beginning() -> Instant {
    ends().1
}

fn ends() -> (Instant, Instant) {
    static ENDS: OnceLock<(Instant, Instant)> = OnceLock::new();
    *ENDS.get_or_init(|| {
        let now = Instant::now();
        let earlier = [86_400, 3_600, 60, 1].map(Duration::from_secs);
        let origin = earlier.into_iter().find_map(|earlier| now.checked_sub(earlier)).unwrap_or(now);
        (origin, now)
    })
}

/// Returns a moment in nanoseconds after [`origin`]: 584 years fit.
#[inline]
pub(crate) fn nanos(moment: Instant) -> u64 {
    let after = moment.saturating_duration_since(origin());
    after.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(after.subsec_nanos()))
}

/// Returns `from + wait`, or a moment about thirty years ahead if that would overflow.
pub(crate) fn later(from: Instant, wait: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
    from.checked_add(wait).or_else(|| from.checked_add(FAR)).unwrap_or(from)
}
