//! The settings of a rate limit, and the checks of their values.

use super::RateLimit;

use crate::base::setting::Complaint;
use crate::base::settings::{Count, Flag, Time, settings};
use std::time::Duration;

settings! {
    /// The settings of a [`RateLimit`], for [`try_new`](RateLimit::try_new).
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::policy::rate_limit::{RateLimit, RateLimitConfig};
    /// use std::time::Duration;
    ///
    /// let config = RateLimitConfig::of(100, Duration::from_secs(1));
    /// assert!(RateLimit::try_new("search", RateLimitConfig { burst: Some(10), ..config }).is_ok());
    /// assert!(RateLimit::try_new("search", RateLimitConfig { count: 0, ..config }).is_err());
    /// ```
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct RateLimitConfig {
        for policy RateLimit(settings) {
            count: Count from 1 = required, "how many calls are admitted in each `per`";
            per: Time above 0s = required, "the time in which `count` calls are admitted";
            /// With 1 calls are admitted evenly spaced, one every `per / count`.
            burst: Count from 1 = as count, "how many calls may be admitted at once after a pause";
            /// With zero a call beyond the limit is rejected at once.
            wait: Time = 0s, "how long a call may wait until it is admitted";
            /// Keys are made of arguments, so they are not shown unless you ask for it. The environment variable
            /// `RESILIENCE_KEY_LABELS=1` switches them on for all policies.
            key_label: Flag = false, "showing the keys of a keyed rate limit in `tracing` and in the texts of rejections";
        }
        together {
            (count, per): out_of_range;
            (burst, per): out_of_range;
        }
    }
}

/// The limit of nanoseconds: longer times cannot be counted together with a moment.
const LONGEST: u128 = 1 << 63;

impl RateLimitConfig {
    /// Creates the settings of a limit of `count` calls in each `per`, with all defaults.
    pub const fn of(count: u32, per: Duration) -> Self {
        Self { count, per, ..Self::DEFAULT }
    }

    const fn out_of_range(&self) -> Complaint {
        let (count, per) = (self.count as u128, self.per.as_nanos());
        if per < count {
            return Some("`count` must be at most one call a nanosecond: there is nothing to limit");
        }
        if count > 0 && per.div_ceil(count).saturating_mul(self.burst() as u128) > LONGEST {
            return Some("`burst` calls at this rate must take at most 292 years: lower `burst` or `per`");
        }
        None
    }

    /// Returns the time between two calls in nanoseconds, rounded up so that no more calls pass than are allowed.
    pub(super) const fn interval(&self) -> u64 {
        match self.count {
            0 => 0,
            count => self.per.as_nanos().div_ceil(count as u128) as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn invalid_settings_are_rejected_with_a_reason() {
        let base = RateLimitConfig::of(100, SECOND);
        let cases = [
            (RateLimitConfig { count: 0, ..base }, "`count` must be at least 1"),
            (RateLimitConfig { per: Duration::ZERO, ..base }, "`per` must be longer than 0s"),
            (RateLimitConfig { burst: Some(0), ..base }, "`burst` must be at least 1"),
            (
                RateLimitConfig { per: Duration::from_nanos(99), ..base },
                "`count` must be at most one call a nanosecond",
            ),
            (RateLimitConfig { per: Duration::MAX, ..base }, "`burst` calls at this rate"),
            (
                RateLimitConfig { per: 3600 * SECOND, burst: Some(u32::MAX), ..base },
                "`burst` calls at this rate",
            ),
        ];
        for (config, words) in cases {
            let complaint = config.complaint().expect(words);
            assert!(complaint.starts_with(words), "{complaint}");
        }
        assert_eq!(base.complaint(), None);
        assert_eq!(RateLimitConfig { per: Duration::from_nanos(100), ..base }.complaint(), None);
        let longest = RateLimitConfig::of(1, Duration::from_nanos(1 << 63));
        assert_eq!(longest.complaint(), None);
        assert_eq!(longest.interval(), 1 << 63);
        assert!(RateLimitConfig { burst: Some(2), ..longest }.complaint().is_some());
    }

    #[test]
    fn the_interval_is_rounded_up() {
        let interval = |count, nanos| RateLimitConfig::of(count, Duration::from_nanos(nanos)).interval();
        assert_eq!(interval(3, 10), 4);
        assert_eq!(interval(100, 1_000_000_000), 10_000_000);
    }
}
