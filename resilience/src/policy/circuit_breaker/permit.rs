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
}

impl<B: Deref<Target = CircuitBreaker>> PermitOf<B> {
    #[inline]
    pub(super) const fn new(breaker: B, token: Token) -> Self {
        Self { breaker, token }
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
        self.breaker.settle(token, verdict, ruling);
    }
}

impl<B: Deref<Target = CircuitBreaker>> Drop for PermitOf<B> {
    #[inline]
    fn drop(&mut self) {
        if self.token != Token::SPENT {
            self.breaker.abandoned(self.token);
        }
    }
}
