//! The settings of a breaker, what they mean together, and what makes no sense.

use crate::defaults::circuit_breaker as defaults;
use crate::policy::InvalidPolicy;
use std::time::Duration;

/// The numbers of a [`CircuitBreaker`](super::CircuitBreaker), for
/// [`try_new`](super::CircuitBreaker::try_new).
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
    /// How many failures open it: in a row, or inside `window`; from 1, default 5.
    pub threshold: u32,
    /// The time within which `threshold` failures open it; default `None`: failures in a row.
    pub window: Option<Duration>,
    /// How long it stays open before a probe; default 60 s.
    pub recovery: Duration,
    /// The factor from one open time to the next while probes fail; from 1, default 1.
    pub growth: f64,
    /// The longest open time that `growth` reaches; default 10 minutes, or `recovery` if that is longer.
    pub cap: Option<Duration>,
    /// How far an error's own `retry_after` may lengthen the open time; default 5 minutes.
    pub retry_after_cap: Duration,
    /// How many probes run at once; from 1, default 1.
    pub probes: u32,
    /// How many successful probes close it; from 1, default 1.
    pub successes: u32,
    /// How long a probe may run before it loses its slot to the next call; default `recovery`.
    pub probe_timeout: Option<Duration>,
}

impl CircuitBreakerConfig {
    pub(super) const DEFAULT: Self = Self {
        threshold: defaults::THRESHOLD,
        window: None,
        recovery: defaults::RECOVERY,
        growth: defaults::GROWTH,
        cap: None,
        retry_after_cap: defaults::RETRY_AFTER_CAP,
        probes: defaults::PROBES,
        successes: defaults::SUCCESSES,
        probe_timeout: None,
    };

    /// Whether every setting makes sense, also together with the others.
    ///
    /// # Errors
    ///
    /// The first one that does not, in the words that the compiler would use.
    pub(super) const fn judge(&self) -> Result<(), InvalidPolicy> {
        let problem = match self {
            Self { threshold: 0, .. } => "`threshold` must be at least 1: how many failures open the breaker",
            Self { probes: 0, .. } => {
                "`probes` must be at least 1: without a probe the breaker would never close"
            }
            Self { successes: 0, .. } => {
                "`successes` must be at least 1: how many successful probes close the breaker"
            }
            Self { threshold: n, .. } | Self { probes: n, .. } | Self { successes: n, .. }
                if *n > defaults::COUNT_LIMIT =>
            {
                "`threshold`, `probes` and `successes` must be at most 2147483647"
            }
            Self { window: Some(Duration::ZERO), .. } => "`window` must be longer than 0s",
            Self { recovery: Duration::ZERO, .. } => {
                "`recovery` must be longer than 0s: how long the breaker stays open"
            }
            Self { probe_timeout: Some(Duration::ZERO), .. } => "`probe_timeout` must be longer than 0s",
            Self { growth, .. } if !(growth.is_finite() && *growth >= 1.0) => {
                "`growth` must be a finite number and at least 1: the factor from one open time to the next"
            }
            Self { cap: Some(cap), recovery, .. } if cap.as_nanos() < recovery.as_nanos() => {
                "`cap` must be at least `recovery`: it is the longest open time"
            }
            _ => return Ok(()),
        };
        Err(InvalidPolicy::new(problem))
    }

    /// As [`judge`](Self::judge), for settings of which more may follow: a default `recovery`, which a later
    /// setter may replace, contradicts no `cap`.
    pub(super) const fn judge_so_far(mut self, has_recovery: bool) -> Result<(), InvalidPolicy> {
        if !has_recovery {
            self.recovery = Duration::from_nanos(1);
        }
        self.judge()
    }

    /// The longest open time that growth reaches.
    pub(super) fn cap(&self) -> Duration {
        self.cap.unwrap_or(defaults::CAP).max(self.recovery)
    }

    pub(super) fn probe_timeout(&self) -> Duration {
        self.probe_timeout.unwrap_or(self.recovery)
    }

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
            let refused = config.judge().expect_err(word);
            assert!(refused.message().contains(word), "{refused}");
        }
        assert_eq!(base.judge(), Ok(()));
        let low = CircuitBreakerConfig { cap: Some(30 * SECOND), ..base };
        assert_eq!(low.judge_so_far(false), Ok(()), "a shorter `recovery` may follow");
        assert!(low.judge_so_far(true).is_err());
        assert_eq!(CircuitBreakerConfig { cap: Some(60 * SECOND), ..base }.judge(), Ok(()));
    }
}
