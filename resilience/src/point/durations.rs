//! The measurements of one function with timed calls, as histograms.
//!
//! A duration is counted in the first bucket that it fits, in several cells by thread. The sum has nanoseconds: 584
//! years of calls.

use crate::base::scope::nanos;
use crate::base::shards::{SHARDS, here};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper bounds of the buckets, in seconds; one more takes longer durations.
pub(crate) const BOUNDS: [f64; 13] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
const BUCKETS: usize = BOUNDS.len() + 1;

/// The end of a call, as metrics call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success,
    Error,
    Rejected,
    Timeout,
    Cancelled,
    Panic,
}

impl Outcome {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::Rejected => "rejected",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Panic => "panic",
        }
    }
}

/// The measures of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// A call.
    Call(Outcome),
    /// An attempt, and whether a retry followed it.
    Attempt { is_handled: bool },
    /// The wait before a retry, and whether it is as long as the service has asked for.
    Delay { is_asked_for: bool },
    /// The wait of an admitted call.
    Admission(Admission),
}

/// The policies that admit calls.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// A bulkhead.
    Slot,
    /// A rate limit.
    Turn,
}

impl Measure {
    pub(crate) const ALL: [Self; 12] = [
        Self::Call(Outcome::Success),
        Self::Call(Outcome::Error),
        Self::Call(Outcome::Rejected),
        Self::Call(Outcome::Timeout),
        Self::Call(Outcome::Cancelled),
        Self::Call(Outcome::Panic),
        Self::Attempt { is_handled: false },
        Self::Attempt { is_handled: true },
        Self::Delay { is_asked_for: false },
        Self::Delay { is_asked_for: true },
        Self::Admission(Admission::Slot),
        Self::Admission(Admission::Turn),
    ];

    /// Returns the index in [`ALL`](Self::ALL).
    const fn place(self) -> usize {
        match self {
            Self::Call(outcome) => outcome as usize,
            Self::Attempt { is_handled } => 6 + is_handled as usize,
            Self::Delay { is_asked_for } => 8 + is_asked_for as usize,
            Self::Admission(admission) => 10 + admission as usize,
        }
    }
}

/// Durations by bucket, as counted so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Times {
    /// The counts are not cumulative: each has the durations between its bound and the one before.
    pub(crate) buckets: [u64; BUCKETS],
    pub(crate) sum: Duration,
}

impl Times {
    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    #[cfg(feature = "durable")]
    pub(crate) fn record(&mut self, took: Duration) {
        if let Some(bucket) = self.buckets.get_mut(bucket(took)) {
            *bucket += 1;
        }
        self.sum = self.sum.saturating_add(took);
    }
}

/// Returns the first bucket that a duration fits.
fn bucket(took: Duration) -> usize {
    let seconds = took.as_secs_f64();
    BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len())
}

/// Durations that are counted by many threads.
#[derive(Debug)]
pub(crate) struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    nanos: AtomicU64,
}

impl Histogram {
    #[expect(clippy::declare_interior_mutable_const, reason = "every histogram is a copy of its own")]
    pub(crate) const NEW: Self =
        Self { buckets: [const { AtomicU64::new(0) }; BUCKETS], nanos: AtomicU64::new(0) };

    pub(crate) fn record(&self, took: Duration) {
        if let Some(bucket) = self.buckets.get(bucket(took)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.nanos.fetch_add(nanos(took), Ordering::Relaxed);
    }

    /// Returns the counts so far.
    #[cfg(feature = "fs")]
    pub(crate) fn read(&self) -> Times {
        let mut times = Times::default();
        self.add_to(&mut times);
        times
    }

    fn add_to(&self, times: &mut Times) {
        for (sum, bucket) in times.buckets.iter_mut().zip(&self.buckets) {
            *sum += bucket.load(Ordering::Relaxed);
        }
        times.sum += Duration::from_nanos(self.nanos.load(Ordering::Relaxed));
    }
}

/// The durations of one function.
#[derive(Debug)]
pub(crate) struct Durations([[Histogram; Measure::ALL.len()]; SHARDS]);

impl Durations {
    pub(super) fn new() -> Self {
        Self([const { [Histogram::NEW; Measure::ALL.len()] }; SHARDS])
    }

    pub(crate) fn record(&self, what: Measure, took: Duration) {
        let histograms = self.0.get(here().shard());
        if let Some(histogram) = histograms.and_then(|all| all.get(what.place())) {
            histogram.record(took);
        }
    }

    /// Returns the counts of each measure that has any.
    pub(super) fn read(&self) -> Vec<(Measure, Times)> {
        let of = |what: Measure| {
            let mut times = Times::default();
            self.0.iter().filter_map(|all| all.get(what.place())).for_each(|part| part.add_to(&mut times));
            (what, times)
        };
        Measure::ALL.map(of).into_iter().filter(|(_, times)| times.count() > 0).collect()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_the_first_bucket_that_it_fits() {
        let durations = Durations::new();
        let all = [0.0, 0.005, 0.005_000_001, 59.9, 60.0, 60.1, 1e9];
        for at in all {
            durations.record(Measure::Call(Outcome::Error), Duration::from_secs_f64(at));
        }
        let read = durations.read();
        let [(Measure::Call(Outcome::Error), times)] = &read[..] else { panic!("{read:?}") };
        let found: Vec<_> = times.buckets.iter().enumerate().filter(|(_, count)| **count > 0).collect();
        assert_eq!(found, [(0, &2), (1, &1), (12, &2), (13, &2)]);
        assert_eq!((times.count(), times.sum), (7, Duration::from_nanos(1_000_000_180_010_000_001)));
    }

    #[test]
    fn each_measure_is_counted_separately() {
        for (place, what) in Measure::ALL.into_iter().enumerate() {
            assert_eq!(what.place(), place);
            let durations = Durations::new();
            durations.record(what, Duration::from_secs(1));
            assert_eq!(durations.read().iter().map(|(what, _)| *what).collect::<Vec<_>>(), [what]);
        }
    }
}
