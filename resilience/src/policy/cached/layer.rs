//! What the inventory sees of caches, and the `static`s of those that an attribute makes.

use super::{Cache, CacheConfig, CacheKey, Cacheable, Ids, Pending};
use crate::base::setting::Effective;
use crate::outcome::Outcome;
use crate::point::registry::Point;
use crate::point::{Layer, PointSite};
use crate::policy::Verdict;
use std::any::Any;
use std::sync::OnceLock;

const KIND: &str = "cached";

impl Layer for Cache {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn settings(&self) -> Vec<Effective> {
        self.config().effective()
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        let now = self.snapshot();
        vec![
            ("entries", now.entries as u64),
            ("misses", now.misses),
            ("joined", now.joined),
            ("stale", now.stale),
        ]
    }

    fn policy(&self) -> &dyn Any {
        self
    }
}

/// The `static` of a `cached(instance = ..)`, whose cache the user owns.
#[derive(Debug)]
#[doc(hidden)]
pub struct CacheInstanceSite {
    point: &'static PointSite,
    /// The settings of the cache that was used first.
    seen: OnceLock<CacheConfig>,
}

impl CacheInstanceSite {
    /// The place of a cache of the user's in the stack of `point`.
    pub const fn of(point: &'static PointSite) -> Self {
        Self { point, seen: OnceLock::new() }
    }

    /// Begins a call with `cache` in the stack of this site.
    ///
    /// # Errors
    ///
    /// The answer, if there is one at once.
    pub fn enter_in<R, K>(&self, cache: &Cache, ids: Ids, key: K) -> Result<Pending<R>, (R, Verdict)>
    where
        R: Outcome<Value: Cacheable, Error: 'static>,
        K: CacheKey,
    {
        self.seen.get_or_init(|| cache.config());
        cache.begin(ids, &key, self.point.stack())
    }
}

impl Layer for CacheInstanceSite {
    fn kind(&self) -> &'static str {
        KIND
    }

    /// Known once a cache was used.
    fn settings(&self) -> Vec<Effective> {
        let mut all = vec![Effective::text("instance", "..")];
        all.extend(self.seen.get().map(CacheConfig::effective).into_iter().flatten());
        all
    }

    fn policy(&self) -> &dyn Any {
        self
    }
}

impl Point {
    /// Returns the cache of the function, unless it is one that the program owns (`instance = ..`).
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{cached, point};
    ///
    /// #[cached(name = "country")]
    /// fn country(code: &str) -> Option<String> {
    ///     Some(code.to_lowercase())
    /// }
    ///
    /// let cache = point("country").unwrap().cache().unwrap();
    /// cache.put("EU", "Europe".to_owned());
    /// assert_eq!(country("EU").unwrap(), "Europe");
    /// ```
    pub fn cache(&self) -> Option<&'static Cache> {
        self.policy()
    }
}
