//! Caches: keep a result for a while, run one call for all callers that ask for the same key, and answer with the last
//! value while a service is down.
//!
//! ```text
//!   stored                ttl                              ttl + stale_if_error
//!     |---- fresh: answers ----|---- stale: answers in place of an error ----|---- of no use
//! ```
//!
//! # When to use one
//!
//! Around a call that is slow or expensive, and whose answer may be a little old: quotes, exchange rates, settings,
//! embeddings of a text, the answer of a model to a prompt.
//!
//! # When not to
//!
//! - Around a call that has an effect: of two payments with equal arguments, one would not be made.
//! - Around a call whose result depends on more than its key: the user who asks, the time, a setting. Put those into
//!   `key`.
//! - Where each call has a different key: no value is used again, and each costs memory until it is evicted.
//!
//! # Choosing numbers
//!
//! - `ttl`: how old an answer may be. Without it a value stays until it is replaced, invalidated or evicted.
//! - `stale_if_error`: how long after its `ttl` an answer is still better than none; for instance an hour.
//! - `max`: the keys that are in use at a time, or with `weight` the sum of the weights, for instance of bytes.
//! - `wait`: a little more than the slowest healthy call takes; 10 s by default.
//!
//! # One call for each key
//!
//! Of the calls for one key that find no value, one runs, and the others wait for its result: a *flight*. They get
//! a clone of its value, or of its error if that is `Clone`. Calls that cannot get the error run their own
//! body, and so do those that still have time when the leader failed for lack of it. A leader that is dropped or
//! panics hands over to the waiter with the most time left. A leader that never ends is waited for no longer than
//! `wait`.
//!
//! # Stale values
//!
//! A stale value answers in place of an error of a category that counts as a failure of the service, and of our own
//! rejections. `NotFound` and `Auth` remove it: a deleted or revoked value is never served. `Invalid`, `Conflict` and
//! `Permanent` are returned as they are. After a failure no call reaches the service for 5 s, or for the time that the
//! service asked for; then one call at a time tries again, and the others are answered at once.
//!
//! A timeout above the cache ends the call before it can be answered with the stale value: put `timeout` below.
//!
//! # How it works
//!
//! The map is `quick_cache`: of the maintained ones it is the lightest to build (two small crates without
//! dependencies of their own, where `moka` brings about twenty), keeps frequent entries while many others pass
//! (S3-FIFO), and returns evicted values, so that values are dropped outside of its locks. Ages, flights and
//! generations are this crate's own, because no cache has them: a map that expires entries drops the stale value
//! that is needed in an outage. The map compares hashes; the keys themselves are compared afterwards, outside of its
//! locks, by their owned copies.
//!
//! # Examples
//!
//! ```
//! use resilience::{cached, point};
//! use std::sync::atomic::{AtomicU32, Ordering};
//! use std::time::Duration;
//!
//! static CALLS: AtomicU32 = AtomicU32::new(0);
//!
//! #[cached(ttl = 60s, stale_if_error = 1h, name = "rate")]
//! fn rate(currency: &str) -> std::io::Result<f64> {
//!     CALLS.fetch_add(1, Ordering::Relaxed);
//!     Ok(if currency == "EUR" { 1.0 } else { 1.1 })
//! }
//!
//! assert_eq!((rate("EUR").unwrap(), rate("EUR").unwrap()), (1.0, 1.0));
//! assert_eq!(CALLS.load(Ordering::Relaxed), 1);
//!
//! let cache = point("rate").unwrap().cache().unwrap();
//! assert_eq!(cache.get("EUR", Duration::MAX), Some(1.0_f64));
//! cache.invalidate("EUR");
//! assert_eq!(rate("EUR").unwrap(), 1.0);
//! assert_eq!(CALLS.load(Ordering::Relaxed), 2);
//! ```

mod call;
mod calls;
mod config;
mod flight;
mod key;
mod layer;
mod lead;
mod look_up;
#[cfg(all(test, loom))]
mod loom;
#[cfg(all(test, feature = "testing", not(loom)))]
mod model;
mod sharing;
mod snapshot;
mod table;
#[cfg(all(test, not(loom)))]
mod tests;
mod values;
mod wait;

pub use config::CacheConfig;
pub use key::{CacheKey, KeyPart};
#[doc(hidden)]
pub use key::{GenericArgs, Part, PartFallback, key_part};
#[doc(hidden)]
pub use lead::{Lead, Pending};
#[doc(hidden)]
pub use sharing::{Sharing, Unshared};
pub use snapshot::CacheSnapshot;
pub use table::Cacheable;
#[doc(hidden)]
pub use table::SharedError;

use crate::base::setting::enforce;
use crate::base::settings::Settings;
use crate::base::site::Site;
use crate::base::sync::locked;
#[cfg(feature = "config")]
use crate::point::{Override, overrides::of_state};
use crate::point::{PointName, PointSite};
use crate::policy::InvalidPolicy;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use table::Table;

