//! How long the calls of one function take, where its attributes have `timed`.
//!
//! A duration is counted in the first bucket that it fits, with its outcome, apart for some threads. The sum has
//! nanoseconds: 584 years of calls.

use crate::base::scope::nanos;
use crate::base::shards::{SHARDS, own_or_assigned};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper bounds of the buckets, in seconds; one more takes what is longer.
pub(crate) const BOUNDS: [f64; 13] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
const BUCKETS: usize = BOUNDS.len() + 1;

/// How a call has ended, as metrics call it.
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
    pub(crate) const ALL: [Self; 6] =
        [Self::Success, Self::Error, Self::Rejected, Self::Timeout, Self::Cancelled, Self::Panic];

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

/// Durations by bucket, as counted so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Times {
    /// Not cumulative: each has those between its bound and the one before.
    pub(crate) buckets: [u64; BUCKETS],
    pub(crate) sum: Duration,
}

impl Times {
    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

#[derive(Debug, Default)]
struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    nanos: AtomicU64,
}

impl Histogram {
    fn record(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let at = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        if let Some(bucket) = self.buckets.get(at) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.nanos.fetch_add(nanos(took), Ordering::Relaxed);
    }

    fn add_to(&self, times: &mut Times) {
        for (sum, bucket) in times.buckets.iter_mut().zip(&self.buckets) {
            *sum += bucket.load(Ordering::Relaxed);
        }
        times.sum += Duration::from_nanos(self.nanos.load(Ordering::Relaxed));
    }
}

/// The durations of one function.
#[derive(Debug, Default)]
pub(crate) struct Durations {
    calls: [[Histogram; Outcome::ALL.len()]; SHARDS],
    /// The waits before retries: of their own, and as long as the service asked for.
    waits: [Histogram; 2],
}

impl Durations {
    pub(super) fn record(&self, outcome: Outcome, took: Duration) {
        let histograms = self.calls.get(own_or_assigned());
        if let Some(histogram) = histograms.and_then(|all| all.get(outcome as usize)) {
            histogram.record(took);
        }
    }

    /// Counts the wait before a retry.
    pub(super) fn record_wait(&self, is_asked_for: bool, wait: Duration) {
        if let Some(histogram) = self.waits.get(usize::from(is_asked_for)) {
            histogram.record(wait);
        }
    }

    /// What was counted, of each outcome that there was.
    pub(super) fn read(&self) -> Vec<(Outcome, Times)> {
        let of = |outcome: Outcome| {
            let mut times = Times::default();
            self.calls
                .iter()
                .filter_map(|all| all.get(outcome as usize))
                .for_each(|part| part.add_to(&mut times));
            (outcome, times)
        };
        Outcome::ALL.map(of).into_iter().filter(|(_, times)| times.count() > 0).collect()
    }

    /// The waits before retries, by where their length comes from.
    pub(super) fn waits(&self) -> [(&'static str, Times); 2] {
        std::array::from_fn(|n| {
            let mut times = Times::default();
            self.waits[n].add_to(&mut times);
            (["backoff", "retry_after"][n], times)
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_the_first_bucket_that_it_fits() {
        let durations = Durations::default();
        let all = [0.0, 0.005, 0.005_000_001, 59.9, 60.0, 60.1, 1e9];
        for at in all {
            durations.record(Outcome::Error, Duration::from_secs_f64(at));
        }
        let read = durations.read();
        let [(Outcome::Error, times)] = &read[..] else { panic!("{read:?}") };
        let found: Vec<_> = times.buckets.iter().enumerate().filter(|(_, count)| **count > 0).collect();
        assert_eq!(found, [(0, &2), (1, &1), (12, &2), (13, &2)]);
        assert_eq!((times.count(), times.sum), (7, Duration::from_nanos(1_000_000_180_010_000_001)));
    }
}
