//! A token bucket that limits the retry rate, so that retries cannot overload a failing dependency.

mod calls;
pub(crate) mod share;
mod throttle;

pub(super) use share::{PaidBy, Pays, Share};
pub(super) use throttle::Throttled;

use self::throttle::Throttle;
use crate::base::check;
use crate::base::clock::now;
use crate::base::payers::{self, Payment};
use crate::base::setting::{Complaint, InvalidPolicy};
use crate::base::settings::{Count, Factor, Settings, settings};
use crate::base::site::Site;
use crate::base::sync::{AtomicU64, Ordering};
use crate::point::PointName;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// The budget that pays for the retries of a policy.
///
/// It is the field [`budget`](super::RetryConfig::budget) of a config. [`Retry::budget`](super::Retry::budget) sets a
/// shared one on a value, and the key `budget` in an attribute.
///
/// # Examples
///
/// ```
/// use resilience::{Budget, Retry};
/// use resilience::policy::{BudgetOf, RetryConfig};
///
/// static DATABASE: Budget = Budget::new();
///
/// let config = RetryConfig { budget: BudgetOf::Shared(&DATABASE), ..RetryConfig::default() };
/// let retry = Retry::try_new(config).unwrap();
/// let _: Result<(), std::io::Error> = retry.base(std::time::Duration::ZERO).call(|| Err(std::io::ErrorKind::TimedOut.into()));
/// assert_eq!(DATABASE.tokens(), 500 - 3 * 10, "three retries after a timeout");
/// ```
#[derive(Clone, Copy, Debug)]
pub enum BudgetOf {
    /// In an attribute: a budget of the annotated function, one for each key if its stack has a `key`. A plain value
    /// has no state, so it has no budget unless one is set.
    Own,
    /// None: every retry is made.
    None,
    /// A budget in a `static`, which several policies can share.
    Shared(&'static Budget),
}

/// A limit of the rate of retries: a bucket of tokens, shared by all policies that use the same `static`.
///
/// With the defaults it admits about 100 failed retries at once, then one a second until calls succeed again. A retry
/// that cannot pay is not made, is counted, and the call ends with its last error. A full bucket is only read, so that
/// it costs nothing while all is well; the clock is read only when a retry asks.
///
/// # Why
///
/// With three retries a call, a service that fails gets four times its load, and may never recover by itself.
/// Google's "Site Reliability Engineering" (chapter 21, "Handling Overload") therefore limits retries to a
/// part of the calls. The bucket with its costs is that of the AWS SDKs' standard retry mode (500 tokens, 5 a
/// retry, 10 after a timeout, 1 returned by a success); the tokens that flow back with time let a program
/// with few calls recover, too.
///
/// # Choosing numbers
///
/// - `capacity / cost` is the number of retries that can follow each other at once: 100 by default.
/// - `refill / cost` is the rate of retries a second that goes on in an outage: 1 by default.
/// - `deposit / cost` is the part of successful calls that may be followed by a retry: 20 % by default.
/// - A function with a few calls a minute needs none of this changed; one with thousands a second can have a
///   larger `capacity`.
///
/// # Throttling
///
/// A budget limits retries. Its [`throttle`](Self::throttle), which is off unless a call asks it, refuses first
/// attempts, too, while the service accepts too few: with the attempts of the last two minutes a call is refused with
/// the probability `(requests - factor * accepts) / (requests + 1)`, at most 0.9. So a service that is down or
/// overloaded gets a tenth of the calls, and one that is well gets all of them. An attempt is accepted if a circuit
/// breaker would call it a success; refusals of other policies, dropped calls, and calls that a client's deadline has
/// ended count as nothing. The formula is that of "Site Reliability Engineering" (chapter 21, "Client-Side
/// Throttling").
///
/// Ask it with `with_retry(throttle = 2.0)`, for a shared budget with `with_retry(budget = SEARCH, throttle)`, and in
/// code with [`call`](Self::call). Use it in place of a circuit breaker where a service rejects a part of its calls,
/// for instance when it sheds load: a breaker admits all calls or none, a throttle as many as the service takes.
///
/// # Functions that call one another
///
/// Of functions that share a budget and call one another, the innermost pays alone, so that one call of the service is
/// not counted twice. What the last call inside an attempt did with the budget decides:
///
/// - It has paid for a retry and failed nevertheless: the attempt around it is repeated at no cost.
/// - It was denied a retry: so is the attempt around it. An empty budget ends the retries of all functions at once.
/// - It has succeeded: it has returned its token, and the functions around it return none. If one of them fails
///   afterwards, the failure is its own, and it pays for its retry.
///
/// A function inside that was not called, or has another budget, changes nothing. The throttle of a shared budget
/// counts in the same way, and a call that it has admitted is not asked again at the first call inside. Tasks and
/// threads that an attempt starts are part of it where [`carry`](crate::carry()) or [`carry_fn`](crate::carry_fn) takes
/// it along. A function that calls itself shares only a budget that it names.
///
/// ```
/// use resilience::{Budget, with_retry};
/// use std::io::{Error, ErrorKind};
///
/// static DATABASE: Budget = Budget::new();
///
/// #[with_retry(max = 1, base = 0s, budget = DATABASE)]
/// fn load_page() -> Result<(), Error> {
///     load_row()
/// }
///
/// #[with_retry(max = 1, base = 0s, budget = DATABASE)]
/// fn load_row() -> Result<(), Error> {
///     Err(ErrorKind::ConnectionReset.into())
/// }
///
/// assert!(load_page().is_err());
/// assert_eq!(DATABASE.tokens(), 500 - 2 * 5, "each of the two calls of `load_row` has paid for its retry");
/// ```
///
/// # Examples
///
/// ```
/// use resilience::policy::with_retry::{Budget, Retry};
///
/// static SEARCH: Budget = Budget::new().capacity(50).refill(1);
/// static RETRY: Retry = Retry::new().budget(&SEARCH);
/// # let _ = &RETRY;
/// assert_eq!(SEARCH.tokens(), 50);
/// ```
///
/// An empty bucket ends a call early:
///
/// ```
/// use resilience::{Budget, Retry};
/// use std::io::{Error, ErrorKind};
/// use std::time::Duration;
///
/// static SMALL: Budget = Budget::new().capacity(10).cost(5).refill(0);
/// const RETRY: Retry = Retry::new().max(5).base(Duration::ZERO).budget(&SMALL);
///
/// let mut calls = 0;
/// let _: Result<(), Error> = RETRY.call(|| {
///     calls += 1;
///     Err(ErrorKind::ConnectionReset.into())
/// });
/// assert_eq!(calls, 3, "two retries, then the budget is used up");
/// assert_eq!((SMALL.tokens(), SMALL.denied()), (0, 1));
/// ```
#[derive(Debug)]
pub struct Budget {
    settings: Settings<BudgetConfig>,
    bucket: Site<Bucket>,
    /// Of one of the budgets of a function, the key that it is for.
    key: Option<Arc<str>>,
}

settings! {
    /// The numbers of a [`Budget`], for [`try_new`](Budget::try_new): the tokens that a retry costs, and the
    /// events that return them. All go up to 200,000.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::policy::with_retry::{Budget, BudgetConfig};
    ///
    /// let config = BudgetConfig { capacity: 50, ..BudgetConfig::default() };
    /// assert_eq!(Budget::try_new(config).unwrap().tokens(), 50);
    ///
    /// let never = BudgetConfig { deposit: 0, refill: 0, ..config };
    /// assert!(Budget::try_new(never).is_err());
    /// ```
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct BudgetConfig {
        for policy Budget(settings) {
            /// The length of a burst of retries: `capacity / cost` retries at once.
            capacity: Count from 1 to 200000 = 500, "how many tokens the full bucket has";
            /// At most the capacity of the bucket.
            cost: Count from 1 to 200000 = 5, "how many tokens a retry costs";
            /// At most the capacity of the bucket.
            timeout_cost: Count from 1 to 200000 = 10, "how many tokens a retry after a timeout costs";
            /// Not 0 if nothing flows back with time either.
            deposit: Count to 200000 = 1, "how many tokens a success returns";
            /// Not 0 if successes return nothing either.
            refill: Count to 200000 = 5, "how many tokens flow back each second";
            /// Calls that ask this budget's throttle are refused while the service accepts a smaller part of the
            /// attempts of the last two minutes: with `2.0` less than half. See "Throttling" at [`Budget`]. A smaller
            /// factor refuses earlier. Where a call asks and this is not set, the factor is 2.
            throttle: Factor from 1.0 = off, "how many attempts are made for each one that the service accepts, before calls are refused";
        }
        together {
            (deposit, refill): flows_back;
        }
    }
}

impl BudgetConfig {
    const fn flows_back(&self) -> Complaint {
        if self.deposit == 0 && self.refill == 0 {
            return Some(
                "`deposit` and `refill` of a budget are both zero: once used up it would stay empty",
            );
        }
        None
    }
}

impl Default for BudgetConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The tokens of a retry whose attempt has not begun. Dropped, they go back into the bucket.
#[derive(Debug)]
pub(super) struct Withdrawal<'b> {
    budget: &'b Budget,
    /// The tokens, in thousandths.
    tokens: u64,
}

