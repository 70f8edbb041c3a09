//! What every row calls: one operation that is never inlined, and its error.

use resilience::{Category, Classification, Classify, Rejected};
use std::fmt;

/// An error of eight bytes, so that the outcome fits into two registers: one that has to travel through
/// memory would cost more than the policies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failed(pub(crate) u64);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed with {}", self.0)
    }
}

impl std::error::Error for Failed {}

impl Classify for Failed {
    fn classify(&self) -> Classification {
        Category::Unavailable.into()
    }
}

impl From<Rejected> for Failed {
    fn from(_: Rejected) -> Self {
        Self(0)
    }
}

/// What makes [`op`] fail.
pub(crate) const FAILS: u64 = u64::MAX;

/// The operation.
#[inline(never)]
pub(crate) fn op(x: u64) -> Result<u64, Failed> {
    if x == FAILS { Err(Failed(x)) } else { Ok(x.wrapping_mul(3)) }
}
