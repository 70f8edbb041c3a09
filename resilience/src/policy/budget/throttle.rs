//! Adaptive throttling: refusing calls locally, while the service accepts too few of them.
//!
//! The formula is that of Google's "Site Reliability Engineering", chapter 21, "Client-Side Throttling": with the
//! attempts of the last two minutes a call is refused with the probability
//!
//! ```text
//! (requests - factor * accepts) / (requests + 1)        never below 0, at most 0.9
//! ```
//!
//! # What counts
//!
//! - An attempt that ends is a request. It is an accept, too, if a breaker would call it a success: a service that
//!   answers "not found" is well.
//! - A call that the throttle refuses is a request and no accept. So the share of refusals grows while the service
//!   fails, and one call in ten still tries it.
//! - What another policy refuses is neither: nothing has reached the service. Nor is what a caller drops, what panics,
//!   or what ends by the deadline of a request.
//! - An attempt that a timeout of its own stack drops is a request and no accept.
//!
//! # Invariants
//!
//! - The totals are the sums of the seconds that are inside the window; both are changed under one lock.
//! - The random number is drawn without the lock, and only where a refusal is possible.

use super::Budget;
use crate::base::clock::now;
use crate::base::scope::{Stack, is_cut};
use crate::base::sync::Mutex;
use crate::base::{payers, rng};
use crate::event::{Event, Log, LogPace, emit_as, is_rejection_heard, shows_all_keys};
use crate::failure::Counts;
use crate::point::PointName;
use crate::policy::Verdict;
use crate::rejected::{Origin, Rejected};
use std::sync::atomic::{AtomicU64, Ordering};

/// The length of the window in seconds.
const SPAN: u64 = 120;
/// The largest share of calls that is refused: the others find out whether the service has recovered.
const MOST: f64 = 0.9;
/// The factor of a budget that has none of its own: at most one attempt of two is refused by the service.
const USUAL: f64 = 2.0;

/// The memory of a budget's throttle.
#[derive(Debug)]
pub(super) struct Throttle {
    history: Mutex<History>,
    refused: AtomicU64,
    pace: LogPace,
}

/// The attempts of the last two minutes, second by second.
#[derive(Debug)]
struct History {
    seconds: [ThrottleCounts; SPAN as usize],
    /// The latest second that was seen.
    last: u64,
    total: ThrottleCounts,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ThrottleCounts {
    requests: u64,
    accepts: u64,
}

impl Default for History {
    fn default() -> Self {
        Self {
            seconds: [ThrottleCounts::default(); SPAN as usize],
            last: 0,
            total: ThrottleCounts::default(),
        }
    }
}

impl History {
    /// Forgets entries that are two minutes old at `second`; an earlier second than before counts as that one.
    fn advance(&mut self, second: u64) {
        let passed = second.saturating_sub(self.last).min(SPAN);
        let first = second.saturating_sub(passed);
        for at in first..second {
            let slot = self.seconds.get_mut(((at + 1) % SPAN) as usize);
            let old = slot.map(std::mem::take).unwrap_or_default();
            self.total.requests -= old.requests;
            self.total.accepts -= old.accepts;
        }
        self.last = self.last.max(second);
    }

    fn add(&mut self, second: u64, is_accept: bool) {
        self.advance(second);
        let accepts = u64::from(is_accept);
        if let Some(slot) = self.seconds.get_mut((self.last % SPAN) as usize) {
            slot.requests += 1;
            slot.accepts += accepts;
            self.total.requests += 1;
            self.total.accepts += accepts;
        }
    }

    /// Returns the probability with which the next call is refused.
    fn refusal(&self, factor: f64) -> f64 {
        let ThrottleCounts { requests, accepts } = self.total;
        let (requests, accepts) = (requests as f64, accepts as f64);
        ((requests - factor * accepts) / (requests + 1.0)).clamp(0.0, MOST)
    }
}

impl Throttle {
    pub(super) fn new() -> Self {
        Self { history: Mutex::new(History::default()), refused: AtomicU64::new(0), pace: LogPace::new() }
    }