impl Withdrawal<'_> {
    /// Keeps the tokens out of the bucket: the extra call begins.
    pub(super) fn spend(self) {
        std::mem::forget(self);
    }

    /// Keeps the tokens out of the bucket: the retry begins.
    pub(super) fn spend_on_retry(self) {
        self.budget.note(Payment::Paid);
        self.spend();
    }
}

impl Drop for Withdrawal<'_> {
    fn drop(&mut self) {
        self.budget.bucket.put_back(self.tokens);
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new()
    }
}

impl Budget {
    /// Creates a full bucket of 500 tokens: a retry costs 5, one after a timeout 10; a success returns 1, and 5 flow
    /// back each second.
    pub const fn new() -> Self {
        Self::of(BudgetConfig::DEFAULT.into_settings())
    }

    const fn of(settings: Settings<BudgetConfig>) -> Self {
        Self { settings, bucket: Site::new(Bucket::new(), Bucket::new), key: None }
    }

    /// Creates a full bucket with settings that are known only at run time.
    ///
    /// # Errors
    ///
    /// If a setting is out of range or contradicts another one, with the message of the compiler.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Budget;
    /// use resilience::policy::with_retry::BudgetConfig;
    ///
    /// let config = |capacity| BudgetConfig { capacity, ..BudgetConfig::default() };
    /// assert_eq!(Budget::try_new(config(50)).unwrap().max_tokens(), 50);
    /// assert!(Budget::try_new(config(0)).unwrap_err().message().contains("`capacity`"));
    /// ```
    pub const fn try_new(config: BudgetConfig) -> Result<Self, InvalidPolicy> {
        match config.complaint() {
            Some(complaint) => Err(InvalidPolicy::new(complaint)),
            None => Ok(Self::of(Settings::whole(config))),
        }
    }

