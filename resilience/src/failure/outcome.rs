//! Success and failure of what an annotated function returns.
//!
//! A policy judges what a function returns by the trait [`Outcome`](crate::outcome::Outcome), which `Result`
//! and `Option` implement. A type alias works like the type behind it. A `None` is a failure of which nothing
//! is known ([`Missing`](crate::outcome::Missing)), so it is retried with backoff; where `None` is an answer,
//! return `Result<Option<T>, E>`.
//!
//! # Examples
//!
//! ```
//! use resilience::Retry;
//! use resilience::outcome::Missing;
//!
//! let mut calls = 0;
//! let found: Option<u32> = Retry::new().max(3).base(std::time::Duration::ZERO).call(|| {
//!     calls += 1;
//!     (calls == 2).then_some(7)
//! });
//! assert_eq!((found, calls), (Some(7), 2));
//! assert_eq!(Missing::from(resilience_rejected()).to_string(), "no value");
//! # fn resilience_rejected() -> resilience::Rejected {
//! #     let breaker = resilience::CircuitBreaker::new("search");
//! #     breaker.force_open();
//! #     breaker.acquire().unwrap_err()
//! # }
//! ```

use super::probe::Probe;
use super::rejected::Rejected;
use super::{Category, Classification, Classify};
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

/// A value that is a success or a failure: `Result` and `Option`, under any alias.
///
/// Implement it for a type of your own that is either, such as a response that carries its status. The policies then
/// judge it like a `Result`. For a single call, `call_judged` of a policy takes a closure instead.
///
/// # Examples
///
/// ```
/// use resilience::classify::{Category, Classification, Classify};
/// use resilience::outcome::Outcome;
/// use resilience::Retry;
///
/// #[derive(Debug, PartialEq)]
/// enum Reply {
///     Body(String),
///     Status(Status),
/// }
///
/// #[derive(Debug, PartialEq)]
/// struct Status(u16);
///
/// impl Classify for Status {
///     fn classify(&self) -> Classification {
///         Classification::from_status(self.0)
///     }
/// }
///
/// impl Outcome for Reply {
///     type Value = String;
///     type Error = Status;
///
///     fn judge(&self) -> Result<&String, &Status> {
///         match self {
///             Self::Body(body) => Ok(body),
///             Self::Status(status) => Err(status),
///         }
///     }
///
///     fn success(body: String) -> Self {
///         Self::Body(body)
///     }
///
///     fn failure(status: Status) -> Self {
///         Self::Status(status)
///     }
/// }
///
/// let mut calls = 0;
/// let reply = Retry::new().call(|| {
///     calls += 1;
///     Reply::Status(Status(404))
/// });
/// assert_eq!((reply, calls), (Reply::Status(Status(404)), 1), "404 is not retried");
/// assert_eq!(Category::from_status(404), Category::NotFound);
/// ```
#[diagnostic::on_unimplemented(
    message = "a policy cannot judge `{Self}`: it is neither a `Result` nor an `Option`",
    label = "cannot be judged as a success or a failure",
    note = "return `Result<{Self}, E>`, or `Option<{Self}>` where `None` means that the call failed"
)]
pub trait Outcome: Sized {
    /// The value of a success: the `T` of a `Result` or an `Option`.
    type Value;
    /// The error of a failure: the `E` of a `Result`; [`Missing`] for an `Option`.
    type Error;

    /// Returns the value of a success, or the error of a failure.
    ///
    /// # Errors
    ///
    /// The failure's error. It does not mean that judging failed: judging cannot fail.
    fn judge(&self) -> Result<&Self::Value, &Self::Error>;

    /// Asks the failure what it means, if it is one; expansions call it.
    #[doc(hidden)]
    #[inline]
    fn probe(&self) -> Probe<'_, Self::Error> {
        Probe::of(self.judge().err())
    }

    /// Creates a success that carries `value`, as a fallback does.
    fn success(value: Self::Value) -> Self;

    /// Creates a failure that carries `error`, as a policy does that rejects a call.
    fn failure(error: Self::Error) -> Self;

    /// Returns whether this is a success.
    #[inline]
    fn is_success(&self) -> bool {
        self.judge().is_ok()
    }
}

