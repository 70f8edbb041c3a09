//! The four attributes on one function, under every lint that a strict crate denies.

#![deny(warnings, missing_docs, unused, unused_qualifications, unreachable_pub)]
#![forbid(unsafe_code)]

use resilience::{Classify, circuit_breaker, timeout, with_fallback, with_retry};

/// An error.
#[derive(Debug, thiserror::Error, Classify)]
pub enum Failure {
    /// The service is busy.
    #[error("busy")]
    #[classify(unavailable)]
    Busy,
    /// A policy refused.
    #[error(transparent)]
    #[classify(transparent)]
    Rejected(#[from] resilience::Rejected),
}

/// Everything at once.
///
/// # Errors
///
/// [`Failure`].
#[with_fallback(value = 0)]
#[timeout(10s)]
#[with_retry(max = 3, backoff = 2.0)]
#[circuit_breaker(threshold = 5, recovery = 60s)]
#[timeout(2s)]
#[inline]
pub async fn quote(symbol: &str) -> Result<usize, Failure> {
    if symbol.is_empty() {
        return Err(Failure::Busy);
    }
    Ok(symbol.len())
}

fn main() {
    let _ = quote("a");
}
