//! Hedges in the inventory, and the `static`s of those that an attribute makes.

use super::call::Hedging;
use super::config::After;
use super::{Counters, Hedge, HedgeConfig};
#[cfg(feature = "config")]
use crate::base::change::{Change, Changed, together};
use crate::base::clock::now;
use crate::base::setting::Effective;
use crate::base::settings::Settings;
use crate::point::PointName;
#[cfg(feature = "config")]
use crate::point::{Facts, Override};
use crate::policy::budget::Budget;
use crate::policy::keyed::{EntryMap, Key, Keyed, PerKey};
use crate::policy::owner::Owner;
use crate::policy::stateful::{Described, Instance, Stateful};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The calls of an attribute's expansion; `budget` is that of a retry around the call.
#[doc(hidden)]
impl Hedge {
    /// Begins a call.
    #[inline]
    pub fn hedging<'b>(&self, budget: Option<&'b Budget>) -> Hedging<'b, &Self> {
        Hedging::new(self, budget, None)
    }
}

impl Described for HedgeConfig {
    const KIND: &'static str = "hedge";

    fn settings(&self) -> Vec<Effective> {
        self.effective()
    }

    fn key_label(&self) -> Option<bool> {
        Some(self.key_label)
    }

    fn calls(known: Option<&Self>) -> u64 {
        known.map_or(u64::MAX, |config| u64::from(config.max) + 1)
    }

    /// Adds the delays to the time of one call: each extra call begins while another one runs, and at most the delay
    /// after the call before.
    fn worst(known: Option<&Self>, inner: Option<Duration>) -> Option<Duration> {
        let (config, inner) = (known?, inner?);
        let delay = match config.after {
            After::Delay(delay) => delay.min(inner),
            After::Percentile(_) => inner,
        };
        Some(inner.saturating_add(delay.saturating_mul(config.max)))
    }
}

impl Stateful for Hedge {
    type Settings = HedgeConfig;
    type Counters = Counters;

    #[inline]
    fn owner(&self) -> &Owner<Counters> {
        &self.owner
    }

    fn own_counters(&self) -> &Counters {
        &self.counters
    }

    #[inline]
    fn in_code(&self) -> &Settings<HedgeConfig> {
        &self.settings
    }

    fn described(&self) -> HedgeConfig {
        *self.config()
    }

    /// Returns whether it would make an extra call.
    fn word(&self) -> &'static str {
        if self.delay_at(now()).is_some() { "ready" } else { "too_few_calls" }
    }

    fn numbers(&self) -> Vec<(&'static str, u64)> {
        numbers(&self.counters)
    }

    fn totals(&self, _: &EntryMap<Self>) -> Vec<(&'static str, u64)> {
        numbers(self.all_counters())
    }

    #[cfg(feature = "config")]
    fn facts(&self, changed: Option<&Override>) -> Facts {
        let config = changed.and_then(Override::get).unwrap_or(&self.settings.config);
        let After::Delay(after) = config.after else { return Facts::default() };
        Facts { after: Some(after), ..Facts::default() }
    }

    #[cfg(feature = "config")]
    fn with_changes(&self, changes: &[Change]) -> Changed {
        let fixed = |_: &str| None;
        let config = self.settings.changed(changes, fixed)?.config;
        let is_measured = |config: &HedgeConfig| matches!(config.after, After::Percentile(_));
        if is_measured(&config) != is_measured(&self.settings.config)
            || is_measured(&config) && config.after != self.settings.config.after
        {
            let words = "`after` stays a time, or the percentile of the attribute, while the program runs";
            together(Some(words), changes)?;
        }
        together(config.complaint(), changes)?;
        Ok(Box::new(config))
    }
}

fn numbers(counters: &Counters) -> Vec<(&'static str, u64)> {
    let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
    vec![
        ("hedged", count(&counters.hedged)),
        ("won_by_extra", count(&counters.won_by_extra)),
        ("denied", count(&counters.denied)),
    ]
}

#[doc(hidden)]
impl Keyed<Hedge> {
    /// Begins a call of `key`.
    #[inline]
    pub fn hedging<'b, K: Key + ?Sized>(
        &self,
        key: &K,
        budget: Option<&'b Budget>,
    ) -> Hedging<'b, Arc<Hedge>> {
        Hedging::new(self.get(key), budget, None)
    }
}

/// A key whose budget is not full goes last: evicted and used again, it would have all its tokens.
impl PerKey for Hedge {
    fn for_key(self, key: PointName, whole: &Self) -> Self {
        Self { owner: self.owner.of_key(key, &whole.owner), ..self }
    }

    fn whole(self) -> Self {
        Self { owner: self.owner.of_all_keys(), ..self }
    }

    fn evict_last(&self, _: Instant) -> bool {
        self.budget.tokens() < self.budget.max_tokens()
    }
}

#[doc(hidden)]
impl Instance<HedgeConfig> {
    /// Begins a call through `hedge`.
    #[inline]
    pub fn hedging<'h, 'b>(&self, hedge: &'h Hedge, budget: Option<&'b Budget>) -> Hedging<'b, &'h Hedge> {
        let stack = self.stack(|| *hedge.config());
        Hedging::new(hedge, budget, Some(stack))
    }
}
