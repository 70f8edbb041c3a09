//! What the inventory sees of bulkheads, and the `static`s of those that an attribute makes.

use super::wait::{Enter, OwnedSlot, Slot, enter};
use super::{Bulkhead, BulkheadConfig, KIND};
use crate::base::setting::Effective;
use crate::base::site::Site;
use crate::point::{KeySnapshot, Layer, PointName, PointSite};
use crate::policy::keyed::{EntryMap, Key, Keyed, MAX_KEYS, PerKey};
use crate::rejected::Rejected;
use std::any::Any;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// What the expansion of an attribute calls; `attempt` is the number of the attempt, from 1.
#[doc(hidden)]
impl Bulkhead {
    /// Gets a slot for sync code.
    ///
    /// # Errors
    ///
    /// If there is none in time.
    #[inline]
    pub fn enter_attempt(&self, attempt: u32) -> Result<Slot<'_>, Rejected> {
        enter(self, None, attempt)
    }

    /// Gets a slot for async code.
    #[inline]
    pub const fn await_attempt(&self, attempt: u32) -> Enter<&Self> {
        Enter::new(self, None, attempt)
    }
}

/// The settings that apply.
fn settings(config: &BulkheadConfig) -> Vec<Effective> {
    let mut all = config.effective();
    if config.wait.is_zero() {
        all.retain(|setting| setting.name != "queue");
    }
    if !config.adaptive {
        all.retain(|setting| !["floor", "cap"].contains(&setting.name));
    }
    all
}

fn worst(config: &BulkheadConfig, inner: Option<Duration>) -> Option<Duration> {
    inner.map(|inner| inner.saturating_add(config.wait))
}

/// What is worth a look in the place of a bulkhead.
fn notes(below: &[&dyn Layer]) -> Vec<&'static str> {
    let is_above_a_retry = below.iter().any(|layer| layer.calls() > 1);
    let note = "the slot is held through the waits of the retry below: move this line below it";
    is_above_a_retry.then_some(note).into_iter().collect()
}

const FREE: &str = "free";
const FULL: &str = "full";

impl Bulkhead {
    fn word(&self) -> &'static str {
        if self.is_available() { FREE } else { FULL }
    }

    fn numbers(&self) -> Vec<(&'static str, u64)> {
        let now = self.snapshot();
        let mut all = vec![
            ("in_use", now.in_use.into()),
            ("waiting", now.waiting as u64),
            ("rejected", now.rejected),
            ("waited", now.waited),
        ];
        if self.config().adaptive {
            all.push(("slots", now.slots.into()));
        }
        all
    }
}

impl Layer for Bulkhead {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn settings(&self) -> Vec<Effective> {
        settings(self.config())
    }

    fn state(&self) -> Option<&'static str> {
        Some(self.word())
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        self.numbers()
    }

    fn notes(&self, below: &[&dyn Layer]) -> Vec<&'static str> {
        notes(below)
    }

    fn worst(&self, inner: Option<Duration>) -> Option<Duration> {
        worst(self.config(), inner)
    }

    fn policy(&self) -> &dyn Any {
        self
    }
}

/// The `static` of a `bulkhead(key = ..)`.
#[doc(hidden)]
pub type KeyedBulkheads = Site<Keyed<Bulkhead>>;

#[doc(hidden)]
impl Keyed<Bulkhead> {
    /// Gets a slot of `key` for sync code.
    ///
    /// # Errors
    ///
    /// If there is none in time.
    #[inline]
    pub fn enter_attempt<K: Key + ?Sized>(&self, key: &K, attempt: u32) -> Result<OwnedSlot, Rejected> {
        enter(self.get(key), None, attempt)
    }

    /// Gets a slot of `key` for async code.
    #[inline]
    pub fn await_attempt<K: Key + ?Sized>(&self, key: &K, attempt: u32) -> Enter<Arc<Bulkhead>> {
        Enter::new(self.get(key), None, attempt)
    }
}

