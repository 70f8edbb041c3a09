//! The settings of a cache.

use super::Cache;
use crate::base::setting::Complaint;
use crate::base::settings::{Count, Time, settings};

settings! {
    /// The settings of a [`Cache`], for [`try_new`](Cache::try_new).
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::policy::{Cache, CacheConfig};
    /// use std::time::Duration;
    ///
    /// let config = CacheConfig { ttl: Some(Duration::from_secs(60)), max: 100, ..CacheConfig::default() };
    /// assert!(Cache::try_new("quotes", config).is_ok());
    /// assert!(Cache::try_new("quotes", CacheConfig { max: 0, ..config }).is_err());
    /// ```
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct CacheConfig {
        for policy Cache(settings) {
            /// Without it a value is fresh until it is replaced, invalidated or evicted.
            ttl: Time above 0s = off, "how long a value is fresh";
            /// Stale values are counted. When room is needed, values that are seldom used go first.
            max: Count from 1 = 1000, "how many values are kept";
            /// Needs [`ttl`](Self::ttl). An older value never answers.
            stale_if_error: Time above 0s = off, "how long after its `ttl` a value may answer in place of an error";
            /// With `0s` every call that finds no value runs at once.
            wait: Time = 10s, "how long a call waits for a running one of its key";
        }
    }
}

const NO_TTL: &str =
    "`stale_if_error` needs `ttl`: without it no value is ever stale, so none answers in place of an error";

impl CacheConfig {
    /// Returns what is wrong with the settings as a whole.
    pub(super) const fn whole_complaint(&self) -> Complaint {
        if self.stale_if_error.is_some() && self.ttl.is_none() {
            return Some(NO_TTL);
        }
        self.complaint()
    }
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}
