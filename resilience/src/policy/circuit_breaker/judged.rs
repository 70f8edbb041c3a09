//! A breaker that judges errors by functions of the caller.

use super::CircuitBreaker;
use super::permit;
use crate::classify::Classification;
use crate::outcome::Refuse;
use crate::policy::judged::{Classifier, Judged, Predicate, Unset};

/// Calls whose errors are judged by functions of yours; see [`Judged`].
impl CircuitBreaker {
    /// Sets how the calls of the returned value classify errors.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Category, CircuitBreaker, Rejected};
    ///
    /// static SEARCH: CircuitBreaker = CircuitBreaker::new("search").threshold(1);
    ///
    /// // An error of a crate that knows nothing of `Classify`, in one of yours.
    /// # #[derive(Debug)]
    /// enum Failure {
    ///     Status(u16),
    ///     Open(Rejected),
    /// }
    ///
    /// impl From<Rejected> for Failure {
    ///     fn from(rejected: Rejected) -> Self {
    ///         Self::Open(rejected)
    ///     }
    /// }
    ///
    /// let search = SEARCH.classify(|failure: &Failure| match failure {
    ///     Failure::Status(status) => Category::from_status(*status),
    ///     Failure::Open(_) => Category::Rejected,
    /// });
    /// let _: Result<(), Failure> = search.call(|| Err(Failure::Status(404)));
    /// assert!(SEARCH.is_available(), "404 is an answer");
    /// let _: Result<(), Failure> = search.call(|| Err(Failure::Status(503)));
    /// assert!(!SEARCH.is_available());
    /// ```
    pub fn classify<E: ?Sized, M: Into<Classification>, C: Fn(&E) -> M>(
        &self,
        classify: C,
    ) -> Judged<&Self, C> {
        Judged::new(self).classify(classify)
    }

    /// Sets which errors count as failures, in place of their category's rule; all others count as
    /// successes.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::CircuitBreaker;
    /// use std::io::{Error, ErrorKind};
    ///
    /// static SEARCH: CircuitBreaker = CircuitBreaker::new("search").threshold(1);
    ///
    /// let search = SEARCH.when(|error: &Error| error.kind() == ErrorKind::NotFound);
    /// let _: Result<(), Error> = search.call(|| Err(ErrorKind::TimedOut.into()));
    /// assert!(SEARCH.is_available(), "a success here");
    /// let _: Result<(), Error> = search.call(|| Err(ErrorKind::NotFound.into()));
    /// assert!(!SEARCH.is_available());
    /// ```
    pub fn when<E: ?Sized, W: Fn(&E) -> bool>(&self, when: W) -> Judged<&Self, Unset, W> {
        Judged::new(self).when(when)
    }

    /// Sets which errors count as nothing, neither as failures nor as successes.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::CircuitBreaker;
    /// use std::io::{Error, ErrorKind};
    ///
    /// static SEARCH: CircuitBreaker = CircuitBreaker::new("search").threshold(1);
    ///
    /// let search = SEARCH.unless(|error: &Error| error.kind() == ErrorKind::ConnectionReset);
    /// let _: Result<(), Error> = search.call(|| Err(ErrorKind::ConnectionReset.into()));
    /// assert!(SEARCH.is_available());
    /// ```
    pub fn unless<E: ?Sized, U: Fn(&E) -> bool>(&self, unless: U) -> Judged<&Self, Unset, Unset, U> {
        Judged::new(self).unless(unless)
    }
}

impl<C, W, U> Judged<&CircuitBreaker, C, W, U> {
    /// Runs `body` if the breaker admits it, and counts the outcome as the functions say.
    ///
    /// # Errors
    ///
    /// The body's own, or its error type made from [`Rejected::CircuitOpen`](crate::Rejected::CircuitOpen).
    pub fn call<R: Refuse>(&self, body: impl FnOnce() -> R) -> R
    where
        C: Classifier<R::Error>,
        W: Predicate<R::Error>,
        U: Predicate<R::Error>,
    {
        permit::run(self.policy, body, |outcome| self.judge(outcome))
    }

    /// Runs the async `body` if the breaker admits it, and counts the outcome as the functions say.
    ///
    /// # Errors
    ///
    /// The body's own, or its error type made from [`Rejected::CircuitOpen`](crate::Rejected::CircuitOpen).
    pub async fn call_async<R: Refuse>(&self, body: impl AsyncFnOnce() -> R) -> R
    where
        C: Classifier<R::Error>,
        W: Predicate<R::Error>,
        U: Predicate<R::Error>,
    {
        permit::run_async(self.policy, body, |outcome| self.judge(outcome)).await
    }
}
