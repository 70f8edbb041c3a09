//! What the inventory sees of rate limits, and the `static`s of those that an attribute makes.

use super::wait::{Pass, pass};
use super::{KIND, RateLimit, RateLimitConfig};
use crate::base::setting::Effective;
use crate::base::site::Site;
use crate::point::{KeySnapshot, Layer, PointName, PointSite};
use crate::policy::keyed::{EntryMap, Key, Keyed, MAX_KEYS, PerKey};
use crate::rejected::Rejected;
use std::any::Any;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// What the expansion of an attribute calls; `attempt` is the number of the attempt, from 1.
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

fn worst(config: &RateLimitConfig, inner: Option<Duration>) -> Option<Duration> {
    inner.map(|inner| inner.saturating_add(config.wait))
}

/// What is worth a look in the settings.
fn notes(config: &RateLimitConfig) -> Vec<&'static str> {
    let refuses_neighbours = config.burst() == 1 && config.count > 1 && config.wait.is_zero();
    let note = "`burst = 1` without `wait` rejects one call of three that arrive at random at half the limit";
    refuses_neighbours.then_some(note).into_iter().collect()
}

impl RateLimit {
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
}

impl Layer for RateLimit {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn settings(&self) -> Vec<Effective> {
        self.config().effective()
    }

    fn notes(&self, _: &[&dyn Layer]) -> Vec<&'static str> {
        notes(self.config())
    }

    fn state(&self) -> Option<&'static str> {
        Some(self.word())
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        self.numbers()
    }

    fn worst(&self, inner: Option<Duration>) -> Option<Duration> {
        worst(self.config(), inner)
    }

    fn policy(&self) -> &dyn Any {
        self
    }
}

/// The `static` of a `rate_limit(key = ..)`.
#[doc(hidden)]
pub type KeyedRateLimits = Site<Keyed<RateLimit>>;

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

/// What was counted for all keys, evicted ones included, and how many calls wait now.
fn totals(entries: &EntryMap<RateLimit>) -> Vec<(&'static str, u64)> {
    let totals = entries.whole().and_then(|whole| whole.totals.as_deref());
    let count = |of: fn(&super::Counters) -> u64| totals.map_or(0, of);
    let waiting = entries.all().iter().map(|(_, limit)| limit.snapshot().waiting as u64).sum();
    vec![
        ("waiting", waiting),
        ("rejected", count(|totals| totals.rejected.load(Ordering::Relaxed))),
        ("waited", count(|totals| totals.waited.load(Ordering::Relaxed))),
        ("overflowed", entries.overflowed()),
    ]
}

impl Layer for KeyedRateLimits {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn settings(&self) -> Vec<Effective> {
        let mut all = self.make().config().effective();
        all.push(Effective::count("max_keys", self.limit(), MAX_KEYS));
        all
    }

    fn notes(&self, _: &[&dyn Layer]) -> Vec<&'static str> {
        notes(self.make().config())
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        totals(self.entries())
    }

    fn keys(&self) -> Vec<KeySnapshot> {
        let row = |(key, limit): (String, Arc<RateLimit>)| KeySnapshot {
            key,
            state: limit.word(),
            retry_after: limit.snapshot().retry_after,
            counters: limit.numbers(),
        };
        self.entries().all().into_iter().map(row).collect()
    }

    fn worst(&self, inner: Option<Duration>) -> Option<Duration> {
        worst(self.make().config(), inner)
    }

    fn policy(&self) -> &dyn Any {
        &**self
    }
}

/// A limit is in use until its bucket is full again; a call that waits holds the `Arc`.
impl PerKey for RateLimit {
    const STAYS_WHILE_HELD: bool = true;

    fn for_key(mut self, key: PointName, whole: &Self) -> Self {
        self.key = Some(key);
        self.totals.clone_from(&whole.totals);
        self
    }

    fn whole(mut self) -> Self {
        self.totals = Some(Arc::default());
        self
    }

    fn is_in_use(&self, now: Instant) -> bool {
        !self.live.gate.read(self.config().rate(), now).is_idle
    }
}

/// The `static` of a `rate_limit(instance = ..)`, whose limit the user owns.
#[derive(Debug)]
#[doc(hidden)]
pub struct GivenRateLimit {
    point: &'static PointSite,
    /// The settings of the limit that was used first.
    seen: OnceLock<RateLimitConfig>,
}

impl GivenRateLimit {
    /// The place of a rate limit of the user's in the stack of `point`.
    pub const fn of(point: &'static PointSite) -> Self {
        Self { point, seen: OnceLock::new() }
    }

    /// Lets sync code through `limit`.
    ///
    /// # Errors
    ///
    /// If it is not let through in time.
    #[inline]
    pub fn pass_attempt(&self, limit: &RateLimit, attempt: u32) -> Result<(), Rejected> {
        self.seen.get_or_init(|| *limit.config());
        pass(limit, Some(self.point.stack()), attempt)
    }

    /// Lets async code through `limit`.
    #[inline]
    pub fn await_pass<'l>(&self, limit: &'l RateLimit, attempt: u32) -> Pass<&'l RateLimit> {
        self.seen.get_or_init(|| *limit.config());
        Pass::new(limit, Some(self.point.stack()), attempt)
    }
}

impl Layer for GivenRateLimit {
    fn kind(&self) -> &'static str {
        KIND
    }

    /// Known once a limit was used.
    fn settings(&self) -> Vec<Effective> {
        let mut all = vec![Effective::text("instance", "..")];
        all.extend(self.seen.get().map(RateLimitConfig::effective).into_iter().flatten());
        all
    }

    fn notes(&self, _: &[&dyn Layer]) -> Vec<&'static str> {
        self.seen.get().map(notes).unwrap_or_default()
    }

    fn worst(&self, inner: Option<Duration>) -> Option<Duration> {
        self.seen.get().map_or(inner, |config| worst(config, inner))
    }

    fn policy(&self) -> &dyn Any {
        self
    }
}
