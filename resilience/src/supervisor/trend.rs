//! The trend of a pattern's failure rate: two means with different memories, and the line through them.
//!
//! A mean that weighs each sample by `exp(-age / memory)` has the mean age `memory`, so the one-minute mean stands for
//! a minute ago and the ten-minute mean for ten: they are 9 minutes apart. The line through both, `window` ahead of the
//! first, is `r1 + (r1 - r10) * window / 9 min`. An operator can check it against two numbers; there is no model to
//! trust.

use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

/// The failures and attempts of the past, each weighted by `exp(-age / memory)`.
#[derive(Clone, Copy, Debug)]
struct WeightedMean {
    memory: Duration,
    failures: f64,
    attempts: f64,
}

impl WeightedMean {
    const fn new(memory: Duration) -> Self {
        Self { memory, failures: 0.0, attempts: 0.0 }
    }

    fn add(&mut self, passed: Duration, failures: u64, attempts: u64) {
        let weight = (-passed.as_secs_f64() / self.memory.as_secs_f64()).exp();
        self.failures = self.failures * weight + failures as f64;
        self.attempts = self.attempts * weight + attempts as f64;
    }

    fn rate(&self) -> f64 {
        if self.attempts > 0.0 { self.failures / self.attempts } else { 0.0 }
    }
}

/// The failure rate of one pattern over one and over ten minutes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trend {
    one: WeightedMean,
    ten: WeightedMean,
    last: Option<Instant>,
}

impl Trend {
    pub(super) const fn new() -> Self {
        Self { one: WeightedMean::new(MINUTE), ten: WeightedMean::new(Duration::from_secs(600)), last: None }
    }

    /// Adds what has happened since the last time.
    pub(super) fn add(&mut self, now: Instant, failures: u64, attempts: u64) {
        let passed =
            self.last.replace(now).map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        self.one.add(passed, failures, attempts);
        self.ten.add(passed, failures, attempts);
    }

    /// Returns the failure rate that a breaker with this window sees at its end, if the trend continues:
    /// `r1 + (r1 - r10) * window / 9 min`.
    pub(super) fn expected(&self, window: Duration) -> f64 {
        let (one, ten) = (self.one.rate(), self.ten.rate());
        one + (one - ten) * window.as_secs_f64() / (9.0 * MINUTE.as_secs_f64())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Returns the means by their definition: over all samples, by their ages.
    fn expected(samples: &[(u64, u64, u64)], window: f64) -> f64 {
        let now: u64 = samples.iter().map(|sample| sample.0).sum::<u64>() - samples[0].0;
        let rate = |memory: f64| {
            let (mut at, mut failures, mut attempts) = (0, 0.0, 0.0);
            for (n, (wait, failed, of)) in samples.iter().enumerate() {
                at += if n == 0 { 0 } else { *wait };
                let weight = (-((now - at) as f64) / memory).exp();
                failures += *failed as f64 * weight;
                attempts += *of as f64 * weight;
            }
            if attempts > 0.0 { failures / attempts } else { 0.0 }
        };
        rate(60.0) + (rate(60.0) - rate(600.0)) * window / 540.0
    }

    proptest! {
        #[test]
        fn the_trend_agrees_with_the_sum_over_all_samples(
            samples in prop::collection::vec((1_u64..40, 0_u64..50, 0_u64..200), 1..200),
            window in 1_u64..3600,
        ) {
            let (mut trend, begin) = (Trend::new(), Instant::now());
            let mut now = begin;
            let samples: Vec<_> = samples.into_iter().map(|(wait, failed, more)| (wait, failed, failed + more)).collect();
            for (n, (wait, failed, attempts)) in samples.iter().enumerate() {
                now += Duration::from_secs(if n == 0 { 0 } else { *wait });
                trend.add(now, *failed, *attempts);
            }
            let (fast, slow) = (trend.expected(Duration::from_secs(window)), expected(&samples, window as f64));
            prop_assert!((fast - slow).abs() < 1e-6, "{fast} and {slow}");
        }
    }

    #[test]
    fn a_steady_rate_is_expected_to_continue() {
        let (mut trend, begin) = (Trend::new(), Instant::now());
        for n in 0..600 {
            trend.add(begin + Duration::from_secs(10 * n), 3, 10);
        }
        assert!((trend.expected(Duration::from_secs(60)) - 0.3).abs() < 1e-9);
    }
}
