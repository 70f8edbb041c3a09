//! The policies as plain values, with the settings of each.
//!
//! Every attribute is also a value with a `const` builder, usable around any closure. The settings, defaults
//! and decisions are the same: an attribute makes such a value in a `static`.
//!
//! | policy | value | as an attribute |
//! |---|---|---|
//! | retry | [`Retry`] | `#[with_retry(..)]` |
//! | circuit breaker | [`CircuitBreaker`], [`CircuitBreakers`] | `#[circuit_breaker(..)]` |
//! | timeout | [`Timeout`], [`AdaptiveTimeout`] | `#[timeout(..)]` |
//! | bulkhead | [`Bulkhead`] | `#[bulkhead(..)]` |
//! | rate limit | [`RateLimit`] | `#[rate_limit(..)]` |
//! | hedge | [`Hedge`] | `#[hedge(..)]` |
//! | fallback | [`Fallback`] | `#[with_fallback(..)]` |
//! | failover | [`Failover`] | `#[failover(argument = [..])]` |
//! | simpler calls | [`Degrade`] | `#[degrade(argument)]` |
#![cfg_attr(feature = "chaos", doc = "| injected faults | [`Chaos`] | `#[chaos(..)]` |")]
#![cfg_attr(feature = "cache", doc = "| cache | [`Cache`] | `#[cached(..)]` |")]
#![cfg_attr(
    feature = "durable",
    doc = r"| step | [`durable::Checkpoint`](crate::durable::Checkpoint) | `#[checkpoint(..)]` |
| job | [`durable::Job`](crate::durable::Job) | `#[job(..)]` |
| strategies | [`durable::WithRecovery`](crate::durable::WithRecovery) | `#[with_recovery(..)]` |"
)]
#![cfg_attr(feature = "fs", doc = "| lock | [`FileLock`](crate::fs::FileLock) | `#[with_lock(..)]` |")]
//!
//! Prefer the attribute: it knows the function's name and errors, keeps counters, and appears in
//! [`points()`](crate::points()). Use a value where the policy is chosen at run time, where the call is one
//! line of a larger function, or in a library that wraps other people's closures.
//!
//! # Three ways to make a value
//!
//! - A builder in a `const` or `static`: `Retry::new().max(2).checked()`. An invalid value is a
//!   compile error.
//! - `try_new`, for settings from a file or a command line. An invalid value is an
//!   [`InvalidPolicy`], with the words that the compiler would use.
//! - `instance = expr` in an attribute uses a value that the program owns.
//!
//! # Examples
//!
//! Policies around a closure, the breaker inside the retry:
//!
//! ```
//! use resilience::{CircuitBreaker, Rejected, Retry};
//! use std::time::Duration;
//!
//! #[derive(Debug)]
//! enum QuoteError {
//!     Io(std::io::Error),
//!     Rejected(Rejected),
//! }
//! # impl From<Rejected> for QuoteError { fn from(rejected: Rejected) -> Self { Self::Rejected(rejected) } }
//! # impl resilience::Classify for QuoteError {
//! #     fn classify(&self) -> resilience::Classification {
//! #         match self { Self::Io(error) => error.classify(), Self::Rejected(rejected) => rejected.classify() }
//! #     }
//! # }
//!
//! const RETRY: Retry = Retry::new().max(3).base(Duration::from_millis(1)).checked();
//! static BREAKER: CircuitBreaker = CircuitBreaker::new("quotes").threshold(5);
//!
//! let mut attempts = 0;
//! let quote = RETRY.call(|| {
//!     BREAKER.call(|| {
//!         attempts += 1;
//!         if attempts < 3 { Err(QuoteError::Io(std::io::ErrorKind::TimedOut.into())) } else { Ok(42) }
//!     })
//! });
//! assert_eq!(quote.unwrap(), 42);
//! ```
//!
//! Settings from run time:
//!
//! ```
//! use resilience::Retry;
//! use resilience::policy::with_retry::RetryConfig;
//!
//! fn from_flag(max: u32) -> Result<Retry, resilience::policy::InvalidPolicy> {
//!     Retry::try_new(RetryConfig { max, ..RetryConfig::default() })
//! }
//!
//! assert_eq!(from_flag(5).unwrap().max_attempts(), 6);
//! ```