    /// Returns the tokens of the full bucket: its `capacity`.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Budget;
    ///
    /// const SMALL: Budget = Budget::new().capacity(50);
    /// assert_eq!(SMALL.max_tokens(), 50);
    /// ```
    pub const fn max_tokens(&self) -> u32 {
        self.settings.config.capacity
    }

    /// Returns the whole tokens that are in the bucket now; it reads the clock unless the bucket is full.
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
    /// let world = resilience::testing::isolate();
    /// let retry = Retry::new().max(1).base(Duration::ZERO).budget(&SEARCH);
    /// let _: Result<(), Error> = retry.call(|| Err(ErrorKind::ConnectionReset.into()));
    /// assert_eq!(SEARCH.tokens(), 495);
    /// world.advance(Duration::from_secs(1));
    /// assert_eq!(SEARCH.tokens(), 500, "5 flow back each second");
    /// ```
    pub fn tokens(&self) -> u32 {
        let bucket = &*self.bucket;
        let word = bucket.word.load(Ordering::Relaxed);
        if word == FULL {
            return self.settings.config.capacity;
        }
        let ticks = bucket.ticks();
        let word = bucket.unless_idle(word, ticks, self.settings.config.refill);
        let missing = missing(word, ticks, self.settings.config.refill);
        self.settings
            .config
            .capacity
            .saturating_sub(u32::try_from(missing.div_ceil(MILLI)).unwrap_or(u32::MAX))
    }

