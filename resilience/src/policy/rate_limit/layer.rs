//! Rate limits in the inventory, and the `static`s of those that an attribute makes.

use super::wait::{Pass, pass};
use super::{RateLimit, RateLimitConfig};
use crate::base::clock::nanos;
use crate::base::setting::Effective;
use crate::base::settings::Settings;
use crate::point::{Layer, PointName};
use crate::policy::keyed::{EntryMap, Key, Keyed, PerKey};
use crate::policy::owner::Owner;
use crate::policy::stateful::{Described, Instance, Stateful};
use crate::policy::waiters::Counters;
use crate::rejected::Rejected;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// The calls of an attribute's expansion; `attempt` is the number of the attempt, from 1.
#[doc(hidden)]
impl RateLimit {
    /// Lets sync code through.
    ///
    /// # Errors
    ///
    /// If it is not let through in time.
    #[inline]
    pub fn pass_attempt(&self, attempt: u32) -> Result<(), Rejected> {
        pass(self, None, attempt)
    }

    /// Lets async code through.
    #[inline]
    pub const fn await_pass(&self, attempt: u32) -> Pass<&Self> {
        Pass::new(self, None, attempt)
    }
}

impl Described for RateLimitConfig {
    const KIND: &'static str = "rate_limit";

    fn settings(&self) -> Vec<Effective> {
        self.effective()
    }

    fn key_label(&self) -> Option<bool> {
        Some(self.key_label)
    }

    fn notes(known: Option<&Self>, _: &[&dyn Layer]) -> Vec<&'static str> {
        let rejects_neighbours =
            |config: &&Self| config.burst() == 1 && config.count > 1 && config.wait.is_zero();
        let note =
            "`burst = 1` without `wait` rejects one call of three that arrive at random at half the limit";
        known.filter(rejects_neighbours).map(|_| note).into_iter().collect()
    }

    fn worst(known: Option<&Self>, inner: Option<Duration>) -> Option<Duration> {
        Some(inner?.saturating_add(known?.wait))
    }
}

impl Stateful for RateLimit {
    type Settings = RateLimitConfig;
    type Counters = Counters;

    #[inline]
    fn owner(&self) -> &Owner<Counters> {
        &self.owner
    }

    fn own_counters(&self) -> &Counters {
        &self.live.counters
    }

    #[inline]
    fn in_code(&self) -> &Settings<RateLimitConfig> {
        &self.settings
    }

    fn described(&self) -> RateLimitConfig {
        *self.config()
    }

    fn word(&self) -> &'static str {
        if self.is_available() { "free" } else { "used_up" }
    }

    fn numbers(&self) -> Vec<(&'static str, u64)> {
        let now = self.snapshot();
        vec![
            ("available", now.available.into()),
            ("waiting", now.waiting as u64),
            ("rejected", now.rejected),
            ("waited", now.waited),
        ]
    }

    fn totals(&self, entries: &EntryMap<Self>) -> Vec<(&'static str, u64)> {
        let totals = self.all_counters();
        let waiting = entries.all().iter().map(|(_, limit)| limit.snapshot().waiting as u64).sum();
        vec![
            ("waiting", waiting),
            ("rejected", totals.rejected.load(Ordering::Relaxed)),
            ("waited", totals.waited.load(Ordering::Relaxed)),
            ("overflowed", entries.overflowed()),
        ]
    }

    fn retry_after(&self) -> Option<Duration> {
        self.snapshot().retry_after
    }

    #[cfg(feature = "config")]
    fn settings_changed(&self) {
        self.live.gate.wake().finish();
    }
}

#[doc(hidden)]
impl Keyed<RateLimit> {
    /// Lets sync code through the limit of `key`.
    ///
    /// # Errors
    ///
    /// If it is not let through in time.
    #[inline]
    pub fn pass_attempt<K: Key + ?Sized>(&self, key: &K, attempt: u32) -> Result<(), Rejected> {
        pass(self.get(key), None, attempt)
    }

    /// Lets async code through the limit of `key`.
    #[inline]
    pub fn await_pass<K: Key + ?Sized>(&self, key: &K, attempt: u32) -> Pass<Arc<RateLimit>> {
        Pass::new(self.get(key), None, attempt)
    }
}

/// A limit is in use until its bucket is full again; a call that waits holds the `Arc`.
impl PerKey for RateLimit {
    const STAYS_WHILE_HELD: bool = true;

    fn for_key(self, key: PointName, whole: &Self) -> Self {
        Self { owner: self.owner.of_key(key, &whole.owner), ..self }
    }

    fn whole(self) -> Self {
        Self { owner: self.owner.of_all_keys(), ..self }
    }

    fn is_in_use(&self, now: Instant) -> bool {
        !self.live.gate.read(self.rate(), nanos(now)).is_idle
    }
}

#[doc(hidden)]
impl Instance<RateLimitConfig> {
    /// Lets sync code through `limit`.
    ///
    /// # Errors
    ///
    /// If it is not let through in time.
    #[inline]
    pub fn pass_attempt(&self, limit: &RateLimit, attempt: u32) -> Result<(), Rejected> {
        pass(limit, Some(self.stack(|| *limit.config())), attempt)
    }

    /// Lets async code through `limit`.
    #[inline]
    pub fn await_pass<'l>(&self, limit: &'l RateLimit, attempt: u32) -> Pass<&'l RateLimit> {
        Pass::new(limit, Some(self.stack(|| *limit.config())), attempt)
    }
}
