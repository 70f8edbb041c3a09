//! The checks of annotated functions: entries of a table of the linker.

use super::answer::{Answer, CheckOutcome};
use super::work::{CheckCode, LIMIT};
use crate::base::linked::linked;
use crate::failure::Category;
use std::fmt;
use std::future::Future;
use std::time::Duration;

linked! {
    /// One entry for each function with `#[health_check]`, filled in by the linker.
    ///
    /// The name carries the version, so that two versions of the crate in one binary do not meet.
    pub static HEALTH_CHECKS_0_1: [CheckSite];
}

/// The `static` of one annotated function.
#[doc(hidden)]
#[derive(Debug)]
pub struct CheckSite {
    /// The name as written.
    pub(super) name: &'static str,
    pub(super) limit: Duration,
    pub(super) is_critical: bool,
    /// Its checks: one, or one for each value.
    pub(super) list: fn() -> Vec<Listed>,
}

impl CheckSite {
    /// Creates the checks that `list` returns when they are first needed.
    pub const fn new(name: &'static str, list: fn() -> Vec<Listed>) -> Self {
        Self { name, limit: LIMIT, is_critical: false, list }
    }

    /// Limits how long a question waits for a look.
    ///
    /// # Panics
    ///
    /// If the limit is zero, while the program is compiled.
    pub const fn timeout(mut self, limit: Duration) -> Self {
        assert!(!limit.is_zero(), "`timeout` must be longer than 0s");
        self.limit = limit;
        self
    }

    /// Lets the checks decide readiness.
    pub const fn critical(mut self, is_critical: bool) -> Self {
        self.is_critical = is_critical;
        self
    }
}

/// One check of a function.
#[doc(hidden)]
pub struct Listed {
    pub(super) name: String,
    pub(super) work: CheckCode,
}

impl fmt::Debug for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listed").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Listed {
    /// Creates a check by a sync function.
    pub fn blocking(name: impl Into<String>, check: impl Fn() -> Answer + Send + Sync + 'static) -> Self {
        Self { name: name.into(), work: CheckCode::blocking(check) }
    }

    /// Creates a check by an async function.
    pub fn of_future<F>(name: impl Into<String>, check: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        Self { name: name.into(), work: CheckCode::of_future(check) }
    }
}

/// Returns the checks for each of `values`.
pub fn each_check<I: IntoIterator>(values: I, check: impl FnMut(I::Item) -> Listed) -> Vec<Listed> {
    values.into_iter().map(check).collect()
}

/// Returns the answer of an outcome whose error is of this category.
pub fn check_answer<R: CheckOutcome>(outcome: R, category: Option<Category>) -> Answer {
    outcome.answer(category == Some(Category::Rejected))
}