pub(crate) mod budget;
pub mod bulkhead;
#[cfg(feature = "cache")]
#[cfg_attr(docsrs, doc(cfg(feature = "cache")))]
pub mod cached;
#[cfg(feature = "chaos")]
#[cfg_attr(docsrs, doc(cfg(feature = "chaos")))]
pub mod chaos;
pub mod circuit_breaker;
pub(crate) mod contradictions;
pub mod degrade;
pub mod failover;
pub mod hedge;
pub(crate) mod judged;
pub(crate) mod owner;
pub mod rate_limit;
#[cfg(feature = "durable")]
pub(crate) mod recoveries;
pub(crate) mod refusals;
pub(crate) mod stateful;
pub mod timeout;
pub(crate) mod waiters;
pub mod with_fallback;

pub use budget::{Budget, BudgetConfig, BudgetOf};
pub use bulkhead::{Bulkhead, BulkheadConfig, Slot};
#[cfg(feature = "cache")]
#[cfg_attr(docsrs, doc(cfg(feature = "cache")))]
pub use cached::{Cache, CacheConfig, CacheKey, CacheSnapshot};
#[cfg(feature = "chaos")]
#[cfg_attr(docsrs, doc(cfg(feature = "chaos")))]
pub use chaos::{Chaos, ChaosConfig};
pub use circuit_breaker::{CircuitBreaker, CircuitBreakerConfig, CircuitBreakers, Permit, State};
pub use degrade::{Degrade, DegradeConfig, DegradeSite, Simplify};
pub use failover::{Failover, FailoverConfig, FailoverSnapshot, StickySnapshot};
pub use hedge::{After, Hedge, HedgeConfig};
pub use judged::{Classifier, Judged, Predicate, Unset};
pub use rate_limit::{RateLimit, RateLimitConfig};
pub use timeout::{AdaptiveTimeout, AdaptiveTimeoutConfig, Timeout, TimeoutConfig, TimeoutSite};
pub use with_fallback::{Fallback, FallbackSite};
pub use with_retry::{Backoff, Jitter, Retry, RetryConfig, RetrySite, Rule};
pub mod presets;
pub mod with_retry;

pub mod keyed {
    //! The types that can be the key of a policy: [`Key`], for a type of your own in `key = ..` and in
    //! [`CircuitBreakers::get`](crate::CircuitBreakers::get).

    pub use crate::keyed::*;
}

pub use crate::base::setting::InvalidPolicy;
use crate::classify::{Classification, Classify};
use crate::outcome::Outcome;

/// The verdict of a stack on an outcome: `None` for a success, else the class of the failure.
#[doc(hidden)]
pub type Verdict = Option<Classification>;

/// Returns the verdict on an outcome whose error classifies itself.
pub(crate) fn verdict_of<R: Outcome<Error: Classify>>(outcome: &R) -> Verdict {
    outcome.judge().err().map(Classify::classify)
}

/// The ruling of `when` and `unless` on an error, for one policy.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// No ruling: the category's rule decides.
    ByCategory,
    /// `when` is true: the policy acts on it.
    Yes,
    /// `when` is false: the policy does not act on it.
    No,
    /// `unless` is true: the policy leaves it alone, whatever else speaks for it.
    Exempt,
    /// The category's rule decides, but the call cannot be made again.
    Last,
}

impl Ruling {
    /// Returns this ruling, or `next` if it says nothing.
    #[doc(hidden)]
    pub fn or_else(self, next: impl FnOnce() -> Self) -> Self {
        match self {
            Self::ByCategory => next(),
            other => other,
        }
    }
}
