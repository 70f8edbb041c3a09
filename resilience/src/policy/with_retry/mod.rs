//! Retries: call again after a failure that may pass, a limited number of times, after growing waits.
//!
//! Use it where a failure is likely to be gone a moment later: a connection that broke, a busy service, a
//! conflict. Do not use it to hide a dependency that is down: the [`Budget`] sees to that.

mod backoff;
mod budget;
mod builder;
mod check;
mod config;
mod decide;
mod layer;
mod run;
mod value;
mod waits;

pub use backoff::{Backoff, Jitter};
pub use budget::{Budget, BudgetConfig, BudgetOf};
pub use config::{Retry, RetryConfig, Rule};
#[doc(hidden)]
pub use layer::{KeyedBudgets, RetrySite};
#[doc(hidden)]
pub use waits::check_waits;

#[cfg(all(test, feature = "testing", not(loom)))]
mod tests;
