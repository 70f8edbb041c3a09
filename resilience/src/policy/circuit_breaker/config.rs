//! The settings of a breaker, what they mean together, and the checks of their values.

use super::{CircuitBreaker, CircuitBreakers};
use crate::base::setting::Complaint;
use crate::base::settings::{Count, Factor, Flag, Ratio, Settings, Time, settings};
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
            /// They count in a row, or within [`window`](Self::window). With a [`rate`](Self::rate) or
            /// [`slow`](Self::slow) the threshold applies only if it is set, too; in these settings the default counts
            /// as not set.
            threshold: Count from 1 to 2147483647 = 5, "how many failures open the breaker";
            /// Of the calls inside the window, once there are [`min_calls`](Self::min_calls) of them: `0.5` is half.
            /// The window is that of time, if one is set, or else the last calls, by default 100. It is for more than about 100
            /// calls a second, where failures in a row say little.
            rate: Ratio above 0.0 to 1.0 = off, "the share of failures that opens the breaker";
            /// Without it the failures in a row count; with it successes clear nothing. The times of the last
            /// `threshold` failures are kept, 16 bytes each. With a [`rate`](Self::rate) it holds the calls that the
            /// share is of; successes are then spread evenly over the time between two looks at them, of which there is
            /// one at each failure and at every 32nd success of a thread, but after a success only once a 1,024th of
            /// the window has passed.
            window: Time above 0s = off, "the time within which failures are counted";
            /// In place of a time; needs a [`rate`](Self::rate) or [`slow`](Self::slow), for which the default is 100, or
            /// [`min_calls`](Self::min_calls) if that is larger.
            /// The attribute accepts `window = 100`, too.
            window_calls: Count from 1 to 1000000 = off, "the number of last calls over which the share is computed";
            /// At most [`window_calls`](Self::window_calls); the default is lowered to it.
            min_calls: Count from 1 to 1000000 = 20, "how many calls must be inside the window before their share is judged";
            /// Strictly longer, from the end of all waits for admission below. A slow call counts as such whether it
            /// succeeds or fails, and needs the times of two moments. A slow probe opens the breaker again.
            slow: Time above 0s = off, "how long a call may take before it counts as slow";
            /// Of the calls inside the window, as for a [`rate`](Self::rate). It needs [`slow`](Self::slow).
            slow_rate: Ratio above 0.0 to 1.0 = 0.8, "the share of slow calls that opens the breaker";
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
        together {
            (window, window_calls): one_window;
            (min_calls, window_calls): enough_calls;
        }
    }
}

/// The number of the last calls for a rate, if no window is set.
const CALLS: u32 = 100;
/// A threshold that no number of failures reaches.
const NEVER: u32 = i32::MAX as u32;

impl Settings<CircuitBreakerConfig> {
    /// Returns the settings that apply: a share takes the place of a threshold that was not set.
    pub(super) const fn applied(&self) -> CircuitBreakerConfig {
        let mut config = self.config;
        let is_whole = self.set == u32::MAX;
        let is_set = self.has(Row::threshold as u32)
            && !(is_whole && config.threshold == CircuitBreakerConfig::DEFAULT.threshold);
        if config.has_shares() && !is_set {
            config.threshold = NEVER;
        }
        config
    }
}

impl CircuitBreakerConfig {
    /// Checks that not two windows are set, which cannot both hold the calls.
    const fn one_window(&self) -> Complaint {
        if self.window.is_some() && self.window_calls.is_some() {
            return Some(
                "`window` is a time or a number of calls, not both: leave out one of `window` and `window_calls`",
            );
        }
        None
    }

    const fn enough_calls(&self) -> Complaint {
        if let Some(calls) = self.window_calls
            && self.min_calls > calls
            && self.min_calls != Self::DEFAULT.min_calls
        {
            return Some("`min_calls` must be at most the calls of the window: the breaker would never open");
        }
        None
    }

    /// Returns whether a share of the calls inside a window opens the breaker.
    #[inline]
    pub(super) const fn has_shares(&self) -> bool {
        self.rate.is_some() || self.slow.is_some()
    }

    /// Returns whether failures in a row, or a number of them inside a window of time, open the breaker.
    pub(super) const fn has_threshold(&self) -> bool {
        self.threshold < NEVER
    }

    /// Returns the number of the last calls for a rate, if it is not of a time.
    pub(super) fn call_window(&self) -> u64 {
        self.window_calls.unwrap_or(CALLS.max(self.min_calls)).into()
    }

    /// Returns how many calls must be inside the window before their share is judged.
    pub(super) fn fewest_calls(&self) -> u64 {
        let fewest = u64::from(self.min_calls);
        if self.window.is_some() { fewest } else { fewest.min(self.call_window()) }
    }

    /// Returns how long the breaker stays open after `reopenings` failed probes in a row, if the error that opened
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
    fn retry_after_lengthens_the_open_time_up_to_its_cap() {
        let config = growing(1.0, None);
        assert_eq!(config.open_time(0, Some(10 * SECOND)), 60 * SECOND);
        assert_eq!(config.open_time(0, Some(90 * SECOND)), 90 * SECOND);
        assert_eq!(config.open_time(0, Some(Duration::MAX)), 300 * SECOND);
    }

    #[test]
    fn invalid_settings_are_rejected_with_a_reason() {
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
    fn cap_and_recovery_are_validated_once_both_are_set() {
        let breaker = CircuitBreaker::new("test");
        let low = breaker.cap(30 * SECOND);
        assert_eq!(low.recovery(20 * SECOND).config().cap(), 30 * SECOND);
        let refused = |make: fn() -> CircuitBreaker| std::panic::catch_unwind(make).is_err();
        assert!(refused(|| CircuitBreaker::new("test").cap(30 * SECOND).recovery(40 * SECOND)));
        assert!(refused(|| CircuitBreaker::new("test").recovery(60 * SECOND).cap(30 * SECOND)));
        assert!(refused(|| CircuitBreaker::new("test").cap(30 * SECOND).checked()));
    }
}
