//! The admission of one call, and what its end means.

use super::CircuitBreaker;
use super::state::Token;
use crate::classify::{Classification, Classify};
use crate::policy::{Ruling, Verdict};
use std::ops::Deref;
use std::sync::Arc;

/// The admission of one call; see [`CircuitBreaker::acquire`].
pub type Permit<'a> = PermitOf<&'a CircuitBreaker>;

/// An admission that keeps its breaker alive; see [`CircuitBreaker::acquire_owned`].
pub type OwnedPermit = PermitOf<Arc<CircuitBreaker>>;

/// The admission of one call by a breaker that is borrowed or shared.
///
/// Dropped without a result it counts as nothing but `cancelled` (`panicked` during a panic), and a probe
/// gives its place back; dropped by a timeout of its own stack it counts as a failure of category
/// [`Timeout`](crate::Category::Timeout).
#[derive(Debug)]
#[must_use = "the call counts as cancelled when this is dropped"]
pub struct PermitOf<B: Deref<Target = CircuitBreaker>> {
    breaker: B,
    token: Token,
    /// The result counts in the test world of the admission, on whichever thread it comes.
    #[cfg(feature = "testing")]
    world: Option<crate::testing::WorldHandle>,
}

impl<B: Deref<Target = CircuitBreaker>> PermitOf<B> {
    #[inline]
    pub(super) fn new(breaker: B, token: Token) -> Self {
        Self {
            breaker,
            token,
            #[cfg(feature = "testing")]
            world: crate::testing::WorldHandle::here(),
        }
    }

    /// Tells the breaker, where the call was admitted.
    #[inline]
    fn tell(&self, tell: impl FnOnce(&CircuitBreaker)) {
        #[cfg(feature = "testing")]
        if let Some(world) = &self.world {
            return world.run(|| tell(&self.breaker));
        }
        tell(&self.breaker);
    }

    /// The call succeeded.
    #[inline]
    pub fn success(self) {
        self.settle(None, Ruling::ByCategory);
    }

    /// The call failed with `error`, whose category says what it counts as.
    pub fn failure<E: Classify + ?Sized>(self, error: &E) {
        self.settle(Some(&error.classify()), Ruling::ByCategory);
    }

    /// The call was dropped in the stack `stack`.
    pub(super) fn abandoned_in(mut self, stack: usize) {
        let token = std::mem::replace(&mut self.token, Token::SPENT);
        self.tell(|breaker| breaker.abandoned_in(stack, token));
    }

    /// The call ended with `outcome`, which `judge` reads.
    pub(super) fn judge<R>(self, outcome: R, judge: impl FnOnce(&R) -> (Verdict, Ruling)) -> R {
        let (verdict, ruling) = judge(&outcome);
        self.settle(verdict.as_ref(), ruling);
        outcome
    }

    /// The call ended as `verdict` says; for a failure `ruling` comes before its category.
    #[inline]
    #[doc(hidden)]
    pub fn settle(mut self, verdict: Option<&Classification>, ruling: Ruling) {
        let token = std::mem::replace(&mut self.token, Token::SPENT);
        self.tell(|breaker| breaker.settle(token, verdict, ruling));
    }
}

impl<B: Deref<Target = CircuitBreaker>> Drop for PermitOf<B> {
    #[inline]
    fn drop(&mut self) {
        if self.token != Token::SPENT {
            self.tell(|breaker| breaker.abandoned(self.token));
        }
    }
}
