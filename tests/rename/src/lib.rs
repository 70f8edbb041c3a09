//! The crate under another name, and through another crate's re-export, in edition 2021.

/// Shapes that `tests/shapes` runs: edition 2021, a renamed dependency, `unsafe fn`.
pub mod rows;

/// A framework that gives the attributes to its users.
pub mod framework {
    pub use tough as parts;
}

/// Declares functions and an error for callers that do not have this crate's dependency.
#[macro_export]
macro_rules! declare {
    ($crate_path:path) => {
        #[$crate::framework::parts::with_retry(max = 1, base = 0s, crate = $crate_path)]
        #[$crate::framework::parts::circuit_breaker(threshold = 5)]
        fn through_a_path(fails: bool) -> Option<u32> {
            (!fails).then_some(1)
        }
    };
    () => {
        #[derive(Debug, $crate::framework::parts::Classify)]
        #[classify(permanent, crate = $crate::framework::parts)]
        struct Declared;

        #[$crate::framework::parts::with_fallback(value = 0, crate = $crate::framework::parts)]
        #[$crate::framework::parts::with_retry(max = 1, base = 0s)]
        fn declared(calls: &::core::cell::Cell<u32>) -> Result<u32, Declared> {
            calls.set(calls.get() + 1);
            Err(Declared)
        }

        #[$crate::framework::parts::timeout(1s, crate = $crate::framework::parts)]
        async fn declared_later() -> Option<u32> {
            Some(2)
        }

        #[$crate::framework::parts::checkpoint("declared", crate = $crate::framework::parts)]
        fn declared_step() -> Result<u32, $crate::framework::parts::Rejected> {
            Ok(3)
        }

        #[$crate::framework::parts::health_check("declared", crate = $crate::framework::parts)]
        fn declared_check() {}
    };
}

use tough::{circuit_breaker, timeout, with_fallback, with_retry, Classify};

/// An error.
#[derive(Debug, Classify)]
#[classify(crate = ::tough)]
pub enum Failure {
    /// Something passing.
    #[classify(transient)]
    Passing,
    /// A policy refused.
    #[classify(transparent)]
    Rejected(tough::Rejected),
}

impl From<tough::Rejected> for Failure {
    fn from(rejected: tough::Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

/// The path may stand in any attribute of the stack.
///
/// # Errors
///
/// [`Failure`].
#[with_fallback(value = 0)]
#[with_retry(max = 2, base = 1ms)]
#[circuit_breaker(threshold = 5, crate = ::tough)]
pub fn renamed(fails: bool) -> Result<u32, Failure> {
    if fails {
        Err(Failure::Passing)
    } else {
        Ok(1)
    }
}

/// In edition 2021 a `mut` in such a pattern binds a copy.
///
/// # Errors
///
/// [`Failure`].
#[with_retry(max = 2, base = 0s, crate = ::tough)]
pub fn copies_a_part((mut calls, seen): &(u32, std::cell::Cell<u32>)) -> Result<u32, Failure> {
    calls += 1;
    seen.set(seen.get() + calls);
    Err(Failure::Passing)
}

/// Through a re-export.
#[tough::with_retry(max = 1, crate = crate::framework::parts)]
#[timeout(1s)]
pub async fn through_a_framework() -> Option<u32> {
    Some(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_run_under_a_renamed_crate() {
        assert_eq!(renamed(false).unwrap(), 1);
        assert_eq!(renamed(true).unwrap(), 0);
        let names = tough::points().into_iter().map(|point| point.name.to_string());
        let own: Vec<_> = names.filter(|name| !name.contains("::rows::")).collect();
        let names = ["copies_a_part", "renamed", "through_a_framework"];
        assert_eq!(own, names.map(|name| format!("resilience_rename::{name}")));
        drop(through_a_framework());
    }

    #[test]
    fn each_attempt_has_its_own_copy_of_a_part() {
        let pair = (4, std::cell::Cell::new(0));
        assert!(copies_a_part(&pair).is_err());
        assert_eq!(pair.1.get(), 15);
    }
}
