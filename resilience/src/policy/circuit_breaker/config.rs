//! The settings of a breaker, what they mean together, and what makes no sense.

use super::{CircuitBreaker, CircuitBreakers};
use crate::base::settings::{Count, Factor, Flag, Time, settings};
use std::time::Duration;

settings! {
    /// The settings of a [`CircuitBreaker`], for [`try_new`](CircuitBreaker::try_new).
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::policy::circuit_breaker::{CircuitBreaker, CircuitBreakerConfig};
    ///
    /// let config = CircuitBreakerConfig { threshold: 3, ..CircuitBreakerConfig::default() };
    /// assert!(CircuitBreaker::try_new("search".to_owned(), config).is_ok());
    ///
    /// let never = CircuitBreakerConfig { threshold: 0, ..CircuitBreakerConfig::default() };
    /// assert!(CircuitBreaker::try_new("search".to_owned(), never).is_err());
    /// ```
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct CircuitBreakerConfig {
        for policy CircuitBreaker(setup.settings), policy CircuitBreakers(setup.settings) {
            /// They count in a row, or within [`window`](Self::window).
            threshold: Count from 1 to 2147483647 = 5, "how many failures open the breaker";
            /// Without it the failures in a row count; with it successes clear nothing. The times of the last
            /// `threshold` failures are kept, 16 bytes each.
            window: Time above 0s = off, "the time within which failures are counted";
            /// The next call after it is a probe. It panics, too, if it is longer than a [`cap`](Self::cap) that was
            /// set.
            recovery: Time above 0s = 60s, "how long the breaker stays open";
            /// The open time grows while probes fail, up to [`cap`](Self::cap).
            growth: Factor from 1.0 = 1.0, "the factor from one open time to the next";
            cap: Time = 10m not below recovery, "the longest open time that `growth` reaches";
            /// Zero ignores what the error asks for.
            retry_after_cap: Time = 5m, "the longest open time that the `retry_after` of an error may ask for";
            probes: Count from 1 to 2147483647 = 1, "how many probes may run at once while the breaker is half-open";
            successes: Count from 1 to 2147483647 = 1, "how many successful probes close the breaker";
            /// Then the next call gets its slot. The result of a late probe still counts while the breaker is
            /// half-open: a service whose healthy calls take longer than this closes its breaker.
            probe_timeout: Time above 0s = as recovery, "how long a probe may run before it loses its slot";
            /// Keys are made of arguments, so they are not shown unless you ask for it. The environment variable
            /// `RESILIENCE_KEY_LABELS=1` switches them on for all policies.
            key_label: Flag = false, "showing the keys of a keyed breaker in `tracing` and in the texts of rejections";
        }
    }
}

impl CircuitBreakerConfig {
    /// How long the breaker stays open after `reopenings` failed probes in a row, if the error that opened
    /// it asked to wait for `asked`.
    pub(super) fn open_time(&self, reopenings: u32, asked: Option<Duration>) -> Duration {
        let asked = asked.unwrap_or_default().min(self.retry_after_cap);
        self.grown(reopenings).max(asked)
    }

    fn grown(&self, reopenings: u32) -> Duration {
        if reopenings == 0 || self.growth <= 1.0 {
            return self.recovery;
        }
        let factor = self.growth.powi(i32::try_from(reopenings).unwrap_or(i32::MAX));
        let grown = self.recovery.as_secs_f64() * factor;
        Duration::try_from_secs_f64(grown).unwrap_or(Duration::MAX).min(self.cap())
    }
}

impl Default for CircuitBreakerConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn growing(growth: f64, cap: Option<Duration>) -> CircuitBreakerConfig {
        CircuitBreakerConfig { growth, cap, ..CircuitBreakerConfig::DEFAULT }
    }

    #[test]
    fn open_times_grow_to_the_cap() {
        let times = |config: CircuitBreakerConfig| {
            [0, 1, 2, 3, 4, 5, u32::MAX].map(|n| config.open_time(n, None).as_secs())
        };
        assert_eq!(times(growing(1.0, None)), [60; 7]);
        assert_eq!(times(growing(2.0, None)), [60, 120, 240, 480, 600, 600, 600]);
        assert_eq!(times(growing(1e300, Some(90 * SECOND))), [60, 90, 90, 90, 90, 90, 90]);
        let long = CircuitBreakerConfig { recovery: 3600 * SECOND, ..growing(2.0, None) };
        assert_eq!(times(long), [3600; 7]);
    }

    #[test]
    fn what_the_error_asks_lengthens_up_to_its_own_cap() {
        let config = growing(1.0, None);
        assert_eq!(config.open_time(0, Some(10 * SECOND)), 60 * SECOND);
        assert_eq!(config.open_time(0, Some(90 * SECOND)), 90 * SECOND);
        assert_eq!(config.open_time(0, Some(Duration::MAX)), 300 * SECOND);
    }

    #[test]
    fn nonsense_is_refused_in_words() {
        let base = CircuitBreakerConfig::DEFAULT;
        let cases = [
            (CircuitBreakerConfig { threshold: 0, ..base }, "`threshold`"),
            (CircuitBreakerConfig { threshold: u32::MAX, ..base }, "`threshold`"),
            (CircuitBreakerConfig { probes: 0, ..base }, "`probes`"),
            (CircuitBreakerConfig { successes: 0, ..base }, "`successes`"),
            (CircuitBreakerConfig { successes: u32::MAX, ..base }, "`successes`"),
            (CircuitBreakerConfig { window: Some(Duration::ZERO), ..base }, "`window`"),
            (CircuitBreakerConfig { recovery: Duration::ZERO, ..base }, "`recovery`"),
            (CircuitBreakerConfig { probe_timeout: Some(Duration::ZERO), ..base }, "`probe_timeout`"),
            (CircuitBreakerConfig { growth: 0.9, ..base }, "`growth`"),
            (CircuitBreakerConfig { growth: f64::NAN, ..base }, "`growth`"),
            (CircuitBreakerConfig { growth: f64::INFINITY, ..base }, "`growth`"),
            (CircuitBreakerConfig { cap: Some(59 * SECOND), ..base }, "`cap`"),
        ];
        for (config, word) in cases {
            let complaint = config.complaint().expect(word);
            assert!(complaint.starts_with(word), "{complaint}");
        }
        assert_eq!(base.complaint(), None);
        assert_eq!(CircuitBreakerConfig { cap: Some(60 * SECOND), ..base }.complaint(), None);
    }

    #[test]
    fn a_cap_is_judged_with_a_recovery_once_both_are_set() {
        let breaker = CircuitBreaker::new("test");
        let low = breaker.cap(30 * SECOND);
        assert_eq!(low.recovery(20 * SECOND).config().cap(), 30 * SECOND);
        let refused = |make: fn() -> CircuitBreaker| std::panic::catch_unwind(make).is_err();
        assert!(refused(|| CircuitBreaker::new("test").cap(30 * SECOND).recovery(40 * SECOND)));
        assert!(refused(|| CircuitBreaker::new("test").recovery(60 * SECOND).cap(30 * SECOND)));
        assert!(refused(|| CircuitBreaker::new("test").cap(30 * SECOND).checked()));
    }
}
