//! The counts of waits for locks.

use crate::base::site::Site;
#[cfg(feature = "ops")]
use crate::point::{Histogram, Times};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The counts of this process, or test world, about its locks; see [`stats`].
///
/// Locks of files count, whoever asks for them: [`FileLock`](crate::fs::FileLock), `#[with_lock]` and transactions.
/// Errors other than a wait in vain are in no counter, and [`MarkerLock`](crate::fs::MarkerLock) counts nothing.
///
/// # Examples
///
/// ```
/// use resilience::lock;
/// use std::time::Duration;
///
/// # let _world = resilience::testing::isolate();
/// let held = lock::task("report").acquire()?;
/// assert!(lock::task("report").wait(Duration::ZERO).acquire().is_err());
///
/// let stats = lock::stats();
/// assert_eq!((stats.acquired, stats.timed_out), (1, 1));
/// assert!(stats.wait_max <= stats.wait_total);
/// # drop(held);
/// # Ok::<(), resilience::fs::LockError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LockStats {
    /// The number of locks that were taken.
    pub acquired: u64,
    /// The number of them that had to be waited for.
    pub waited: u64,
    /// The number of locks that were not free in time.
    pub timed_out: u64,
    /// The time of all waits together, those that ended in vain included.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "wait_total_s", serialize_with = "crate::base::serialise::seconds")
    )]
    pub wait_total: Duration,
    /// The time of the longest wait.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "wait_max_s", serialize_with = "crate::base::serialise::seconds")
    )]
    pub wait_max: Duration,
}

#[derive(Debug)]
struct Counters {
    acquired: AtomicU64,
    waited: AtomicU64,
    timed_out: AtomicU64,
    total: AtomicU64,
    longest: AtomicU64,
    /// The waits of locks that were taken, and those in vain.
    #[cfg(feature = "ops")]
    waits: [Histogram; 2],
}

static COUNTERS: Site<Counters> = Site::new(Counters::new(), Counters::new);

impl Counters {
    const fn new() -> Self {
        Self {
            acquired: AtomicU64::new(0),
            waited: AtomicU64::new(0),
            timed_out: AtomicU64::new(0),
            total: AtomicU64::new(0),
            longest: AtomicU64::new(0),
            #[cfg(feature = "ops")]
            waits: [Histogram::NEW; 2],
        }
    }

    fn wait(&self, wait: Duration) {
        let nanos = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        self.total.fetch_add(nanos, Ordering::Relaxed);
        self.longest.fetch_max(nanos, Ordering::Relaxed);
    }
}

pub(super) fn acquired(wait: Option<Duration>) {
    let counters = &*COUNTERS;
    #[cfg(feature = "ops")]
    counters.waits[0].record(wait.unwrap_or_default());
    counters.acquired.fetch_add(1, Ordering::Relaxed);
    if let Some(wait) = wait {
        counters.waited.fetch_add(1, Ordering::Relaxed);
        counters.wait(wait);
    }
}

pub(super) fn timed_out(wait: Duration) {
    let counters = &*COUNTERS;
    #[cfg(feature = "ops")]
    counters.waits[1].record(wait);
    counters.timed_out.fetch_add(1, Ordering::Relaxed);
    counters.wait(wait);
}

/// Returns how long locks were waited for, by how the wait ended.
#[cfg(feature = "ops")]
pub(crate) fn waits() -> [(&'static str, Times); 2] {
    let [taken, in_vain] = &COUNTERS.waits;
    [("ok", taken.read()), ("timeout", in_vain.read())]
}

/// Returns what this process has counted about waits for its locks.
///
/// # Examples
///
/// ```
/// # let _world = resilience::testing::isolate();
/// let guard = resilience::lock::task("report").acquire()?;
/// let stats = resilience::lock::stats();
/// assert_eq!((stats.acquired, stats.waited, stats.timed_out), (1, 0, 0));
/// # drop(guard);
/// # Ok::<(), resilience::fs::LockError>(())
/// ```
pub fn stats() -> LockStats {
    let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
    let counters = &*COUNTERS;
    LockStats {
        acquired: count(&counters.acquired),
        waited: count(&counters.waited),
        timed_out: count(&counters.timed_out),
        wait_total: Duration::from_nanos(count(&counters.total)),
        wait_max: Duration::from_nanos(count(&counters.longest)),
    }
}