    /// Returns the probability with which a call is refused at `second`.
    fn refusal(&self, factor: f64, second: u64) -> f64 {
        let mut history = self.history.lock();
        history.advance(second);
        history.refusal(factor)
    }

    /// Returns whether a call at `second` is refused, which is then counted; `draw` returns a random number below 1.
    fn refuses(&self, factor: f64, second: u64, draw: impl FnOnce() -> f64) -> bool {
        let refusal = self.refusal(factor, second);
        let refuses = refusal > 0.0 && draw() < refusal;
        if refuses {
            self.add(second, false);
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        refuses
    }

    fn add(&self, second: u64, is_accept: bool) {
        self.history.lock().add(second, is_accept);
    }

    fn forget(&self) {
        *self.history.lock() = History::default();
    }
}

/// Returns how an attempt counts: as an accept or not, or not at all.
fn counted(verdict: &Verdict) -> Option<bool> {
    let Some(class) = verdict else { return Some(true) };
    match class.counts() {
        Counts::Success => Some(true),
        Counts::Failure if !class.is_of_request() => Some(false),
        Counts::Failure | Counts::Nothing => None,
    }
}

/// The throttle.
impl Budget {
    /// Returns the share of calls that the throttle refuses now, from `0.0` to `0.9`.
    ///
    /// It is 0 while the service accepts enough of its calls, and where no call asks this budget's throttle.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Budget;
    /// use std::io::{Error, ErrorKind};
    ///
    /// # let _world = resilience::testing::isolate();
    /// let budget = Budget::new().throttle(2.0);
    /// assert_eq!(budget.refusal(), 0.0);
    /// let _: Result<(), Error> = budget.call(|| Err(ErrorKind::ConnectionReset.into()));
    /// assert_eq!(budget.refusal(), 0.5, "(1 - 2 * 0) / (1 + 1)");
    /// ```
    pub fn refusal(&self) -> f64 {
        let Some(throttle) = self.bucket.throttle.get() else { return 0.0 };
        throttle.refusal(self.factor(), self.second())
    }

    /// Returns the number of calls that the throttle has refused; it only grows.
    ///
    /// These calls have made no attempt: the service has not seen them. They end with
    /// [`Rejected::Throttled`](crate::Rejected::Throttled).
    pub fn throttled(&self) -> u64 {
        self.bucket.throttle.get().map_or(0, |throttle| throttle.refused.load(Ordering::Relaxed))
    }

    /// Fills the bucket, and forgets the calls of the throttle: all calls are admitted, and all retries are paid again.
    ///
    /// For tests, and after a repair. The counts of [`denied`](Self::denied) and [`throttled`](Self::throttled) stay.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Budget, Retry};
    /// use std::io::{Error, ErrorKind};
    /// use std::time::Duration;
    ///
    /// static SEARCH: Budget = Budget::new();
    ///
    /// let retry = Retry::new().max(1).base(Duration::ZERO).budget(&SEARCH);
    /// let _: Result<(), Error> = retry.call(|| Err(ErrorKind::ConnectionReset.into()));
    /// SEARCH.reset();
    /// assert_eq!(SEARCH.tokens(), SEARCH.max_tokens());
    /// ```
    pub fn reset(&self) {
        self.bucket.fill();
        if let Some(throttle) = self.bucket.throttle.get() {
            throttle.forget();
        }
    }

    /// Returns whether a factor was set.
    pub(in crate::policy) const fn has_throttle(&self) -> bool {
        self.settings.config.throttle.is_some()
    }

    /// Returns how many attempts the service may be asked for each that it accepts.
    pub(in crate::policy) fn factor(&self) -> f64 {
        self.settings.config.throttle.unwrap_or(USUAL)
    }

    fn throttle_state(&self) -> &Throttle {
        self.bucket.throttle.get_or_init(|| Box::new(Throttle::new()))
    }

    /// Returns the second of the bucket's own time.
    fn second(&self) -> u64 {
        let now = now();
        now.saturating_duration_since(*self.bucket.origin.get_or_init(|| now)).as_secs()
    }

