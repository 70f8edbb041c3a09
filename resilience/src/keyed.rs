//! Separate state for each key: a bounded map that makes an entry at its first use and drops idle ones.
//!
//! A *key* divides the state of a policy: with `key = host`, each host has its own breaker and its own retry
//! budget, so that a host that is down does not close the others. Divide by the unit that fails together: a host, a
//! tenant, a model, a shard. A key with a value for each request (a user's query, a trace id) divides the
//! state so finely that no breaker ever sees a second failure.
//!
//! Keys are kept in memory and are made of arguments, which can come from outside. The map is therefore
//! bounded (`max_keys`, by default 1,024), and neither logs, metrics nor the texts of rejections show a key unless
//! the policy has `key_label`.
//!
//! # How it works
//!
//! The map has 1 to 1,024 parts, by `max_keys`, each behind a read-write lock; a part is a map from the hash of the key
//! to the entry, which has the key for comparison. The order of uses is not a list, but a number in each entry: the
//! count of keys that had been added when the entry was used last. So a look-up writes nothing to shared memory while
//! no new keys come.
//!
//! A thread that adds a key beyond `max_keys` owes one eviction. It looks in the part of its own key first, then in
//! others, for an entry that is neither in use nor to be evicted last; then for one that is not in use. If
//! every entry is in use it takes its own key out again and uses the shared one. Between these steps the map can hold
//! a few entries more than `max_keys`, one for each thread that is adding a key; one whose key another thread uses by then
//! stays, and the next thread that adds a key evicts it.
//!
//! While every entry is in use, as in a rate limit for each address under attack, each call with a new key would search
//! the whole map. After 16 fruitless searches each further one covers a single part besides its own, in turn, until one
//! finds an entry.
//!
//! With the feature `ops` an entry counts its first 20 uses, and the first 100 keys with as many are remembered for
//! as long as the process lives: those are the keys that metrics show.
//!
//! No code of the program runs under a lock: values are made before, and dropped after.

mod key;

pub(crate) use key::OwnedKey;
pub use key::{Key, KeyAndValue, KeyRef};

use crate::base::clock::now;
use crate::base::name::PointName;
#[cfg(feature = "ops")]
use crate::base::sync::locked;
use crate::base::sync::{AtomicU64, Ordering, RwLock, RwLockReadGuard, RwLockWriteGuard, made};
use rapidhash::quality::RandomState;
use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
#[cfg(feature = "ops")]
use std::sync::Mutex;
#[cfg(feature = "ops")]
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Instant;

/// A value that a [`Keyed`] map keeps for each key.
#[doc(hidden)]
pub trait PerKey: Send + Sync + Sized {
    /// Turns a new entry into the one of `key`; `whole` stands for all keys of the map.
    fn for_key(self, key: PointName, whole: &Self) -> Self;

    /// Turns a new entry into the one for all keys of a map.
    fn whole(self) -> Self {
        self
    }

    /// Returns whether entries of which this is not true at `now` are evicted before this one.
    fn evict_last(&self, now: Instant) -> bool {
        let _ = now;
        false
    }

    /// Whether an entry whose `Arc` is held is in use, so that it is never evicted.
    const STAYS_WHILE_HELD: bool = false;

    /// Returns whether this entry is in use at `now`, so that it is never evicted.
    fn is_in_use(&self, now: Instant) -> bool {
        let _ = now;
        false
    }
}

