//! The policies: one room each; none knows another.

pub mod circuit_breaker;
pub(crate) mod contradictions;
mod judged;
#[cfg(feature = "durable")]
pub(crate) mod recoveries;
pub mod timeout;
pub mod with_fallback;

pub use circuit_breaker::{CircuitBreaker, CircuitBreakerConfig, CircuitBreakers, Permit, State};
pub use judged::{Classifier, Judged, Predicate, Unset};
pub use timeout::{Timeout, TimeoutConfig};
pub use with_fallback::Fallback;
pub use with_retry::{Backoff, Budget, BudgetConfig, BudgetOf, Jitter, Retry, RetryConfig, Rule};
pub mod presets;
pub mod with_retry;

pub mod keyed {
    //! Separate state for each key: a bounded map that makes an entry at its first use and drops idle ones.

    pub use crate::keyed::*;
}

pub use crate::base::setting::InvalidPolicy;
use crate::classify::Classification;

/// What a stack knows of an outcome: `None` for a success, else what the failure means.
#[doc(hidden)]
pub type Verdict = Option<Classification>;

/// What `when` and `unless` say of an error to one policy.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// Nothing: the category's rule decides.
    ByCategory,
    /// `when` is true: the policy acts on it.
    Yes,
    /// `when` is false: the policy does not act on it.
    No,
    /// `unless` is true: the policy leaves it alone, whatever else speaks for it.
    Exempt,
}

impl Ruling {
    /// This ruling, or `next` where it says nothing.
    #[doc(hidden)]
    pub fn or_else(self, next: impl FnOnce() -> Self) -> Self {
        match self {
            Self::ByCategory => next(),
            other => other,
        }
    }
}