    /// Returns the number of retries that were not made because the bucket had too little; it only grows.
    ///
    /// A number that grows says that a dependency is failing, and that calls end with errors that more
    /// retries might have hidden.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Budget, Retry};
    /// use std::io::{Error, ErrorKind};
    /// use std::time::Duration;
    ///
    /// static SMALL: Budget = Budget::new().capacity(5).cost(5).refill(0);
    ///
    /// let retry = Retry::new().max(3).base(Duration::ZERO).budget(&SMALL);
    /// let _: Result<(), Error> = retry.call(|| Err(ErrorKind::ConnectionReset.into()));
    /// assert_eq!((SMALL.tokens(), SMALL.denied()), (0, 1), "one retry was made, the next was not");
    /// ```
    pub fn denied(&self) -> u64 {
        self.bucket.denied.load(Ordering::Relaxed)
    }

    /// Sets the factor of the throttle, before the budget is used.
    pub(super) const fn set_throttle(&mut self, factor: f64) {
        self.settings.config.throttle = Some(factor);
        self.settings.note(Row::throttle);
    }

    /// Makes it the budget of `key`.
    pub(super) fn of_key(self, key: &str) -> Self {
        Self { key: Some(key.into()), ..self }
    }

    /// Returns the key that it is for.
    #[cold]
    pub(super) fn key(&self) -> Option<PointName> {
        self.key.as_deref().map(|key| PointName::from(key.to_owned()))
    }

    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.bucket.word.load(Ordering::Relaxed) == FULL
    }

    /// Pays for a retry if there is enough.
    #[cold]
    pub(super) fn withdraw(&self, after_timeout: bool) -> Option<Withdrawal<'_>> {
        if check::is_inside() {
            return Some(Withdrawal { budget: self, tokens: 0 });
        }
        let bucket = &*self.bucket;
        let Some(tokens) = bucket.withdraw(&self.settings.config, after_timeout, bucket.ticks()) else {
            self.note(Payment::Denied);
            return None;
        };
        Some(Withdrawal { budget: self, tokens })
    }

    /// Pays for an extra call of a hedge, if the bucket is more than half full.
    #[cold]
    pub(super) fn withdraw_extra(&self) -> Option<Withdrawal<'_>> {
        if check::is_inside() {
            return Some(Withdrawal { budget: self, tokens: 0 });
        }
        let bucket = &*self.bucket;
        let tokens = bucket.withdraw_extra(&self.settings.config, bucket.ticks())?;
        Some(Withdrawal { budget: self, tokens })
    }

    /// Takes what a success returns.
    #[cold]
    pub(super) fn deposit_success(&self) {
        self.note(Payment::Refunded);
        self.bucket.put_back(u64::from(self.settings.config.deposit) * MILLI);
    }

    /// Notes a payment of the attempts around the running code.
    fn note(&self, payment: Payment) {
        payers::note(self, |notes| notes.payment = Some(payment));
    }
}

/// The changing part of a budget. The word is 0 while the bucket is full; otherwise its low bits are the
/// thousandths of tokens that are missing, never 0, and the others the millisecond up to which time has
/// been reckoned.
#[derive(Debug)]
struct Bucket {
    word: AtomicU64,
    /// The millisecond in the word, of which the word has the low bits only.
    reckoned: AtomicU64,
    denied: AtomicU64,
    origin: OnceLock<Instant>,
    /// Made when a call first asks it.
    throttle: OnceLock<Box<Throttle>>,
}