/// What was counted for all keys, evicted ones included, and what is in use now.
fn totals(entries: &EntryMap<Bulkhead>) -> Vec<(&'static str, u64)> {
    let totals = entries.whole().and_then(|whole| whole.totals.as_deref());
    let count = |of: fn(&super::Counters) -> u64| totals.map_or(0, of);
    let now: Vec<_> = entries.all().iter().map(|(_, bulkhead)| bulkhead.snapshot()).collect();
    vec![
        ("in_use", now.iter().map(|now| u64::from(now.in_use)).sum()),
        ("waiting", now.iter().map(|now| now.waiting as u64).sum()),
        ("rejected", count(|totals| totals.rejected.load(Ordering::Relaxed))),
        ("waited", count(|totals| totals.waited.load(Ordering::Relaxed))),
        ("overflowed", entries.overflowed()),
    ]
}

impl Layer for KeyedBulkheads {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn settings(&self) -> Vec<Effective> {
        let mut all = settings(self.make().config());
        all.push(Effective::count("max_keys", self.limit(), MAX_KEYS));
        all
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        totals(self.entries())
    }

    fn keys(&self) -> Vec<KeySnapshot> {
        let row = |(key, bulkhead): (String, Arc<Bulkhead>)| KeySnapshot {
            key,
            state: bulkhead.word(),
            retry_after: None,
            counters: bulkhead.numbers(),
        };
        self.entries().all().into_iter().map(row).collect()
    }

    fn notes(&self, below: &[&dyn Layer]) -> Vec<&'static str> {
        notes(below)
    }

    fn worst(&self, inner: Option<Duration>) -> Option<Duration> {
        worst(self.make().config(), inner)
    }

    fn policy(&self) -> &dyn Any {
        &**self
    }
}

/// A bulkhead is in use while a call has a slot of it, or waits for one: each holds the `Arc`.
impl PerKey for Bulkhead {
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
}

/// The `static` of a `bulkhead(instance = ..)`, whose bulkhead the user owns.
#[derive(Debug)]
#[doc(hidden)]
pub struct GivenBulkhead {
    point: &'static PointSite,
    /// The settings of the bulkhead that was used first.
    seen: OnceLock<BulkheadConfig>,
}

impl GivenBulkhead {
    /// The place of a bulkhead of the user's in the stack of `point`.
    pub const fn of(point: &'static PointSite) -> Self {
        Self { point, seen: OnceLock::new() }
    }

    /// Gets a slot of `bulkhead` for sync code.
    ///
    /// # Errors
    ///
    /// If there is none in time.
    #[inline]
    pub fn enter_attempt<'b>(&self, bulkhead: &'b Bulkhead, attempt: u32) -> Result<Slot<'b>, Rejected> {
        self.seen.get_or_init(|| *bulkhead.config());
        enter(bulkhead, Some(self.point.stack()), attempt)
    }

    /// Gets a slot of `bulkhead` for async code.
    #[inline]
    pub fn await_attempt<'b>(&self, bulkhead: &'b Bulkhead, attempt: u32) -> Enter<&'b Bulkhead> {
        self.seen.get_or_init(|| *bulkhead.config());
        Enter::new(bulkhead, Some(self.point.stack()), attempt)
    }
}

impl Layer for GivenBulkhead {
    fn kind(&self) -> &'static str {
        KIND
    }

    /// Known once a bulkhead was used.
    fn settings(&self) -> Vec<Effective> {
        let mut all = vec![Effective::text("instance", "..")];
        all.extend(self.seen.get().map(settings).into_iter().flatten());
        all
    }

    fn notes(&self, below: &[&dyn Layer]) -> Vec<&'static str> {
        notes(below)
    }

    fn worst(&self, inner: Option<Duration>) -> Option<Duration> {
        self.seen.get().map_or(inner, |config| worst(config, inner))
    }

    fn policy(&self) -> &dyn Any {
        self
    }
}
