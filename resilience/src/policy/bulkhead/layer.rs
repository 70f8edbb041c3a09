//! Bulkheads in the inventory, and the `static`s of those that an attribute makes.

use super::wait::{Enter, OwnedSlot, Slot, enter};
use super::{Bulkhead, BulkheadConfig};
use crate::base::setting::{Effective, Value};
use crate::base::settings::Settings;
#[cfg(feature = "ops")]
use crate::point::MetricReading;
use crate::point::{Layer, PointName};
use crate::policy::keyed::{EntryMap, Key, Keyed, PerKey};
use crate::policy::owner::Owner;
use crate::policy::stateful::{Described, Instance, Stateful};
use crate::policy::waiters::Counters;
use crate::rejected::Rejected;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The calls of an attribute's expansion; `attempt` is the number of the attempt, from 1.
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

impl Described for BulkheadConfig {
    const KIND: &'static str = "bulkhead";

    fn settings(&self) -> Vec<Effective> {
        let mut all = self.effective();
        if self.wait.is_zero() {
            all.retain(|setting| setting.name != "queue");
        }
        if !self.adaptive {
            all.retain(|setting| !["floor", "cap"].contains(&setting.name));
        } else if let Some(slots) = all.iter_mut().find(|setting| setting.name == "slots") {
            slots.value = Value::Count(self.start().into());
        }
        all
    }

    fn key_label(&self) -> Option<bool> {
        Some(self.key_label)
    }

    fn notes(_: Option<&Self>, below: &[&dyn Layer]) -> Vec<&'static str> {
        let is_above_a_retry = below.iter().any(|layer| layer.calls() > 1);
        let note = "the slot is held through the waits of the retry below: move this line below it";
        is_above_a_retry.then_some(note).into_iter().collect()
    }

    fn worst(known: Option<&Self>, inner: Option<Duration>) -> Option<Duration> {
        Some(inner?.saturating_add(known?.wait))
    }
}

impl Stateful for Bulkhead {
    type Settings = BulkheadConfig;
    type Counters = Counters;

    #[inline]
    fn owner(&self) -> &Owner<Counters> {
        &self.owner
    }

    fn own_counters(&self) -> &Counters {
        &self.live.counters
    }

    #[inline]
    fn in_code(&self) -> &Settings<BulkheadConfig> {
        &self.settings
    }

    fn described(&self) -> BulkheadConfig {
        *self.config()
    }

    fn word(&self) -> &'static str {
        if self.is_available() { "free" } else { "full" }
    }

    fn numbers(&self) -> Vec<(&'static str, u64)> {
        let now = self.snapshot();
        let mut all = vec![
            ("in_use", now.in_use.into()),
            ("waiting", now.waiting as u64),
            ("rejected", now.rejected),
            ("waited", now.waited),
        ];
        if self.is_adaptive() {
            all.push(("slots", now.slots.into()));
        }
        all
    }

    fn totals(&self, entries: &EntryMap<Self>) -> Vec<(&'static str, u64)> {
        let totals = self.all_counters();
        let now: Vec<_> = entries.all().iter().map(|(_, bulkhead)| bulkhead.snapshot()).collect();
        vec![
            ("in_use", now.iter().map(|now| u64::from(now.in_use)).sum()),
            ("waiting", now.iter().map(|now| now.waiting as u64).sum()),
            ("rejected", totals.rejected.load(Ordering::Relaxed)),
            ("waited", totals.waited.load(Ordering::Relaxed)),
            ("overflowed", entries.overflowed()),
        ]
    }

    #[cfg(feature = "ops")]
    fn readings(&self) -> Vec<MetricReading> {
        vec![MetricReading::new("bulkhead_limit", f64::from(self.snapshot().slots))]
    }

    #[cfg(feature = "config")]
    fn fixed(&self, setting: &str) -> Option<&'static str> {
        (setting == "adaptive").then_some("whether its calls are measured is part of the code")
    }

    #[cfg(feature = "config")]
    fn settings_changed(&self) {
        self.slots_changed();
    }
}

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

/// A bulkhead is in use while a call has a slot of it, or waits for one: each holds the `Arc`.
impl PerKey for Bulkhead {
    const STAYS_WHILE_HELD: bool = true;

    fn for_key(self, key: PointName, whole: &Self) -> Self {
        Self { owner: self.owner.of_key(key, &whole.owner), ..self }
    }

    fn whole(self) -> Self {
        Self { owner: self.owner.of_all_keys(), ..self }
    }
}

#[doc(hidden)]
impl Instance<BulkheadConfig> {
    /// Gets a slot of `bulkhead` for sync code.
    ///
    /// # Errors
    ///
    /// If there is none in time.
    #[inline]
    pub fn enter_attempt<'b>(&self, bulkhead: &'b Bulkhead, attempt: u32) -> Result<Slot<'b>, Rejected> {
        enter(bulkhead, Some(self.stack(|| *bulkhead.config())), attempt)
    }

    /// Gets a slot of `bulkhead` for async code.
    #[inline]
    pub fn await_attempt<'b>(&self, bulkhead: &'b Bulkhead, attempt: u32) -> Enter<&'b Bulkhead> {
        Enter::new(bulkhead, Some(self.stack(|| *bulkhead.config())), attempt)
    }
}
