//! The policies with state, in their three forms in a stack: the function's own, one for each key, and one of the
//! program.
//!
//! Breaker, bulkhead, rate limit, hedge and adaptive timeout differ in what they decide, not in where their settings
//! come from, in how they count, or in how the inventory sees them. What the inventory asks of their settings is
//! [`Described`], what they have alike and what it asks of a value is [`Stateful`]; the [`Layer`]s follow from these:
//!
//! - a policy itself, the `static` of a function without a key;
//! - `Site<Keyed<P>>`, with a value for each key;
//! - [`Instance`], for `instance = ..`, where the program owns the value and its settings are known from the first call
//!   on.

#[cfg(feature = "config")]
use crate::base::change::{Change, Changed, judged};
use crate::base::scope::{self, Stack};
#[cfg(feature = "config")]
use crate::base::setting::Setting;
use crate::base::setting::{Effective, Table};
use crate::base::settings::Settings;
use crate::base::site::Site;
use crate::event::{Event, Hook, Log, LogPace, emit_as, shows_all_keys};
#[cfg(feature = "ops")]
use crate::point::MetricReading;
#[cfg(feature = "config")]
use crate::point::{Facts, Override, overrides::of_state};
use crate::point::{KeySnapshot, Layer, PointSite};
use crate::policy::keyed::{EntryMap, Keyed, MAX_KEYS, PerKey};
use crate::policy::owner::Owner;
use crate::rejected::Origin;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The settings of a policy, as the inventory reads them.
pub(crate) trait Described: Table + Debug + Send + Sync + 'static {
    /// The policy's name, as in its attribute.
    const KIND: &'static str;

    /// Returns the settings that apply, without those that others replace.
    fn settings(&self) -> Vec<Effective>;

    /// Returns whether the settings ask for showing keys; `None` if they do not decide on that.
    fn key_label(&self) -> Option<bool> {
        None
    }

    /// See [`Layer::notes`]; `None` while the settings are not known, here and below.
    fn notes(known: Option<&Self>, below: &[&dyn Layer]) -> Vec<&'static str> {
        let _ = (known, below);
        Vec::new()
    }

    /// See [`Layer::calls`].
    fn calls(known: Option<&Self>) -> u64 {
        let _ = known;
        1
    }

    /// See [`Layer::worst`].
    fn worst(known: Option<&Self>, inner: Option<Duration>) -> Option<Duration> {
        let _ = known;
        inner
    }
}

