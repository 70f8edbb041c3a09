//! What the inventory sees of breakers, and the `static`s of those that an attribute makes.

use super::state::State;
use super::{CircuitBreaker, CircuitBreakerConfig, OwnedPermit, Permit};
use crate::point::{Layer, PointName, PointSite};
use crate::policy::keyed::{Key, Keyed, PerKey};
use crate::policy::{Ruling, Verdict};
use crate::rejected::Rejected;
use crate::site::Site;
use crate::text::Text;
use std::any::Any;
use std::time::Duration;

const KIND: &str = "circuit_breaker";

impl Layer for CircuitBreaker {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        settings(&self.config)
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

impl CircuitBreaker {
    /// What the inventory sees of it.
    pub(crate) fn layer(&self) -> &dyn Layer {
        self
    }
}

fn settings(config: &CircuitBreakerConfig) -> Vec<(&'static str, String)> {
    let mut settings = vec![("threshold", config.threshold.to_string())];
    settings.extend(config.window.map(|window| ("window", time(window))));
    settings.extend([
        ("recovery", time(config.recovery)),
        ("growth", format!("{:?}", config.growth)),
        ("cap", time(config.cap())),
        ("retry_after_cap", time(config.retry_after_cap)),
        ("probes", config.probes.to_string()),
        ("successes", config.successes.to_string()),
        ("probe_timeout", time(config.probe_timeout())),
    ]);
    settings
}

fn time(time: Duration) -> String {
    Text::<40>::new().time(time).as_str().to_owned()
}

impl PerKey for CircuitBreaker {
    fn for_key(self, key: PointName) -> Self {
        Self { key: Some(key), ..self }
    }

    /// An open breaker that is forgotten would be closed again.
    fn evict_last(&self) -> bool {
        self.state() != State::Closed
    }

    fn absorb(&self, evicted: &Self) {
        self.live.counters.add(&evicted.live.counters);
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
    pub fn admit<K: Key + ?Sized>(&self, key: &K) -> Result<OwnedPermit, Rejected> {
        self.get(key).acquire_owned()
    }
}

impl Layer for KeyedBreakers {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = settings(&self.make().config);
        settings.push(("max_keys", self.limit().to_string()));
        settings
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        let (living, gone) = self.values();
        let all = super::Counters::new();
        living
            .iter()
            .map(|breaker| &**breaker)
            .chain(gone)
            .for_each(|breaker| all.add(&breaker.live.counters));
        all.read()
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
}

impl InstanceSite {
    /// A breaker of the user's in the stack of `point`.
    pub const fn of(point: &'static PointSite) -> Self {
        Self { point }
    }

    /// Asks `breaker` to make one call in the stack of this site.
    ///
    /// # Errors
    ///
    /// If it refuses.
    #[inline]
    pub fn admit<'b>(&self, breaker: &'b CircuitBreaker) -> Result<InstancePermit<'b>, Rejected> {
        let permit = Some(breaker.acquire()?);
        Ok(InstancePermit { permit, point: self.point })
    }
}

/// A permit that knows the stack in which it is held, which a breaker of the user's does not.
#[derive(Debug)]
#[doc(hidden)]
pub struct InstancePermit<'b> {
    permit: Option<Permit<'b>>,
    point: &'static PointSite,
}

impl InstancePermit<'_> {
    /// See [`PermitOf::settle`](super::PermitOf::settle).
    #[inline]
    pub fn settle(mut self, verdict: Verdict, ruling: Ruling) -> Verdict {
        match self.permit.take() {
            Some(permit) => permit.settle(verdict, ruling),
            None => verdict,
        }
    }
}

impl Drop for InstancePermit<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            permit.abandoned_in(self.point.stack());
        }
    }
}

impl Layer for InstanceSite {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![("instance", "..".to_owned())]
    }

    fn policy(&self) -> &dyn Any {
        self
    }
}
