//! The retry of one annotated function: its `static`.
//!
//! The expansion makes one [`RetrySite`] for each `with_retry`, and takes each step of a call through a
//! [`RetryInForce`]: the site, with the settings in the code, those of an `instance`, or those of a configuration.
//! `run.rs` does the work; the code here is for annotated functions only: a point, counters, budgets for its keys, and a
//! pause that the future of the function need not hold.
//!
//! Which budget pays is decided when the program is compiled, except for the key: the expansion passes `own_budget`,
//! `budget`, or `budget_or` of the budget of the key. A call that succeeds writes to a budget only if it is not full.

use super::Budget;
use super::awaited::NextAttempt;
use super::call::CallState;
use super::config::Retry;
#[cfg(feature = "ops")]
use super::run::Wait;
use super::run::{self, CallSite, Counter, Pause, Retrying};
use crate::base::site::Site;
use crate::base::stopping;
#[cfg(feature = "ops")]
use crate::point::Measure;
use crate::point::registry::{Point, PointKey};
#[cfg(feature = "config")]
use crate::point::{Override, Pinned};
use crate::point::{PointName, PointSite};
use crate::policy::budget::{BudgetOf, Pays, Share, Throttled};
use crate::policy::keyed::{Keyed, PerKey};
use crate::policy::{Ruling, Verdict};
use crate::rejected::Rejected;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

mod inventory;

/// The `static` of a `with_retry`.
#[derive(Debug)]
#[doc(hidden)]
pub struct RetrySite {
    retry: Retry,
    point: &'static PointSite,
    state: State,
    keyed: Option<&'static KeyedBudgets>,
    /// The first retry that was given, where each call is given one.
    given: Option<Site<OnceLock<Retry>>>,
    /// Whether calls ask the throttle of their budget.
    is_throttled: bool,
    /// Whether its calls remember when they began.
    #[cfg(feature = "config")]
    is_timed: bool,
}

/// A `with_retry` with the settings that are in force for one call.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub struct RetryInForce<'a> {
    site: &'static RetrySite,
    retry: &'a Retry,
}

/// The changing state of a `with_retry`.
#[derive(Debug)]
struct State {
    budget: Budget,
    /// One for each [`Counter`].
    counters: Site<[AtomicU64; Counter::COUNT]>,
    /// The retry while a configuration has switched it off; made on first use.
    #[cfg(feature = "config")]
    off: OnceLock<Box<Retry>>,
}

impl State {
    /// Made once, and not for every annotated function, to save compile time.
    #[expect(clippy::declare_interior_mutable_const, reason = "every site gets a copy of its own")]
    const NEW: Self = Self {
        budget: Budget::new(),
        counters: Site::new([const { AtomicU64::new(0) }; Counter::COUNT], Default::default),
        #[cfg(feature = "config")]
        off: OnceLock::new(),
    };
}

impl RetrySite {
    /// Creates the retry of `point`.
    pub const fn new(point: &'static PointSite, retry: Retry) -> Self {
        Self::with(point, retry, None)
    }

    const fn with(point: &'static PointSite, retry: Retry, given: Option<Site<OnceLock<Retry>>>) -> Self {
        Self {
            retry,
            point,
            state: State::NEW,
            keyed: None,
            given,
            is_throttled: false,
            #[cfg(feature = "config")]
            is_timed: false,
        }
    }

    /// Creates the site in the stack of `point` of retries that the calls pass.
    pub const fn of_instance(point: &'static PointSite) -> Self {
        Self::with(point, Retry::new(), Some(Site::new(OnceLock::new(), OnceLock::new)))
    }

