//! Separate state for each key: a bounded map that makes an entry at its first use and drops idle ones.

use crate::defaults;
use crate::point::PointName;
use rapidhash::quality::RandomState;
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A value that can pick out an entry of a keyed policy.
///
/// Two values are the same key when they read the same: `42` and `"42"` are one. For other types make
/// a text of what tells them apart.
///
/// # Examples
///
/// ```
/// use resilience::policy::keyed::Key;
///
/// struct Tenant(u64);
///
/// impl Key for Tenant {
///     fn read<R>(&self, reader: impl FnOnce(&str) -> R) -> R {
///         self.0.read(reader)
///     }
/// }
///
/// assert_eq!(Tenant(42).read(str::to_owned), "42");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the key of a policy",
    label = "is no text, number, `bool` or `char`",
    note = "write what tells the keys apart, for instance `key = self.id.to_string()`, or implement `Key`"
)]
pub trait Key {
    /// Hands the key's text to `reader`.
    fn read<R>(&self, reader: impl FnOnce(&str) -> R) -> R;
}

impl Key for str {
    #[inline]
    fn read<R>(&self, reader: impl FnOnce(&str) -> R) -> R {
        reader(self)
    }
}

impl Key for String {
    #[inline]
    fn read<R>(&self, reader: impl FnOnce(&str) -> R) -> R {
        reader(self)
    }
}

impl Key for bool {
    fn read<R>(&self, reader: impl FnOnce(&str) -> R) -> R {
        reader(if *self { "true" } else { "false" })
    }
}

impl Key for char {
    fn read<R>(&self, reader: impl FnOnce(&str) -> R) -> R {
        reader(self.encode_utf8(&mut [0; 4]))
    }
}

macro_rules! read_through {
    ($($pointer:ty),*) => {$(
        impl<K: Key + ?Sized> Key for $pointer {
            #[inline]
            fn read<R>(&self, reader: impl FnOnce(&str) -> R) -> R {
                (**self).read(reader)
            }
        }
    )*};
}

read_through!(&K, &mut K, Box<K>, std::rc::Rc<K>, Arc<K>);

impl<K: Key + ToOwned + ?Sized> Key for std::borrow::Cow<'_, K> {
    fn read<R>(&self, reader: impl FnOnce(&str) -> R) -> R {
        (**self).read(reader)
    }
}

macro_rules! read_digits {
    ($($int:ty)*) => {$(
        impl Key for $int {
            #[inline]
            fn read<R>(&self, reader: impl FnOnce(&str) -> R) -> R {
                digits(*self as u64, false, reader)
            }
        }
    )*};
}

macro_rules! read_signed_digits {
    ($($int:ty)*) => {$(
        impl Key for $int {
            #[inline]
            fn read<R>(&self, reader: impl FnOnce(&str) -> R) -> R {
                digits(self.unsigned_abs() as u64, *self < 0, reader)
            }
        }
    )*};
}

read_digits!(u8 u16 u32 u64 usize);
read_signed_digits!(i8 i16 i32 i64 isize);

