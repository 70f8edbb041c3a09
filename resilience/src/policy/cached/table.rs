//! The values of a cache with their ages, and the flights for its keys.
//!
//! The map has the hash of a key as its own key, so that it compares numbers under its locks; whether an entry is
//! that of the key is compared afterwards, by the owned copy. Two keys with one hash take each other's place. All
//! changes are made under the lock of the flights, readers take only the lock of the map.

use super::config::CacheConfig;
use super::flight::Flights;
use super::key::{BorrowedKey, KeyShape, OwnedKey};
use crate::base::clock::{now, time_of_day};
use crate::base::sync::locked;
use crate::classify::Classification;
use crate::keyed::IdentityHasher;
use quick_cache::sync::Cache as Map;
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};
use rapidhash::quality::RandomState;
use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant, SystemTime};

/// A value of any type.
pub(super) type Erased = Arc<dyn Any + Send + Sync>;

/// A value that a cache can keep: it can be cloned for each caller, shared between threads, and borrows nothing.
///
/// Each caller gets a clone, so wrap large values: an `Arc<T>` is cloned at no cost.
///
/// # Examples
///
/// ```
/// use resilience::policy::Cache;
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// static PAGES: Cache = Cache::new("pages");
///
/// PAGES.put("/", Arc::new("a large page".to_owned()));
/// let page: Arc<String> = PAGES.get("/", Duration::MAX).unwrap();
/// assert_eq!(*page, "a large page");
/// ```
#[diagnostic::on_unimplemented(
    message = "a cache cannot keep `{Self}`",
    label = "is not `Clone + Send + Sync + 'static`",
    note = "each caller gets a clone: derive `Clone`, or return an `Arc<{Self}>`"
)]
pub trait Cacheable: Clone + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Clone + Send + Sync + 'static> Cacheable for T {}

/// A moment on both clocks: the monotonic one stops while the machine is suspended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    steady: Instant,
    wall: SystemTime,
}

impl Stamp {
    pub(super) fn now() -> Self {
        Self { steady: now(), wall: time_of_day() }
    }

    /// Returns its age at `now`: the longer one of the two clocks.
    pub(super) fn age(self, now: Self) -> Duration {
        let steady = now.steady.saturating_duration_since(self.steady);
        steady.max(now.wall.duration_since(self.wall).unwrap_or_default())
    }
}

#[cfg(all(test, not(loom)))]
impl Stamp {
    /// Returns this moment after the clocks were moved on, each by its own time.
    pub(super) fn moved(self, steady: Duration, wall: Duration) -> Self {
        Self { steady: self.steady + steady, wall: self.wall + wall }
    }

    /// Returns this moment after the time of day was set back.
    pub(super) fn set_back(self, wall: Duration) -> Self {
        Self { wall: self.wall - wall, ..self }
    }
}

/// The freshness of a value, in the words of the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    Fresh,
    /// Older than its `ttl`; it may answer in place of an error.
    Stale,
    /// Of no use.
    Over,
}

/// Returns the freshness: a value is fresh for less than `ttl`, and stale for less than `ttl + stale_if_error`; at the
/// very end it is over.
pub(super) fn freshness(config: &CacheConfig, age: Duration) -> Freshness {
    let Some(ttl) = config.ttl else { return Freshness::Fresh };
    let Some(over) = age.checked_sub(ttl) else { return Freshness::Fresh };
    match config.stale_if_error {
        Some(stale) if over < stale => Freshness::Stale,
        _ => Freshness::Over,
    }
}

/// A value in a cache.
pub(super) struct Stored {
    pub(super) key: Arc<OwnedKey>,
    pub(super) value: Erased,
    pub(super) at: Stamp,
    weight: u64,
    failed: Mutex<Option<Failed>>,
}

/// A refresh that failed.
#[derive(Clone, Copy)]
pub(super) struct Failed {
    at: Stamp,
    /// The time for which no call tries again.
    hold: Duration,
    pub(super) class: Classification,
}

impl Failed {
    pub(super) fn holds(&self, now: Stamp) -> bool {
        self.at.age(now) < self.hold
    }
}

/// The time for which no call tries again after a failed refresh, unless the service sets one.
const HOLD: Duration = Duration::from_secs(5);

impl Stored {
    pub(super) fn new(key: Arc<OwnedKey>, value: Erased, weight: u64) -> Arc<Self> {
        Arc::new(Self { key, value, at: Stamp::now(), weight, failed: Mutex::new(None) })
    }

    /// Returns the same value with another weight.
    fn with_weight(&self, weight: u64) -> Self {
        let Self { key, value, at, .. } = self;
        Self { key: key.clone(), value: value.clone(), at: *at, weight, failed: Mutex::new(self.failed()) }
    }