const FULL: u64 = 0;
const MILLI: u64 = 1_000;
/// Room for the largest capacity in thousandths; 2 years of milliseconds fit beside it.
const MISSING_BITS: u32 = 28;
const MISSING: u64 = (1 << MISSING_BITS) - 1;
const TICKS: u64 = u64::MAX >> MISSING_BITS;

/// No capacity that is allowed has more thousandths than the word has room for.
const _: () = {
    let too_many = BudgetConfig { capacity: (MISSING / MILLI) as u32 + 1, ..BudgetConfig::DEFAULT };
    assert!(too_many.complaint().is_some());
};

/// The time in which every bucket is full again, with the largest capacity and one token a second.
const _: () = assert!(MISSING < TICKS / 2);

/// Returns the thousandths missing at `ticks`, after the refill until then.
fn missing(word: u64, ticks: u64, refill: u32) -> u64 {
    let passed = ticks.wrapping_sub(word >> MISSING_BITS) & TICKS;
    // Another thread may have read a later clock before this one: that is no time, not two years.
    let passed = if passed > TICKS / 2 { 0 } else { passed };
    (word & MISSING).saturating_sub(passed.saturating_mul(u64::from(refill)))
}

/// Returns the later of the word's moment and `ticks`.
fn latest(word: u64, ticks: u64) -> u64 {
    let before = word >> MISSING_BITS;
    let passed = ticks.wrapping_sub(before) & TICKS;
    if word != FULL && passed > TICKS / 2 { before } else { ticks & TICKS }
}

impl Bucket {
    const fn new() -> Self {
        Self {
            word: AtomicU64::new(FULL),
            reckoned: AtomicU64::new(0),
            denied: AtomicU64::new(0),
            origin: OnceLock::new(),
            throttle: OnceLock::new(),
        }
    }

    /// Returns the milliseconds since this bucket was first asked.
    fn ticks(&self) -> u64 {
        let now = now();
        let origin = *self.origin.get_or_init(|| now);
        u64::try_from(now.saturating_duration_since(origin).as_millis()).unwrap_or(u64::MAX)
    }

    /// Returns the word; that of a full bucket after an idle time that the word has no room for, in which `refill` has
    /// filled every bucket.
    fn unless_idle(&self, word: u64, ticks: u64, refill: u32) -> u64 {
        let passed = ticks.saturating_sub(self.reckoned.load(Ordering::Relaxed));
        if refill > 0 && passed > TICKS / 2 { FULL } else { word }
    }

    /// Takes the tokens for one retry; returns how many thousandths, or `None` if there is too little.
    fn withdraw(&self, settings: &BudgetConfig, after_timeout: bool, ticks: u64) -> Option<u64> {
        let cost = if after_timeout { settings.timeout_cost } else { settings.cost };
        let taken = self.take(settings, cost, ticks, |_| true);
        if taken.is_none() {
            self.denied.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }

    /// Takes the tokens for one extra call, unless half of the bucket or more is missing. An extra call that is not
    /// made is not a retry that was denied.
    fn withdraw_extra(&self, settings: &BudgetConfig, ticks: u64) -> Option<u64> {
        let half = u64::from(settings.capacity) * MILLI / 2;
        self.take(settings, settings.cost, ticks, |missing| missing < half)
    }

    /// Takes `cost` tokens if they are there and `may` says so of the thousandths that are missing.
    fn take(&self, settings: &BudgetConfig, cost: u32, ticks: u64, may: impl Fn(u64) -> bool) -> Option<u64> {
        let capacity = u64::from(settings.capacity) * MILLI;
        let cost = (u64::from(cost) * MILLI).min(capacity);
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let known = self.unless_idle(word, ticks, settings.refill);
            let before = missing(known, ticks, settings.refill);
            let missing = before + cost;
            if missing > capacity || !may(before) {
                return None;
            }
            let new = (latest(known, ticks) << MISSING_BITS) | missing;
            // Relaxed: the word is all there is; it guards no other memory.
            match self.word.compare_exchange_weak(word, new, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => {
                    // Not in one step with the word: a thread that takes meanwhile, after more than a year, finds the
                    // bucket full once more.
                    self.reckoned.store(ticks, Ordering::Relaxed);
                    return Some(cost);
                }
                Err(current) => word = current,
            }
        }
    }

