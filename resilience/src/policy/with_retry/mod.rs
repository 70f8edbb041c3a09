//! Retries: call again after a transient failure, a limited number of times, after growing waits.
//!
//! # When to use one
//!
//! Where a failure is likely to be gone a moment later: a connection that broke, a busy service, a conflict,
//! a deadlock. The [`Category`](crate::Category) of the error decides; errors that would come back are not
//! retried.
//!
//! # When not to
//!
//! - To hide a dependency that is down: retries add load exactly when it can least bear it. The [`Budget`]
//!   limits that, and a circuit breaker below the retry ends it.
//! - In more than one layer of a call chain: three layers with three retries each turn one call into 64. Retry
//!   in one layer, preferably the one nearest to the failing call that knows whether the request can be repeated.
//!   [`Event::inside`](crate::Event::inside) and the counter `nested` show retries that others repeat.
//! - Around work that is not idempotent, unless `idempotent = false` or an idempotency key makes it safe.
//!
//! # Choosing numbers
//!
//! - `max`: 2 or 3. Where three retries did not help, a fourth rarely does; more belong to work in the
//!   background, with a large `cap`.
//! - `base`: about the time that the service takes for a call, so that the first retry does not meet the same overload.
//! - `cap`: the longest single wait that a caller can accept; 10 s by default.
//! - `jitter`: keep `full`. Without jitter all callers that failed together retry at the same instant; "Exponential
//!   Backoff And Jitter" (Amazon's architecture blog, 2015) has the measurements.
//! - `give_up_after`, or a timeout around the call: the longest that a caller waits in total.
//! - The budget: leave it on. [`Budget`] has its numbers.
//!
//! # How a call goes on after a failure
//!
//! 1. `unless` and `when` are asked, then a [`Rule`] for the category, then the error's own `retry`.
//! 2. With `idempotent = false` only errors with `delivered = no` are retried.
//! 3. Where `max` retries were made, the call ends with the error.
//! 4. The wait is the backoff with its jitter, or the service's `retry_after` where that is longer, plus up
//!    to 10 %. Longer than `retry_after_cap`, or too long for `give_up_after` or a timeout around the call:
//!    the call ends at once, instead of after a useless wait.
//! 5. The budget pays, or the call ends with the error.
//!
//! # Examples
//!
//! ```
//! use resilience::policy::with_retry::{Backoff, Jitter, Retry};
//! use std::io::{Error, ErrorKind};
//! use std::time::Duration;
//!
//! const RETRY: Retry = Retry::new()
//!     .max(4)
//!     .backoff(Backoff::Exponential(2.0))
//!     .base(Duration::from_millis(1))
//!     .cap(Duration::from_millis(3))
//!     .jitter(Jitter::None)
//!     .give_up_after(Duration::from_secs(5))
//!     .checked();
//!
//! assert_eq!(RETRY.mean_waits(), Duration::from_millis(1 + 2 + 3 + 3));
//! let mut calls = 0;
//! let answer = RETRY.call(|| {
//!     calls += 1;
//!     if calls == 3 { Ok(7) } else { Err(Error::from(ErrorKind::ConnectionReset)) }
//! });
//! assert_eq!((answer.unwrap(), calls), (7, 3));
//! ```

mod awaited;
mod backoff;
mod builder;
mod call;
mod check;
mod config;
mod decide;
mod layer;
mod run;
#[cfg(feature = "ops")]
mod timed;
mod value;
mod waits;

pub use super::budget::{Budget, BudgetConfig, BudgetOf};
#[doc(hidden)]
pub use awaited::attempt;
pub use backoff::{Backoff, Jitter};
#[cfg(not(feature = "ops"))]
pub(crate) use call::CallState;
pub use config::{Retry, RetryConfig, Rule};
#[cfg(not(feature = "config"))]
pub(crate) use layer::RetryInForce;
#[doc(hidden)]
pub use layer::{KeyedBudgets, RetrySite};
#[doc(hidden)]
pub use waits::check_waits;

#[cfg(all(test, feature = "testing", not(loom)))]
mod tests;
