//! `on(category, ..)`: another rule for one category.

use super::backoff::{Backoff, Jitter};
use super::check;
use crate::classify::Category;
use std::time::Duration;

/// What is done about errors of one category, in place of the general rule, "never" included.
///
/// Its retries are counted apart from all others. What is not set is as in the [`Retry`](super::Retry)
/// that the rule is given to. An error that says itself, against its category, that it must not be
/// repeated (or only once) is still believed.
///
/// # Examples
///
/// ```
/// use resilience::Category;
/// use resilience::policy::with_retry::{Retry, Rule};
/// use std::time::Duration;
///
/// const RULES: &[Rule] = &[
///     Rule::new(Category::Invalid).max(1),
///     Rule::new(Category::RateLimited).max(5).base(Duration::from_secs(1)),
/// ];
/// const RETRY: Retry = Retry::new().on(RULES).checked();
/// assert_eq!(RETRY.max_attempts(), 1 + 3 + 1 + 5);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    pub(super) category: Category,
    pub(super) max: Option<u32>,
    pub(super) backoff: Option<Backoff>,
    pub(super) base: Option<Duration>,
    pub(super) cap: Option<Duration>,
    pub(super) jitter: Option<Jitter>,
}

impl Rule {
    /// A rule that makes `category` worth repeating, with the general settings.
    pub const fn new(category: Category) -> Self {
        Self { category, max: None, backoff: None, base: None, cap: None, jitter: None }
    }

    /// Sets how many retries errors of this category get; 0 for none.
    pub const fn max(mut self, max: u32) -> Self {
        self.max = Some(max);
        self
    }

    /// Sets how the wait grows.
    ///
    /// # Panics
    ///
    /// If the factor is below 1, infinite or not a number.
    #[track_caller]
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        check::enforce(check::backoff(backoff));
        self.backoff = Some(backoff);
        self
    }

    /// Sets the first wait before jitter.
    ///
    /// # Panics
    ///
    /// If it is longer than a `cap` that was set before.
    #[track_caller]
    pub const fn base(mut self, base: Duration) -> Self {
        if let Some(cap) = self.cap {
            check::enforce(check::order(base, cap));
        }
        self.base = Some(base);
        self
    }

    /// Sets the longest wait, after jitter.
    ///
    /// # Panics
    ///
    /// If it is shorter than a `base` that was set before.
    #[track_caller]
    pub const fn cap(mut self, cap: Duration) -> Self {
        if let Some(base) = self.base {
            check::enforce(check::order(base, cap));
        }
        self.cap = Some(cap);
        self
    }

    /// Sets how the wait is spread at random.
    ///
    /// # Panics
    ///
    /// If a range is reversed, goes below 0 or above 10, or has an end that is not a number.
    #[track_caller]
    pub const fn jitter(mut self, jitter: Jitter) -> Self {
        check::enforce(check::jitter(jitter));
        self.jitter = Some(jitter);
        self
    }
}