    /// Returns the refresh that failed since the value was stored, if one did.
    pub(super) fn failed(&self) -> Option<Failed> {
        *locked(&self.failed)
    }

    /// Notes a failure, which holds for as long as the service has asked for, else 5 s.
    pub(super) fn note_failure(&self, class: Classification) {
        let hold = class.retry_after.unwrap_or(HOLD);
        *locked(&self.failed) = Some(Failed { at: Stamp::now(), hold, class });
    }
}

#[derive(Clone)]
struct ByWeight;

impl Weighter<u64, Arc<Stored>> for ByWeight {
    fn weight(&self, _: &u64, stored: &Arc<Stored>) -> u64 {
        // An entry takes memory even if its value weighs nothing, and the map never evicts what weighs 0.
        stored.weight.max(1)
    }
}

/// A life cycle that keeps evicted values until the locks are free: values are the program's, and run its code when
/// they are dropped.
#[derive(Clone)]
struct KeepEvicted;

impl Lifecycle<u64, Arc<Stored>> for KeepEvicted {
    type RequestState = Vec<Arc<Stored>>;

    fn on_evict(&self, state: &mut Vec<Arc<Stored>>, _: u64, stored: Arc<Stored>) {
        state.push(stored);
    }
}

/// The result that a call shares with the calls that wait for it.
#[derive(Clone)]
pub(super) enum FlightResult {
    /// A value, with its class if it counts as a failure.
    Value(Erased, Option<Classification>),
    Failed(Arc<Failure>),
}

/// The failure of a leader's call.
pub(super) struct Failure {
    pub(super) class: Classification,
    /// Its error, where that can be cloned.
    pub(super) error: Option<SharedError>,
    /// The time that the leader had at its start, in nanoseconds.
    pub(super) left: u64,
    /// Whether the call failed because its time was over.
    pub(super) is_out_of_time: bool,
}

/// A function that makes clones of an error.
#[doc(hidden)]
pub type SharedError = Box<dyn Fn() -> Box<dyn Any> + Send + Sync>;

type Values = Map<u64, Arc<Stored>, ByWeight, BuildHasherDefault<IdentityHasher>, KeepEvicted>;

/// The map evicts by weight: its capacity is `max`, and a value weighs 1 unless `weight` says otherwise. A value that
/// weighs more than `max` is not kept at all, instead of evicting everything.
pub(super) struct Table {
    /// The values while each weighs 1; a large map has several parts, so that threads wait less for one another.
    alike: Values,
    /// The values from the first one on that was weighed. A part keeps no value that is heavier than its share of
    /// `max`, so this map has a single part.
    weighed: OnceLock<Values>,
    pub(super) flights: Flights<Arc<OwnedKey>, FlightResult>,
    hasher: RandomState,
    max: u64,
    /// The shapes of the keys so far: one for most caches.
    shapes: Mutex<Vec<KeyShape>>,
    weigher: OnceLock<Weigher>,
    pub(super) misses: AtomicU64,
    pub(super) joined: AtomicU64,
    pub(super) stale: AtomicU64,
}

/// A function that weighs values of one type.
type Weigher = Box<dyn Fn(&(dyn Any + Send + Sync)) -> Option<u64> + Send + Sync>;

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("entries", &self.entries()).finish_non_exhaustive()
    }
}

impl Table {
    pub(super) fn new(max: u32) -> Self {
        // In one part all of `max` fit, whatever their hashes; many values have parts with locks of their own.
        let parts = (max as usize / 4096).clamp(1, 64);
        Self {
            alike: values(OptionsBuilder::new().shards(parts), max.into()),
            weighed: OnceLock::new(),
            flights: Flights::new(),
            hasher: RandomState::new(),
            max: max.into(),
            shapes: Mutex::default(),
            weigher: OnceLock::new(),
            misses: AtomicU64::new(0),
            joined: AtomicU64::new(0),
            stale: AtomicU64::new(0),
        }
    }

    fn values(&self) -> &Values {
        self.weighed.get().unwrap_or(&self.alike)
    }