/// A policy that has state, for a function or for each key.
pub(crate) trait Stateful: PerKey + Debug + 'static {
    type Settings: Described;
    type Counters;

    fn owner(&self) -> &Owner<Self::Counters>;

    /// Returns the counters of this value alone.
    fn own_counters(&self) -> &Self::Counters;

    /// Returns the settings in the code.
    fn in_code(&self) -> &Settings<Self::Settings>;

    /// Returns the settings in force.
    fn described(&self) -> Self::Settings;

    /// Returns the state in a word.
    fn word(&self) -> &'static str;

    /// Returns the counts, and the present numbers.
    fn numbers(&self) -> Vec<(&'static str, u64)>;

    /// Returns the counts of all keys, evicted ones included, of the value that stands for all keys.
    fn totals(&self, entries: &EntryMap<Self>) -> Vec<(&'static str, u64)>;

    /// Returns the settings as the inventory shows them.
    fn settings(&self) -> Vec<Effective> {
        self.described().settings()
    }

    /// Returns the settings of a configuration that replace those in the code.
    #[cfg(feature = "config")]
    #[inline]
    fn overridden(&self) -> Option<&'static Override> {
        let owner = self.owner();
        of_state(&owner.name, self, Self::Settings::KIND, owner.key.as_ref())
    }

    /// Returns the counters of all keys; of a policy without keys its own.
    fn all_counters(&self) -> &Self::Counters {
        self.owner().totals().unwrap_or_else(|| self.own_counters())
    }

    /// Counts in the own counters, and in those of all keys.
    fn count(&self, what: impl Fn(&Self::Counters) -> &AtomicU64) {
        what(self.own_counters()).fetch_add(1, Ordering::Relaxed);
        if let Some(totals) = self.owner().totals() {
            what(totals).fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns whether the keys of this policy may be shown.
    fn shows_keys(&self) -> bool {
        self.described().key_label().is_some_and(|is_set| is_set || shows_all_keys())
    }

    /// Returns whether its own key is shown, in `tracing` and in the texts of rejections.
    fn shows_key(&self) -> bool {
        self.owner().key.is_some() && self.shows_keys()
    }

    /// Returns the origin of rejections.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "called, it takes more than it does")]
    fn origin(&self) -> Origin {
        #[cfg(feature = "config")]
        if self.owner().key.is_some() {
            return self.owner().origin(self.shows_key());
        }
        self.owner().first_origin(|| self.shows_key()).clone()
    }

    /// Returns whether the running code is an extra call of a hedge in `stack`, or in the policy's own.
    #[inline]
    fn is_extra(&self, stack: Option<Stack>) -> bool {
        scope::is_extra(|| self.owner().stack_or(stack))
    }

    /// Reports a rejection, with a line in `tracing` as often as the counters' `pace` allows.
    #[cold]
    #[inline(never)]
    fn report_rejection(
        &self,
        hook: Option<Hook>,
        pace: fn(&Self::Counters) -> &LogPace,
        retry_after: Option<Duration>,
    ) {
        let (point, key) = self.owner().labels();
        let event = Event::Rejected { point, key, policy: Self::Settings::KIND, retry_after };
        let log = Log { pace: Some(pace(self.all_counters())), shows_key: self.shows_key() };
        emit_as(&event, hook, log);
    }

    /// Returns how long calls are rejected; `None` if they are not, or if it is not known.
    fn retry_after(&self) -> Option<Duration> {
        None
    }

    /// See [`Layer::readings`].
    #[cfg(feature = "ops")]
    fn readings(&self) -> Vec<MetricReading> {
        Vec::new()
    }

    /// Returns the readings of all keys, evicted ones included, of the value that stands for all keys.
    #[cfg(feature = "ops")]
    fn total_readings(&self) -> Vec<MetricReading> {
        Vec::new()
    }

    /// See [`Layer::fixed`].
    #[cfg(feature = "config")]
    fn fixed(&self, setting: &str) -> Option<&'static str> {
        let _ = setting;
        None
    }

    /// See [`Layer::facts`].
    #[cfg(feature = "config")]
    fn facts(&self, changed: Option<&Override>) -> Facts {
        let _ = changed;
        Facts::default()
    }

    /// See [`Layer::changed`].
    #[cfg(feature = "config")]
    fn with_changes(&self, changes: &[Change]) -> Changed {
        judged(*self.in_code(), changes, |setting| Stateful::fixed(self, setting))
    }

    /// See [`Layer::settings_changed`].
    #[cfg(feature = "config")]
    fn settings_changed(&self) {}

    /// See [`Layer::stays_on`].
    #[cfg(feature = "config")]
    const STAYS_ON: Option<&'static str> = None;
}

/// Returns the settings of `policy` in force: those of a configuration, or those in the code.
#[inline]
pub(crate) fn in_force<P: Stateful>(policy: &P) -> &P::Settings {
    let in_code = &policy.in_code().config;
    #[cfg(feature = "config")]
    if let Some(changed) = policy.overridden() {
        return changed.get().unwrap_or(in_code);
    }
    in_code
}

impl<P: Stateful> Layer for P {
    fn kind(&self) -> &'static str {
        P::Settings::KIND
    }

    fn settings(&self) -> Vec<Effective> {
        Stateful::settings(self)
    }

    fn notes(&self, below: &[&dyn Layer]) -> Vec<&'static str> {
        P::Settings::notes(Some(&self.described()), below)
    }

    fn state(&self) -> Option<&'static str> {
        Some(self.word())
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        self.numbers()
    }

    #[cfg(feature = "ops")]
    fn readings(&self) -> Vec<MetricReading> {
        Stateful::readings(self)
    }

    fn calls(&self) -> u64 {
        P::Settings::calls(Some(&self.described()))
    }

    fn worst(&self, inner: Option<Duration>) -> Option<Duration> {
        P::Settings::worst(Some(&self.described()), inner)
    }

    #[cfg(feature = "config")]
    fn table(&self) -> &'static [Setting] {
        P::Settings::ROWS
    }

    #[cfg(feature = "config")]
    fn fixed(&self, setting: &str) -> Option<&'static str> {
        Stateful::fixed(self, setting)
    }

    #[cfg(feature = "config")]
    fn facts(&self, changed: Option<&Override>) -> Facts {
        Stateful::facts(self, changed)
    }

    #[cfg(feature = "config")]
    fn changed(&self, changes: &[Change]) -> Changed {
        self.with_changes(changes)
    }

    #[cfg(feature = "config")]
    fn stays_on(&self) -> Option<&'static str> {
        P::STAYS_ON
    }

    #[cfg(feature = "config")]
    fn settings_changed(&self) {
        Stateful::settings_changed(self);
    }
}

