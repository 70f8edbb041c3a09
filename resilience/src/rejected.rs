//! The errors that a policy itself makes.

use crate::classify::{Category, Classification, Classify};
use crate::clock::unpacked;
#[cfg(feature = "durable")]
use crate::durable::{CheckpointError, JobError};
use crate::point::PointName;
use std::time::{Duration, Instant};
use std::{error, fmt, io};

/// Why a policy refused a call or ended it: the only errors this library makes.
///
/// Texts are for people and may change; match on the variants and use the getters in programs.
/// An error type takes part by `From<Rejected>`, for instance a variant
/// `Rejected(#[from] resilience::Rejected)`; `std::io::Error`, `Box<dyn Error>` and `anyhow::Error`
/// have it and keep the class.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejected {
    /// The circuit breaker of `point` is open.
    #[non_exhaustive]
    CircuitOpen {
        /// The point whose breaker refused the call.
        point: PointName,
        /// For how long it will refuse calls, if it knows: read by [`retry_after`](Self::retry_after).
        retry_after: Option<TimeLeft>,
    },
    /// Too many calls of `point` are running.
    #[non_exhaustive]
    BulkheadFull {
        /// The point whose bulkhead refused the call.
        point: PointName,
    },
    /// The rate limit of `point` is used up.
    #[non_exhaustive]
    RateLimited {
        /// The point whose limit refused the call.
        point: PointName,
        /// When the next call will be admitted.
        retry_after: Option<Duration>,
    },
    /// The call of `point` did not end within `limit`.
    #[non_exhaustive]
    TimedOut {
        /// The point whose timeout ended the call.
        point: PointName,
        /// The time that it was given.
        limit: Duration,
    },
    /// The lock of `point` could not be had in time.
    #[non_exhaustive]
    LockTimeout {
        /// The point that waited for the lock.
        point: PointName,
    },
    /// The process is shutting down.
    #[non_exhaustive]
    ShuttingDown {
        /// The point that was called.
        point: PointName,
    },
    /// A checkpoint refused the call, or could not keep its result.
    #[cfg(feature = "durable")]
    Checkpoint(CheckpointError),
    /// A job refused the call, or could not keep its result.
    #[cfg(feature = "durable")]
    Job(JobError),
}

/// How much was left of a time when somebody looked.
///
/// Both moments are kept, and subtracted only when [`time`](Self::time) is asked for: that costs as much as
/// all else of a refusal.
#[derive(Clone, Copy)]
pub struct TimeLeft {
    at: Instant,
    until: u64,
}

impl TimeLeft {
    /// What is left at `at` of the time that ends at `until`, a packed moment.
    #[inline]
    pub(crate) const fn new(at: Instant, until: u64) -> Self {
        Self { at, until }
    }

    /// The time that was left; zero if none was.
    pub fn time(&self) -> Duration {
        unpacked(self.until).saturating_duration_since(self.at)
    }
}

impl PartialEq for TimeLeft {
    fn eq(&self, other: &Self) -> bool {
        self.time() == other.time()
    }
}

impl Eq for TimeLeft {}

impl fmt::Debug for TimeLeft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.time().fmt(f)
    }
}

impl Rejected {
    #[inline]
    pub(crate) fn circuit_open(point: PointName, retry_after: Option<TimeLeft>) -> Self {
        Self::CircuitOpen { point, retry_after }
    }

    pub(crate) fn timed_out(point: PointName, limit: Duration) -> Self {
        Self::TimedOut { point, limit }
    }

    pub(crate) fn bulkhead_full(point: PointName) -> Self {
        Self::BulkheadFull { point }
    }

    /// The name of the point whose policy made this error.
    pub fn point(&self) -> &str {
        match self {
            Self::CircuitOpen { point, .. }
            | Self::BulkheadFull { point, .. }
            | Self::RateLimited { point, .. }
            | Self::TimedOut { point, .. }
            | Self::LockTimeout { point, .. }
            | Self::ShuttingDown { point, .. } => point,
            #[cfg(feature = "durable")]
            Self::Checkpoint(error) => &error.place().point,
            #[cfg(feature = "durable")]
            Self::Job(error) => &error.place().point,
        }
    }

    /// How long to wait before the next call can be admitted, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::CircuitOpen { retry_after, .. } => retry_after.map(|left| left.time()),
            Self::RateLimited { retry_after, .. } => *retry_after,
            #[cfg(feature = "durable")]
            Self::Checkpoint(error) => error.retry_after(),
            #[cfg(feature = "durable")]
            Self::Job(error) => error.retry_after(),
            _ => None,
        }
    }

    /// The value of a body that succeeded and that the store could not keep, if this is such a rejection
    /// and the value is a `T`: the effect has happened, and need not be repeated.
    #[cfg(feature = "durable")]
    #[cfg_attr(docsrs, doc(cfg(feature = "durable")))]
    pub fn not_recorded<T: serde::de::DeserializeOwned>(&self) -> Option<T> {
        match self {
            Self::Checkpoint(error) => error.not_recorded(),
            Self::Job(error) => error.not_recorded(),
            _ => None,
        }
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CircuitOpen { point, .. } => write!(f, "circuit breaker of `{point}` is open"),
            Self::BulkheadFull { point, .. } => write!(f, "too many calls of `{point}` are running"),
            Self::RateLimited { point, .. } => write!(f, "rate limit of `{point}` is used up"),
            Self::TimedOut { point, limit, .. } => write!(f, "`{point}` timed out after {limit:?}"),
            Self::LockTimeout { point, .. } => write!(f, "the lock of `{point}` could not be had in time"),
            Self::ShuttingDown { point, .. } => {
                write!(f, "`{point}` was refused: the process is shutting down")
            }
            #[cfg(feature = "durable")]
            Self::Checkpoint(error) => error.fmt(f),
            #[cfg(feature = "durable")]
            Self::Job(error) => error.fmt(f),
        }
    }
}

impl error::Error for Rejected {}

#[cfg(feature = "durable")]
impl From<CheckpointError> for Rejected {
    fn from(error: CheckpointError) -> Self {
        Self::Checkpoint(error)
    }
}

#[cfg(feature = "durable")]
impl From<JobError> for Rejected {
    fn from(error: JobError) -> Self {
        Self::Job(error)
    }
}

impl From<Rejected> for io::Error {
    fn from(rejected: Rejected) -> Self {
        let kind = match rejected {
            Rejected::TimedOut { .. } => io::ErrorKind::TimedOut,
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, rejected)
    }
}

impl Classify for Rejected {
    fn classify(&self) -> Classification {
        let category = match self {
            Self::TimedOut { .. } => Category::Timeout,
            Self::RateLimited { .. } => Category::RateLimited,
            Self::LockTimeout { .. } => Category::Transient,
            Self::CircuitOpen { .. } | Self::BulkheadFull { .. } | Self::ShuttingDown { .. } => {
                Category::Rejected
            }
            // Somebody asked the job around it to stop.
            #[cfg(feature = "durable")]
            Self::Checkpoint(CheckpointError::Cancelled { .. }) => Category::Cancelled,
            #[cfg(feature = "durable")]
            Self::Checkpoint(_) => Category::Rejected,
            // That of the recorded error, for a job that failed before.
            #[cfg(feature = "durable")]
            Self::Job(error) => return error.class(),
        };
        let class = Classification::new(category);
        match self.retry_after() {
            Some(wait) => class.retry_after(wait),
            None => class,
        }
    }
}