/// A map with a separate value for each of up to `max_keys` keys, made at its first use.
///
/// An annotated function with `key = ..` has one inside; use one directly for policies as values, with
/// [`CircuitBreaker`](crate::CircuitBreaker) as `T`. [`CircuitBreakers`](crate::CircuitBreakers) is the same
/// with the settings of a breaker, for several functions.
///
/// # Eviction
///
/// When room is needed, an entry that has not been used for long is evicted: among up to 127 keys the least
/// recently used one, where all uses between two new keys count as one moment; among more keys nearly that
/// one. A breaker that rejects calls or was set by an operator goes last. An evicted value lives on until the
/// last `Arc` of it is dropped; a later use of its key makes a new value.
///
/// A value in use is never evicted: a bulkhead with calls that run or wait, a rate limit whose bucket is not full
/// again, a breaker whose probe runs, because a new one would admit more calls. If every entry is in use, new keys
/// share one more entry, which the snapshot lists as `(overflow)`.
///
/// # Cost
///
/// Looking up a known key allocates nothing; it takes a read lock on a part of the map, and writes to the
/// entry only if it is the first use since any new key was added.
///
/// # Examples
///
/// ```
/// use resilience::CircuitBreaker;
/// use resilience::policy::keyed::Keyed;
///
/// static HOSTS: Keyed<CircuitBreaker> = Keyed::new(|| CircuitBreaker::new("hosts").threshold(3)).max_keys(100);
///
/// HOSTS.get("example.org").force_open();
/// assert!(!HOSTS.get("example.org").is_available());
/// assert!(HOSTS.get("example.com").is_available());
/// assert_eq!(HOSTS.keys(), ["example.com", "example.org"]);
/// ```
#[derive(Debug)]
#[doc(hidden)]
pub struct Keyed<T> {
    make: fn() -> T,
    max_keys: usize,
    entries: EntryMap<T>,
}

/// The entries of a keyed policy; the table is made at the first use.
#[derive(Debug)]
pub(crate) struct EntryMap<T>(OnceLock<Table<T>>);

/// The map, once it is in use: its parts, and the counters by which entries are evicted.
///
/// `count` may be below the number of entries for a moment, never for long: a thread that subtracts an entry removes
/// one, or puts the one back that could not be evicted.
#[derive(Debug)]
struct Table<T> {
    shards: Box<[Shard<T>]>,
    hasher: RandomState,
    max_keys: usize,
    /// The number of entries, without those whose eviction has been decided on.
    count: AtomicU64,
    /// The number of entries that were ever added: the time by which uses are ordered.
    tick: AtomicU64,
    /// The shard of the entry that was added last, where an idle entry is likely.
    latest: AtomicU64,
    /// The numbers of consecutive searches that found no idle entry, and that found none that is not in use.
    fruitless: [AtomicU64; 2],
    /// Stands for all keys.
    whole: T,
    /// Shared by the keys for which there is no room, because every entry is in use.
    overflow: OnceLock<Arc<T>>,
    /// The number of times that a key had to share it.
    overflowed: AtomicU64,
    /// The number of entries that were evicted.
    #[cfg(feature = "ops")]
    evicted: AtomicU64,
    /// The first keys that were used often, in that order.
    #[cfg(feature = "ops")]
    often: FrequentKeys,
}

/// The label of the keys that have no label of their own.
#[cfg(feature = "ops")]
pub(crate) const OTHER_KEYS: &str = "_other";
/// The longest key that becomes a label: a page with a longer one may be refused as a whole.
#[cfg(feature = "ops")]
const LONGEST_LABEL: usize = 1_024;

/// The number of consecutive fruitless searches that cover every part of the map.
const THOROUGH: u64 = 16;

/// The name of the entry for keys without space.
const OVERFLOW: &str = "(overflow)";

/// A part of the map, by the hash of the key.
///
/// A key that has all 64 bits of its hash in common with another one takes the place of that one. The hash is
/// seeded at random, so that such a pair is met neither by chance nor by design; a light one suffices because the
/// map is bounded.
type Shard<T> = RwLock<Entries<T>>;
type Entries<T> = HashMap<u64, Entry<T>, BuildHasherDefault<IdentityHasher>>;

/// A hasher for values that are hashes already.
///
/// `write` is never called: the key of a map is the hash, a `u64`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IdentityHasher(u64);

impl Hasher for IdentityHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    #[inline]
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// A value with its key, which distinguishes it from another key of the same hash.
#[derive(Debug)]
struct Entry<T> {
    key: OwnedKey,
    value: Arc<T>,
    used: AtomicU64,
    /// The number of look-ups, up to [`OFTEN`].
    #[cfg(feature = "ops")]
    uses: AtomicU32,
}

/// The number of uses from which a key counts as frequent.
#[cfg(feature = "ops")]
const OFTEN: u32 = 20;

/// The most frequent keys that are remembered.
#[cfg(feature = "ops")]
const MOST_OFTEN: usize = 100;