/// The decimal text of a number, put together on the stack.
fn digits<R>(magnitude: u64, is_negative: bool, reader: impl FnOnce(&str) -> R) -> R {
    let mut text = [b'-'; 21];
    let (mut rest, mut used) = (magnitude, usize::from(is_negative));
    for place in text.iter_mut().rev() {
        *place = b'0' + (rest % 10) as u8;
        used += 1;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    let (_, text) = text.split_at(text.len() - used);
    reader(std::str::from_utf8(text).unwrap_or_default())
}

/// What a [`Keyed`] map keeps for each key.
pub trait PerKey: Send + Sync {
    /// This new entry, told which key it is for.
    fn for_key(self, key: PointName) -> Self;

    /// Whether other entries go before this one when room is needed.
    fn evict_last(&self) -> bool {
        false
    }

    /// Adds what `evicted` has counted to this, which stands for all entries that are gone.
    fn absorb(&self, evicted: &Self) {
        let _ = evicted;
    }
}

/// Separate values for up to `max_keys` keys, each made at its first use.
///
/// When room is needed, an entry goes that was not used for long: among many keys nearly the least recently
/// used one, among up to 127 exactly that one. One that is in use lives on unseen until it is let go.
///
/// A look-up of a known key allocates nothing; it takes a read lock on a part of the map, and writes to the
/// entry only if it is the first use since any new key came.
#[derive(Debug)]
pub struct Keyed<T> {
    make: fn() -> T,
    max_keys: usize,
    table: OnceLock<Table<T>>,
}

#[derive(Debug)]
struct Table<T> {
    shards: Box<[Shard<T>]>,
    hasher: RandomState,
    /// How many entries there are, those included that are just being added.
    count: AtomicUsize,
    /// How many entries were ever added: the time by which uses are ordered.
    tick: AtomicU64,
    gone: T,
}

// A light hash suffices although others may choose the keys: it is seeded, and the map is bounded.
type Shard<T> = RwLock<HashMap<Box<str>, Entry<T>, RandomState>>;

#[derive(Debug)]
struct Entry<T> {
    value: Arc<T>,
    used: AtomicU64,
}

impl<T: PerKey> Keyed<T> {
    /// A map that makes each entry with `make`; at most 1,024 keys unless set otherwise.
    pub const fn new(make: fn() -> T) -> Self {
        Self { make, max_keys: defaults::keyed::MAX_KEYS, table: OnceLock::new() }
    }

    /// How many keys have an entry at once; from 1, default 1,024.
    ///
    /// # Panics
    ///
    /// If it is zero; in a `static` that is a compile error.
    #[track_caller]
    pub const fn max_keys(mut self, keys: usize) -> Self {
        assert!(keys > 0, "`max_keys` must be at least 1: how many keys have state at once");
        self.max_keys = keys;
        self
    }

    /// The entry for `key`, made now if there is none.
    #[inline]
    pub fn get<K: Key + ?Sized>(&self, key: &K) -> Arc<T> {
        let table = self.table();
        key.read(|key| {
            let hash = table.hasher.hash_one(key);
            table.find(hash, key).unwrap_or_else(|| self.add(table, hash, key))
        })
    }

    /// The entry for the key that reads `key`, if there is one; looking does not count as a use.
    pub fn peek(&self, key: &str) -> Option<Arc<T>> {
        let table = self.table.get()?;
        let shard = read(table.shard(table.hasher.hash_one(key)));
        shard.get(key).map(|entry| entry.value.clone())
    }

    /// Every key that has an entry, sorted.
    pub fn keys(&self) -> Vec<String> {
        let mut keys = self.collect(|key, _| key.to_owned());
        keys.sort_unstable();
        keys
    }

    /// Every entry, and the one that stands for those that are gone.
    pub(crate) fn values(&self) -> (Vec<Arc<T>>, Option<&T>) {
        (self.collect(|_, value| value.clone()), self.table.get().map(|table| &table.gone))
    }

    pub(crate) fn limit(&self) -> usize {
        self.max_keys
    }

    fn collect<R>(&self, each: impl Fn(&str, &Arc<T>) -> R) -> Vec<R> {
        let shards = self.table.get().map_or(&[][..], |table| &table.shards);
        let mut all = Vec::new();
        for shard in shards {
            all.extend(read(shard).iter().map(|(key, entry)| each(key, &entry.value)));
        }
        all
    }

    #[inline]
    fn table(&self) -> &Table<T> {
        self.table.get_or_init(|| Table::new(self.max_keys, self.make))
    }

    #[cold]
    #[inline(never)]
    fn add(&self, table: &Table<T>, hash: u64, key: &str) -> Arc<T> {
        let made = Arc::new((self.make)().for_key(PointName::from(key.to_owned())));
        let evicted = {
            let mut shard = write(table.shard(hash));
            if let Some(entry) = shard.get(key) {
                return entry.value.clone();
            }
            let is_full = table.count.fetch_add(1, Ordering::Relaxed) >= self.max_keys;
            let evicted = if is_full { take(&mut shard, |value| !value.evict_last()) } else { None };
            let used = AtomicU64::new(table.tick.fetch_add(1, Ordering::Relaxed) + 1);
            shard.insert(key.into(), Entry { value: made.clone(), used });
            evicted
        };
        table.bury(evicted);
        while table.count.load(Ordering::Relaxed) > self.max_keys {
            if !table.bury(table.take_anywhere(&made)) {
                break;
            }
        }
        made
    }
}

impl<T: PerKey> Table<T> {
    /// The more keys, the more parts, each with a lock of its own.
    fn new(max_keys: usize, make: fn() -> T) -> Self {
        let shards = (max_keys / 64).clamp(1, 64).next_power_of_two();
        let hasher = RandomState::new();
        Self {
            shards: (0..shards).map(|_| RwLock::new(HashMap::with_hasher(hasher))).collect(),
            hasher,
            count: AtomicUsize::new(0),
            tick: AtomicU64::new(0),
            gone: make(),
        }
    }

    #[inline]
    fn shard(&self, hash: u64) -> &Shard<T> {
        // The map itself uses the highest and the lowest bits.
        &self.shards[(hash >> 32) as usize & (self.shards.len() - 1)]
    }

    #[inline]
    fn find(&self, hash: u64, key: &str) -> Option<Arc<T>> {
        let shard = read(self.shard(hash));
        let entry = shard.get(key)?;
        let tick = self.tick.load(Ordering::Relaxed);
        if entry.used.load(Ordering::Relaxed) != tick {
            entry.used.store(tick, Ordering::Relaxed);
        }
        Some(entry.value.clone())
    }

    /// Takes out an entry other than `new`: from the first part that has an idle one, else from any.
    fn take_anywhere(&self, new: &Arc<T>) -> Option<Arc<T>> {
        let other = |value: &Arc<T>| !Arc::ptr_eq(value, new);
        let idle = |value: &Arc<T>| other(value) && !value.evict_last();
        let from_any = |wanted: &dyn Fn(&Arc<T>) -> bool| {
            self.shards.iter().find_map(|shard| take(&mut write(shard), wanted))
        };
        from_any(&idle).or_else(|| from_any(&other))
    }

    /// Counts an entry that was taken out; `false` if there was none.
    fn bury(&self, evicted: Option<Arc<T>>) -> bool {
        let Some(evicted) = evicted else { return false };
        self.count.fetch_sub(1, Ordering::Relaxed);
        self.gone.absorb(&evicted);
        true
    }
}

/// Takes out the `wanted` entry that was used least recently.
fn take<T>(
    shard: &mut HashMap<Box<str>, Entry<T>, RandomState>,
    wanted: impl Fn(&Arc<T>) -> bool,
) -> Option<Arc<T>> {
    let idle = shard.iter().filter(|(_, entry)| wanted(&entry.value));
    let (key, _) = idle.min_by_key(|(_, entry)| entry.used.load(Ordering::Relaxed))?;
    let key = key.clone();
    shard.remove(&key).map(|entry| entry.value)
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    #[derive(Debug, Default)]
    struct Probe {
        key: Option<PointName>,
        busy: AtomicBool,
        uses: AtomicU64,
    }

    impl PerKey for Probe {
        fn for_key(self, key: PointName) -> Self {
            Self { key: Some(key), ..self }
        }

        fn evict_last(&self) -> bool {
            self.busy.load(Ordering::Relaxed)
        }

        fn absorb(&self, evicted: &Self) {
            self.uses.fetch_add(evicted.uses.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    fn keyed(max_keys: usize) -> Keyed<Probe> {
        Keyed::new(Probe::default).max_keys(max_keys)
    }

    #[test]
    fn values_that_read_the_same_are_one_key() {
        let map = keyed(100);
        let first = map.get("42");
        for other in [map.get(&42_u8), map.get(&42_i64), map.get(&"42"), map.get(&String::from("42"))] {
            assert!(Arc::ptr_eq(&first, &other));
        }
        assert_eq!(first.key.as_deref(), Some("42"));
        map.get(&-7);
        map.get(&i64::MIN);
        map.get(&u64::MAX);
        map.get(&0);
        map.get(&true);
        map.get(&'ä');
        let min = i64::MIN.to_string();
        assert_eq!(map.keys(), ["-7", &min, "0", "18446744073709551615", "42", "true", "ä"]);
        assert!(map.peek("42").is_some());
        assert!(map.peek("43").is_none());
    }

    #[test]
    fn the_least_recently_used_key_goes_first() {
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
    fn busy_entries_go_last_even_from_other_parts() {
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
    fn nothing_goes_before_the_map_is_full() {
        let map = keyed(1024);
        for n in 0..1024 {
            map.get(&n).uses.fetch_add(1, Ordering::Relaxed);
        }
        assert_eq!(map.keys().len(), 1024);
        for n in 0..5000 {
            map.get(&n).uses.fetch_add(1, Ordering::Relaxed);
        }
        assert_eq!(map.keys().len(), 1024);
        let (values, gone) = map.values();
        let living: u64 = values.iter().map(|value| value.uses.load(Ordering::Relaxed)).sum();
        assert_eq!(living + gone.map_or(0, |gone| gone.uses.load(Ordering::Relaxed)), 6024);
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
        assert!(map.keys().len() <= 200);
        assert_eq!(map.keys().len(), map.table.get().unwrap().count.load(Ordering::Relaxed));
    }
}
