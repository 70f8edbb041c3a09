//! The admission of one call, and what its end means.

use super::CircuitBreaker;
use super::state::Token;
use crate::base::scope::Stack;
use crate::base::world::World;
use crate::classify::Classify;
use crate::policy::{Ruling, Verdict};
use crate::rejected::Rejected;
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

/// Allows one call through a breaker, which it reports the outcome to.
///
/// Dropped without a result it counts as nothing but `cancelled` (`panicked` during a panic), and a probe
/// gives its place back; dropped by a timeout of its own stack it counts as a failure of category
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
pub struct PermitOf<B: Deref<Target = CircuitBreaker>> {
    breaker: B,
    token: Token,
    /// The stack in which it is held, where the breaker does not know: that of a breaker that the program owns.
    stack: Option<Stack>,
    /// The result counts in the test world of the admission, on whichever thread it comes.
    world: Option<World>,
}

impl<B: Deref<Target = CircuitBreaker>> PermitOf<B> {
    /// Asks `breaker` to admit one call.
    #[inline]
    pub(super) fn ask(breaker: B) -> Result<Self, Rejected> {
        Self::ask_in(breaker, None)
    }

    /// Asks `breaker` to admit one call in `stack`, or in the breaker's own.
    #[inline]
    pub(super) fn ask_in(breaker: B, stack: Option<Stack>) -> Result<Self, Rejected> {
        let token = breaker.token(stack)?;
        Ok(Self { breaker, token, stack, world: World::here() })
    }

    /// Reports to the breaker that admitted the call.
    #[inline]
    fn tell<T>(&self, tell: impl FnOnce(&CircuitBreaker) -> T) -> T {
        if let Some(world) = &self.world {
            return world.run(|| tell(&self.breaker));
        }
        tell(&self.breaker)
    }

    /// Reports that the call succeeded.
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

    /// The call ended with `outcome`, which `judge` reads.
    pub(super) fn judge<R>(self, outcome: R, judge: impl FnOnce(&R) -> (Verdict, Ruling)) -> R {
        let (verdict, ruling) = judge(&outcome);
        self.settle(verdict, ruling);
        outcome
    }

    /// The call ended as `verdict` says, which is given back; for a failure `ruling` comes before its category.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "called, it would write a success's verdict to memory and read it"
    )]
    #[doc(hidden)]
    pub fn settle(mut self, verdict: Verdict, ruling: Ruling) -> Verdict {
        let token = std::mem::replace(&mut self.token, Token::SPENT);
        self.tell(|breaker| breaker.settle(token, verdict, ruling))
    }
}

impl<B: Deref<Target = CircuitBreaker>> Drop for PermitOf<B> {
    #[inline]
    fn drop(&mut self) {
        if self.token != Token::SPENT {
            self.tell(|breaker| breaker.abandoned(self.stack, self.token));
        }
    }
}
