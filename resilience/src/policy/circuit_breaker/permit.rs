//! The admission of one call, and what its end means.

use super::CircuitBreaker;
use super::state::Token;
use crate::base::admission::AdmittedAt;
use crate::base::each_poll::each_poll;
use crate::base::scope::{Stack, nanos};
use crate::base::shards::here;
use crate::base::world::World;
use crate::classify::Classify;
use crate::outcome::Refuse;
use crate::policy::{Ruling, Verdict};
use crate::rejected::Rejected;
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;

/// The admission of one call; see [`CircuitBreaker::acquire`].
///
/// # Examples
///
/// ```
/// use resilience::{CircuitBreaker, Permit};
///
/// fn send(permit: Permit<'_>, healthy: bool) {
///     if healthy { permit.success() } else { permit.failure(&resilience::Category::Unavailable) }
/// }
///
/// let breaker = CircuitBreaker::new("search").threshold(1);
/// send(breaker.acquire().unwrap(), true);
/// send(breaker.acquire().unwrap(), false);
/// assert!(breaker.acquire().is_err());
/// ```
pub type Permit<'a> = PermitOf<&'a CircuitBreaker>;

/// An admission that keeps its breaker alive; see [`CircuitBreaker::acquire_owned`].
///
/// It has no lifetime, so that a spawned task can report the outcome:
///
/// ```
/// use resilience::CircuitBreaker;
/// use std::sync::Arc;
///
/// let breaker = Arc::new(CircuitBreaker::new("search"));
/// let permit = breaker.acquire_owned().unwrap();
/// std::thread::spawn(move || permit.success()).join().unwrap();
/// ```
pub type OwnedPermit = PermitOf<Arc<CircuitBreaker>>;

/// A permit for one call through a breaker, by which the outcome is reported to it.
///
/// A permit that is dropped without a result counts as nothing but `cancelled` (`panicked` during a panic), and a probe
/// frees its slot; dropped by a timeout of its own stack it counts as a failure of category
/// [`Timeout`](crate::Category::Timeout).
///
/// See [`CircuitBreaker::acquire`] and [`acquire_owned`](CircuitBreaker::acquire_owned) for how to get one, and
/// [`call`](CircuitBreaker::call), which does both ends for a closure.
///
/// # Examples
///
/// Where the call and its outcome are in two places, such as a callback:
///
/// ```
/// use resilience::{Category, CircuitBreaker, State};
///
/// let breaker = CircuitBreaker::new("search").threshold(1);
/// let permit = breaker.acquire().unwrap();
/// let on_answer = move |status: u16| match status {
///     200..500 => permit.success(),
///     _ => permit.failure(&Category::from_status(status)),
/// };
/// on_answer(503);
/// assert_eq!(breaker.state(), State::Open);
/// ```
#[derive(Debug)]
#[must_use = "the call counts as cancelled when this is dropped"]
pub struct PermitOf<B: Deref<Target = CircuitBreaker>, T: Timing = Began> {
    breaker: B,
    token: Token,
    /// The stack in which it is held, where the breaker does not know: that of a breaker that the program owns.
    stack: Option<Stack>,
    /// The result counts in the test world of the admission, on whichever thread it comes.
    world: Option<World>,
    timing: T,
}

/// The start of a call, if its breaker measures that.
#[doc(hidden)]
#[derive(Debug)]
pub struct Began(Option<AdmittedAt>);

/// The time that a permit knows: none if an attribute has no `slow`, or [`Began`].
#[doc(hidden)]
pub trait Timing {
    /// Whether the permit knows the time.
    const MEASURES: bool;

    /// Begins a call.
    fn begin(breaker: &CircuitBreaker) -> Self;

    /// Returns whether the call has run for too long by now.
    fn is_slow(&self, breaker: &CircuitBreaker) -> bool;
}

impl Timing for () {
    const MEASURES: bool = false;

    #[inline]
    fn begin(_: &CircuitBreaker) -> Self {}

    #[inline]
    fn is_slow(&self, _: &CircuitBreaker) -> bool {
        false
    }
}

impl Timing for Began {
    const MEASURES: bool = true;

    #[inline]
    fn begin(breaker: &CircuitBreaker) -> Self {
        Self(breaker.setup.settings.config.slow.map(|_| AdmittedAt::now()))
    }

    #[inline]
    fn is_slow(&self, breaker: &CircuitBreaker) -> bool {
        let Some(since) = self.0.as_ref() else { return false };
        breaker.longest().is_some_and(|slow| since.ran() > nanos(slow))
    }
}

impl<B: Deref<Target = CircuitBreaker>> PermitOf<B> {
    /// Marks the running code as part of the call, until the guard is dropped.
    #[doc(hidden)]
    #[inline]
    pub fn measure(&self) -> impl Sized {
        let stack = || self.breaker.owner.stack_or(self.stack);
        self.timing.0.as_ref().map(|since| since.enter(stack()))
    }

    /// Wraps `body` as part of the call.
    #[doc(hidden)]
    #[inline]
    pub fn measured<F: Future>(&self, body: F) -> impl Future<Output = F::Output> {
        each_poll(|| self.measure(), body)
    }
}