/// The error of a `None`, of which nothing is known.
///
/// Its category is [`Unknown`](Category::Unknown). A [`Rejected`] converts into it, so that policies can
/// reject calls of functions that return an `Option`: the caller gets `None`, and events have the reason.
///
/// # Examples
///
/// ```
/// use resilience::CircuitBreaker;
///
/// let breaker = CircuitBreaker::new("cache");
/// breaker.force_open();
/// let value: Option<u32> = breaker.call(|| Some(1));
/// assert_eq!(value, None, "rejected, as the breaker's events say");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing;

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no value")
    }
}

/// Is always `Unknown`.
impl Classify for Missing {
    fn classify(&self) -> Classification {
        Category::Unknown.into()
    }
}

impl From<Rejected> for Missing {
    fn from(_: Rejected) -> Self {
        Self
    }
}

impl<T, E> Outcome for Result<T, E> {
    type Value = T;
    type Error = E;

    #[inline]
    fn judge(&self) -> Result<&T, &E> {
        self.as_ref()
    }

    #[inline]
    fn success(value: T) -> Self {
        Ok(value)
    }

    #[inline]
    fn failure(error: E) -> Self {
        Err(error)
    }
}

impl<T> Outcome for Option<T> {
    type Value = T;
    type Error = Missing;

    #[inline]
    fn judge(&self) -> Result<&T, &Missing> {
        self.as_ref().ok_or(&Missing)
    }

    #[inline]
    fn success(value: T) -> Self {
        Some(value)
    }

    #[inline]
    fn failure(_: Missing) -> Self {
        None
    }
}

/// An error with room for a policy's own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not implement `From<resilience::Rejected>`, which a policy of this function needs",
    label = "cannot be made from a rejection",
    note = "add a variant to the error, for instance `Rejected(#[from] resilience::Rejected)` with thiserror",
    note = "or make the value in the attribute: `rejected = |rejected| ..`"
)]
#[doc(hidden)]
pub trait FromRejected {
    /// Returns the error for `rejected`.
    fn from_rejected(rejected: Rejected) -> Self;
}

impl<E: From<Rejected>> FromRejected for E {
    fn from_rejected(rejected: Rejected) -> Self {
        rejected.into()
    }
}

/// A question whether an outcome of type `R` can carry a rejection; methods are looked up as those of a
/// [`Probe`](super::probe::Probe).
#[doc(hidden)]
#[derive(Debug)]
pub struct MayRefuse<R>(NeverRefuses<R>);

/// An outcome that cannot.
#[doc(hidden)]
#[derive(Debug)]
pub struct NeverRefuses<R>(PhantomData<fn() -> R>);

impl<R> MayRefuse<R> {
    /// The question for `R`.
    pub const NEW: Self = Self(NeverRefuses(PhantomData));
}

impl<R> Deref for MayRefuse<R> {
    type Target = NeverRefuses<R>;

    fn deref(&self) -> &NeverRefuses<R> {
        &self.0
    }
}

impl<R: Refuse> MayRefuse<R> {
    /// Returns the result of `ask`, or the outcome of its rejection with the class of that.
    ///
    /// # Errors
    ///
    /// The outcome.
    #[inline]
    pub fn probed_ask<T>(
        &self,
        ask: impl FnOnce() -> Result<T, Rejected>,
        _: T,
    ) -> Result<T, (R, Option<Classification>)> {
        ask().map_err(|rejected| {
            let class = rejected.classify();
            (R::refuse(rejected), Some(class))
        })
    }
}

impl<R> NeverRefuses<R> {
    /// Returns `otherwise`, without asking.
    ///
    /// # Errors
    ///
    /// None.
    #[inline]
    pub fn probed_ask<T>(
        &self,
        _: impl FnOnce() -> Result<T, Rejected>,
        otherwise: T,
    ) -> Result<T, (R, Option<Classification>)> {
        Ok(otherwise)
    }
}

/// An outcome that can carry a rejection: `Err` of it, or `None`.
#[doc(hidden)]
pub trait Refuse: Outcome<Error: FromRejected> {
    /// Returns the failure for `rejected`.
    fn refuse(rejected: Rejected) -> Self {
        Self::failure(Self::Error::from_rejected(rejected))
    }
}

impl<R: Outcome<Error: FromRejected>> Refuse for R {}
