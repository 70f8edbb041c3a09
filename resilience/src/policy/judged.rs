//! `classify`, `when`, `unless` and `when_ok`, of a policy that is used as a plain value and of an attribute.

use super::{Ruling, Verdict};
use crate::classify::{Category, Classification, Classify};
use crate::outcome::Outcome;
use std::fmt;

/// A policy that judges errors by functions of yours.
///
/// It is made by `classify`, `when` and `unless` of [`Retry`](super::Retry), [`CircuitBreaker`](super::CircuitBreaker)
/// and [`Fallback`](super::Fallback).
///
/// - `classify` says what an error means. Without it the error's own [`Classify`] does.
/// - `when` decides in place of the category's rule whether the policy acts on an error.
/// - `unless` exempts errors, whatever `when` and the category say.
///
/// Each can be set once, in any order. Errors of category `Rejected` are not passed to `when`, as in the
/// attributes.
///
/// # Examples
///
/// ```
/// use resilience::{Category, Retry};
/// use std::io::{Error, ErrorKind};
///
/// // An error of a crate that knows nothing of `Classify`.
/// #[derive(Debug)]
/// struct Status(u16);
///
/// let retry = Retry::new().max(2).classify(|status: &Status| Category::from_status(status.0));
/// let mut calls = 0;
/// let outcome: Result<(), Status> = retry.call(|| {
///     calls += 1;
///     Err(Status(404))
/// });
/// assert!(outcome.is_err());
/// assert_eq!(calls, 1, "404 is not retried");
///
/// let patient = Retry::new().unless(|error: &Error| error.kind() == ErrorKind::ConnectionRefused);
/// let outcome: Result<(), Error> = patient.call(|| Err(ErrorKind::ConnectionRefused.into()));
/// assert!(outcome.is_err());
/// ```
#[derive(Clone, Copy)]
pub struct Judged<P, C = Unset, W = Unset, U = Unset> {
    pub(super) policy: P,
    classify: C,
    when: W,
    unless: U,
}

/// The placeholder of a function of [`Judged`] that is not set.
///
/// Then the error's own [`Classify`] classifies it, and its category decides.
///
/// Write it where a type has to be named: `Judged<Retry, Unset, W>` judges by the function `W` alone.
#[derive(Clone, Copy, Debug)]
pub struct Unset;

/// A classifier of errors: a function, or where none is set the error's own [`Classify`].
///
/// It is implemented for closures and functions of `&E` that return a [`Classification`] or a [`Category`], and is a
/// bound of the calls of [`Judged`]. Name it in a function that takes a policy with whatever judges its errors:
///
/// ```
/// use resilience::policy::{Classifier, Judged};
/// use resilience::{Category, Retry};
///
/// fn load<C: Classifier<u16>>(retry: &Judged<Retry, C>) -> Result<(), u16> {
///     retry.call(|| Err(404))
/// }
///
/// let retry = Retry::new().classify(|status: &u16| Category::from_status(*status));
/// assert_eq!(load(&retry), Err(404));
/// ```
#[diagnostic::on_unimplemented(
    message = "nothing says what the error `{E}` means",
    label = "`{E}` is not classified here",
    note = "for an error of another crate write `.classify(|error: &{E}| ..)`, or `call_judged(.., |outcome| ..)`"
)]
pub trait Classifier<E: ?Sized> {
    /// Classifies `error`.
    fn class(&self, error: &E) -> Classification;
}

impl<E: Classify + ?Sized> Classifier<E> for Unset {
    fn class(&self, error: &E) -> Classification {
        error.classify()
    }
}

impl<E: ?Sized, C: Into<Classification>, F: Fn(&E) -> C> Classifier<E> for F {
    fn class(&self, error: &E) -> Classification {
        self(error).into()
    }
}

/// A `when` or `unless` that may be true of an error, if it is set.
///
/// It is implemented for closures and functions of `&E` that return a `bool`.
///
/// # Examples
///
/// ```
/// use resilience::policy::{Predicate, Unset};
///
/// let is_server_error = |status: &u16| *status >= 500;
/// assert_eq!(is_server_error.holds(&503), Some(true));
/// assert_eq!(Unset.holds(&503), None);
/// ```
pub trait Predicate<E: ?Sized> {
    /// Returns what the function says of `error`; `None` where it is not set.
    fn holds(&self, error: &E) -> Option<bool>;
}

impl<E: ?Sized> Predicate<E> for Unset {
    fn holds(&self, _: &E) -> Option<bool> {
        None
    }
}

impl<E: ?Sized, F: Fn(&E) -> bool> Predicate<E> for F {
    fn holds(&self, error: &E) -> Option<bool> {
        Some(self(error))
    }
}

impl<P> Judged<P> {
    pub(super) const fn new(policy: P) -> Self {
        Self { policy, classify: Unset, when: Unset, unless: Unset }
    }
}

