//! The state and counts of a cache at one moment.

use super::Cache;
use crate::base::visible::Visible;
use crate::point::PointName;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// The state and counts of a cache at one moment; see [`Cache::snapshot`].
///
/// # Examples
///
/// ```
/// use resilience::policy::Cache;
///
/// let cache = Cache::new("users");
/// cache.put(&7_u32, "Ada".to_owned());
/// assert_eq!(cache.snapshot().to_string(), "users: entries 1, weight 1 of 1000, misses 0, joined 0, stale 0");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct CacheSnapshot {
    /// The point, or the name of a plain value.
    pub name: PointName,
    /// The number of values that it holds, stale ones included.
    pub entries: usize,
    /// The sum of their weights; without `weight` each weighs 1.
    pub weight: u64,
    /// The largest sum of weights; without `weight` the largest number of values.
    pub max: u32,
    /// The number of bodies that have run since the program started: for calls that found no fresh value, or that
    /// waited no longer.
    pub misses: u64,
    /// The number of calls that wait for another one at this moment.
    pub waiting: usize,
    /// The number of calls that were answered by another call that they waited for.
    pub joined: u64,
    /// The number of calls that were answered with a stale value.
    pub stale: u64,
}

/// `users: entries 1, weight 1 of 1000, misses 0, joined 0, stale 0`.
impl fmt::Display for CacheSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, entries, weight, max, misses, joined, stale, .. } = self;
        let name = Visible(name);
        write!(
            f,
            "{name}: entries {entries}, weight {weight} of {max}, misses {misses}, joined {joined}, stale {stale}"
        )
    }
}

impl Cache {
    /// Returns the state and the counts at this moment.
    ///
    /// The counts are since the program started, or since the test world began; `clear` does not reset them. Fresh
    /// answers are not counted, so that they write nothing to shared memory.
    pub fn snapshot(&self) -> CacheSnapshot {
        let table = self.table();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CacheSnapshot {
            name: self.owner.clone(),
            entries: table.entries(),
            weight: table.total_weight(),
            max: self.config().max,
            misses: count(&table.misses),
            waiting: table.flights.waiting(),
            joined: count(&table.joined),
            stale: count(&table.stale),
        }
    }
}