    /// Returns the settings in the code.
    #[inline]
    pub const fn in_code(&'static self) -> RetryInForce<'static> {
        RetryInForce { site: self, retry: &self.retry }
    }

    /// Returns the settings of `retry` for one call.
    pub fn given<'a>(&'static self, retry: &'a Retry) -> RetryInForce<'a> {
        if let Some(given) = &self.given {
            given.get_or_init(|| *retry);
        }
        RetryInForce { site: self, retry }
    }

    /// Returns the settings in the code, if there are any.
    #[cfg(feature = "config")]
    const fn known_by_code(&self) -> Option<&Retry> {
        if self.given.is_some() { None } else { Some(&self.retry) }
    }

    /// Returns the settings that apply, if they are known.
    fn known(&self) -> Option<&Retry> {
        #[cfg(feature = "config")]
        if let Some(changed) = self.point.pinned().of(self) {
            return changed.get();
        }
        self.given.as_ref().map_or(Some(&self.retry), |given| given.get())
    }

    /// Sets that its calls remember when they began.
    #[cfg(feature = "config")]
    pub const fn timed(mut self) -> Self {
        self.is_timed = true;
        self
    }

    /// Returns the settings with which a call began.
    #[cfg(feature = "config")]
    #[inline]
    pub fn pinned(&'static self, settings: Pinned) -> RetryInForce<'static> {
        let changed = settings.of(self).and_then(|changed| self.changed_by(changed));
        changed.map_or(self.in_code(), |retry| RetryInForce { site: self, retry })
    }

    /// Returns the retry of a call that began with these settings.
    ///
    /// One that is switched off makes no retries, and has the budget of the code: a success returns a token to it, once
    /// for all functions that share it.
    #[cfg(feature = "config")]
    #[cold]
    fn changed_by(&'static self, changed: &'static Override) -> Option<&'static Retry> {
        if !changed.is_off {
            return changed.get();
        }
        let make = || Box::new(Retry::new().max(0).budget_of(self.retry.config().budget));
        Some(&**self.state.off.get_or_init(make))
    }

    /// Sets the budgets of the stack's keys: they pay unless the settings name another budget.
    pub const fn per_key(mut self, budgets: &'static KeyedBudgets) -> Self {
        self.keyed = Some(budgets);
        self
    }

    /// Sets that calls ask the throttle of the budget that pays; `factor` is that of the function's own.
    #[track_caller]
    pub const fn throttled(mut self, factor: Option<f64>) -> Self {
        self.is_throttled = true;
        if let Some(factor) = factor {
            self.state.budget.set_throttle(factor);
        }
        self
    }

    /// Asks the throttle of the named `budget`, if it has one.
    ///
    /// # Errors
    ///
    /// The refusal.
    #[inline]
    pub fn ask_named<'b>(&'static self, budget: Option<&'b Budget>) -> Result<Throttled<'b>, Rejected> {
        self.ask(budget.filter(|budget| budget.has_throttle()))
    }

    /// Returns the throttling of a function that cannot return a refusal.
    #[inline]
    pub fn unthrottled<'b>(&'static self) -> Throttled<'b> {
        Throttled::none(self.point.stack())
    }

    /// Asks the throttle of `budget`, which pays for the retries.
    ///
    /// # Errors
    ///
    /// If it refuses the call.
    #[inline]
    pub fn ask<'b>(&'static self, budget: Option<&'b Budget>) -> Result<Throttled<'b>, Rejected> {
        Throttled::ask(budget, self.point.stack(), || {
            self.count(Counter::Throttled);
            self.point.name()
        })
    }

    /// Returns the budget of the function itself.
    #[inline]
    pub const fn own_budget(&'static self) -> Option<&'static Budget> {
        Some(&self.state.budget)
    }

    /// Begins a call with the settings in the code; `None`, as its first attempt has no wait.
    ///
    /// This and the next two save an expansion the calls of [`in_code`](Self::in_code), which take time of the compiler.
    #[inline]
    pub fn begin<'p>(&'static self) -> Option<Box<NextAttempt<'p>>> {
        self.in_code().begin()
    }

    /// Returns the next attempt like [`RetryInForce::again`].
    pub fn again<'p>(&'static self, retrying: Retrying<'p>) -> Box<NextAttempt<'p>> {
        self.in_code().again(retrying)
    }

    /// Settles an attempt like [`RetryInForce::settle`].
    ///
    /// # Errors
    ///
    /// The call that waits for its next attempt, if one follows.
    #[inline]
    pub fn settle(&'static self, call: CallState, verdict: Verdict) -> Result<Verdict, Retrying<'static>> {
        self.in_code().settle(call, verdict)
    }

    /// Returns whether a success is that of a first attempt, and returns nothing to the function's own budget.
    #[inline]
    pub fn ended(&'static self, call: &CallState) -> bool {
        self.ended_with(call, self.own_budget())
    }

    /// Returns whether a success is that of a first attempt, and returns nothing to the `budget` that pays.
    #[inline]
    pub fn ended_with<'b>(&self, call: &CallState, budget: impl Pays<'b>) -> bool {
        call.is_empty() && budget.is_full()
    }

    fn count(&self, counter: Counter) {
        self.state.counters[counter as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Returns whether each key has a budget of its own.
    fn is_keyed(&self) -> bool {
        let names_none = |retry: &Retry| matches!(retry.config().budget, BudgetOf::Own);
        self.keyed.is_some() && self.known().is_none_or(names_none)
    }
}

/// Returns the budget that `retry` names, if it names one; `own` if that is the default.
const fn budget_of<'b>(retry: &Retry, own: &'b Budget) -> Option<&'b Budget> {
    match retry.config().budget {
        BudgetOf::Own => Some(own),
        BudgetOf::None => None,
        BudgetOf::Shared(budget) => Some(budget),
    }
}

/// The steps of a call.
impl<'a> RetryInForce<'a> {
    /// Begins a call, and with it the first attempt.
    #[inline]
    pub fn start(self) -> CallState {
        run::begin(self, 1);
        CallState::default()
    }

    /// Begins a call whose length may matter, and with it the first attempt.
    #[inline]
    pub fn start_timed(self) -> CallState {
        let call = CallState::start(self.retry);
        run::begin(self, 1);
        call
    }

    /// Begins a call as [`start`](Self::start) does; `None`, as its first attempt has no wait.
    #[inline]
    pub fn begin<'p>(self) -> Option<Box<NextAttempt<'p>>> {
        run::begin(self, 1);
        None
    }