    /// Puts all tokens back.
    fn fill(&self) {
        self.word.store(FULL, Ordering::Relaxed);
    }

    /// Adds `tokens` thousandths, up to the full bucket.
    fn put_back(&self, tokens: u64) {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word == FULL || tokens == 0 {
                return;
            }
            let missing = (word & MISSING).saturating_sub(tokens);
            let new = if missing == 0 { FULL } else { (word & !MISSING) | missing };
            match self.word.compare_exchange_weak(word, new, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(current) => word = current,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(all(feature = "testing", not(loom)))]
    mod in_a_world {
        use super::*;
        use crate::testing::isolate;
        use std::time::Duration;

        fn drawn(budget: &Budget) -> usize {
            let spent = std::iter::from_fn(|| budget.withdraw(false).map(Withdrawal::spend));
            spent.count()
        }

        #[test]
        fn a_full_bucket_pays_a_hundred_retries_then_one_a_second() {
            let world = isolate();
            let budget = Budget::new();
            assert_eq!((drawn(&budget), budget.tokens(), budget.denied()), (100, 0, 1));
            world.advance(Duration::from_millis(999));
            assert_eq!(drawn(&budget), 0);
            for _ in 0..10 {
                world.advance(Duration::from_secs(1));
                assert_eq!(drawn(&budget), 1);
            }
            world.advance(Duration::from_secs(50));
            assert_eq!((budget.tokens(), drawn(&budget)), (250 + 4, 50));
            world.advance(Duration::from_secs(3_600));
            assert_eq!((budget.tokens(), drawn(&budget)), (500, 100));
        }

        #[test]
        fn successes_return_tokens_up_to_the_capacity() {
            let _world = isolate();
            let budget = Budget::new();
            budget.deposit_success();
            assert!(budget.is_full());
            budget.withdraw(false).unwrap().spend();
            budget.withdraw(true).unwrap().spend();
            assert_eq!(budget.tokens(), 485);
            (0..14).for_each(|_| budget.deposit_success());
            assert!(!budget.is_full());
            budget.deposit_success();
            assert!(budget.is_full());
        }

        #[test]
        fn unspent_tokens_are_returned() {
            let world = isolate();
            let budget = Budget::new();
            let (first, second) = (budget.withdraw(false), budget.withdraw(true));
            assert_eq!(budget.tokens(), 485);
            drop(second);
            assert_eq!(budget.tokens(), 495);
            world.advance(Duration::from_secs(60));
            drop(first);
            assert!(budget.is_full(), "time gave back what the drop gives back: no more than full");
        }

        #[test]
        fn a_cost_above_the_capacity_is_capped() {
            let _world = isolate();
            let budget = Budget::new().capacity(3).refill(0);
            assert_eq!(drawn(&budget), 1);
            assert_eq!(budget.tokens(), 0);
        }

        #[test]
        fn an_empty_bucket_is_full_after_any_idle_time() {
            let days = |days: u64| Duration::from_secs(days * 24 * 3_600);
            // The word counts milliseconds up to 795 days, and begins again.
            let spans = [1, 30, 365, 397, 398, 399, 700, 795, 796, 1_000, 1_591, 3_650, 36_500].map(days);
            for idle in spans {
                let world = isolate();
                let budget = Budget::new();
                assert_eq!((drawn(&budget), budget.tokens()), (100, 0));
                world.advance(idle);
                assert_eq!(budget.tokens(), 500, "{idle:?}");
                assert_eq!(drawn(&budget), 100, "{idle:?}");
                world.advance(Duration::from_secs(2));
                assert_eq!((budget.tokens(), drawn(&budget)), (10, 2), "{idle:?}");
                world.advance(idle);
                budget.deposit_success();
                let extra = budget.withdraw_extra().is_some();
                assert!(extra, "{idle:?}");
            }
        }

        #[test]
        fn looks_and_successes_do_not_delay_the_refill_of_an_idle_bucket() {
            let world = isolate();
            let (refilled, never) = (Budget::new(), Budget::new().refill(0));
            drawn(&refilled);
            drawn(&never);
            for _ in 0..40 {
                world.advance(Duration::from_secs(30 * 24 * 3_600));
                assert_eq!((refilled.tokens(), never.tokens()), (500, 0));
            }
            never.deposit_success();
            assert_eq!((drawn(&refilled), never.tokens(), drawn(&never)), (100, 1, 0));
        }

        #[test]
        fn the_largest_settings_do_not_overflow() {
            let world = isolate();
            let most = 200_000;
            let budget =
                Budget::new().capacity(most).cost(most).timeout_cost(most).deposit(most).refill(most);
            assert_eq!((drawn(&budget), budget.tokens()), (1, 0));
            world.advance(Duration::from_secs(1));
            assert_eq!((budget.tokens(), drawn(&budget)), (most, 1));
            world.advance(Duration::from_secs(u64::from(u32::MAX)));
            assert!(budget.tokens() <= most);
            budget.deposit_success();
            assert!(budget.is_full());
        }
    }

    #[test]
    fn a_stale_clock_reading_adds_no_tokens() {
        let word = (1_000 << MISSING_BITS) + 5_000;
        assert_eq!(missing(word, 999, 5), 5_000);
        assert_eq!(latest(word, 999), 1_000);
        assert_eq!(missing(word, 1_100, 5), 4_500);
        assert_eq!(latest(word, 1_100), 1_100);
        let near_the_end = (TICKS << MISSING_BITS) + 5_000;
        assert_eq!((missing(near_the_end, 99, 5), latest(near_the_end, 99)), (4_500, 99));
    }

    #[cfg(not(loom))]
    #[test]
    fn invalid_budgets_are_rejected() {
        let refused = |build: fn() -> Budget| std::panic::catch_unwind(build).is_err();
        assert!(refused(|| Budget::new().capacity(0)));
        assert!(refused(|| Budget::new().cost(0)));
        assert!(refused(|| Budget::new().timeout_cost(0)));
        assert!(refused(|| Budget::new().capacity(200_001)));
        assert!(refused(|| Budget::new().deposit(u32::MAX)));
        assert!(refused(|| Budget::new().deposit(0).refill(0)));
        assert!(refused(|| Budget::new().refill(0).deposit(0)));
    }

    #[cfg(not(loom))]
    mod against_a_model {
        use super::*;
        use proptest::prelude::*;

        #[derive(Clone, Debug)]
        enum Step {
            Withdraw(bool),
            Deposit,
            Pass(u64),
        }

        fn steps() -> impl Strategy<Value = Step> {
            prop_oneof![
                any::<bool>().prop_map(Step::Withdraw),
                Just(Step::Deposit),
                (0..3_000_u64).prop_map(Step::Pass)
            ]
        }

        proptest! {
            /// The model refills as time passes; the bucket only when a retry asks. A success in between
            /// that meets a bucket which time alone had filled is lost in neither.
            #[test]
            fn the_bucket_agrees_with_a_simple_model(
                capacity in 1..60_u32, refill in 0..9_u32, steps in prop::collection::vec(steps(), 0..200),
            ) {
                let settings = BudgetConfig { capacity, cost: 5, timeout_cost: 10, deposit: 1, refill, throttle: None };
                let bucket = Bucket::new();
                let full = i64::from(capacity) * 1_000;
                let (mut reckoned, mut pending, mut ticks) = (full, 0_i64, 0_u64);
                for step in steps {
                    match step {
                        Step::Pass(by) => {
                            ticks += by;
                            pending += i64::try_from(by).unwrap() * i64::from(refill);
                        }
                        Step::Deposit => {
                            bucket.put_back(MILLI);
                            reckoned = (reckoned + 1_000).min(full);
                            if reckoned == full { pending = 0; }
                        }
                        Step::Withdraw(slow) => {
                            let cost = full.min(if slow { 10_000 } else { 5_000 });
                            let there = (reckoned + pending).min(full);
                            let paid = bucket.withdraw(&settings, slow, ticks).is_some();
                            prop_assert_eq!(paid, there >= cost);
                            if paid {
                                (reckoned, pending) = (there - cost, 0);
                            }
                        }
                    }
                }
                let word = bucket.word.load(Ordering::Relaxed);
                prop_assert_eq!(word == FULL, reckoned == full);
                prop_assert_eq!((word & MISSING).cast_signed(), full - reckoned);
            }
        }
    }

    #[cfg(loom)]
    fn shared() -> loom::sync::Arc<Bucket> {
        let bucket = Bucket::new();
        bucket.word.load(Ordering::Relaxed);
        bucket.reckoned.load(Ordering::Relaxed);
        bucket.denied.load(Ordering::Relaxed);
        loom::sync::Arc::new(bucket)
    }

    #[cfg(loom)]
    #[test]
    fn loom_no_token_is_lost_or_created() {
        loom::model(|| {
            let settings = BudgetConfig {
                capacity: 10,
                cost: 5,
                timeout_cost: 10,
                deposit: 1,
                refill: 0,
                throttle: None,
            };
            let bucket = shared();
            let draw = |bucket: &Bucket| u64::from(bucket.withdraw(&settings, false, 7).is_some());
            let other = bucket.clone();
            let thread = loom::thread::spawn(move || {
                let drawn = u64::from(other.withdraw(&settings, false, 9).is_some());
                other.put_back(MILLI);
                drawn
            });
            let drawn = draw(&bucket) + draw(&bucket);
            let others = thread.join().unwrap();
            let missing = bucket.word.load(Ordering::Relaxed) & MISSING;
            let denied = bucket.denied.load(Ordering::Relaxed);
            assert_eq!(drawn + others + denied, 3);
            assert!(drawn + others >= 2 && missing <= 10 * MILLI);
            // The one deposit counts fully, or meets a bucket that was already full.
            let paid = (drawn + others) * 5 * MILLI;
            assert!(missing == paid - MILLI || missing == paid);
        });
    }

    #[cfg(loom)]
    #[test]
    fn loom_extra_calls_leave_half_of_the_bucket() {
        loom::model(|| {
            let settings = BudgetConfig {
                capacity: 10,
                cost: 3,
                timeout_cost: 3,
                deposit: 1,
                refill: 0,
                throttle: None,
            };
            let bucket = shared();
            let other = bucket.clone();
            let paid = move |bucket: &Bucket| u64::from(bucket.withdraw_extra(&settings, 1).is_some());
            let thread = loom::thread::spawn(move || paid(&other));
            let both = paid(&bucket) + paid(&bucket);
            let paid = both + thread.join().unwrap();
            assert_eq!((paid, bucket.word.load(Ordering::Relaxed) & MISSING), (2, 6 * MILLI));
            assert_eq!(bucket.denied.load(Ordering::Relaxed), 0);
        });
    }

    #[cfg(loom)]
    #[test]
    fn loom_the_bucket_is_full_after_both_refunds() {
        loom::model(|| {
            let settings = BudgetConfig {
                capacity: 10,
                cost: 1,
                timeout_cost: 1,
                deposit: 1,
                refill: 0,
                throttle: None,
            };
            let bucket = shared();
            let other = bucket.clone();
            let turn = move |bucket: &Bucket| bucket.put_back(bucket.withdraw(&settings, false, 1).unwrap());
            let thread = loom::thread::spawn(move || turn(&other));
            turn(&bucket);
            thread.join().unwrap();
            assert_eq!(bucket.word.load(Ordering::Relaxed), FULL);
        });
    }
}
