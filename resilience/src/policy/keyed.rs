//! Separate state for each key: a bounded map that makes an entry at its first use and drops idle ones.

use crate::defaults;
use crate::point::PointName;
use rapidhash::quality::RandomState;
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A value that can pick out an entry of a keyed policy: text, an integer, `bool` or `char`.
///
/// For other types make a text of what tells them apart, or hand on the part that does.
///
/// # Examples
///
/// ```
/// use resilience::policy::keyed::{Key, KeyRef};
///
/// struct Tenant(u64);
///
/// impl Key for Tenant {
///     fn read<R>(&self, reader: impl FnOnce(KeyRef<'_>) -> R) -> R {
///         self.0.read(reader)
///     }
/// }
///
/// assert!(Tenant(42).read(|key| key == KeyRef::Number(42)));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the key of a policy",
    label = "is no text, integer, `bool` or `char`",
    note = "write what tells the keys apart, for instance `key = self.id.to_string()`, or implement `Key`"
)]
pub trait Key {
    /// Hands the key to `reader`.
    fn read<R>(&self, reader: impl FnOnce(KeyRef<'_>) -> R) -> R;
}

/// A key as a map sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyRef<'a> {
    /// A text.
    Text(&'a str),
    /// An integer of any type.
    Number(i128),
}

impl fmt::Display for KeyRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

impl Key for str {
    #[inline]
    fn read<R>(&self, reader: impl FnOnce(KeyRef<'_>) -> R) -> R {
        reader(KeyRef::Text(self))
    }
}

impl Key for String {
    #[inline]
    fn read<R>(&self, reader: impl FnOnce(KeyRef<'_>) -> R) -> R {
        reader(KeyRef::Text(self))
    }
}

impl Key for bool {
    #[inline]
    fn read<R>(&self, reader: impl FnOnce(KeyRef<'_>) -> R) -> R {
        reader(KeyRef::Text(if *self { "true" } else { "false" }))
    }
}

impl Key for char {
    #[inline]
    fn read<R>(&self, reader: impl FnOnce(KeyRef<'_>) -> R) -> R {
        reader(KeyRef::Text(self.encode_utf8(&mut [0; 4])))
    }
}

macro_rules! read_number {
    ($($int:ty)*) => {$(
        impl Key for $int {
            #[inline]
            fn read<R>(&self, reader: impl FnOnce(KeyRef<'_>) -> R) -> R {
                #[allow(clippy::cast_lossless, clippy::allow_attributes, reason = "`usize` has no `From`")]
                reader(KeyRef::Number(*self as i128))
            }
        }
    )*};
}

read_number!(u8 u16 u32 u64 usize i8 i16 i32 i64 i128 isize);

macro_rules! read_through {
    ($($pointer:ty),*) => {$(
        impl<K: Key + ?Sized> Key for $pointer {
            #[inline]
            fn read<R>(&self, reader: impl FnOnce(KeyRef<'_>) -> R) -> R {
                (**self).read(reader)
            }
        }
    )*};
}

read_through!(&K, &mut K, Box<K>, std::rc::Rc<K>, Arc<K>);

impl<K: Key + ToOwned + ?Sized> Key for std::borrow::Cow<'_, K> {
    #[inline]
    fn read<R>(&self, reader: impl FnOnce(KeyRef<'_>) -> R) -> R {
        (**self).read(reader)
    }
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

/// A part of the map, by the hash of the key.
///
/// A key that has all 64 bits of its hash in common with another one takes the place of that one. The hash is
/// seeded at random, so that nobody meets such a pair by chance or design; a light one suffices because the
/// map is bounded.
type Shard<T> = RwLock<Entries<T>>;
type Entries<T> = HashMap<u64, Entry<T>, BuildHasherDefault<AsIs>>;

/// A hasher for what is a hash already.
#[derive(Clone, Copy, Debug, Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    #[inline]
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[derive(Debug)]
struct Entry<T> {
    key: Kept,
    value: Arc<T>,
    used: AtomicU64,
}

#[derive(Debug)]
enum Kept {
    Text(Box<str>),
    Number(i128),
}

impl Kept {
    fn of(key: KeyRef<'_>) -> Self {
        match key {
            KeyRef::Text(text) => Self::Text(text.into()),
            KeyRef::Number(number) => Self::Number(number),
        }
    }

    #[inline]
    fn as_ref(&self) -> KeyRef<'_> {
        match self {
            Self::Text(text) => KeyRef::Text(text),
            Self::Number(number) => KeyRef::Number(*number),
        }
    }
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

    /// A new entry, of no key.
    pub(crate) fn make(&self) -> T {
        (self.make)()
    }

    /// The entry for `key`, made now if there is none.
    #[inline]
    pub fn get<K: Key + ?Sized>(&self, key: &K) -> Arc<T> {
        let table = self.table.get_or_init(|| Table::new(self.max_keys, self.make));
        key.read(|key| {
            let hash = table.hasher.hash_one(key);
            table.find(hash, key).unwrap_or_else(|| self.add(table, hash, key))
        })
    }

    /// The entry for the text `key` or for the number that it is the text of, if there is one; looking does
    /// not count as a use.
    pub fn peek(&self, key: &str) -> Option<Arc<T>> {
        let number = key.parse().ok().filter(|number: &i128| number.to_string() == key);
        let keys = [Some(KeyRef::Text(key)), number.map(KeyRef::Number)];
        let table = self.table.get()?;
        keys.into_iter().flatten().find_map(|key| table.peek(table.hasher.hash_one(key), key))
    }

    /// Every key that has an entry, as text, sorted.
    pub fn keys(&self) -> Vec<String> {
        let mut keys = self.collect(|entry| entry.key.as_ref().to_string());
        keys.sort_unstable();
        keys
    }

    /// Every entry, and the one that stands for those that are gone.
    pub(crate) fn values(&self) -> (Vec<Arc<T>>, Option<&T>) {
        (self.collect(|entry| entry.value.clone()), self.table.get().map(|table| &table.gone))
    }

    pub(crate) fn limit(&self) -> usize {
        self.max_keys
    }

    fn collect<R>(&self, each: impl Fn(&Entry<T>) -> R) -> Vec<R> {
        let shards = self.table.get().map_or(&[][..], |table| &table.shards);
        let mut all = Vec::new();
        for shard in shards {
            all.extend(read(shard).values().map(&each));
        }
        all
    }

    #[cold]
    #[inline(never)]
    fn add(&self, table: &Table<T>, hash: u64, key: KeyRef<'_>) -> Arc<T> {
        let made = Arc::new((self.make)().for_key(PointName::from(key.to_string())));
        let new = |used| Entry { key: Kept::of(key), value: made.clone(), used: AtomicU64::new(used) };
        let (evicted, replaced) = {
            let mut shard = write(table.shard(hash));
            if let Some(entry) = shard.get(&hash).filter(|entry| entry.key.as_ref() == key) {
                return entry.value.clone();
            }
            let is_full = table.count.fetch_add(1, Ordering::Relaxed) >= self.max_keys;
            let evicted = if is_full { take(&mut shard, |value| !value.evict_last()) } else { None };
            let used = table.tick.fetch_add(1, Ordering::Relaxed) + 1;
            (evicted, shard.insert(hash, new(used)).map(|entry| entry.value))
        };
        table.bury(evicted);
        table.bury(replaced);
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
        Self {
            shards: (0..shards).map(|_| RwLock::default()).collect(),
            hasher: RandomState::new(),
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
    fn find(&self, hash: u64, key: KeyRef<'_>) -> Option<Arc<T>> {
        let shard = read(self.shard(hash));
        let entry = shard.get(&hash).filter(|entry| entry.key.as_ref() == key)?;
        let tick = self.tick.load(Ordering::Relaxed);
        if entry.used.load(Ordering::Relaxed) != tick {
            entry.used.store(tick, Ordering::Relaxed);
        }
        Some(entry.value.clone())
    }

    fn peek(&self, hash: u64, key: KeyRef<'_>) -> Option<Arc<T>> {
        let shard = read(self.shard(hash));
        shard.get(&hash).filter(|entry| entry.key.as_ref() == key).map(|entry| entry.value.clone())
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
fn take<T>(shard: &mut Entries<T>, wanted: impl Fn(&Arc<T>) -> bool) -> Option<Arc<T>> {
    let idle = shard.iter().filter(|(_, entry)| wanted(&entry.value));
    let hash = *idle.min_by_key(|(_, entry)| entry.used.load(Ordering::Relaxed))?.0;
    shard.remove(&hash).map(|entry| entry.value)
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
    fn keys_of_many_types() {
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