    /// Returns the next attempt, which begins with its wait.
    #[cold]
    #[expect(
        clippy::unnecessary_box_returns,
        reason = "the future of the call has room for the pointer only"
    )]
    pub fn again<'p>(self, Retrying { call, wait }: Retrying<'p>) -> Box<NextAttempt<'p>>
    where
        'a: 'p,
    {
        let attempt = call.attempt();
        let wait: Pause<'p, ()> = Box::pin(async move {
            stopping::pause(wait.delay).await;
            run::begin_again(self, attempt, wait);
        });
        Box::new(NextAttempt { call, by: self.site.point, wait: Some(wait) })
    }

    /// Waits, and begins the next attempt.
    #[cold]
    pub fn pause<'p>(self, Retrying { mut call, wait }: Retrying<'p>) -> Pause<'p, CallState>
    where
        'a: 'p,
    {
        Box::pin(async move {
            stopping::pause(wait.delay).await;
            run::begin_retry(self, &mut call, wait);
            call
        })
    }

    /// Blocks the thread for the wait; then the next attempt begins.
    #[cold]
    pub fn sleep(self, retrying: Retrying<'_>) -> CallState {
        run::sleep(self, retrying)
    }

    /// Settles an attempt that is judged by its category and whose retries the function's own budget pays
    /// for: returns the verdict with which the call ends.
    ///
    /// # Errors
    ///
    /// The call that waits for its next attempt, if one follows.
    #[inline]
    pub fn settle(self, call: CallState, verdict: Verdict) -> Result<Verdict, Retrying<'static>> {
        self.settle_with(call, verdict, Ruling::ByCategory, self.site.own_budget())
    }

    /// Settles an attempt whose retries `budget` pays for: returns the verdict with which the call ends.
    ///
    /// # Errors
    ///
    /// The call that waits for its next attempt, if one follows.
    #[inline]
    pub fn settle_with<'b>(
        self,
        call: CallState,
        verdict: Verdict,
        ruling: Ruling,
        budget: impl Pays<'b>,
    ) -> Result<Verdict, Retrying<'b>> {
        run::settle(self, call, verdict, ruling, budget)
    }

    /// Returns the share in the `budget` of an attempt, which functions inside it may share if the settings name it.
    #[inline]
    pub fn share(self, budget: Option<&Budget>) -> Share<'_> {
        Share::new(budget, matches!(self.retry.config().budget, BudgetOf::Shared(_)))
    }

    /// Returns whether no attempt can follow the one that is about to run.
    #[inline]
    pub fn is_last(self, call: &CallState) -> bool {
        u64::from(call.attempt()) >= self.retry.max_attempts()
    }

    /// Returns the budget that the settings name, if they name one.
    #[inline]
    pub const fn budget(self) -> Option<&'static Budget> {
        budget_of(self.retry, &self.site.state.budget)
    }

    /// Returns the budget that the settings name, if they name one; `own` if that is the default.
    #[inline]
    pub const fn budget_or(self, own: &Budget) -> Option<&Budget> {
        budget_of(self.retry, own)
    }
}

impl PerKey for Budget {
    fn for_key(self, key: PointName, _: &Self) -> Self {
        self.of_key(&key)
    }

    /// Returns whether the budget should be evicted last: it is not full, or its throttle refuses calls.
    ///
    /// An evicted budget would be full again, and admit all calls. One that time has filled is full, even if nothing
    /// asked since.
    fn evict_last(&self, _: Instant) -> bool {
        self.tokens() < self.max_tokens() || self.refusal() > 0.0
    }
}

/// The budgets of `budget = per_key`.
pub type KeyedBudgets = Site<Keyed<Budget>>;

impl CallSite for RetryInForce<'_> {
    fn retry(&self) -> &Retry {
        self.retry
    }

    fn name(&self) -> PointName {
        self.site.point.name()
    }

    fn count(&self, counter: Counter) {
        self.site.count(counter);
    }

    #[cfg(feature = "ops")]
    fn count_retried(&self, wait: &Wait<'_>) {
        let point = self.site.point;
        point.calls().retried(wait.category);
        if let Some(durations) = point.durations() {
            durations.record(Measure::Delay { is_asked_for: wait.is_asked_for }, wait.delay);
        }
    }
}

impl Point {
    /// Returns the budget that pays for the retries of this point, if it has retries and one budget pays for all of
    /// them.
    ///
    /// [`PointKey::budget`] returns those of its keys.
    pub fn budget(&self) -> Option<&'static Budget> {
        let site = self.policy::<RetrySite>()?;
        if site.is_keyed() { None } else { budget_of(site.known()?, &site.state.budget) }
    }
}

impl PointKey {
    /// Returns the budget that pays for the retries of this key, if each key has its own and the key was used.
    pub fn budget(&self) -> Option<Arc<Budget>> {
        let site = self.point().policy::<RetrySite>()?;
        if site.is_keyed() { site.keyed?.peek(self.key()) } else { None }
    }
}
