#![forbid(unsafe_code)]
#![deny(warnings, missing_docs, unused, unused_qualifications, rust_2024_compatibility, unreachable_pub)]
#![deny(clippy::all, clippy::pedantic, clippy::nursery)]
//! A crate that allows nothing.

use resilience::Classify;
use std::time::Duration;

/// An error.
#[derive(Debug, Classify)]
#[non_exhaustive]
pub enum Error {
    /// Slow.
    #[classify(timeout, retry_after = .0)]
    Slow(Duration),
    /// Old.
    #[deprecated]
    #[classify(permanent)]
    Old,
    /// Io.
    #[classify(transparent)]
    Io(std::io::Error),
}

/// Generic.
#[derive(Debug, Classify)]
#[classify(transparent)]
pub struct Generic<E>(E);

impl<E> Generic<E> {
    /// New.
    pub const fn new(error: E) -> Self {
        Self(error)
    }
}

fn main() {}
