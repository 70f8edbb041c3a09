//! Moments as numbers, and arithmetic that does not overflow.
//!
//! # Instants as integers
//!
//! The state of a policy keeps moments in atomic integers. Subtracting two [`Instant`]s takes about sixty instructions,
//! a third of what a rate limit would take with them. An `Instant` hashes its seconds and its nanoseconds one after the
//! other, so that [`Fields`], a [`Hasher`], reads them in about ten. The standard library does not promise this:
//! [`ends`] compares the fields with known times once, and where they differ, [`nanos`] subtracts.

use std::hash::{Hash, Hasher};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const SECOND: u64 = 1_000_000_000;

/// The seconds of [`origin`], or [`UNKNOWN`].
static ORIGIN_SECONDS: AtomicU64 = AtomicU64::new(UNKNOWN);
/// So far from every moment that the time between them does not fit.
const UNKNOWN: u64 = 1 << 63;

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
        // The origin is at a whole second.
        let part = Duration::from_nanos(u64::from(Fields::of(now).nanos) % SECOND);
        let earlier = [86_400, 3_600, 60, 1, 0].map(|seconds| part + Duration::from_secs(seconds));
        let origin = earlier.into_iter().find_map(|earlier| now.checked_sub(earlier)).unwrap_or(now);
        if Fields::are_read(origin) {
            ORIGIN_SECONDS.store(Fields::of(origin).seconds, Ordering::Relaxed);
        }
        (origin, now)
    })
}

/// Returns a moment in nanoseconds after [`origin`]: 584 years fit.
#[inline]
pub(crate) fn nanos(moment: Instant) -> u64 {
    /// The whole seconds that fit, with any nanoseconds.
    const FIT: u64 = u64::MAX / SECOND - 1;
    let Fields { seconds, nanos } = Fields::of(moment);
    let after = seconds.wrapping_sub(ORIGIN_SECONDS.load(Ordering::Relaxed));
    if after <= FIT { after * SECOND + u64::from(nanos) } else { subtracted(moment, origin()) }
}

/// Returns the nanoseconds from `origin` to `moment`, at least 0 and at most what fits.
#[cold]
#[inline(never)]
fn subtracted(moment: Instant, origin: Instant) -> u64 {
    let after = moment.saturating_duration_since(origin);
    u64::try_from(after.as_nanos()).unwrap_or(u64::MAX)
}

/// What an [`Instant`] hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Fields {
    /// Signed on some systems; only their differences count.
    seconds: u64,
    nanos: u32,
}

impl Fields {
    #[inline]
    fn of(moment: Instant) -> Self {
        let mut fields = Self::default();
        moment.hash(&mut fields);
        fields
    }

    /// Returns whether the fields are the seconds and nanoseconds of moments, at `origin` and after it.
    fn are_read(origin: Instant) -> bool {
        let start = Self::of(origin).seconds;
        let times = [(0, 0), (0, 1), (0, 999_999_999), (1, 0), (86_400, 123_456_789), (1 << 31, 7)];
        times.into_iter().all(|(seconds, nanos)| {
            let moment = origin.checked_add(Duration::new(seconds, nanos));
            moment
                .is_none_or(|moment| Self::of(moment) == Self { seconds: start.wrapping_add(seconds), nanos })
        })
    }
}

impl Hasher for Fields {
    #[inline]
    fn write_i64(&mut self, seconds: i64) {
        self.seconds = seconds.cast_unsigned();
    }

    #[inline]
    fn write_u64(&mut self, seconds: u64) {
        self.seconds = seconds;
    }

    #[inline]
    fn write_u32(&mut self, nanos: u32) {
        self.nanos = nanos;
    }

    fn write(&mut self, _: &[u8]) {}

    fn finish(&self) -> u64 {
        self.seconds
    }
}

/// Returns `from + wait`, or a moment about thirty years ahead if that would overflow.
pub(crate) fn later(from: Instant, wait: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
    from.checked_add(wait).or_else(|| from.checked_add(FAR)).unwrap_or(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Moments before, at and after the origin, as far as the clock reaches.
    fn moments() -> Vec<Instant> {
        let (origin, now) = ends();
        let ages = [0, 1, 2, 10, 600, 86_400, 1 << 31, 18_446_744_071, 18_446_744_073, 1 << 36, 1 << 61];
        let parts = [0, 1, 500_000_000, 999_999_998, 999_999_999];
        let waits = ages.iter().flat_map(|age| parts.map(|part| Duration::new(*age, part)));
        let around = |wait| [origin.checked_add(wait), origin.checked_sub(wait), now.checked_add(wait)];
        waits.flat_map(around).flatten().collect()
    }

    #[test]
    fn a_moment_is_the_number_that_subtraction_gives() {
        for moment in moments() {
            assert_eq!(nanos(moment), subtracted(moment, origin()), "{moment:?}");
        }
        let mut before = origin();
        while let Some(earlier) = before.checked_sub(Duration::from_secs(1 << 40)) {
            before = earlier;
        }
        assert_eq!(nanos(before), 0, "the first moment of the clock");
    }

    #[test]
    fn the_fields_of_an_instant_are_read() {
        assert!(Fields::are_read(origin()), "each moment is subtracted, which takes fifty instructions more");
        assert_eq!(Fields::of(origin()).nanos, 0);
        assert_ne!(ORIGIN_SECONDS.load(Ordering::Relaxed), UNKNOWN);
    }

    #[test]
    fn other_fields_are_not_taken_for_seconds() {
        let mut fields = Fields::default();
        [1_u8, 2, 3].hash(&mut fields);
        assert_eq!(fields, Fields::default(), "such an `Instant` fails the trial of `are_read`");
    }
}
