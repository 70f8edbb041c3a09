//! A set of breakers, one for each key, that several functions share.
//!
//! It is the value behind `circuit_breaker(key = ..)`, for programs in which several functions call the same hosts. Its
//! breakers are made with the settings of the set at the first use of a key, and are evicted like those of a function.

use super::{CircuitBreaker, Setup};
use crate::base::site::Site;
use crate::point::PointName;
use crate::policy::keyed::{EntryMap, Key, MAX_KEYS, NO_KEYS, PerKey};
use std::sync::Arc;

/// Circuit breakers by key, for a dependency that several functions call: one breaker for each host, tenant or
/// model.
///
/// A breaker is made, closed, at the first use of its key. At most [`max_keys`](Self::max_keys) keys are kept:
/// the least recently used one is evicted, one whose breaker is open last.
///
/// # Examples
///
/// Three methods of a client share the knowledge about a host:
///
/// ```
/// use resilience::{CircuitBreakers, circuit_breaker};
/// use std::io;
/// use std::time::Duration;
///
/// static HOSTS: CircuitBreakers =
///     CircuitBreakers::new().name("hosts").threshold(2).recovery(Duration::from_secs(30)).max_keys(500);
///
/// #[circuit_breaker(instance = HOSTS.get(host))]
/// fn read(host: &str) -> io::Result<u32> {
///     let _ = host;
///     Err(io::ErrorKind::ConnectionRefused.into())
/// }
///
/// #[circuit_breaker(instance = HOSTS.get(host))]
/// async fn write(host: &str) -> io::Result<()> {
///     let _ = host;
///     Err(io::ErrorKind::ConnectionRefused.into())
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// read("a.example").unwrap_err();
/// write("a.example").await.unwrap_err();
/// assert!(!HOSTS.get("a.example").is_available(), "one failure of each function");
/// assert!(HOSTS.get("b.example").is_available());
/// # });
/// ```
#[derive(Debug)]
pub struct CircuitBreakers {
    pub(super) setup: Setup,
    pub(super) name: &'static str,
    pub(super) max_keys: usize,
    pub(super) entries: Site<EntryMap<CircuitBreaker>>,
}

impl Default for CircuitBreakers {
    fn default() -> Self {
        Self::new()
    }
}

impl CircuitBreakers {
    /// Creates a set whose breakers have the default settings, under the name `circuit_breakers`.
    ///
    /// The settings are those of a [`CircuitBreaker`], and have the same setters: each breaker of the set gets them.
    pub const fn new() -> Self {
        Self {
            setup: Setup::DEFAULT,
            name: "circuit_breakers",
            max_keys: MAX_KEYS,
            entries: Site::new(EntryMap::new(), EntryMap::new),
        }
    }

    /// Sets the name in events, errors and the inventory; default `circuit_breakers`.
    ///
    /// The key is beside it in events, errors and snapshots, so that one name is enough for all breakers.
    pub const fn name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// Sets the number of keys that have a breaker at once; from 1, default 1,024.
    ///
    /// A key that is evicted and used again has a new breaker, which is closed. More keys that are open at once than
    /// the set may have push each other out.
    ///
    /// # Panics
    ///
    /// If it is zero.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::CircuitBreakers;
    ///
    /// static HOSTS: CircuitBreakers = CircuitBreakers::new().name("few hosts").max_keys(2);
    ///
    /// for host in ["a", "b", "c"] {
    ///     HOSTS.get(host);
    /// }
    /// assert_eq!(HOSTS.keys(), ["b", "c"], "the least recently used one is evicted");
    /// ```
    #[track_caller]
    pub const fn max_keys(mut self, keys: usize) -> Self {
        assert!(keys > 0, "{}", NO_KEYS);
        self.max_keys = keys;
        self
    }

    /// Returns the breaker of `key`, made now, closed, if there is none.
    ///
    /// It counts as a use of the key. Keep the returned breaker for one call, not permanently: an evicted breaker works
    /// on, but the next caller gets another one.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::CircuitBreakers;
    /// use std::sync::Arc;
    ///
    /// static HOSTS: CircuitBreakers = CircuitBreakers::new().name("hosts");
    ///
    /// let (one, same) = (HOSTS.get("a.example"), HOSTS.get("a.example"));
    /// assert!(Arc::ptr_eq(&one, &same));
    /// assert!(!Arc::ptr_eq(&one, &HOSTS.get("b.example")));
    /// ```
    #[inline]
    pub fn get<K: Key + ?Sized>(&self, key: &K) -> Arc<CircuitBreaker> {
        self.entries.get(key, self.max_keys, &|| self.make())
    }

    /// Returns the breaker of `key`, written as text, if there is one; looking does not count as a use.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::CircuitBreakers;
    ///
    /// static HOSTS: CircuitBreakers = CircuitBreakers::new().name("hosts");
    ///
    /// assert!(HOSTS.peek("a.example").is_none());
    /// HOSTS.get("a.example");
    /// assert!(HOSTS.peek("a.example").is_some());
    /// assert_eq!(HOSTS.keys(), ["a.example"]);
    /// ```
    pub fn peek(&self, key: &str) -> Option<Arc<CircuitBreaker>> {
        self.entries.peek(key)
    }

    /// Returns every key that has a breaker, as text, sorted.
    ///
    /// It copies them: use [`snapshot`](Self::snapshot) for their states at the same time.
    pub fn keys(&self) -> Vec<String> {
        self.entries.keys()
    }

    /// Returns the state of every breaker, sorted by key.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{CircuitBreakers, State};
    ///
    /// static HOSTS: CircuitBreakers = CircuitBreakers::new().name("hosts");
    ///
    /// HOSTS.get("a.example").force_open();
    /// HOSTS.get("b.example");
    /// let open: Vec<_> = HOSTS.snapshot().into_iter().filter(|host| host.state != State::Closed).collect();
    /// assert_eq!(open[0].key.as_deref(), Some("a.example"));
    /// assert_eq!(open.len(), 1);
    /// ```
    pub fn snapshot(&self) -> Vec<super::BreakerSnapshot> {
        self.entries.all().iter().map(|(_, breaker)| breaker.snapshot()).collect()
    }

    pub(super) fn make(&self) -> CircuitBreaker {
        CircuitBreaker::with(PointName::new(self.name), self.setup)
    }
}

impl PerKey for CircuitBreaker {
    fn for_key(self, key: PointName, whole: &Self) -> Self {
        Self { owner: self.owner.of_key(key, &whole.owner), ..self }
    }

    fn whole(self) -> Self {
        Self { owner: self.owner.of_all_keys(), ..self }
    }

    fn evict_last(&self, now: std::time::Instant) -> bool {
        self.live.gate.has_news(now)
    }

    fn is_in_use(&self, now: std::time::Instant) -> bool {
        self.live.gate.has_probe(now, &self.config())
    }
}
