//! The settings of an adaptive timeout, and the checks of their values.

use super::AdaptiveTimeout;
use crate::base::setting::Complaint;
use crate::base::settings::{Bytes, Count, Flag, Time, settings};
use crate::policy::timeout::thread::Helpers;
use std::time::Duration;

settings! {
    /// The settings of an [`AdaptiveTimeout`], for [`try_new`](AdaptiveTimeout::try_new); settings with only the two
    /// bounds are made by [`between`](Self::between).
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::policy::timeout::{AdaptiveTimeout, AdaptiveTimeoutConfig};
    /// use std::time::Duration;
    ///
    /// let config = AdaptiveTimeoutConfig::between(Duration::from_millis(100), Duration::from_secs(10));
    /// assert!(AdaptiveTimeout::try_new("quotes", AdaptiveTimeoutConfig { strict: true, ..config }).is_ok());
    /// assert!(AdaptiveTimeout::try_new("quotes", AdaptiveTimeoutConfig { cap: Duration::ZERO, ..config }).is_err());
    /// ```
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct AdaptiveTimeoutConfig {
        for policy AdaptiveTimeout(settings) {
            floor: Time above 0s = required, "the shortest limit, however quick the calls are";
            cap: Time above 0s = required, "the longest limit, and the limit until enough calls were measured";
            /// Without it the time counts from the first poll that is not ready. The time that is measured counts from
            /// the first poll in both cases.
            strict: Flag = false, "counting the limit from the first poll";
            /// With more of them [`call`](Self::call) rejects the next body. Bodies that are within their limit are
            /// not counted.
            threads: Count from 1 = 16, "how many abandoned bodies may still run on helper threads";
            /// The default is that of most main threads.
            stack: Bytes from 64KiB = 8MiB, "the stack of a helper thread";
        }
        together {
            (floor, cap): order;
        }
    }
}

impl AdaptiveTimeoutConfig {
    /// Creates the settings of a limit between `floor` and `cap`, with the defaults for the rest.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::policy::timeout::AdaptiveTimeoutConfig;
    /// use std::time::Duration;
    ///
    /// let config = AdaptiveTimeoutConfig::between(Duration::from_millis(100), Duration::from_secs(10));
    /// assert_eq!((config.floor, config.cap), (Duration::from_millis(100), Duration::from_secs(10)));
    /// assert!(!config.strict);
    /// ```
    pub const fn between(floor: Duration, cap: Duration) -> Self {
        Self { floor, cap, ..Self::DEFAULT }
    }

    /// Returns the bounds of its helper threads.
    pub(super) const fn helpers(&self) -> Helpers {
        Helpers { threads: self.threads, stack: self.stack }
    }

    const fn order(&self) -> Complaint {
        if self.cap.as_nanos() < self.floor.as_nanos() {
            return Some("`cap` must be at least `floor`: the longest limit, and the shortest");
        }
        None
    }

    /// Returns the limit if 99 of 100 recent calls took at most `p99`, if that is known.
    pub(super) fn limit(&self, p99: Option<Duration>) -> Duration {
        p99.map_or(self.cap, |p99| p99.saturating_mul(2).max(self.floor).min(self.cap))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn invalid_settings_are_rejected_with_a_reason() {
        let base = AdaptiveTimeoutConfig::between(SECOND, 10 * SECOND);
        let cases = [
            (
                AdaptiveTimeoutConfig { floor: Duration::ZERO, ..base },
                "`floor` must be longer than 0s: the shortest limit",
            ),
            (
                AdaptiveTimeoutConfig { cap: Duration::ZERO, ..base },
                "`cap` must be longer than 0s: the longest limit",
            ),
            (AdaptiveTimeoutConfig { floor: 11 * SECOND, ..base }, "`cap` must be at least `floor`"),
            (AdaptiveTimeoutConfig { threads: 0, ..base }, "`threads` must be at least 1"),
            (AdaptiveTimeoutConfig { stack: 1, ..base }, "`stack` must be at least 64KiB"),
        ];
        for (config, words) in cases {
            let complaint = config.complaint().expect(words);
            assert!(complaint.starts_with(words), "{complaint}");
        }
        assert_eq!(base.complaint(), None);
        assert_eq!(AdaptiveTimeoutConfig { floor: 10 * SECOND, ..base }.complaint(), None);
    }

    #[test]
    fn the_limit_is_twice_the_percentile_within_its_bounds() {
        let config = AdaptiveTimeoutConfig::between(SECOND, 10 * SECOND);
        let cases = [
            (None, 10 * SECOND),
            (Some(Duration::ZERO), SECOND),
            (Some(SECOND / 2), SECOND),
            (Some(2 * SECOND), 4 * SECOND),
            (Some(5 * SECOND), 10 * SECOND),
            (Some(Duration::MAX), 10 * SECOND),
        ];
        for (p99, limit) in cases {
            assert_eq!(config.limit(p99), limit, "{p99:?}");
        }
    }
}