/// A cache of the results of calls by key, which runs one call at a time for each key.
///
/// The [module](crate::policy::cached) says when to use one and how to choose its numbers. A cache has state: put it in
/// a `static`, or in an `Arc` that the callers share. It holds values of any type: the type of a value is part of its
/// key.
///
/// # Examples
///
/// ```
/// use resilience::policy::Cache;
/// use std::time::Duration;
///
/// static QUOTES: Cache = Cache::new("quotes").ttl(Duration::from_secs(60)).max(100);
///
/// let quote = |symbol: &str| -> std::io::Result<u32> { QUOTES.call(symbol, || Ok(symbol.len() as u32)) };
/// assert_eq!((quote("ACME").unwrap(), quote("ACME").unwrap()), (4, 4));
/// assert_eq!(QUOTES.snapshot().misses, 1);
/// ```
#[derive(Debug)]
pub struct Cache {
    /// Made at the first use; fresh in a test world.
    table: Site<OnceLock<Arc<Table>>>,
    owner: PointName,
    settings: Settings<CacheConfig>,
}

/// The tables of all caches that were used.
static TABLES: Site<Mutex<Vec<Weak<Table>>>> = Site::new(Mutex::new(Vec::new()), Mutex::default);

/// Removes every value from every cache of the program.
///
/// Calls that run at that moment store nothing, and later calls do not wait for them.
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
/// resilience::clear_caches();
/// assert_eq!(USERS.get::<String>(&7_u32, Duration::MAX), None);
/// ```
pub fn clear_caches() {
    let tables: Vec<_> = locked(&TABLES).iter().filter_map(Weak::upgrade).collect();
    for table in tables {
        table.clear();
    }
}

impl Cache {
    /// Creates an empty cache with the default settings: up to 1,000 values, fresh until they are replaced.
    ///
    /// `name` appears in events and the inventory.
    ///
    /// It takes no memory before its first use.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::policy::Cache;
    ///
    /// static USERS: Cache = Cache::new("users");
    /// assert_eq!((USERS.snapshot().entries, USERS.snapshot().max), (0, 1_000));
    /// ```
    pub const fn new(name: &'static str) -> Self {
        Self::with(PointName::new(name), CacheConfig::DEFAULT.into_settings())
    }

    /// Creates an empty cache with settings that are known only at run time.
    ///
    /// # Errors
    ///
    /// If a setting is out of range or contradicts another one, with the message of the compiler.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::policy::{Cache, CacheConfig};
    /// use std::time::Duration;
    ///
    /// let stale = CacheConfig { stale_if_error: Some(Duration::from_secs(60)), ..CacheConfig::default() };
    /// let refused = Cache::try_new("quotes", stale).unwrap_err();
    /// assert!(refused.message().starts_with("`stale_if_error` needs `ttl`"));
    /// ```
    pub fn try_new(name: impl Into<String>, config: CacheConfig) -> Result<Self, InvalidPolicy> {
        InvalidPolicy::unless_valid(config.whole_complaint())?;
        Ok(Self::with(PointName::from(name.into()), Settings::whole(config)))
    }

    /// Creates the cache of an annotated function.
    #[doc(hidden)]
    pub const fn of(point: &'static PointSite) -> Self {
        Self::with(PointName::of(point), CacheConfig::DEFAULT.into_settings())
    }

    const fn with(owner: PointName, settings: Settings<CacheConfig>) -> Self {
        Self { table: Site::new(OnceLock::new(), OnceLock::new), owner, settings }
    }

    /// Returns the cache, once its settings are known to be valid together.
    #[doc(hidden)]
    #[track_caller]
    pub const fn checked(self) -> Self {
        enforce(self.settings.config.whole_complaint());
        self
    }

    /// Returns the settings in force.
    fn config(&self) -> CacheConfig {
        #[cfg(feature = "config")]
        if let Some(changed) = self.changed_settings().and_then(Override::get) {
            return *changed;
        }
        self.settings.config
    }

    /// Returns the settings of a configuration that replace those in the code.
    #[cfg(feature = "config")]
    fn changed_settings(&self) -> Option<&'static Override> {
        of_state(&self.owner, self, "cached", None)
    }

    /// Returns whether a configuration has switched it off: then nothing is looked up or kept.
    #[cfg_attr(not(feature = "config"), expect(clippy::unused_self, reason = "nothing switches it off"))]
    fn is_off(&self) -> bool {
        #[cfg(feature = "config")]
        return self.changed_settings().is_some_and(|changed| changed.is_off);
        #[cfg(not(feature = "config"))]
        return false;
    }

    fn table(&self) -> &Arc<Table> {
        self.table.get_or_init(|| {
            let table = Arc::new(Table::new(self.config().max));
            let mut all = locked(&TABLES);
            all.retain(|other| other.strong_count() > 0);
            all.push(Arc::downgrade(&table));
            table
        })
    }
}
