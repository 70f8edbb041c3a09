//! The success of recoveries, over ten minutes.
//!
//! It compares totals that only grow, taken at each look, with those of ten minutes ago. With fewer than 20 recoveries
//! in between nothing is reported, and the last report holds: "below" is reported once, and so is "back".

use super::EVERY;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(600);
/// The least number of recoveries for which their share is judged.
const LEAST: u64 = 20;

/// The number of recoveries until a moment, and of those that ended well.
#[derive(Clone, Copy, Debug)]
struct Total {
    at: Instant,
    all: u64,
    succeeded: u64,
}

/// The share of recoveries that end well.
#[derive(Debug, Default)]
pub(super) struct SuccessRate {
    totals: VecDeque<Total>,
    is_below: bool,
}

/// The moment at which the share falls below its least value, or is back above it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Crossing {
    Below(f64),
    Back(f64),
}

impl SuccessRate {
    /// Takes a sample; returns a crossing, each once.
    pub(super) fn take(&mut self, now: Instant, total: u64, succeeded: u64, least: f64) -> Option<Crossing> {
        let newest = Total { at: now, all: total, succeeded };
        if self.totals.back().is_some_and(|last| now.saturating_duration_since(last.at) > EVERY * 2) {
            self.totals.clear();
        }
        self.totals.push_back(newest);
        self.totals.retain(|total| now.saturating_duration_since(total.at) <= WINDOW);
        let oldest = self.totals.front()?;
        let (all, well) = (total.saturating_sub(oldest.all), succeeded.saturating_sub(oldest.succeeded));
        if all < LEAST {
            return None;
        }
        let rate = well as f64 / all as f64;
        let is_below = rate < least;
        if std::mem::replace(&mut self.is_below, is_below) == is_below {
            return None;
        }
        Some(if is_below { Crossing::Below(rate) } else { Crossing::Back(rate) })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn it_says_once_that_it_is_below_and_once_that_it_is_back() {
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
            if let Some(change) = rate.take(begin + EVERY * n as u32, total, succeeded, 0.95) {
                changes.push((n, change));
            }
        }
        assert_eq!(changes.len(), 2, "{changes:?}");
        assert_eq!(changes[0], (6, Crossing::Below(0.0)));
        assert_eq!(changes[1].0, 19, "400 of 420 are more than 95 %");
        assert!(matches!(changes[1].1, Crossing::Back(rate) if rate >= 0.95));
    }

    #[test]
    fn a_gap_empties_it() {
        let begin = Instant::now();
        let mut rate = SuccessRate::default();
        assert_eq!(rate.take(begin, 0, 0, 0.95), None);
        assert_eq!(rate.take(begin + EVERY * 2 + Duration::from_millis(1), 100, 0, 0.95), None);
        assert_eq!(rate.take(begin + EVERY * 3, 120, 0, 0.95), Some(Crossing::Below(0.0)));
    }
}