impl<P: Stateful> Layer for Site<Keyed<P>> {
    fn kind(&self) -> &'static str {
        P::Settings::KIND
    }

    fn settings(&self) -> Vec<Effective> {
        keyed(&self.make(), self.limit())
    }

    fn notes(&self, below: &[&dyn Layer]) -> Vec<&'static str> {
        P::Settings::notes(Some(&self.make().described()), below)
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        totals(self.entries(), || self.make())
    }

    fn keys(&self) -> Vec<KeySnapshot> {
        rows(self.entries())
    }

    #[cfg(feature = "ops")]
    fn labelled(&self) -> Option<Vec<String>> {
        self.make().shows_keys().then(|| self.entries().often())
    }

    #[cfg(feature = "ops")]
    fn readings(&self) -> Vec<MetricReading> {
        keyed_readings(self.entries(), self.make().shows_keys())
    }

    fn calls(&self) -> u64 {
        P::Settings::calls(Some(&self.make().described()))
    }

    fn worst(&self, inner: Option<Duration>) -> Option<Duration> {
        P::Settings::worst(Some(&self.make().described()), inner)
    }

    #[cfg(feature = "config")]
    fn table(&self) -> &'static [Setting] {
        P::Settings::ROWS
    }

    #[cfg(feature = "config")]
    fn fixed(&self, setting: &str) -> Option<&'static str> {
        Stateful::fixed(&self.make(), setting)
    }

    #[cfg(feature = "config")]
    fn facts(&self, changed: Option<&Override>) -> Facts {
        Stateful::facts(&self.make(), changed)
    }

    #[cfg(feature = "config")]
    fn changed(&self, changes: &[Change]) -> Changed {
        self.make().with_changes(changes)
    }

    #[cfg(feature = "config")]
    fn stays_on(&self) -> Option<&'static str> {
        P::STAYS_ON
    }

    #[cfg(feature = "config")]
    fn has_keys(&self) -> bool {
        true
    }

    #[cfg(feature = "config")]
    fn settings_changed(&self) {
        self.entries().all().iter().for_each(|(_, policy)| Stateful::settings_changed(&**policy));
    }
}

/// Returns the settings of a policy by key: those of each key, and how many keys are kept.
pub(crate) fn keyed<P: Stateful>(whole: &P, max_keys: usize) -> Vec<Effective> {
    let mut all = Stateful::settings(whole);
    all.push(Effective::count("max_keys", max_keys, MAX_KEYS));
    all
}

/// Returns the counts of all keys; `make` makes the value that stands for them, if no key was used yet.
pub(crate) fn totals<P: Stateful>(
    entries: &EntryMap<P>,
    make: impl FnOnce() -> P,
) -> Vec<(&'static str, u64)> {
    match entries.whole() {
        Some(whole) => whole.totals(entries),
        None => make().totals(entries),
    }
}

/// Returns the metrics of a policy by key, besides its counters.
#[cfg(feature = "ops")]
pub(crate) fn keyed_readings<P: Stateful>(entries: &EntryMap<P>, is_labelled: bool) -> Vec<MetricReading> {
    let (keys, evicted) = entries.population();
    let mut all = vec![
        MetricReading::new("keys", keys as f64),
        MetricReading::new("keys_evicted_total", evicted as f64),
    ];
    if is_labelled {
        all.push(MetricReading::new("series_overflow_total", entries.more_often() as f64));
    }
    all.extend(entries.whole().map(P::total_readings).into_iter().flatten());
    all
}

/// Returns the state that is kept for each key, sorted by key.
pub(crate) fn rows<P: Stateful>(entries: &EntryMap<P>) -> Vec<KeySnapshot> {
    let row = |(key, policy): (String, Arc<P>)| KeySnapshot {
        key,
        state: policy.word(),
        retry_after: policy.retry_after(),
        counters: policy.numbers(),
    };
    entries.all().into_iter().map(row).collect()
}

/// The `static` of an `instance = ..`, whose policy the program owns.
#[derive(Debug)]
#[doc(hidden)]
pub struct Instance<C> {
    point: &'static PointSite,
    /// The settings of the policy that was used first.
    seen: Site<OnceLock<C>>,
}

impl<C: Debug + Send + Sync + 'static> Instance<C> {
    /// Creates the place of a policy of the program in the stack of `point`.
    pub const fn of(point: &'static PointSite) -> Self {
        Self { point, seen: Site::new(OnceLock::new(), OnceLock::new) }
    }

    /// Remembers the settings of the first policy that is used, and returns the name of the stack.
    #[inline]
    pub(crate) fn stack(&self, settings: impl FnOnce() -> C) -> Stack {
        self.seen.get_or_init(settings);
        self.point.stack()
    }
}

impl<C: Described> Layer for Instance<C> {
    fn kind(&self) -> &'static str {
        C::KIND
    }

    fn settings(&self) -> Vec<Effective> {
        let mut all = vec![Effective::text("instance", "..")];
        all.extend(self.seen.get().map(C::settings).into_iter().flatten());
        all
    }

    fn notes(&self, below: &[&dyn Layer]) -> Vec<&'static str> {
        C::notes(self.seen.get(), below)
    }

    fn calls(&self) -> u64 {
        C::calls(self.seen.get())
    }

    fn worst(&self, inner: Option<Duration>) -> Option<Duration> {
        C::worst(self.seen.get(), inner)
    }
}
