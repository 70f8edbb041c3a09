//! What the inventory sees of breakers, and the `static`s of those that an attribute makes.
//!
//! There are three sources of a breaker in a stack: the function's own `static`, one for each key ([`KeyedBreakers`]),
//! and one that the program owns ([`InstanceSite`]). All of them admit with a permit, which the expansion settles in the
//! same way. The settings of the third are known only after the first call, and the inventory says so.

use super::{CircuitBreaker, CircuitBreakerConfig, CircuitBreakers, OwnedAdmitted, OwnedPermit, Permit};
use crate::base::setting::Effective;
use crate::base::site::Site;
use crate::point::{KeySnapshot, Layer, PointSite};
use crate::policy::keyed::{EntryMap, Key, Keyed, MAX_KEYS};
use crate::rejected::Rejected;
use std::any::Any;
use std::sync::{Arc, OnceLock};

const KIND: &str = "circuit_breaker";

impl Layer for CircuitBreaker {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn settings(&self) -> Vec<Effective> {
        effective(&self.config())
    }

    fn state(&self) -> Option<&'static str> {
        Some(Self::state(self).as_str())
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        self.live.counters.read()
    }

    fn policy(&self) -> &dyn Any {
        self
    }
}

/// The settings that apply, without those that others take the place of.
fn effective(config: &CircuitBreakerConfig) -> Vec<Effective> {
    let mut all = config.effective();
    all.retain(|setting| match setting.name {
        "threshold" => config.has_threshold(),
        "min_calls" => config.has_shares(),
        "slow_rate" => config.slow.is_some(),
        _ => true,
    });
    all
}

/// The settings of breakers by key: those of each breaker, and how many keys are kept.
fn keyed(config: &CircuitBreakerConfig, max_keys: usize) -> Vec<Effective> {
    let mut all = effective(config);
    all.push(Effective::count("max_keys", max_keys, MAX_KEYS));
    all
}

/// What was counted for all keys, evicted ones included.
fn totals(entries: &EntryMap<CircuitBreaker>) -> Vec<(&'static str, u64)> {
    let totals = entries.whole().and_then(|whole| whole.totals.as_deref());
    totals.map_or_else(|| super::Counters::new().read(), super::Counters::read)
}

fn rows(entries: &EntryMap<CircuitBreaker>) -> Vec<KeySnapshot> {
    let row = |(key, breaker): (String, Arc<CircuitBreaker>)| KeySnapshot {
        key,
        state: breaker.state().as_str(),
        retry_after: breaker.snapshot().retry_after,
        counters: breaker.live.counters.read(),
    };
    entries.all().into_iter().map(row).collect()
}

impl Layer for CircuitBreakers {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn settings(&self) -> Vec<Effective> {
        keyed(&self.setup.settings.applied(), self.limit())
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        totals(self.entries())
    }

    fn keys(&self) -> Vec<KeySnapshot> {
        rows(self.entries())
    }

    fn policy(&self) -> &dyn Any {
        self
    }
}

/// The `static` of a `circuit_breaker(key = ..)`.
#[doc(hidden)]
pub type KeyedBreakers = Site<Keyed<CircuitBreaker>>;

impl Keyed<CircuitBreaker> {
    /// Asks the breaker of `key` to make one call.
    ///
    /// # Errors
    ///
    /// If it refuses.
    #[inline]
    #[doc(hidden)]
    pub fn admit<K: Key + ?Sized>(&self, key: &K) -> Result<OwnedAdmitted, Rejected> {
        OwnedAdmitted::ask(self.get(key))
    }

    /// The same of breakers that measure how long calls take.
    ///
    /// # Errors
    ///
    /// If it refuses.
    #[inline]
    #[doc(hidden)]
    pub fn acquire<K: Key + ?Sized>(&self, key: &K) -> Result<OwnedPermit, Rejected> {
        self.get(key).acquire_owned()
    }
}

impl Layer for KeyedBreakers {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn settings(&self) -> Vec<Effective> {
        keyed(&self.make().config(), self.limit())
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        totals(self.entries())
    }

    fn keys(&self) -> Vec<KeySnapshot> {
        rows(self.entries())
    }

    fn policy(&self) -> &dyn Any {
        &**self
    }
}

/// The `static` of a `circuit_breaker(instance = ..)`, whose breaker the user owns.
#[derive(Debug)]
#[doc(hidden)]
pub struct InstanceSite {
    point: &'static PointSite,
    /// The settings of the breaker that was used first.
    seen: OnceLock<CircuitBreakerConfig>,
}

impl InstanceSite {
    /// The place of a breaker of the user's in the stack of `point`.
    pub const fn of(point: &'static PointSite) -> Self {
        Self { point, seen: OnceLock::new() }
    }

    /// Asks `breaker` to admit one call in the stack of this site.
    ///
    /// # Errors
    ///
    /// If it rejects the call.
    #[inline]
    pub fn admit<'b>(&self, breaker: &'b CircuitBreaker) -> Result<Permit<'b>, Rejected> {
        self.seen.get_or_init(|| breaker.config());
        Permit::ask_in(breaker, Some(self.point.stack()))
    }
}

impl Layer for InstanceSite {
    fn kind(&self) -> &'static str {
        KIND
    }

    /// Known once a breaker was used.
    fn settings(&self) -> Vec<Effective> {
        let mut all = vec![Effective::text("instance", "..")];
        all.extend(self.seen.get().map(effective).into_iter().flatten());
        all
    }

    fn policy(&self) -> &dyn Any {
        self
    }
}