/// Runs `body` if `breaker` admits it; `judge` reads its outcome. Only a breaker with `slow` pays for measuring.
#[inline]
pub(super) fn run<R: Refuse>(
    breaker: &CircuitBreaker,
    body: impl FnOnce() -> R,
    judge: impl FnOnce(&R) -> (Verdict, Ruling),
) -> R {
    if breaker.setup.settings.config.slow.is_none() {
        return match PermitOf::<_, ()>::ask(breaker) {
            Ok(permit) => permit.judge(body(), judge),
            Err(rejected) => R::refuse(rejected),
        };
    }
    match Permit::ask(breaker) {
        Ok(permit) => {
            let outcome = {
                let _measuring = permit.measure();
                body()
            };
            permit.judge(outcome, judge)
        }
        Err(rejected) => R::refuse(rejected),
    }
}

/// Runs the async `body` as [`run`] does.
pub(super) async fn run_async<R: Refuse>(
    breaker: &CircuitBreaker,
    body: impl AsyncFnOnce() -> R,
    judge: impl FnOnce(&R) -> (Verdict, Ruling),
) -> R {
    if breaker.setup.settings.config.slow.is_none() {
        return match PermitOf::<_, ()>::ask(breaker) {
            Ok(permit) => permit.judge(body().await, judge),
            Err(rejected) => R::refuse(rejected),
        };
    }
    match Permit::ask(breaker) {
        Ok(permit) => {
            let outcome = permit.measured(body()).await;
            permit.judge(outcome, judge)
        }
        Err(rejected) => R::refuse(rejected),
    }
}

impl<B: Deref<Target = CircuitBreaker>, T: Timing> PermitOf<B, T> {
    /// Asks `breaker` to admit one call.
    #[inline]
    pub(super) fn ask(breaker: B) -> Result<Self, Rejected> {
        Self::ask_in(breaker, None)
    }

    /// Asks `breaker` to admit one call in `stack`, or in the breaker's own.
    #[inline]
    pub(super) fn ask_in(breaker: B, stack: Option<Stack>) -> Result<Self, Rejected> {
        let token = breaker.token(stack)?;
        let timing = T::begin(&breaker);
        Ok(Self { breaker, token, stack, world: World::here(), timing })
    }

    /// Reports to the breaker that admitted the call.
    #[inline]
    fn notify<R>(&self, notify: impl FnOnce(&CircuitBreaker) -> R) -> R {
        if let Some(world) = &self.world {
            return world.run(|| notify(&self.breaker));
        }
        notify(&self.breaker)
    }

    /// Reports that the call succeeded.
    ///
    /// Of a half-open breaker it is the result of a probe. A success after a transition that the call did not see
    /// counts as nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{CircuitBreaker, Rejected};
    ///
    /// static POOL: CircuitBreaker = CircuitBreaker::new("pool");
    ///
    /// let permit = POOL.acquire()?;
    /// // .. use a connection ..
    /// permit.success();
    /// assert_eq!(POOL.snapshot().failures, 0);
    /// # Ok::<(), Rejected>(())
    /// ```
    #[inline]
    pub fn success(self) {
        self.settle(None, Ruling::ByCategory);
    }

    /// Reports that the call failed with `error`, whose category says what it counts as.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Category, CircuitBreaker, State};
    ///
    /// let breaker = CircuitBreaker::new("search").threshold(1);
    /// breaker.acquire().unwrap().failure(&Category::NotFound);
    /// assert_eq!(breaker.state(), State::Closed, "the service answered");
    /// breaker.acquire().unwrap().failure(&Category::Unavailable);
    /// assert_eq!(breaker.state(), State::Open);
    /// ```
    pub fn failure<E: Classify + ?Sized>(self, error: &E) {
        self.settle(Some(error.classify()), Ruling::ByCategory);
    }

    /// Ends the call with `outcome`, which `judge` reads.
    fn judge<R>(self, outcome: R, judge: impl FnOnce(&R) -> (Verdict, Ruling)) -> R {
        let (verdict, ruling) = judge(&outcome);
        self.settle(verdict, ruling);
        outcome
    }

    /// Returns whether the breaker has nothing to clear, and nothing to record with its time, at a success of this call.
    #[inline]
    #[doc(hidden)]
    pub fn passes(&self) -> bool {
        self.world.is_none() && self.breaker.live.gate.load().is_clean(self.token)
    }

    /// Ends a call that has succeeded and [`passes`](Self::passes).
    #[inline]
    #[doc(hidden)]
    pub fn passed(mut self) {
        self.token = Token::SPENT;
    }

    /// Counts a success of a breaker with a rate if that is one addition, and no look is due after it; returns whether
    /// the call has ended. If not, it is still to be settled, which counts it no second time.
    #[inline]
    #[doc(hidden)]
    pub fn counted(&mut self) -> bool {
        if !self.passes() {
            return false;
        }
        let looks = self.breaker.live.gate.count_success(here());
        if looks {
            self.token = Token::LOOKS;
        }
        !looks
    }

    /// Returns the call ended as `verdict` says, which is given back; for a failure `ruling` comes before its category.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "called, it would write a success's verdict to memory and read it"
    )]
    #[doc(hidden)]
    pub fn settle(mut self, verdict: Verdict, ruling: Ruling) -> Verdict {
        let token = std::mem::replace(&mut self.token, Token::SPENT);
        self.notify(|breaker| breaker.settle(token, verdict, ruling, &self.timing))
    }
}

impl<B: Deref<Target = CircuitBreaker>, T: Timing> Drop for PermitOf<B, T> {
    #[inline]
    fn drop(&mut self) {
        if self.token != Token::SPENT {
            self.notify(|breaker| breaker.abandoned(self.stack, self.token, self.timing.is_slow(breaker)));
        }
    }
}