    /// Admits a call, or refuses that of the point that `refused` names.
    fn admit(&self, refused: impl FnOnce() -> PointName) -> Result<(), Rejected> {
        if payers::take_admission(self) {
            return Ok(());
        }
        let throttle = self.throttle_state();
        if throttle.refuses(self.factor(), self.second(), rng::uniform) {
            return Err(self.refused(throttle, refused()));
        }
        Ok(())
    }

    /// Reports a refusal of `point`.
    #[cold]
    fn refused(&self, throttle: &Throttle, point: PointName) -> Rejected {
        self.note_counted();
        let shows_key = self.key.is_some() && shows_all_keys();
        let key = self.key();
        if is_rejection_heard(None) {
            let (point, key) = (point.clone(), key.clone());
            let event = Event::Rejected { point, key, policy: "with_retry", retry_after: None };
            emit_as(&event, None, Log { pace: Some(&throttle.pace), shows_key });
        }
        Rejected::throttled(Origin::new(point, key, shows_key))
    }

    /// Counts an attempt that ended with `verdict`.
    fn count_attempt(&self, verdict: &Verdict) {
        if let Some(is_accept) = counted(verdict) {
            self.count(is_accept);
        }
    }

    fn count(&self, is_accept: bool) {
        self.note_counted();
        self.throttle_state().add(self.second(), is_accept);
    }

    /// Notes that the attempts around the running code need not be counted.
    fn note_counted(&self) {
        payers::note(self, |notes| notes.is_counted = true);
    }
}

/// The calls of a function that ask a throttle, of one call: how each of its attempts ends.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub struct Throttled<'b> {
    /// `None` where the settings name no budget at run time.
    budget: Option<&'b Budget>,
    stack: Stack,
}

impl<'b> Throttled<'b> {
    /// Asks the throttle of `budget`; a refusal is that of the point that `refused` names.
    pub(in crate::policy) fn ask(
        budget: Option<&'b Budget>,
        stack: Stack,
        refused: impl FnOnce() -> PointName,
    ) -> Result<Self, Rejected> {
        if let Some(budget) = budget {
            budget.admit(refused)?;
        }
        Ok(Self { budget, stack })
    }

    /// Creates the throttling of a function whose budget has no throttle.
    pub(in crate::policy) const fn none(stack: Stack) -> Self {
        Self { budget: None, stack }
    }

    /// Returns whether a throttle has admitted the call.
    #[inline]
    pub(super) const fn has_asked(&self) -> bool {
        self.budget.is_some()
    }

    /// Begins an attempt.
    #[inline]
    pub const fn attempt(&self) -> ThrottledAttempt<'b> {
        ThrottledAttempt { budget: self.budget, stack: self.stack }
    }
}

/// A running attempt. If a timeout of its own stack drops it, it counts as one that the service did not accept.
#[derive(Debug)]
#[doc(hidden)]
pub struct ThrottledAttempt<'b> {
    /// `None` once it has ended.
    budget: Option<&'b Budget>,
    stack: Stack,
}

impl ThrottledAttempt<'_> {
    /// Ends the attempt with `verdict`.
    #[inline]
    pub fn ended(mut self, verdict: &Verdict) {
        if let Some(budget) = self.budget.take() {
            budget.count_attempt(verdict);
        }
    }

    /// Returns whether a throttle counts it.
    #[inline]
    pub(super) const fn counts(&self) -> bool {
        self.budget.is_some()
    }

    /// Ends the attempt without a count: a call inside it was counted in its place, or no throttle counts it.
    #[inline]
    pub(super) fn uncounted(mut self) {
        self.budget = None;
    }
}

impl Drop for ThrottledAttempt<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(budget) = self.budget {
            dropped(budget, self.stack);
        }
    }
}

#[cold]
fn dropped(budget: &Budget, stack: Stack) {
    if !std::thread::panicking() && is_cut(stack) {
        budget.count(false);
    }
}

#[cfg(all(test, not(loom)))]
#[path = "tests.rs"]
mod tests;
