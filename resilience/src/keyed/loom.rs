//! Threads that add keys to a full map, evict others and use those that stay.

use super::*;
use crate::base::sync::AtomicBool;
use ::loom::thread;

/// An entry that is in use while it is held, as a bulkhead's, or while its word says so, as a limiter's.
#[derive(Debug)]
struct Probe {
    at_its_limit: AtomicBool,
}

impl PerKey for Probe {
    const STAYS_WHILE_HELD: bool = true;

    fn for_key(self, _: PointName, _: &Self) -> Self {
        self
    }

    fn is_in_use(&self, _: Instant) -> bool {
        self.at_its_limit.load(Ordering::Relaxed)
    }
}

fn make() -> Probe {
    let probe = Probe { at_its_limit: AtomicBool::new(false) };
    probe.at_its_limit.load(Ordering::Relaxed);
    probe
}

type Map = ::loom::sync::Arc<Table<Probe>>;

fn map(max_keys: usize) -> Map {
    ::loom::sync::Arc::new(Table::new(max_keys, &make))
}

/// Creates a map with two parts, the odd keys in one and the even ones in the other.
fn map_of_two_parts(max_keys: usize) -> Map {
    let shards = (0..2).map(|_| RwLock::new(Entries::default())).collect();
    ::loom::sync::Arc::new(Table { shards, ..Table::new(max_keys, &make) })
}

/// Returns the entry for `key`. The key is its own hash, twice, so that each run is the same.
fn get(map: &Map, key: u8) -> Arc<Probe> {
    let (hash, key) = (u64::from(key) << 32 | u64::from(key), KeyRef::Number(key.into()));
    map.find(hash, key).unwrap_or_else(|| map.add(hash, key, &make))
}

/// Returns how many entries the map has; its count says the same.
fn entries(map: &Map) -> usize {
    let entries: usize = map.shards.iter().map(|shard| read(shard).len()).sum();
    assert_eq!(map.count.load(Ordering::Relaxed), entries as u64, "the count of the entries");
    entries
}

/// Returns how many entries the map has once other keys were added, while none is in use: the surplus ones are evicted.
fn entries_after(map: &Map) -> usize {
    (8..11).for_each(|key| drop(get(map, key)));
    entries(map)
}

/// Lets two threads and this one meet; the results are in their order.
fn together<A: 'static, B: 'static, C>(
    map: &Map,
    a: impl FnOnce(&Map) -> A + 'static,
    b: impl FnOnce(&Map) -> B + 'static,
    c: impl FnOnce(&Map) -> C,
) -> (A, B, C) {
    let (first, second) = (map.clone(), map.clone());
    let first = thread::spawn(move || a(&first));
    let second = thread::spawn(move || b(&second));
    let c = c(map);
    (first.join().unwrap(), second.join().unwrap(), c)
}

/// Runs all orders of threads that are interrupted three times; each order of all of them would take minutes.
fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut model = ::loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(run);
}

#[test]
fn a_key_at_its_limit_survives_concurrent_evictions() {
    model(|| {
        let map = map(1);
        let limited = get(&map, 1);
        limited.at_its_limit.store(true, Ordering::Relaxed);
        let number = Arc::as_ptr(&limited).addr();
        drop(limited);
        let come = |key: u8| move |map: &Map| drop(get(map, key));
        let ((), (), found) = together(&map, come(2), come(3), |map| get(map, 1));
        assert_eq!(Arc::as_ptr(&found).addr(), number, "the limit was forgotten");
        drop(found);
        assert_eq!(Arc::as_ptr(&get(&map, 1)).addr(), number);
        assert_eq!(map.overflowed.load(Ordering::Relaxed), 2, "there was no room for the others");
        assert_eq!(entries(&map), 1);
    });
}

#[test]
fn concurrent_calls_with_one_key_share_its_entry() {
    model(|| {
        let map = map(1);
        drop(get(&map, 1));
        let (one, (), other) = together(&map, |map| get(map, 1), |map| drop(get(map, 2)), |map| get(map, 1));
        // While the entry of the other key is held there is no room: the call before that has the shared entry.
        let is_own = |entry| map.overflow.get().is_none_or(|shared| !Arc::ptr_eq(shared, entry));
        let are_own = is_own(&one) && is_own(&other);
        assert!(!are_own || Arc::ptr_eq(&one, &other), "two calls for one key have two entries");
        drop((one, other));
        assert_eq!(entries_after(&map), 1);
    });
}

#[test]
fn threads_that_add_the_same_key_share_its_entry() {
    model(|| {
        let map = map(1);
        let (one, two, three) = together(&map, |map| get(map, 1), |map| get(map, 1), |map| get(map, 1));
        assert!(Arc::ptr_eq(&one, &two) && Arc::ptr_eq(&two, &three));
        assert_eq!(entries(&map), 1);
    });
}

#[test]
fn holders_of_a_key_without_room_share_the_overflow_entry() {
    model(|| {
        let map = map(1);
        let held = get(&map, 1);
        let (one, (), two) = together(&map, |map| get(map, 2), |map| drop(get(map, 3)), |map| get(map, 2));
        assert!(Arc::ptr_eq(&one, &two), "two calls for one key have two entries");
        assert!(Arc::ptr_eq(&held, &get(&map, 1)));
        drop((one, two, held));
        assert_eq!(entries_after(&map), 1);
    });
}

#[test]
fn concurrent_insertions_evict_only_the_surplus() {
    model(|| {
        let map = map(2);
        drop((get(&map, 1), get(&map, 2)));
        let come = |key: u8| move |map: &Map| drop(get(map, key));
        together(&map, come(3), come(4), come(1));
        assert!((1..=2).contains(&entries(&map)));
    });
}

/// An entry that is idle when a thread looks for one to evict in another part, and in use when that takes it out.
#[test]
fn an_entry_in_use_again_is_not_evicted() {
    model(|| {
        let map = map_of_two_parts(1);
        drop(get(&map, 1));
        let adds = map.clone();
        let adds = thread::spawn(move || drop(get(&adds, 2)));
        let held = get(&map, 1);
        adds.join().unwrap();
        // Without room it has the shared entry, and the next call finds room again.
        let is_shared = map.overflow.get().is_some_and(|shared| Arc::ptr_eq(shared, &held));
        assert!(is_shared || Arc::ptr_eq(&held, &get(&map, 1)), "two calls for one key have two entries");
    });
}
