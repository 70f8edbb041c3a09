//! The success of recoveries, over ten minutes.
//!
//! It compares totals that only grow, taken at each look, with those of ten minutes ago. With fewer than 20 recoveries
//! in between nothing is reported, and the last report holds: "below" is reported once, and so is "back".

use super::EVERY;
use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(600);
/// The least number of recoveries for which their share is judged.
const LEAST: u64 = 20;

/// The most functions that an alert names.
const NAMED: usize = 3;

/// The recoveries until a moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Recoveries {
    pub(super) all: u64,
    pub(super) succeeded: u64,
    /// The number of failures at each function where there was one.
    pub(super) failed: Vec<(String, u64)>,
}

impl Recoveries {
    /// Returns the functions with the most failures since `before`: `shop::price` 8, `shop::row` 1.
    fn most_failures(&self, before: &Self) -> String {
        let earlier: HashMap<_, _> = before.failed.iter().map(|(name, count)| (name, *count)).collect();
        let since = |(name, count): &(String, u64)| {
            let failed = count.saturating_sub(earlier.get(name).copied().unwrap_or(0));
            (failed > 0).then(|| (Reverse(failed), name.clone()))
        };
        let mut most: Vec<_> = self.failed.iter().filter_map(since).collect();
        most.sort_unstable();
        most.truncate(NAMED);
        let each: Vec<_> = most.iter().map(|(Reverse(failed), name)| format!("`{name}` {failed}")).collect();
        each.join(", ")
    }
}

#[derive(Clone, Debug)]
struct Total {
    at: Instant,
    recoveries: Recoveries,
}

/// The share of recoveries that end well.
#[derive(Debug, Default)]
pub(super) struct SuccessRate {
    totals: VecDeque<Total>,
    is_below: bool,
}

/// The moment at which the share falls below its least value, or is back above it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Crossing {
    /// With the functions that have the most failures.
    Below(f64, String),
    Back(f64),
}

impl SuccessRate {
    /// Takes a sample; returns a crossing, each once.
    pub(super) fn take(&mut self, now: Instant, recoveries: Recoveries, least: f64) -> Option<Crossing> {
        if self.totals.back().is_some_and(|last| now.saturating_duration_since(last.at) > EVERY * 2) {
            self.totals.clear();
        }
        self.totals.push_back(Total { at: now, recoveries });
        self.totals.retain(|total| now.saturating_duration_since(total.at) <= WINDOW);
        let (oldest, newest) = (&self.totals.front()?.recoveries, &self.totals.back()?.recoveries);
        let all = newest.all.saturating_sub(oldest.all);
        let well = newest.succeeded.saturating_sub(oldest.succeeded);
        if all < LEAST {
            return None;
        }
        let rate = well as f64 / all as f64;
        let is_below = rate < least;
        if std::mem::replace(&mut self.is_below, is_below) == is_below {
            return None;
        }
        Some(if is_below {
            Crossing::Below(rate, newest.most_failures(oldest))
        } else {
            Crossing::Back(rate)
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn recoveries(all: u64, succeeded: u64) -> Recoveries {
        Recoveries { all, succeeded, failed: vec![("price".to_owned(), all - succeeded)] }
    }

    #[test]
    fn an_alert_names_the_functions_with_the_most_failures() {
        let failed = |counts: [u64; 5]| {
            let names = ["a", "b", "c", "d", "e"].map(str::to_owned);
            Recoveries {
                all: counts.iter().sum(),
                succeeded: 0,
                failed: names.into_iter().zip(counts).collect(),
            }
        };
        let (begin, mut rate) = (Instant::now(), SuccessRate::default());
        assert_eq!(rate.take(begin, failed([900, 1, 0, 1, 0]), 0.95), None);
        let crossing = rate.take(begin + EVERY, failed([900, 3, 9, 11, 2]), 0.95);
        assert_eq!(crossing, Some(Crossing::Below(0.0, "`d` 10, `c` 9, `b` 2".to_owned())));
    }

    #[test]
    fn a_recovery_alert_fires_once_and_clears_once() {
        let begin = Instant::now();
        let (mut rate, mut changes) = (SuccessRate::default(), Vec::new());
        // A minute of 19 failures is too little to judge; the 20th is enough; then ten good minutes.
        for n in 0..200_u64 {
            let (total, succeeded) = match n {
                0 => (0, 0),
                1..=5 => (19, 0),
                6..=9 => (20, 0),
                _ => (20 + (n - 9) * 40, (n - 9) * 40),
            };
            if let Some(change) = rate.take(begin + EVERY * n as u32, recoveries(total, succeeded), 0.95) {
                changes.push((n, change));
            }
        }
        assert_eq!(changes.len(), 2, "{changes:?}");
        assert_eq!(changes[0], (6, Crossing::Below(0.0, "`price` 20".to_owned())));
        assert_eq!(changes[1].0, 19, "400 of 420 are more than 95 %");
        assert!(matches!(changes[1].1, Crossing::Back(rate) if rate >= 0.95));
    }

    #[test]
    fn a_gap_in_the_samples_empties_the_window() {
        let begin = Instant::now();
        let mut rate = SuccessRate::default();
        assert_eq!(rate.take(begin, recoveries(0, 0), 0.95), None);
        assert_eq!(rate.take(begin + EVERY * 2 + Duration::from_millis(1), recoveries(100, 0), 0.95), None);
        let crossing = rate.take(begin + EVERY * 3, recoveries(120, 0), 0.95);
        assert_eq!(crossing, Some(Crossing::Below(0.0, "`price` 20".to_owned())));
    }
}
