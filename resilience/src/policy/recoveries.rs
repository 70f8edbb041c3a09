//! The number of failures that were recovered from, by strategy and point, if no `static` of an annotated function
//! counts it.
//!
//! `durable::recovery_stats()` adds these to the counters of the annotated functions, so that a program has one table
//! of its recoveries, whichever form it uses.

use crate::base::of_process::OfProcess;
use crate::base::site::Site;
use crate::point::PointName;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

/// The number of uses of a strategy, and of those that worked.
pub(crate) type Count = (u64, u64);

/// The counters of each point, which its callers share without waiting for a lock.
#[derive(Debug, Default)]
struct Counters {
    taken: AtomicU64,
    worked: AtomicU64,
}

impl Counters {
    fn count(&self, worked: bool) {
        self.taken.fetch_add(1, Ordering::Relaxed);
        self.worked.fetch_add(u64::from(worked), Ordering::Relaxed);
    }

    fn counted(&self) -> Count {
        (self.taken.load(Ordering::Relaxed), self.worked.load(Ordering::Relaxed))
    }
}

type Counts = BTreeMap<&'static str, HashMap<PointName, Counters>>;

static COUNTS: Site<OfProcess<RwLock<Counts>>> =
    Site::new(OfProcess::new(RwLock::new(BTreeMap::new()), |_| RwLock::default()), || {
        OfProcess::new(RwLock::default(), |_| RwLock::default())
    });

/// The most points that are counted one by one: names of jobs as plain values have no limit.
const MOST_POINTS: usize = 1_000;

/// Counts that `strategy` was taken at `point`.
pub(crate) fn count(point: &PointName, strategy: &'static str, worked: bool) {
    {
        let counts = COUNTS.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counters) = counts.get(strategy).and_then(|points| points.get(point)) {
            return counters.count(worked);
        }
    }
    let mut counts = COUNTS.write().unwrap_or_else(PoisonError::into_inner);
    let points = counts.entry(strategy).or_default();
    let is_one_by_one = points.len() < MOST_POINTS || points.contains_key(point);
    let point = if is_one_by_one { point.clone() } else { PointName::new("_other") };
    points.entry(point).or_default().count(worked);
}

/// The waits before retries, in nanoseconds, and their number.
static WAITED: Site<AtomicU64> = Site::new(AtomicU64::new(0), AtomicU64::default);
static WAITS: Site<AtomicU64> = Site::new(AtomicU64::new(0), AtomicU64::default);

/// The bytes of recorded values.
static RECORDED: Site<AtomicU64> = Site::new(AtomicU64::new(0), AtomicU64::default);

/// Counts the wait before a retry.
pub(crate) fn count_wait(wait: Duration) {
    WAITED.fetch_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    WAITS.fetch_add(1, Ordering::Relaxed);
}

/// Returns the mean wait before a retry; `None` before the first.
pub(crate) fn mean_wait() -> Option<Duration> {
    let waited = WAITED.load(Ordering::Relaxed);
    waited.checked_div(WAITS.load(Ordering::Relaxed)).map(Duration::from_nanos)
}

/// Counts the bytes of a value that a step has recorded.
pub(crate) fn count_recorded(bytes: usize) {
    RECORDED.fetch_add(bytes as u64, Ordering::Relaxed);
}

/// Returns the bytes of all values that steps have recorded.
pub(crate) fn recorded() -> u64 {
    RECORDED.load(Ordering::Relaxed)
}

/// Returns the counts so far.
pub(crate) fn counted() -> Vec<(&'static str, PointName, Count)> {
    let counts = COUNTS.read().unwrap_or_else(PoisonError::into_inner);
    let all = counts.iter().flat_map(|(strategy, points)| {
        points.iter().map(|(point, counters)| (*strategy, point.clone(), counters.counted()))
    });
    all.collect()
}
