//! Failures inside a window of time: exact, by remembering when each happened.
//!
//! It is used for a number of failures in a time (`threshold` with `window`). At most `threshold` moments are kept, so
//! that it takes 16 bytes for each, and fewer if there were fewer failures. Buckets, which need less, would count a
//! failure for up to a bucket too long or too short; with thresholds of a few failures that is the difference between
//! opening and not.
//!
//! The shares of failures (`rate`) have their own file, `rates.rs`: there are too many calls to remember each.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The times of the last failures, oldest first; takes no memory before the first one.
///
/// A thread may read the clock before another one and arrive after it: a moment before the last one counts as that.
#[derive(Debug)]
pub(super) struct Times {
    window: Duration,
    times: VecDeque<Instant>,
}

impl Times {
    pub(super) const fn new(window: Duration) -> Self {
        Self { window, times: VecDeque::new() }
    }

    /// Returns whether the failures count inside this `window`.
    pub(super) fn are_of(&self, window: Duration) -> bool {
        self.window == window
    }

    /// Adds a failure at `now` and returns how many are now inside the window, at most `threshold`.
    ///
    /// A failure leaves the window once it is as old as that is long.
    ///
    /// It may forget those outside, and the oldest if there would be more than `threshold`: one more would open the
    /// breaker anyway.
    pub(super) fn push(&mut self, now: Instant, threshold: u32) -> u32 {
        let (now, window) = (self.latest(now), self.window);
        while self.times.front().is_some_and(|at| !is_inside(*at, now, window)) || self.count() >= threshold {
            self.times.pop_front();
        }
        self.times.push_back(now);
        self.count()
    }

    /// Returns how many failures are inside the window at `now`.
    pub(super) fn inside(&self, now: Instant) -> u32 {
        let now = self.latest(now);
        let outside = self.times.partition_point(|at| !is_inside(*at, now, self.window));
        self.count().saturating_sub(u32::try_from(outside).unwrap_or(u32::MAX))
    }

    fn latest(&self, now: Instant) -> Instant {
        self.times.back().map_or(now, |last| now.max(*last))
    }

    fn count(&self) -> u32 {
        u32::try_from(self.times.len()).unwrap_or(u32::MAX)
    }
}

fn is_inside(at: Instant, now: Instant, window: Duration) -> bool {
    now.saturating_duration_since(at) < window
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_expires_at_the_age_of_the_window() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut times = Times::new(10 * second);
        assert_eq!(times.push(start, 5), 1);
        assert_eq!(times.push(start + 9 * second, 5), 2);
        assert_eq!(times.inside(start + 9 * second), 2);
        assert_eq!(times.inside(start + 10 * second), 1);
        assert_eq!(times.push(start + 10 * second, 5), 2);
    }

    #[test]
    fn no_more_than_the_threshold_is_remembered() {
        let now = Instant::now();
        let mut times = Times::new(Duration::from_secs(1));
        for n in 1..=10 {
            assert_eq!(times.push(now, 3), n.min(3));
        }
    }

    mod against_a_model {
        use super::*;
        use proptest::prelude::*;

        /// Returns the milliseconds that pass before a failure or a question: the clock goes on, jumps as after a
        /// suspension, or goes back by one.
        fn steps() -> impl Strategy<Value = Vec<(bool, i64)>> {
            let passes = prop_oneof![8 => 0..4_i64, 1 => Just(7_200_000), 3 => Just(-1)];
            prop::collection::vec((any::<bool>(), passes), 1..60)
        }

        proptest! {
            #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

            #[test]
            fn the_count_equals_the_failures_inside_the_window(threshold in 1..8_u32, steps in steps()) {
                let (start, window) = (Instant::now(), Duration::from_millis(10));
                let (mut times, mut failures, mut clock) = (Times::new(window), Vec::new(), 1_000_i64);
                for (is_failure, passes) in steps {
                    clock += passes;
                    let now = start + Duration::from_millis(clock.unsigned_abs());
                    let latest = failures.iter().copied().fold(clock, i64::max);
                    if is_failure {
                        failures.push(latest);
                    }
                    let inside = failures.iter().filter(|at| latest - **at < 10).count();
                    let expected = u32::try_from(inside).unwrap().min(threshold);
                    let counted =
                        if is_failure { times.push(now, threshold) } else { times.inside(now) };
                    prop_assert_eq!(counted, expected, "at {} ms", clock);
                }
            }
        }
    }
}