    /// Returns the hash, seeded at random, so that keys from outside cannot be chosen to collide.
    pub(super) fn hash(&self, shape: &KeyShape, key: &dyn BorrowedKey) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        shape.hash(&mut hasher);
        key.hash(&mut hasher);
        hasher.finish()
    }

    /// Returns the entry for the hash, of whatever key.
    pub(super) fn entry(&self, hash: u64) -> Option<Arc<Stored>> {
        self.values().get(&hash)
    }

    /// Returns the entry for the hash, if it is that of the key.
    pub(super) fn find(&self, hash: u64, is: impl Fn(&OwnedKey) -> bool) -> Option<Arc<Stored>> {
        self.entry(hash).filter(|stored| is(&stored.key))
    }

    /// Returns whether the entry for the hash is still this one; for use under the lock of the flights.
    pub(super) fn is_still(&self, hash: u64, entry: Option<&Arc<Stored>>) -> bool {
        match (self.values().peek(&hash), entry) {
            (None, None) => true,
            (Some(now), Some(entry)) => Arc::ptr_eq(&now, entry),
            _ => false,
        }
    }

    /// Stores under the lock of the flights; what that takes the place of is dropped by the caller.
    pub(super) fn store(&self, hash: u64, stored: Arc<Stored>, dropped: &mut Vec<Arc<Stored>>) {
        dropped.extend(self.values().remove(&hash).map(|(_, before)| before));
        self.insert(self.values(), hash, stored, dropped);
    }

    fn insert(&self, values: &Values, hash: u64, stored: Arc<Stored>, dropped: &mut Vec<Arc<Stored>>) {
        if stored.weight > self.max {
            dropped.push(stored);
        } else {
            values.insert_with_lifecycle(hash, stored, dropped);
        }
    }

    /// Removes a value under the lock of the flights; the caller drops it.
    pub(super) fn remove(&self, hash: u64, dropped: &mut Vec<Arc<Stored>>) {
        dropped.extend(self.values().remove(&hash).map(|(_, before)| before));
    }

    /// Removes everything.
    pub(super) fn clear(&self) {
        let mut dropped = Vec::new();
        self.flights.change_all(|| dropped.extend(self.values().drain().map(|(_, stored)| stored)));
    }

    /// Notes that keys of this shape are used.
    pub(super) fn note(&self, shape: &KeyShape) {
        let mut shapes = locked(&self.shapes);
        if !shapes.contains(shape) {
            shapes.push(shape.clone());
        }
    }

    pub(super) fn shapes(&self) -> Vec<KeyShape> {
        locked(&self.shapes).clone()
    }

    /// Returns whether a value of this type may have been put directly for all types of a function.
    ///
    /// It spares generic functions a second look-up as long as nothing was put directly.
    pub(super) fn has_plain(&self, value: TypeId) -> bool {
        locked(&self.shapes).contains(&KeyShape::plain(value))
    }

    /// Weighs all values from now on, also those that were put before the first call.
    pub(super) fn weigh_with(&self, weigher: impl FnOnce() -> Weigher) {
        if self.weighed.get().is_some() {
            return;
        }
        self.weigher.get_or_init(weigher);
        // The program's code weighs, outside of the locks.
        let weigh = |(hash, before): (u64, Arc<Stored>)| {
            let after = before.with_weight(self.weight(&before.value));
            (hash, (before, Arc::new(after)))
        };
        let known: HashMap<_, _> = self.alike.iter().map(weigh).collect();
        let mut dropped = Vec::new();
        self.flights.hold(|| {
            if self.weighed.get().is_some() {
                return;
            }
            // Keys of values that are gone are not remembered: `max` may be a number of bytes, and as many keys.
            let options = &mut OptionsBuilder::new();
            let map = values(options.shards(1).hot_allocation(1.0).ghost_allocation(0.0), self.max);
            for (hash, stored) in self.alike.drain() {
                let same = known.get(&hash).filter(|(before, _)| Arc::ptr_eq(before, &stored));
                let stored = same.map_or(stored, |(_, after)| after.clone());
                self.insert(&map, hash, stored, &mut dropped);
            }
            let _ = self.weighed.set(map);
        });
    }

    /// Returns the weight of a value that is put directly.
    pub(super) fn weight(&self, value: &Erased) -> u64 {
        self.weigher.get().and_then(|weigher| weigher(&**value)).unwrap_or(1)
    }

    pub(super) fn entries(&self) -> usize {
        self.values().len()
    }

    pub(super) fn total_weight(&self) -> u64 {
        self.values().weight()
    }

    pub(super) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Returns an empty map for values of this weight in all.
fn values(options: &mut OptionsBuilder, weight: u64) -> Values {
    let items = usize::try_from(weight).map_or(1 << 20, |weight| weight.min(1 << 20));
    let options = options
        .estimated_items_capacity(items)
        .weight_capacity(weight)
        .build()
        .unwrap_or_else(|_| unreachable!("both capacities are set"));
    Map::with_options(options, ByWeight, BuildHasherDefault::default(), KeepEvicted)
}
