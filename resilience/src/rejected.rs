//! The errors that a policy itself makes.

use crate::classify::{Category, Classification, Classify};
use crate::point::PointName;
use std::time::Duration;
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
        /// When the breaker will admit a call again, if it knows.
        retry_after: Option<Duration>,
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
}

impl Rejected {
    pub(crate) fn circuit_open(point: PointName, retry_after: Option<Duration>) -> Self {
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
        }
    }

    /// How long to wait before the next call can be admitted, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::CircuitOpen { retry_after, .. } | Self::RateLimited { retry_after, .. } => *retry_after,
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
        }
    }
}

impl error::Error for Rejected {}

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
        };
        let class = Classification::new(category);
        match self.retry_after() {
            Some(wait) => class.retry_after(wait),
            None => class,
        }
    }
}
