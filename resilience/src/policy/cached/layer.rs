//! Caches in the inventory, and the `static`s of those that an attribute makes.

use super::{Cache, CacheConfig, CacheKey, Cacheable, GenericArgs, Pending};
#[cfg(feature = "config")]
use crate::base::change::{Change, Changed, together};
use crate::base::setting::Effective;
#[cfg(feature = "config")]
use crate::base::setting::Setting;
use crate::outcome::Outcome;
use crate::point::Layer;
use crate::point::registry::Point;
use crate::policy::Verdict;
use crate::policy::stateful::{Described, Instance};

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

    #[cfg(feature = "config")]
    fn table(&self) -> &'static [Setting] {
        CacheConfig::TABLE
    }

    #[cfg(feature = "config")]
    fn fixed(&self, setting: &str) -> Option<&'static str> {
        (setting == "max").then_some("the table of the values is made once")
    }

    #[cfg(feature = "config")]
    fn changed(&self, changes: &[Change]) -> Changed {
        let config = self.settings.changed(changes, |setting| Layer::fixed(self, setting))?.config;
        together(config.whole_complaint(), changes)?;
        Ok(Box::new(config))
    }

    #[cfg(feature = "config")]
    fn stays_on(&self) -> Option<&'static str> {
        None
    }
}

impl Described for CacheConfig {
    const KIND: &'static str = KIND;

    fn settings(&self) -> Vec<Effective> {
        self.effective()
    }
}

#[doc(hidden)]
impl Instance<CacheConfig> {
    /// Begins a call with `cache` in the stack of this site.
    ///
    /// # Errors
    ///
    /// The answer, if there is one at once.
    pub fn enter_in<R, K>(&self, cache: &Cache, ids: GenericArgs, key: K) -> Result<Pending<R>, (R, Verdict)>
    where
        R: Outcome<Value: Cacheable, Error: 'static>,
        K: CacheKey,
    {
        cache.begin(ids, &key, self.stack(|| cache.config()))
    }
}

impl Point {
    /// Returns the cache of the function, unless the program owns it (`instance = ..`).
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
