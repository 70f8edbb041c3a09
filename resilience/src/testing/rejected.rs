//! Rejections made for tests of code that handles them.
//!
//! [`Rejected`] and its variants are `non_exhaustive`, so that a program cannot build one; these functions
//! do. Each takes the name of the point that rejects.
//!
//! # Examples
//!
//! ```
//! use resilience::{Rejected, testing::rejected};
//! use std::time::Duration;
//!
//! fn status(rejected: &Rejected) -> u16 {
//!     match rejected {
//!         Rejected::TimedOut { .. } => 504,
//!         _ => 503,
//!     }
//! }
//!
//! assert_eq!(status(&rejected::circuit_open("search", Some(Duration::from_secs(30)))), 503);
//! assert_eq!(status(&rejected::timed_out("search", Duration::from_secs(2))), 504);
//! ```

#[cfg(feature = "durable")]
use crate::durable::{CheckpointError, JobError, Subject};
use crate::point::PointName;
use crate::rejected::{Origin, Rejected};
use std::time::Duration;

/// The holder of a lease of another process than the test's own.
#[cfg(feature = "durable")]
const ANOTHER: &str = "another process";

/// Returns the origin by the name of a point alone, whether or not a function has that name.
fn origin(point: &str) -> Origin {
    PointName::from(point.to_owned()).into()
}

/// Returns a [`Rejected::CircuitOpen`] of `point`, which is open for `retry_after` if that is known.
///
/// # Examples
///
/// ```
/// use resilience::testing::rejected;
/// use std::time::Duration;
///
/// let rejected = rejected::circuit_open("search", Some(Duration::from_secs(30)));
/// assert_eq!(rejected.retry_after(), Some(Duration::from_secs(30)));
/// ```
pub fn circuit_open(point: &str, retry_after: Option<Duration>) -> Rejected {
    Rejected::circuit_open(origin(point), retry_after.map(Into::into))
}

/// Returns a [`Rejected::CircuitOpen`] of the breaker that `point` has for `key`.
///
/// # Examples
///
/// ```
/// use resilience::testing::rejected;
///
/// let rejected = rejected::circuit_open_for("fetch", "a.example", None);
/// assert_eq!((rejected.point(), rejected.key()), ("fetch", Some("a.example")));
/// ```
pub fn circuit_open_for(point: &str, key: &str, retry_after: Option<Duration>) -> Rejected {
    let (point, key) = (PointName::from(point.to_owned()), PointName::from(key.to_owned()));
    Rejected::circuit_open(Origin::new(point, Some(key), false), retry_after.map(Into::into))
}

/// Returns a [`Rejected::BulkheadFull`] of `point`.
///
/// # Examples
///
/// ```
/// use resilience::testing::rejected;
///
/// assert_eq!(rejected::bulkhead_full("search").point(), "search");
/// ```
pub fn bulkhead_full(point: &str) -> Rejected {
    Rejected::BulkheadFull { point: origin(point) }
}

/// Returns a [`Rejected::RateLimited`] of `point`, which admits the next call after `retry_after` if that is
/// known.
///
/// # Examples
///
/// ```
/// use resilience::testing::rejected;
/// use std::time::Duration;
///
/// /// What a web server answers.
/// fn retry_header(rejected: &resilience::Rejected) -> Option<u64> {
///     rejected.retry_after().map(|wait| wait.as_secs())
/// }
///
/// let rejected = rejected::rate_limited("search", Some(Duration::from_secs(2)));
/// assert_eq!(retry_header(&rejected), Some(2));
/// assert_eq!(retry_header(&rejected::rate_limited("search", None)), None);
/// ```
pub fn rate_limited(point: &str, retry_after: Option<Duration>) -> Rejected {
    Rejected::RateLimited { point: origin(point), retry_after: retry_after.map(Into::into) }
}

/// Returns a [`Rejected::Throttled`] of `point`.
///
/// The retry budget of the point refuses such a call.
pub fn throttled(point: &str) -> Rejected {
    Rejected::throttled(origin(point))
}

/// Returns a [`Rejected::TimedOut`] of `point`, whose call was given `limit`.
///
/// # Examples
///
/// ```
/// use resilience::testing::rejected;
/// use resilience::{Category, Classify};
/// use std::time::Duration;
///
/// let late = rejected::timed_out("report", Duration::from_secs(2));
/// assert_eq!((late.limit(), late.classify().category), (Some(Duration::from_secs(2)), Category::Timeout));
/// ```
pub fn timed_out(point: &str, limit: Duration) -> Rejected {
    Rejected::TimedOut { point: origin(point), limit }
}

/// Returns a [`Rejected::LockTimeout`] of `point`.
///
/// # Examples
///
/// ```
/// use resilience::Rejected;
/// use resilience::testing::rejected;
///
/// assert!(matches!(rejected::lock_timeout("ledger"), Rejected::LockTimeout { .. }));
/// ```
pub fn lock_timeout(point: &str) -> Rejected {
    Rejected::LockTimeout { point: origin(point) }
}

/// Returns a [`Rejected::ShuttingDown`] of `point`.
///
/// # Examples
///
/// ```
/// use resilience::Rejected;
/// use resilience::testing::rejected;
///
/// let rejected = rejected::shutting_down("import");
/// assert!(matches!(rejected, Rejected::ShuttingDown { .. }));
/// assert_eq!(rejected.point(), "import");
/// ```
pub fn shutting_down(point: &str) -> Rejected {
    Rejected::ShuttingDown { point: origin(point) }
}

/// Returns a [`Rejected::Checkpoint`] of `point`: another process runs the step `key`, for up to `retry_after`.
///
/// # Examples
///
/// ```
/// use resilience::durable::CheckpointError;
/// use resilience::testing::rejected;
/// use resilience::Rejected;
/// use std::time::Duration;
///
/// let rejected = rejected::checkpoint_busy("shop::charge", "order:7", Duration::from_secs(30));
/// assert_eq!((rejected.key(), rejected.retry_after()), (Some("order:7"), Some(Duration::from_secs(30))));
/// let Rejected::Checkpoint(error) = rejected else { unreachable!() };
/// assert!(matches!(*error, CheckpointError::Busy { .. }));
/// ```
#[cfg(feature = "durable")]
pub fn checkpoint_busy(point: &str, key: &str, retry_after: Duration) -> Rejected {
    let at = Subject::new(point.to_owned().into(), key);
    CheckpointError::Busy { at, owner: ANOTHER.to_owned(), retry_after }.into()
}

/// Returns a [`Rejected::Job`] of `point`: another process runs the job `id`, for up to `retry_after`.
///
/// # Examples
///
/// ```
/// use resilience::durable::JobError;
/// use resilience::testing::rejected;
/// use resilience::Rejected;
/// use std::time::Duration;
///
/// let rejected = rejected::job_busy("import", "import:7", Duration::from_secs(30));
/// let Rejected::Job(error) = rejected else { unreachable!() };
/// assert!(matches!(*error, JobError::Busy { .. }));
/// ```
#[cfg(feature = "durable")]
pub fn job_busy(point: &str, id: &str, retry_after: Duration) -> Rejected {
    let at = Subject::new(point.to_owned().into(), id);
    JobError::Busy { at, owner: ANOTHER.to_owned(), retry_after }.into()
}
