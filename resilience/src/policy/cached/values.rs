//! Reading and changing the values of a cache directly.

use super::Cache;
use super::key::{BorrowedKey, CacheKey, KeyShape, OwnedKey};
use super::table::{Cacheable, Erased, Stamp, Stored};
use std::any::TypeId;
use std::sync::Arc;
use std::time::Duration;

/// Methods to read and change values directly. The type of the value is part of the key.
impl Cache {
    /// Returns the value of `key`, if it is at most `max_age` old, fresh or stale.
    ///
    /// Of a method or a generic function it is the youngest of all types that it was called with.
    ///
    /// Neither an event nor a count: it is for looking, and for code that can work with an old value. A value of
    /// another type under the key is not found.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::policy::Cache;
    /// use std::time::Duration;
    ///
    /// let world = resilience::testing::isolate();
    /// static PRICES: Cache = Cache::new("prices");
    ///
    /// PRICES.put("ACME", 7_u64);
    /// world.advance(Duration::from_secs(10));
    /// assert_eq!(PRICES.get("ACME", Duration::from_secs(10)), Some(7_u64));
    /// assert_eq!(PRICES.get::<u64>("ACME", Duration::from_secs(9)), None);
    /// ```
    pub fn get<V: Cacheable>(&self, key: impl CacheKey, max_age: Duration) -> Option<V> {
        let (table, now) = (self.table(), Stamp::now());
        let shapes = table.shapes().into_iter().filter(|shape| shape.value == TypeId::of::<V>());
        let all = shapes.filter_map(|shape| {
            let is = |owned: &OwnedKey| owned.shape == shape && BorrowedKey::is(&key, owned);
            let stored = table.find(table.hash(&shape, &key), is)?;
            Some((stored.at.age(now), stored))
        });
        let (age, youngest) = all.min_by_key(|(age, _)| *age)?;
        if age > max_age {
            return None;
        }
        youngest.value.downcast_ref::<V>().cloned()
    }

    /// Stores `value` for `key`, as if a call had just returned it.
    ///
    /// Calls of the key that run at that moment store nothing, and later calls do not wait for them.
    ///
    /// Its age begins now. A value whose weight is more than `max` is not kept, and the former value is removed all the
    /// same.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::policy::Cache;
    ///
    /// static USERS: Cache = Cache::new("users");
    ///
    /// USERS.put(&7_u32, "Ada".to_owned());
    /// let found: std::io::Result<String> = USERS.call(&7_u32, || unreachable!("there is a value"));
    /// assert_eq!(found.unwrap(), "Ada");
    /// ```
    pub fn put<V: Cacheable>(&self, key: impl CacheKey, value: V) {
        let (table, shape) = (self.table(), KeyShape::plain(TypeId::of::<V>()));
        table.note(&shape);
        let value: Erased = Arc::new(value);
        let weight = table.weight(&value);
        let stored = Stored::new(Arc::new(key.owned(&shape)), value, weight);
        let hash = table.hash(&shape, &key);
        let others = table.shapes().into_iter().filter(|other| other.value == shape.value);
        let hashes: Vec<_> = others.map(|other| table.hash(&other, &key)).collect();
        let mut dropped = Vec::new();
        table.flights.change(&hashes, || {
            for hash in &hashes {
                table.remove(*hash, &mut dropped);
            }
            table.store(hash, stored, &mut dropped);
        });
    }

    /// Removes the values stored for `key`, of all types.
    ///
    /// Calls of the key that run at that moment store nothing, and later calls do not wait for them.
    ///
    /// Use it if the program has changed the sources of the values. Stale values are removed, too: the next error is
    /// not answered.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::policy::Cache;
    /// use std::time::Duration;
    ///
    /// static USERS: Cache = Cache::new("users");
    ///
    /// USERS.put(&7_u32, "Ada".to_owned());
    /// USERS.put(&8_u32, "Grace".to_owned());
    /// USERS.invalidate(&7_u32);
    /// assert_eq!(USERS.get::<String>(&7_u32, Duration::MAX), None);
    /// assert_eq!(USERS.get::<String>(&8_u32, Duration::MAX).as_deref(), Some("Grace"));
    /// ```
    pub fn invalidate(&self, key: impl CacheKey) {
        let table = self.table();
        let hashes: Vec<_> = table.shapes().iter().map(|shape| table.hash(shape, &key)).collect();
        let mut dropped = Vec::new();
        table.flights.change(&hashes, || {
            for hash in &hashes {
                table.remove(*hash, &mut dropped);
            }
        });
    }

    /// Removes every value.
    ///
    /// Calls that run at that moment store nothing, and later calls do not wait for them.
    ///
    /// The counts of a snapshot stay.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::policy::Cache;
    ///
    /// let cache = Cache::new("users");
    /// cache.put(&7_u32, "Ada".to_owned());
    /// cache.clear();
    /// assert_eq!(cache.snapshot().entries, 0);
    /// ```
    pub fn clear(&self) {
        self.table().clear();
    }
}