/// The first frequent keys: those that metrics show, as long as the process lives.
#[cfg(feature = "ops")]
#[derive(Debug, Default)]
struct FrequentKeys {
    keys: Mutex<Vec<OwnedKey>>,
    /// The number of further frequent keys.
    more: AtomicU64,
}

#[cfg(feature = "ops")]
impl FrequentKeys {
    /// Counts a use of `entry`; writes only while there have been few.
    #[inline]
    fn count<T>(&self, entry: &Entry<T>) {
        if entry.uses.load(Ordering::Relaxed) < OFTEN {
            self.count_early(entry);
        }
    }

    #[cold]
    #[inline(never)]
    fn count_early<T>(&self, entry: &Entry<T>) {
        if entry.uses.fetch_add(1, Ordering::Relaxed) + 1 != OFTEN {
            return;
        }
        let mut keys = locked(&self.keys);
        let key = entry.key.as_ref();
        if keys.iter().any(|other| other.as_ref() == key) {
            return;
        }
        if keys.len() < MOST_OFTEN && is_label(key) {
            keys.push(OwnedKey::of(key));
        } else {
            self.more.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Returns whether a key can be a label: it is not too long, and not the label of all others.
#[cfg(feature = "ops")]
fn is_label(key: KeyRef<'_>) -> bool {
    !matches!(key, KeyRef::Text(text) if text == OTHER_KEYS || text.len() > LONGEST_LABEL)
}

impl<T: PerKey> Keyed<T> {
    /// Creates a map that makes each entry with `make`; at most 1,024 keys unless set otherwise.
    ///
    /// `make` is a function or a closure that captures nothing, so that the map can be a `static`. It is
    /// called once more than there are keys, for the counters of all keys together.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::CircuitBreaker;
    /// use resilience::policy::keyed::Keyed;
    ///
    /// fn breaker() -> CircuitBreaker {
    ///     CircuitBreaker::new("shards").threshold(3)
    /// }
    ///
    /// static SHARDS: Keyed<CircuitBreaker> = Keyed::new(breaker);
    /// assert!(SHARDS.keys().is_empty(), "nothing is made before the first use");
    /// SHARDS.get("eu:3");
    /// assert_eq!(SHARDS.keys(), ["eu:3"]);
    /// ```
    pub const fn new(make: fn() -> T) -> Self {
        Self { make, max_keys: MAX_KEYS, entries: EntryMap::new() }
    }

    /// Sets the number of keys that have an entry at once; from 1, default 1,024.
    ///
    /// The map takes no memory for keys before they are used. Choose somewhat more than are in use at one time: with
    /// fewer, entries come and go, and each new one has forgotten what the old one knew.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::CircuitBreaker;
    /// use resilience::policy::keyed::Keyed;
    ///
    /// static HOSTS: Keyed<CircuitBreaker> = Keyed::new(|| CircuitBreaker::new("hosts")).max_keys(2);
    /// for host in ["a.example", "b.example", "c.example"] {
    ///     HOSTS.get(host);
    /// }
    /// assert_eq!(HOSTS.keys(), ["b.example", "c.example"], "the one that was not used for longest has gone");
    /// ```
    ///
    /// # Panics
    ///
    /// If it is zero; in a `static` that is a compile error.
    #[track_caller]
    pub const fn max_keys(mut self, keys: usize) -> Self {
        assert!(keys > 0, "{}", NO_KEYS);
        self.max_keys = keys;
        self
    }

    /// Creates an entry that stands for all keys.
    pub(crate) fn make(&self) -> T {
        (self.make)().whole()
    }

    /// Returns the entry for `key`, made now if there is none.
    ///
    /// Keep the `Arc` only for a call: an entry that is held longer can be evicted in that time, and its state
    /// is then no longer that of its key.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::CircuitBreaker;
    /// use resilience::policy::keyed::Keyed;
    /// use std::sync::Arc;
    ///
    /// static SHARDS: Keyed<CircuitBreaker> = Keyed::new(|| CircuitBreaker::new("shards"));
    ///
    /// assert!(Arc::ptr_eq(&SHARDS.get(&3_u8), &SHARDS.get(&3_i64)), "one number is one key");
    /// ```
    #[inline]
    pub fn get<K: Key + ?Sized>(&self, key: &K) -> Arc<T> {
        self.entries.get(key, self.max_keys, &self.make)
    }

    /// Returns the entry for `key` if there is one, without making it.
    ///
    /// `key` is the text, or the number as its text. Looking does not count as a use, so it delays no
    /// eviction.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::CircuitBreaker;
    /// use resilience::policy::keyed::Keyed;
    ///
    /// static SHARDS: Keyed<CircuitBreaker> = Keyed::new(|| CircuitBreaker::new("shards"));
    ///
    /// SHARDS.get(&42);
    /// assert!(SHARDS.peek("42").is_some());
    /// assert!(SHARDS.peek("43").is_none());
    /// ```
    pub fn peek(&self, key: &str) -> Option<Arc<T>> {
        self.entries.peek(key)
    }

    /// Returns every key that has an entry, as text, sorted; a moment later there may be others.
    ///
    /// The function locks one part of the map after the other, for reading. The shared entry for keys without space is
    /// not among them.
    pub fn keys(&self) -> Vec<String> {
        self.entries.keys()
    }

    pub(crate) fn entries(&self) -> &EntryMap<T> {
        &self.entries
    }

    pub(crate) fn limit(&self) -> usize {
        self.max_keys
    }
}

/// The default number of keys that have an entry at once.
pub(crate) const MAX_KEYS: usize = 1024;

pub(crate) const NO_KEYS: &str = "`max_keys` must be at least 1: how many keys have state at once";

impl<T> EntryMap<T> {
    pub(crate) const fn new() -> Self {
        Self(OnceLock::new())
    }
}

impl<T: PerKey> EntryMap<T> {
    /// Returns the entry for `key`, made by `make` if there is none; the first call decides on `max_keys`.
    #[inline]
    pub(crate) fn get<K: Key + ?Sized>(&self, key: &K, max_keys: usize, make: &dyn Fn() -> T) -> Arc<T> {
        let table = self.0.get().unwrap_or_else(|| self.first(max_keys, make));
        key.read(|key| {
            let hash = table.hasher.hash_one(key);
            table.find(hash, key).unwrap_or_else(|| table.add(hash, key, make))
        })
    }

    /// Makes the table of the first key; out of line, so that no call prepares for it.
    #[cold]
    #[inline(never)]
    fn first(&self, max_keys: usize, make: &dyn Fn() -> T) -> &Table<T> {
        self.0.get_or_init(|| Table::new(max_keys, make))
    }

    /// Returns the entry for `key`, if there is one; it counts as used.
    pub(crate) fn find<K: Key + ?Sized>(&self, key: &K) -> Option<Arc<T>> {
        let table = self.0.get()?;
        key.read(|key| table.find(table.hasher.hash_one(key), key))
    }

    /// Returns the entry for `key` without a use. A text that an integer prints as is looked up as both; the text
    /// first.
    pub(crate) fn peek(&self, key: &str) -> Option<Arc<T>> {
        let number = key.parse().ok().filter(|number: &i128| number.to_string() == key);
        let keys = [Some(KeyRef::Text(key)), number.map(KeyRef::Number)];
        let table = self.0.get()?;
        keys.into_iter().flatten().find_map(|key| table.peek(table.hasher.hash_one(key), key))
    }

    /// Returns the keys, sorted as texts, so that `10` comes before `9`.
    pub(crate) fn keys(&self) -> Vec<String> {
        let mut keys = self.collect(|entry| entry.key.as_ref().to_string());
        keys.sort_unstable();
        keys
    }

    /// Returns every entry with its key, sorted.
    pub(crate) fn all(&self) -> Vec<(String, Arc<T>)> {
        let mut all = self.collect(|entry| (entry.key.as_ref().to_string(), entry.value.clone()));
        let overflow = self.0.get().and_then(|table| table.overflow.get());
        all.extend(overflow.map(|entry| (OVERFLOW.to_owned(), entry.clone())));
        all.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        all
    }

    /// Returns the entry for all keys, evicted ones included; `None` before the first use.
    pub(crate) fn whole(&self) -> Option<&T> {
        self.0.get().map(|table| &table.whole)
    }

    /// Returns how many keys there are, and how many were evicted.
    #[cfg(feature = "ops")]
    pub(crate) fn population(&self) -> (u64, u64) {
        let table = self.0.get();
        let count = self.collect(|_| ()).len() as u64;
        (count, table.map_or(0, |table| table.evicted.load(Ordering::Relaxed)))
    }

    /// Returns the first 100 keys that were used 20 times, in that order; a key stays among them when it is evicted.
    #[cfg(feature = "ops")]
    pub(crate) fn often(&self) -> Vec<String> {
        let keys = self.0.get().map(|table| locked(&table.often.keys));
        keys.map_or_else(Vec::new, |keys| keys.iter().map(|key| key.as_ref().to_string()).collect())
    }

    /// Returns how many keys became frequent when there were 100 already; an evicted key that is used again counts
    /// again.
    #[cfg(feature = "ops")]
    pub(crate) fn more_often(&self) -> u64 {
        self.0.get().map_or(0, |table| table.often.more.load(Ordering::Relaxed))
    }

    /// Returns how often a key found every entry in use, and shared one with others.
    pub(crate) fn overflowed(&self) -> u64 {
        self.0.get().map_or(0, |table| table.overflowed.load(Ordering::Relaxed))
    }

    /// Returns the results of `each` for every entry, one part after the other: entries that are added during the call
    /// may be among them or not.
    fn collect<R>(&self, each: impl Fn(&Entry<T>) -> R) -> Vec<R> {
        let shards = self.0.get().map_or(&[][..], |table| &table.shards);
        let mut all = Vec::new();
        for shard in shards {
            all.extend(read(shard).values().map(&each));
        }
        all
    }
}

impl<T: PerKey> Table<T> {
    /// Creates a map. The more keys, the more parts, each with a lock of its own.
    fn new(max_keys: usize, make: &dyn Fn() -> T) -> Self {
        let shards = (max_keys / 64).clamp(1, 1_024).next_power_of_two();
        Self {
            shards: (0..shards).map(|_| RwLock::new(Entries::default())).collect(),
            hasher: RandomState::new(),
            max_keys,
            count: made(0),
            tick: made(0),
            latest: made(0),
            fruitless: [made(0), made(0)],
            whole: make().whole(),
            overflow: OnceLock::new(),
            overflowed: made(0),
            #[cfg(feature = "ops")]
            evicted: made(0),
            #[cfg(feature = "ops")]
            often: FrequentKeys::default(),
        }
    }

    /// Returns the part of a key, by bits of the hash that the map within the part does not use.
    #[inline]
    fn place(&self, hash: u64) -> usize {
        // The map itself uses the highest and the lowest bits.
        (hash >> 32) as usize & (self.shards.len() - 1)
    }

    /// Returns the part of the keys with this hash.
    #[inline]
    fn shard(&self, hash: u64) -> &Shard<T> {
        &self.shards[self.place(hash)]
    }

    /// Returns the entry, which counts as used. The store to it is left out if nothing was added since the last use: a
    /// key that is used by all threads stays in all their caches.
    #[inline]
    fn find(&self, hash: u64, key: KeyRef<'_>) -> Option<Arc<T>> {
        let shard = read(self.shard(hash));
        let entry = shard.get(&hash).filter(|entry| entry.key.as_ref() == key)?;
        let tick = self.tick.load(Ordering::Relaxed);
        if entry.used.load(Ordering::Relaxed) != tick {
            entry.used.store(tick, Ordering::Relaxed);
        }
        #[cfg(feature = "ops")]
        self.often.count(entry);
        Some(entry.value.clone())
    }

    /// Returns the entry, without a use.
    fn peek(&self, hash: u64, key: KeyRef<'_>) -> Option<Arc<T>> {
        let shard = read(self.shard(hash));
        shard.get(&hash).filter(|entry| entry.key.as_ref() == key).map(|entry| entry.value.clone())
    }

    /// Adds the entry of a key that was not found; another thread may have been faster, and then its entry is returned.
    ///
    /// The value is made before any lock is taken, and is dropped unused in that case.
    #[cold]
    #[inline(never)]
    fn add(&self, hash: u64, key: KeyRef<'_>, make: &dyn Fn() -> T) -> Arc<T> {
        let added = Arc::new(make().for_key(PointName::from(key.to_string()), &self.whole));
        let now = now();
        // The caller holds the shard's lock for writing, so that no use of the entry can begin.
        let is_in_use =
            |value: &Arc<T>| T::STAYS_WHILE_HELD && Arc::strong_count(value) > 1 || value.is_in_use(now);
        let is_idle = |value: &Arc<T>| !is_in_use(value) && !value.evict_last(now);
        // Evicted values are dropped when no lock is held.
        let (is_owed, evicted, replaced) = {
            let mut shard = write(self.shard(hash));
            if let Some(entry) = shard.get(&hash).filter(|entry| entry.key.as_ref() == key) {
                return entry.value.clone();
            }
            self.count.fetch_add(1, Ordering::Relaxed);
            let is_full = self.reserve_eviction();
            let evicted = if is_full { take(&mut shard, is_idle) } else { None };
            let used = made(self.tick.fetch_add(1, Ordering::Relaxed) + 1);
            let entry = Entry {
                key: OwnedKey::of(key),
                value: added.clone(),
                used,
                #[cfg(feature = "ops")]
                uses: AtomicU32::new(1),
            };
            (is_full && evicted.is_none(), evicted, shard.insert(hash, entry))
        };
        if replaced.is_some() {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
        self.note_evicted(evicted.is_some() || replaced.is_some());
        if is_owed {
            let is_other = |value: &Arc<T>| !Arc::ptr_eq(value, &added);
            let [no_idle, none_free] = &self.fruitless;
            let evicted = self
                .evict(no_idle, &|value| is_other(value) && is_idle(value))
                .or_else(|| self.evict(none_free, &|value| is_other(value) && !is_in_use(value)));
            self.note_evicted(evicted.is_some());
            if evicted.is_none() {
                if self.withdraw(hash, &added) {
                    return self.overflow(make);
                }
                self.count.fetch_add(1, Ordering::Relaxed);
            }
        }
        while self.reserve_eviction() {
            // An entry too many is left if one without space was used before it could be removed.
            let is_free = |value: &Arc<T>| !Arc::ptr_eq(value, &added) && !is_in_use(value);
            let evicted = self.evict(&self.fruitless[1], &is_free);
            self.note_evicted(evicted.is_some());
            if evicted.is_none() {
                self.count.fetch_add(1, Ordering::Relaxed);
                break;
            }
        }
        self.latest.store(self.place(hash) as u64, Ordering::Relaxed);
        added
    }

    /// Takes out the entry that was just `added`, unless another thread uses it already.
    fn withdraw(&self, hash: u64, added: &Arc<T>) -> bool {
        let mut shard = write(self.shard(hash));
        // Held by the map and by the caller.
        let is_unused = |entry: &Entry<T>| Arc::ptr_eq(&entry.value, added) && Arc::strong_count(added) == 2;
        shard.get(&hash).is_some_and(is_unused) && shard.remove(&hash).is_some()
    }

    /// Counts an eviction for the metrics.
    #[cfg_attr(not(feature = "ops"), expect(clippy::unused_self, reason = "nothing shows it"))]
    fn note_evicted(&self, is_evicted: bool) {
        #[cfg(feature = "ops")]
        self.evicted.fetch_add(u64::from(is_evicted), Ordering::Relaxed);
        #[cfg(not(feature = "ops"))]
        let _ = is_evicted;
    }

    /// Returns the entry for keys without space.
    fn overflow(&self, make: &dyn Fn() -> T) -> Arc<T> {
        self.overflowed.fetch_add(1, Ordering::Relaxed);
        self.overflow.get_or_init(|| Arc::new(make().for_key(OVERFLOW.into(), &self.whole))).clone()
    }

    /// Returns whether the caller has to evict an entry. The entry is subtracted from the count here, so that of
    /// several threads each evicts one, and together as many as there are too many.
    fn reserve_eviction(&self) -> bool {
        let less = |count: u64| (count > self.max_keys as u64).then(|| count - 1);
        self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    /// Takes out the least recently used of the `wanted` entries of the first part that has one. `fruitless` counts
    /// the consecutive searches for such entries that found none: after [`THOROUGH`] of them only one part is searched.
    fn evict(&self, fruitless: &AtomicU64, wanted: &dyn Fn(&Arc<T>) -> bool) -> Option<Arc<T>> {
        let (parts, missed) = (self.shards.len(), fruitless.load(Ordering::Relaxed));
        let (first, count) = match missed {
            ..THOROUGH => (self.latest.load(Ordering::Relaxed) as usize, parts),
            _ => (missed as usize, 1),
        };
        let mut shards = (0..count).map(|n| &self.shards[(first + n) % parts]);
        let evicted = shards.find_map(|shard| {
            // Most parts have none, and are not to be locked for writing.
            let has_one = read(shard).values().any(|entry| wanted(&entry.value));
            if has_one { take(&mut write(shard), wanted) } else { None }
        });
        fruitless.store(if evicted.is_some() { 0 } else { missed.wrapping_add(1) }, Ordering::Relaxed);
        evicted
    }
}

/// Takes out the `wanted` entry that was used least recently.
fn take<T>(shard: &mut Entries<T>, wanted: impl Fn(&Arc<T>) -> bool) -> Option<Arc<T>> {
    let idle = shard.iter().filter(|(_, entry)| wanted(&entry.value));
    let hash = *idle.min_by_key(|(_, entry)| entry.used.load(Ordering::Relaxed))?.0;
    shard.remove(&hash).map(|entry| entry.value)
}

/// Locks the entries for reading. A thread that panicked has left the map whole: no code of the program runs under the
/// lock.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// Locks the entries like [`read`], to change them.
fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// Every order in which a few threads can add keys and find them.
#[cfg(all(test, loom))]
mod loom;

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicUsize};

    #[derive(Debug, Default)]
    struct Probe {
        key: Option<PointName>,
        busy: AtomicBool,
    }

    static LOOKS: AtomicUsize = AtomicUsize::new(0);

    /// An entry that is always in use, or always evicted last, and counts how often that is asked.
    #[derive(Debug, Default)]
    struct Stays<const IN_USE: bool>;

    impl<const IN_USE: bool> PerKey for Stays<IN_USE> {
        fn for_key(self, _: PointName, _: &Self) -> Self {
            self
        }

        fn evict_last(&self, _: Instant) -> bool {
            true
        }

        fn is_in_use(&self, _: Instant) -> bool {
            LOOKS.fetch_add(1, Ordering::Relaxed);
            IN_USE
        }
    }

    impl PerKey for Probe {
        fn for_key(self, key: PointName, _: &Self) -> Self {
            Self { key: Some(key), ..self }
        }

        fn evict_last(&self, _: Instant) -> bool {
            self.busy.load(Ordering::Relaxed)
        }
    }

    fn keyed(max_keys: usize) -> Keyed<Probe> {
        Keyed::new(Probe::default).max_keys(max_keys)
    }

    #[test]
    fn keys_may_have_many_types() {
        let map = keyed(100);
        let number = map.get(&42_u8);
        for other in [map.get(&42_i64), map.get(&&42_usize), map.get(&Box::new(42_i128))] {
            assert!(Arc::ptr_eq(&number, &other));
        }
        assert_eq!(number.key.as_deref(), Some("42"));
        let text = map.get("a");
        for other in
            [map.get(&"a"), map.get(&String::from("a")), map.get(&Arc::<str>::from("a")), map.get(&'a')]
        {
            assert!(Arc::ptr_eq(&text, &other));
        }
        for number in [i64::MIN, -7, 0] {
            map.get(&number);
        }
        map.get(&u64::MAX);
        map.get(&true);
        map.get("");
        let min = i64::MIN.to_string();
        assert_eq!(map.keys(), ["", "-7", &min, "0", "18446744073709551615", "42", "a", "true"]);
        assert!(map.keys().iter().all(|key| map.peek(key).is_some()));
        assert!(["43", "042", "+42", "b"].iter().all(|key| map.peek(key).is_none()));
    }

    #[test]
    fn the_least_recently_used_key_is_evicted_first() {
        let map = keyed(3);
        for key in ["a", "b", "c"] {
            map.get(key);
        }
        map.get("a");
        map.peek("b");
        map.get("d");
        assert_eq!(map.keys(), ["a", "c", "d"]);
    }

    #[test]
    fn busy_entries_are_evicted_last_across_all_shards() {
        for max_keys in [4, 1000] {
            let map = keyed(max_keys);
            for n in 0..max_keys {
                map.get(&n).busy.store(n != 1, Ordering::Relaxed);
            }
            map.get("new");
            assert!(map.peek("1").is_none());
            assert_eq!(map.keys().len(), max_keys);
            map.get("new").busy.store(true, Ordering::Relaxed);
            map.get("newer");
            assert_eq!(map.keys().len(), max_keys);
            assert!(map.peek("newer").is_some());
        }
    }

    #[test]
    fn a_flood_of_keys_does_not_search_the_whole_map_for_each() {
        fn looks_of_each<const IN_USE: bool>(max_keys: usize) -> usize {
            let map = Keyed::new(Stays::<IN_USE>::default).max_keys(max_keys);
            (0..max_keys + 100).for_each(|n| drop(map.get(&n)));
            let before = LOOKS.load(Ordering::Relaxed);
            (0..1_000).for_each(|n| drop(map.get(&format!("new {n}"))));
            assert!(map.keys().len() <= max_keys);
            (LOOKS.load(Ordering::Relaxed) - before) / 1_000
        }
        for max_keys in [1_024, 65_536] {
            let looks = (looks_of_each::<true>(max_keys), looks_of_each::<false>(max_keys));
            assert!(looks.0 < 500 && looks.1 < 500, "{looks:?} of {max_keys}");
        }
    }

    #[test]
    fn an_entry_that_is_free_again_is_found_during_a_flood() {
        for max_keys in [100, 1_024] {
            let map = keyed(max_keys);
            (0..max_keys).for_each(|n| map.get(&n).busy.store(true, Ordering::Relaxed));
            for n in 0..50 {
                map.get(&format!("new {n}")).busy.store(true, Ordering::Relaxed);
            }
            let idle = map.keys()[max_keys / 2].clone();
            map.peek(&idle).unwrap().busy.store(false, Ordering::Relaxed);
            for n in 50..200 {
                map.get(&format!("new {n}")).busy.store(true, Ordering::Relaxed);
            }
            assert!(map.peek(&idle).is_none(), "{max_keys}");
        }
    }

    #[test]
    fn no_key_is_evicted_before_the_map_is_full() {
        let map = keyed(1024);
        for n in 0..1024 {
            map.get(&n);
        }
        assert_eq!(map.keys().len(), 1024);
        for n in 0..5000 {
            map.get(&n);
        }
        assert_eq!(map.keys().len(), 1024);
    }

    #[test]
    fn an_added_key_evicts_all_surplus_ones() {
        let make = Probe::default;
        let table = Table::new(8, &make);
        let add = |table: &Table<Probe>, n: u64| {
            let key = KeyRef::Number(n.into());
            drop(table.add(table.hasher.hash_one(key), key, &make));
        };
        (0..8).for_each(|n| add(&table, n));
        // As if seven of them had been used while their threads took them out again.
        let table = Table { max_keys: 1, ..table };
        add(&table, 8);
        let left: usize = table.shards.iter().map(|shard| read(shard).len()).sum();
        assert_eq!((left, table.count.load(Ordering::Relaxed)), (1, 1));
    }

    #[test]
    fn threads_share_entries_and_keep_the_bound() {
        let map = keyed(200);
        std::thread::scope(|scope| {
            for thread in 0..4_u64 {
                let map = &map;
                scope.spawn(move || {
                    for n in 0..20_000_u64 {
                        map.get(&((n * 7 + thread) % 500));
                    }
                });
            }
        });
        assert_eq!(map.keys().len(), 200);
        assert_eq!(map.entries.0.get().unwrap().count.load(Ordering::Relaxed), 200);
    }

    #[test]
    fn threads_evict_no_more_keys_than_they_add() {
        for max_keys in [1, 3, 200] {
            let map = keyed(max_keys);
            let full = max_keys as u64;
            (0..full).for_each(|n| drop(map.get(&n)));
            map.get(&0_u64).busy.store(true, Ordering::Relaxed);
            for round in 1..200_u64 {
                std::thread::scope(|scope| {
                    for thread in 0..2 {
                        let map = &map;
                        scope.spawn(move || map.get(&(full + round * 2 + thread)));
                    }
                });
                assert_eq!(map.keys().len(), max_keys, "after round {round}");
            }
        }
    }
}