impl<P, W, U> Judged<P, Unset, W, U> {
    /// Sets what an error means: a function that returns a [`Classification`] or a [`Category`].
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Category, Retry};
    /// use std::time::Duration;
    ///
    /// #[derive(Debug)]
    /// struct Status(u16);
    ///
    /// // Set after `unless`: the order does not matter.
    /// let retry = Retry::new()
    ///     .max(2)
    ///     .base(Duration::ZERO)
    ///     .unless(|status: &Status| status.0 == 501)
    ///     .classify(|status: &Status| Category::from_status(status.0));
    /// let mut calls = 0;
    /// let down: Result<(), Status> = retry.call(|| {
    ///     calls += 1;
    ///     Err(Status(503))
    /// });
    /// assert!(down.is_err());
    /// assert_eq!(calls, 3);
    /// ```
    pub fn classify<E: ?Sized, M: Into<Classification>, C: Fn(&E) -> M>(
        self,
        classify: C,
    ) -> Judged<P, C, W, U> {
        Judged { policy: self.policy, classify, when: self.when, unless: self.unless }
    }
}

impl<P, C, U> Judged<P, C, Unset, U> {
    /// Sets which errors the policy acts on, in place of their category's rule.
    ///
    /// It replaces a rule in both directions: an error that it accepts is acted on whatever its category, and one that
    /// it refuses is left alone.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Retry;
    /// use std::io::{Error, ErrorKind};
    /// use std::time::Duration;
    ///
    /// // `NotFound` is not retried by its category.
    /// let retry = Retry::new().max(2).base(Duration::ZERO).when(|error: &Error| error.kind() == ErrorKind::NotFound);
    /// let mut calls = 0;
    /// let missing: Result<(), Error> = retry.call(|| {
    ///     calls += 1;
    ///     Err(ErrorKind::NotFound.into())
    /// });
    /// assert!(missing.is_err());
    /// assert_eq!(calls, 3);
    /// ```
    pub fn when<E: ?Sized, W: Fn(&E) -> bool>(self, when: W) -> Judged<P, C, W, U> {
        Judged { policy: self.policy, classify: self.classify, when, unless: self.unless }
    }
}

impl<P, C, W> Judged<P, C, W, Unset> {
    /// Sets which errors the policy does not act on, whatever `when` and their category say.
    pub fn unless<E: ?Sized, U: Fn(&E) -> bool>(self, unless: U) -> Judged<P, C, W, U> {
        Judged { policy: self.policy, classify: self.classify, when: self.when, unless }
    }
}

impl<P, C, W, U> Judged<P, C, W, U> {
    /// Returns the class of `error`, and the ruling of `when` and `unless` on it.
    pub(super) fn judge_error<E: ?Sized>(&self, error: &E) -> (Classification, Ruling)
    where
        C: Classifier<E>,
        W: Predicate<E>,
        U: Predicate<E>,
    {
        let class = self.classify.class(error);
        if self.unless.holds(error) == Some(true) {
            return (class, Ruling::Exempt);
        }
        if class.category == Category::Rejected {
            return (class, Ruling::ByCategory);
        }
        let ruling = match self.when.holds(error) {
            None => Ruling::ByCategory,
            Some(true) => Ruling::Yes,
            Some(false) => Ruling::No,
        };
        (class, ruling)
    }

    /// Returns the verdict and the ruling on an outcome; none for a success.
    pub(super) fn judge<R: Outcome>(&self, outcome: &R) -> (Verdict, Ruling)
    where
        C: Classifier<R::Error>,
        W: Predicate<R::Error>,
        U: Predicate<R::Error>,
    {
        match outcome.judge() {
            Ok(_) => (None, Ruling::ByCategory),
            Err(error) => {
                let (class, ruling) = self.judge_error(error);
                (Some(class), ruling)
            }
        }
    }
}

/// Returns the verdict on a returned value that has to pass `when_ok`.
///
/// `Unknown` is retried with backoff and counts as a failure, as nothing is known but that the value will not do.
#[inline]
pub fn returned<T>(value: &T, when_ok: impl FnOnce(&T) -> bool) -> Verdict {
    when_ok(value).then(|| Classification::new(Category::Unknown))
}

/// Returns the ruling of `when` on a failure; rejections and returned values are not judged.
///
/// A rejection is left to its category, so that no `when` makes a layer repeat the refusals of the one below.
#[inline]
pub fn when<R: Outcome>(outcome: &R, verdict: &Verdict, when: impl FnOnce(&R::Error) -> bool) -> Ruling {
    match (verdict, outcome.judge()) {
        (Some(class), Err(error)) if class.category != Category::Rejected => {
            if when(error) {
                Ruling::Yes
            } else {
                Ruling::No
            }
        }
        _ => Ruling::ByCategory,
    }
}

/// Returns the ruling of `unless` on a failure.
///
/// It is asked only about an error; a success is left to its value.
#[inline]
pub fn unless<R: Outcome>(outcome: &R, unless: impl FnOnce(&R::Error) -> bool) -> Ruling {
    match outcome.judge() {
        Err(error) if unless(error) => Ruling::Exempt,
        _ => Ruling::ByCategory,
    }
}

impl<P: fmt::Debug, C, W, U> fmt::Debug for Judged<P, C, W, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Judged").field("policy", &self.policy).finish_non_exhaustive()
    }
}
