//! The events at one point in the last ten minutes, from counters that only grow.

use super::EVERY;
use crate::failure::{Category, Severity};
use crate::point::counts::CallCounts;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The time for which errors count.
const WINDOW: Duration = Duration::from_secs(600);

/// The errors of one category.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Errors {
    pub(super) category: Category,
    pub(super) severity: Severity,
    pub(super) count: u64,
    /// The number of them that were at least the fifth in a row.
    pub(super) in_a_row: u64,
}

/// The difference of the counters between two looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) at: Instant,
    /// The number of calls that have ended.
    pub(super) calls: u64,
    /// The number of their attempts.
    pub(super) attempts: u64,
    pub(super) errors: Vec<Errors>,
}

impl Sample {
    /// Returns how much more `now` has counted than `before`.
    ///
    /// Both come from counters that only grow, so a sample is a difference. A counter that was reset (in a test world)
    /// results in zero, never in a huge number.
    fn between(at: Instant, before: &CallCounts, now: &CallCounts) -> Self {
        let mut errors: Vec<Errors> = Vec::new();
        let mut add = |category: Category, severity: Severity, count: u64| {
            // Refusals by policies of this library, and cancellations by callers, are not errors of the service.
            if count == 0 || matches!(category, Category::Rejected | Category::Cancelled) {
                return;
            }
            match errors.iter_mut().find(|known| known.category == category) {
                Some(known) => {
                    known.count += count;
                    known.severity = known.severity.max(severity);
                }
                None => errors.push(Errors { category, severity, count, in_a_row: 0 }),
            }
        };
        for (category, severity, count) in &now.severities {
            let is_same = |known: &&(Category, Severity, u64)| (known.0, known.1) == (*category, *severity);
            let earlier = before.severities.iter().find(is_same).map_or(0, |known| known.2);
            add(*category, *severity, count.saturating_sub(earlier));
        }
        for (category, count) in &now.retried {
            let earlier = before.retried.iter().find(|known| known.0 == *category).map_or(0, |known| known.1);
            add(*category, category.severity(), count.saturating_sub(earlier));
        }
        for errors in &mut errors {
            let of_category = |counts: &CallCounts| {
                counts.runs.iter().find(|known| known.0 == errors.category).map_or(0, |known| known.1)
            };
            errors.in_a_row = of_category(now).saturating_sub(of_category(before));
        }
        let calls = now.total.saturating_sub(before.total);
        Self { at, calls, attempts: now.attempts.saturating_sub(before.attempts), errors }
    }
}

/// The samples of the last ten minutes.
///
/// It holds some 60 samples, one for each look of ten minutes; its size does not depend on the number of calls.
#[derive(Debug)]
pub(super) struct Window {
    last: Option<(Instant, CallCounts)>,
    samples: VecDeque<Sample>,
}

/// The counts of one category in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CategoryCounts {
    pub(super) errors: Errors,
    /// The calls of the point in the same time.
    pub(super) calls: u64,
}

impl Window {
    /// Creates an empty window of a point that had no calls at `at`, if that is known.
    pub(super) fn new(at: Option<Instant>) -> Self {
        Self { last: at.map(|at| (at, CallCounts::default())), samples: VecDeque::new() }
    }

    /// Takes a sample; `None` for the first one, and after a gap of more than two, which empties the window.
    pub(super) fn take(&mut self, now: Instant, counts: &CallCounts) -> Option<&Sample> {
        let (at, before) = self.last.replace((now, counts.clone()))?;
        if now.saturating_duration_since(at) > EVERY * 2 {
            self.forget();
            return None;
        }
        let sample = Sample::between(now, &before, counts);
        self.samples.push_back(sample);
        self.samples.retain(|sample| now.saturating_duration_since(sample.at) < WINDOW);
        self.samples.back()
    }

    /// Forgets all errors; the next sample counts those after it.
    pub(super) fn forget(&mut self) {
        self.samples.clear();
    }

    /// Returns the counts of `category`.
    pub(super) fn seen(&self, category: Category) -> Option<CategoryCounts> {
        let of_category = self.samples.iter().flat_map(|sample| &sample.errors);
        let errors = of_category.filter(|errors| errors.category == category).copied();
        let sum = |sum: Errors, more: Errors| Errors {
            count: sum.count + more.count,
            severity: sum.severity.max(more.severity),
            in_a_row: sum.in_a_row + more.in_a_row,
            ..sum
        };
        let calls = self.samples.iter().map(|sample| sample.calls).sum();
        Some(CategoryCounts { errors: errors.reduce(sum)?, calls })
    }

    /// Returns the calls of the last minute.
    pub(super) fn last_minute(&self, now: Instant) -> u64 {
        let is_late = |sample: &&Sample| now.saturating_duration_since(sample.at) < Duration::from_secs(60);
        self.samples.iter().filter(is_late).map(|sample| sample.calls).sum()
    }
}
