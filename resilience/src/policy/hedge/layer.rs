//! What the inventory sees of hedges, and the `static`s of those that an attribute makes.

use super::call::Hedging;
use super::config::After;
use super::{Counted, Hedge, HedgeConfig, KIND};
use crate::base::clock::now;
use crate::base::setting::Effective;
use crate::base::site::Site;
use crate::point::{KeySnapshot, Layer, PointName, PointSite};
use crate::policy::budget::Budget;
use crate::policy::keyed::{EntryMap, Key, Keyed, MAX_KEYS, PerKey};
use std::any::Any;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// What the expansion of an attribute calls; `budget` is that of a retry around the call.
#[doc(hidden)]
impl Hedge {
    /// Begins a call.
    #[inline]
    pub fn hedging<'b>(&self, budget: Option<&'b Budget>) -> Hedging<'b, &Self> {
        Hedging::new(self, budget, None)
    }
}

fn calls(config: &HedgeConfig) -> u64 {
    u64::from(config.max) + 1
}

/// Each extra call begins while another one runs, and at most so long after the call before.
fn worst(config: &HedgeConfig, inner: Option<Duration>) -> Option<Duration> {
    inner.map(|inner| {
        let delay = match config.after {
            After::Delay(delay) => delay.min(inner),
            After::Percentile(_) => inner,
        };
        inner.saturating_add(delay.saturating_mul(config.max))
    })
}

impl Hedge {
    /// Whether it would make an extra call, in a word.
    fn word(&self) -> &'static str {
        if self.delay_at(now()).is_some() { "ready" } else { "too_few_calls" }
    }

    fn numbers(&self) -> Vec<(&'static str, u64)> {
        numbers(&self.live.counters)
    }
}

fn numbers(counters: &super::Counters) -> Vec<(&'static str, u64)> {
    vec![
        ("hedged", counters.read(Counted::Hedged)),
        ("won_by_extra", counters.read(Counted::WonByExtra)),
        ("denied", counters.read(Counted::Denied)),
    ]
}

impl Layer for Hedge {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn settings(&self) -> Vec<Effective> {
        self.config().effective()
    }

    fn state(&self) -> Option<&'static str> {
        Some(self.word())
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        self.numbers()
    }

    fn calls(&self) -> u64 {
        calls(self.config())
    }

    fn worst(&self, inner: Option<Duration>) -> Option<Duration> {
        worst(self.config(), inner)
    }

    fn policy(&self) -> &dyn Any {
        self
    }
}

/// The `static` of a `hedge(key = ..)`.
#[doc(hidden)]
pub type KeyedHedges = Site<Keyed<Hedge>>;

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

/// What was counted for all keys, evicted ones included.
fn totals(entries: &EntryMap<Hedge>) -> Vec<(&'static str, u64)> {
    let totals = entries.whole().and_then(|whole| whole.totals.as_deref());
    totals.map_or_else(|| numbers(&super::Counters::new()), numbers)
}

impl Layer for KeyedHedges {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn settings(&self) -> Vec<Effective> {
        let mut all = self.make().config().effective();
        all.push(Effective::count("max_keys", self.limit(), MAX_KEYS));
        all
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        totals(self.entries())
    }

    fn keys(&self) -> Vec<KeySnapshot> {
        let row = |(key, hedge): (String, Arc<Hedge>)| KeySnapshot {
            key,
            state: hedge.word(),
            retry_after: None,
            counters: hedge.numbers(),
        };
        self.entries().all().into_iter().map(row).collect()
    }

    fn calls(&self) -> u64 {
        calls(self.make().config())
    }

    fn worst(&self, inner: Option<Duration>) -> Option<Duration> {
        worst(self.make().config(), inner)
    }

    fn policy(&self) -> &dyn Any {
        &**self
    }
}

/// A key whose budget is not full goes last: evicted and used again, it would have all its tokens.
impl PerKey for Hedge {
    fn for_key(mut self, key: PointName, whole: &Self) -> Self {
        self.key = Some(key);
        self.totals.clone_from(&whole.totals);
        self
    }

    fn whole(mut self) -> Self {
        self.totals = Some(Arc::default());
        self
    }

    fn evict_last(&self, _: Instant) -> bool {
        self.budget.tokens() < self.budget.max_tokens()
    }
}

/// The `static` of a `hedge(instance = ..)`, whose hedge the user owns.
#[derive(Debug)]
#[doc(hidden)]
pub struct GivenHedge {
    point: &'static PointSite,
    /// The settings of the hedge that was used first.
    seen: OnceLock<HedgeConfig>,
}

impl GivenHedge {
    /// The place of a hedge of the user's in the stack of `point`.
    pub const fn of(point: &'static PointSite) -> Self {
        Self { point, seen: OnceLock::new() }
    }

    /// Begins a call through `hedge`.
    #[inline]
    pub fn hedging<'h, 'b>(&self, hedge: &'h Hedge, budget: Option<&'b Budget>) -> Hedging<'b, &'h Hedge> {
        self.seen.get_or_init(|| *hedge.config());
        Hedging::new(hedge, budget, Some(self.point.stack()))
    }
}

impl Layer for GivenHedge {
    fn kind(&self) -> &'static str {
        KIND
    }

    /// Known once a hedge was used.
    fn settings(&self) -> Vec<Effective> {
        let mut all = vec![Effective::text("instance", "..")];
        all.extend(self.seen.get().map(HedgeConfig::effective).into_iter().flatten());
        all
    }

    /// Any number, while the settings are not known.
    fn calls(&self) -> u64 {
        self.seen.get().map_or(u64::MAX, calls)
    }

    fn worst(&self, inner: Option<Duration>) -> Option<Duration> {
        worst(self.seen.get()?, inner)
    }

    fn policy(&self) -> &dyn Any {
        self
    }
}
