//! The operation that every row calls, which is never inlined, and the error of its caller.

use resilience::{Classify, Rejected};
use std::fmt;

/// The operation's own error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failed(pub(crate) u64);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed with {}", self.0)
    }
}

impl std::error::Error for Failed {}

/// The error of the functions that call the operation, as users write it: the operation's own error, and the
/// rejections of the policies.
#[derive(Debug, Classify)]
pub(crate) enum CallError {
    /// The operation failed.
    #[classify(unavailable)]
    Operation(Failed),
    /// A policy rejected the call.
    #[classify(transparent)]
    Rejected(Rejected),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operation(error) => error.fmt(f),
            Self::Rejected(rejected) => rejected.fmt(f),
        }
    }
}

impl std::error::Error for CallError {}

impl From<Failed> for CallError {
    fn from(error: Failed) -> Self {
        Self::Operation(error)
    }
}

impl From<Rejected> for CallError {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

/// The argument for which [`op`] fails.
pub(crate) const FAILS: u64 = u64::MAX;

/// Runs the operation.
#[inline(never)]
pub(crate) fn op(x: u64) -> Result<u64, Failed> {
    if x == FAILS { Err(Failed(x)) } else { Ok(x.wrapping_mul(3)) }
}

/// Runs the operation in a function with an error of its own.
#[inline]
pub(crate) fn call(x: u64) -> Result<u64, CallError> {
    Ok(op(x)?)
}
