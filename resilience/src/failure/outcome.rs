//! What an annotated function returns, seen as a success or a failure.

use super::probe::Probe;
use super::rejected::Rejected;
use super::{Category, Classification, Classify};
use std::fmt;

/// A value that is a success or a failure: `Result` and `Option`, under any alias.
#[diagnostic::on_unimplemented(
    message = "a policy cannot judge `{Self}`: it is neither a `Result` nor an `Option`",
    label = "is no outcome",
    note = "return `Result<{Self}, E>`, or `Option<{Self}>` where `None` means that the call failed"
)]
pub trait Outcome: Sized {
    /// What a success carries.
    type Value;
    /// What a failure carries.
    type Error;

    /// The failure, if it is one.
    ///
    /// # Errors
    ///
    /// The failure's error.
    fn judge(&self) -> Result<&Self::Value, &Self::Error>;

    /// Asks the failure what it means, if it is one.
    #[inline]
    fn probe(&self) -> Probe<'_, Self::Error> {
        Probe::of(self.judge().err())
    }

    /// A success that carries `value`.
    fn success(value: Self::Value) -> Self;

    /// A failure that stands for `error`.
    fn failure(error: Self::Error) -> Self;

    /// Whether this is a success.
    #[inline]
    fn is_success(&self) -> bool {
        self.judge().is_ok()
    }
}

/// The error of a `None`: nothing is known about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing;

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no value")
    }
}

/// Always `Unknown`.
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
    /// The error that stands for `rejected`.
    fn from_rejected(rejected: Rejected) -> Self;
}

impl<E: From<Rejected>> FromRejected for E {
    fn from_rejected(rejected: Rejected) -> Self {
        rejected.into()
    }
}

/// An outcome that can carry a rejection: `Err` of it, or `None`.
#[doc(hidden)]
pub trait Refuse: Outcome<Error: FromRejected> {
    /// The failure that stands for `rejected`.
    fn refuse(rejected: Rejected) -> Self {
        Self::failure(Self::Error::from_rejected(rejected))
    }
}

impl<R: Outcome<Error: FromRejected>> Refuse for R {}
