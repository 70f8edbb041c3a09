//! The errors that policies make.
//!
//! [`Rejected`](crate::Rejected) is the only error type that this library adds to a call. It says that a
//! policy rejected the call, or ended it, and which one; every other error that a caller gets is the
//! function's own.
//!
//! # How to take part
//!
//! A function with a policy that can reject a call returns an error type that implements `From<Rejected>`.
//! Three ways, from the usual one to the special ones:
//!
//! - A variant of your enum, `Rejected(#[from] resilience::Rejected)` with thiserror, marked
//!   `#[classify(transparent)]`: callers can match on it, and outer policies see its class.
//! - `std::io::Error`, `Box<dyn Error>` and `anyhow::Error` take it as they are, and keep the class.
//! - `rejected = |rejected| ..` in an attribute makes the error there, for types of other crates.
//!
//! A function that returns an `Option` needs nothing: a rejected call is `None`.
//!
//! # Examples
//!
//! An error type with a variant for rejections, and a caller that answers each kind differently:
//!
//! ```
//! use resilience::{CircuitBreaker, Rejected};
//!
//! #[derive(Debug)]
//! enum SearchError {
//!     Io(std::io::Error),
//!     Rejected(Rejected),
//! }
//!
//! impl From<Rejected> for SearchError {
//!     fn from(rejected: Rejected) -> Self {
//!         Self::Rejected(rejected)
//!     }
//! }
//!
//! impl resilience::Classify for SearchError {
//!     fn classify(&self) -> resilience::Classification {
//!         match self {
//!             Self::Io(error) => error.classify(),
//!             Self::Rejected(rejected) => rejected.classify(),
//!         }
//!     }
//! }
//!
//! fn status(error: &SearchError) -> u16 {
//!     match error {
//!         SearchError::Io(_) => 502,
//!         SearchError::Rejected(Rejected::TimedOut { .. }) => 504,
//!         SearchError::Rejected(Rejected::RateLimited { .. }) => 429,
//!         SearchError::Rejected(_) => 503,
//!     }
//! }
//!
//! let breaker = CircuitBreaker::new("search");
//! breaker.force_open();
//! let answer: Result<u32, SearchError> = breaker.call(|| Err(SearchError::Io(std::io::Error::other("down"))));
//! assert_eq!(status(&answer.unwrap_err()), 503, "the closure did not run");
//! ```

#[cfg(feature = "durable")]
use super::durable::{CheckpointError, JobError};
use super::{Category, Classification, Classify, Retryable};
use crate::base::name::PointName;
use crate::base::text::About;
use crate::base::visible::Visible;
use std::num::NonZeroU64;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

/// The reason why a policy rejected a call or ended it; the only error that this library makes.
///
/// Texts are for people and may change; match on the variants and use the getters in programs. The enum and
/// its variants are `non_exhaustive`: write `Rejected::TimedOut { .. }` and a `_` arm. An error type takes
/// part by `From<Rejected>`; the [module](crate::rejected) shows how.
///
/// | variant | category | made by |
/// |---|---|---|
/// | `CircuitOpen` | `Rejected` | a circuit breaker that is open |
/// | `BulkheadFull` | `Rejected` | a bulkhead whose slots are in use, and `timeout(.., thread)` while too many abandoned calls run |
/// | `TimedOut` | `Timeout` | a timeout, and the [`deadline`](crate::deadline) of a request |
/// | `Checkpoint` | by its error, mostly `Rejected` | a checkpoint |
/// | `Job` | by its error; that of the recorded error for a job that failed before | a job |
/// | `RateLimited` | `RateLimited` | a rate limit that is used up |
/// | `LockTimeout` | `Transient`; never retried for a lock that the call holds itself or that cannot be used | `with_lock`, whose lock is held by others or cannot be used |
/// | `Throttled` | `Rejected` | the `throttle` of a retry, or of its budget |
/// | `ShuttingDown` | `Rejected` | jobs, their steps and recoveries while the process [shuts down](crate::shutdown()) |
///
/// A retry repeats `TimedOut`, `RateLimited` and `LockTimeout`, and other rejections only if a [`Rule`](crate::Rule)
/// names [`Category::Rejected`]. A breaker ignores every rejection except a `TimedOut` whose body had begun, which is a
/// failure.
///
/// The type is 24 bytes large, because it is part of every error type that implements `From<Rejected>`. Tests
/// make one with the functions of `testing::rejected` (feature `testing`).
///
/// # Examples
///
/// ```
/// use resilience::{CircuitBreaker, Rejected};
///
/// let breaker = CircuitBreaker::new("search");
/// breaker.force_open();
/// let rejected = breaker.acquire().unwrap_err();
/// assert!(matches!(rejected, Rejected::CircuitOpen { .. }));
/// assert_eq!((rejected.point(), rejected.key(), rejected.retry_after()), ("search", None, None));
/// assert_eq!(rejected.to_string(), "circuit breaker of `search` is open");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejected {
    /// The circuit breaker of `point` is open: the service behind it has failed too often.
    ///
    /// The body did not run. The next calls are rejected, too, until `retry_after` has passed; answer from a
    /// fallback, or return the error.
    #[error("circuit breaker of {} is open{}", point.label(), After("; retry in ", *retry_after))]
    #[non_exhaustive]
    CircuitOpen {
        /// The point whose breaker rejected the call.
        point: Origin,
        /// The time for which the breaker will reject calls; `None` if a person forced it open, or if its probes
        /// are running. Read it with [`retry_after`](Self::retry_after).
        retry_after: Option<Wait>,
    },
    /// Too many calls of `point` are running at once.
    ///
    /// The slots of a bulkhead are in use, and none was free within the time that the call may wait. Or: a
    /// `timeout(.., thread)` abandons the thread of a call that takes too long; where too many of them have not
    /// ended, further calls are rejected. The body did not run.
    #[error("too many calls of {} are running", point.label())]
    #[non_exhaustive]
    BulkheadFull {
        /// The point whose bulkhead rejected the call.
        point: Origin,
    },
    /// The rate limit of `point` is used up.
    ///
    /// The body did not run. A retry above waits for as long as `retry_after` says, and takes nothing from its budget.
    #[error("rate limit of {} is used up{}", point.label(), After("; retry in ", *retry_after))]
    #[non_exhaustive]
    RateLimited {
        /// The point whose limit rejected the call.
        point: Origin,
        /// The time until the next call will be admitted, if that is known; read by
        /// [`retry_after`](Self::retry_after).
        retry_after: Option<Wait>,
    },
    /// The throttle of the retry budget of `point` refused the call: the service accepts too few of the calls.
    ///
    /// The body did not run. At most nine calls of ten are refused; the others find out when the service has recovered.
    /// See [`Budget::throttle`](crate::Budget::throttle).
    #[error("{} was throttled: its service accepts too few calls", point.label())]
    #[non_exhaustive]
    Throttled {
        /// The point whose throttle rejected the call.
        point: Origin,
    },
    /// The call of `point` did not end within `limit`.
    ///
    /// The body had begun, unless the call still waited for a slot or a permit, or no time was left at its beginning:
    /// then the text says so, and nothing has reached the service. An async body was dropped at its current `.await`; a
    /// sync one was abandoned on its helper thread, where it runs on to its end. Either way, what it had sent may still
    /// be carried out.
    #[error("{} timed out after {limit:?}{}", point.label(), point.unsent())]
    #[non_exhaustive]
    TimedOut {
        /// The point whose timeout ended the call.
        point: Origin,
        /// The time that the call was given: `limit` of the timeout, grown with the attempt where it has a
        /// `growth`.
        limit: Duration,
    },
    /// The lock of `point` could not be taken.
    ///
    /// The body did not run. Mostly others hold the lock for longer than the call may wait; the text says who. The same
    /// error comes at once from a call inside of one that holds the lock, and where the lock cannot be used at all:
    /// these are never retried. [`key`](Self::key) is the name of the lock.
    #[error("the lock of {} could not be taken{}", point.label(), point.detail())]
    #[non_exhaustive]
    LockTimeout {
        /// The point that waited for the lock.
        point: Origin,
    },
    /// The process [shuts down](crate::shutdown()) and admits no new job, no further step of a job, and no recovery.
    ///
    /// The body did not run. The job that was refused a step is interrupted, and the next process goes on with it.
    #[error("{} was rejected: the process is shutting down", point.label())]
    #[non_exhaustive]
    ShuttingDown {
        /// The point that was called.
        point: Origin,
    },
    /// A checkpoint rejected the call, or could not record its result; see
    /// [`CheckpointError`](crate::durable::CheckpointError) for what to do about each cause.
    #[cfg(feature = "durable")]
    #[error("{0}")]
    Checkpoint(Box<CheckpointError>),
    /// A job rejected the call, or could not record its result; see [`JobError`](crate::durable::JobError)
    /// for what to do about each cause.
    #[cfg(feature = "durable")]
    #[error("{0}")]
    Job(Box<JobError>),
}

/// The point whose policy rejected a call, with the key on a keyed policy.
///
/// It dereferences to the name of the point, compares by name and key, and is cheap to clone. Texts show the
/// key only on a policy with `key_label`, because keys are made of arguments.
///
/// # Examples
///
/// ```
/// use resilience::{CircuitBreaker, Rejected};
///
/// let breaker = CircuitBreaker::new("search");
/// breaker.force_open();
/// let Err(Rejected::CircuitOpen { point, .. }) = breaker.acquire() else { unreachable!() };
/// assert_eq!(&*point, "search");
/// assert_eq!(point.key(), None, "not a keyed breaker");
/// ```
#[derive(Clone)]
pub struct Origin(Arc<Source>);

#[derive(PartialEq, Eq)]
struct Source {
    point: PointName,
    key: Option<PointName>,
    /// Whether texts show the key.
    shows_key: bool,
    /// The words for a call that was ended before anything of it had reached the service.
    unsent: Option<&'static str>,
    /// The words about a lock.
    detail: Option<String>,
    /// Whether a lock may be free later: not if the call holds it itself, or if it cannot be used.
    may_be_free: bool,
}

impl Origin {
    pub(crate) fn new(point: PointName, key: Option<PointName>, shows_key: bool) -> Self {
        Self(Arc::new(Source { point, key, shows_key, unsent: None, detail: None, may_be_free: true }))
    }

    /// Returns the key of the call, if the policy is keyed.
    pub fn key(&self) -> Option<&str> {
        self.0.key.as_deref()
    }

    /// Returns whether texts show the key.
    #[cfg(feature = "config")]
    pub(crate) fn shows_key(&self) -> bool {
        self.0.shows_key
    }

    /// Returns the words for a call that was ended before it was admitted.
    fn unsent(&self) -> &'static str {
        self.0.unsent.unwrap_or_default()
    }

    /// Returns the words about a lock.
    fn detail(&self) -> Detail<'_> {
        Detail(self.0.detail.as_deref())
    }

    /// Returns the name as texts show it.
    const fn label(&self) -> Label<'_> {
        Label(self)
    }
}

struct Label<'a>(&'a Origin);

struct Detail<'a>(Option<&'a str>);

impl fmt::Display for Detail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |detail| write!(f, ": {}", Visible(detail)))
    }
}

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Source { point, key, shows_key, .. } = &*self.0.0;
        let point = Visible(point);
        match key {
            Some(key) if *shows_key => write!(f, "`{point}` (key `{}`)", Visible(key)),
            _ => write!(f, "`{point}`"),
        }
    }
}

impl From<PointName> for Origin {
    fn from(point: PointName) -> Self {
        Self::new(point, None, false)
    }
}

impl Deref for Origin {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0.point
    }
}

impl PartialEq for Origin {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Origin {}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0.point, f)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

/// A length of time in eight bytes, to the nanosecond; at most about 584 years.
///
/// `Option<Wait>` needs no more room than `Wait`, which keeps [`Rejected`] small. Longer durations saturate.
///
/// # Examples
///
/// ```
/// use resilience::rejected::Wait;
/// use std::time::Duration;
///
/// assert_eq!(Wait::from(Duration::from_secs(2)).duration(), Duration::from_secs(2));
/// assert!(Wait::from(Duration::MAX).duration() > Duration::from_secs(584 * 365 * 24 * 3600));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wait(NonZeroU64);

impl Wait {
    /// Creates a wait of `nanos` nanoseconds; one more is stored, so that `Option<Wait>` needs no space of its own.
    #[inline]
    pub(crate) const fn nanos(nanos: u64) -> Self {
        Self(NonZeroU64::MIN.saturating_add(nanos))
    }

    /// Returns the time as a `Duration`.
    pub const fn duration(self) -> Duration {
        Duration::from_nanos(self.0.get() - 1)
    }
}

impl From<Duration> for Wait {
    fn from(wait: Duration) -> Self {
        Self::nanos(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl From<Wait> for Duration {
    fn from(wait: Wait) -> Self {
        wait.duration()
    }
}

impl fmt::Debug for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.duration().fmt(f)
    }
}

/// The end of a text, if the time is known.
struct After(&'static str, Option<Wait>);

impl fmt::Display for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(wait) = self.1 else { return Ok(()) };
        write!(f, "{}{}", self.0, About(wait.duration()))
    }
}

impl Rejected {
    #[inline]
    pub(crate) const fn circuit_open(point: Origin, retry_after: Option<Wait>) -> Self {
        Self::CircuitOpen { point, retry_after }
    }

    /// Creates the rejection of a timeout; `was_waiting` if no attempt of the call had got beyond its wait for
    /// admission.
    pub(crate) fn timed_out(point: impl Into<Origin>, limit: Duration, was_waiting: bool) -> Self {
        Self::out_of_time(point.into(), limit, was_waiting.then_some(" while it waited for admission"))
    }

    /// Creates the rejection of a call that is not made because no time is left for it.
    pub(crate) fn no_time_left(point: PointName) -> Self {
        Self::out_of_time(point.into(), Duration::ZERO, Some(": no time was left to make the call"))
    }

    fn out_of_time(mut point: Origin, limit: Duration, unsent: Option<&'static str>) -> Self {
        // An origin made for this error is not shared.
        if let Some(source) = Arc::get_mut(&mut point.0) {
            source.unsent = unsent;
        }
        Self::TimedOut { point, limit }
    }

    /// Creates the rejection of a lock; `detail` says why `key` could not be taken, and `may_be_free` whether it can be
    /// requested again.
    #[cfg(feature = "fs")]
    pub(crate) fn lock_timeout(
        point: PointName,
        key: Option<PointName>,
        detail: String,
        may_be_free: bool,
    ) -> Self {
        let source = Source { point, key, shows_key: false, unsent: None, detail: Some(detail), may_be_free };
        Self::LockTimeout { point: Origin(Arc::new(source)) }
    }

    pub(crate) fn bulkhead_full(point: impl Into<Origin>) -> Self {
        Self::BulkheadFull { point: point.into() }
    }

    pub(crate) const fn rate_limited(point: Origin, retry_after: Wait) -> Self {
        Self::RateLimited { point, retry_after: Some(retry_after) }
    }

    pub(crate) const fn throttled(point: Origin) -> Self {
        Self::Throttled { point }
    }

    /// Returns whether an attempt of the call may have reached the service; a step or a job reports that itself.
    fn has_reached_the_service(&self) -> bool {
        match self {
            Self::TimedOut { point, .. } => point.0.unsent.is_none(),
            _ => false,
        }
    }

    /// Returns the point and key, unless they belong to a step or a job.
    #[cfg_attr(
        not(feature = "durable"),
        expect(clippy::unnecessary_wraps, reason = "steps and jobs have none")
    )]
    fn origin(&self) -> Option<&Origin> {
        match self {
            Self::CircuitOpen { point, .. }
            | Self::BulkheadFull { point, .. }
            | Self::RateLimited { point, .. }
            | Self::Throttled { point, .. }
            | Self::TimedOut { point, .. }
            | Self::LockTimeout { point, .. }
            | Self::ShuttingDown { point, .. } => Some(point),
            #[cfg(feature = "durable")]
            Self::Checkpoint(_) | Self::Job(_) => None,
        }
    }

    /// Returns the name of the point whose policy made this error, as [`points()`](crate::points()) spells
    /// it.
    ///
    /// For a policy that is used as a value, this is the name that it was given.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Rejected, Timeout};
    /// use std::time::Duration;
    ///
    /// const LIMIT: Timeout = Timeout::new(Duration::from_nanos(1)).name("report");
    ///
    /// let late: Result<(), Rejected> = LIMIT.call(|| {
    ///     std::thread::park_timeout(Duration::from_millis(200));
    ///     Ok(())
    /// });
    /// let rejected = late.unwrap_err();
    /// assert_eq!(rejected.point(), "report");
    /// assert_eq!(rejected.limit(), Some(Duration::from_nanos(1)));
    /// ```
    pub fn point(&self) -> &str {
        match self {
            #[cfg(feature = "durable")]
            Self::Checkpoint(error) => &error.place().point,
            #[cfg(feature = "durable")]
            Self::Job(error) => &error.place().point,
            _ => self.origin().map_or("", |origin| origin),
        }
    }

    /// Returns the key of the call on a keyed policy, the key of a step, or the id of a job.
    pub fn key(&self) -> Option<&str> {
        match self {
            #[cfg(feature = "durable")]
            Self::Checkpoint(error) => Some(&error.place().key),
            #[cfg(feature = "durable")]
            Self::Job(error) => Some(&error.place().key),
            _ => self.origin().and_then(Origin::key),
        }
    }

    /// Returns how long to wait before the next call can be admitted, where that is known.
    ///
    /// It is counted from the moment of the rejection: a client that gets it in a `Retry-After` header should
    /// get it at once. `None` does not mean that the next call is admitted.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{CircuitBreaker, Rejected};
    /// use std::time::Duration;
    ///
    /// let breaker = CircuitBreaker::new("search").threshold(1).recovery(Duration::from_secs(60));
    /// let failed: Result<(), std::io::Error> = breaker.call(|| Err(std::io::ErrorKind::TimedOut.into()));
    /// assert!(failed.is_err());
    ///
    /// let rejected: Rejected = breaker.acquire().unwrap_err();
    /// let wait = rejected.retry_after().unwrap();
    /// assert!(wait > Duration::from_secs(50) && wait <= Duration::from_secs(60), "{wait:?}");
    /// ```
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::CircuitOpen { retry_after, .. } | Self::RateLimited { retry_after, .. } => {
                retry_after.map(Wait::duration)
            }
            #[cfg(feature = "durable")]
            Self::Checkpoint(error) => error.retry_after(),
            #[cfg(feature = "durable")]
            Self::Job(error) => error.retry_after(),
            _ => None,
        }
    }

    /// Returns the time that a call was given which timed out; `None` for every other rejection.
    pub fn limit(&self) -> Option<Duration> {
        match self {
            Self::TimedOut { limit, .. } => Some(*limit),
            _ => None,
        }
    }
}

#[cfg(feature = "durable")]
impl From<CheckpointError> for Rejected {
    fn from(error: CheckpointError) -> Self {
        Self::Checkpoint(Box::new(error))
    }
}

#[cfg(feature = "durable")]
impl From<JobError> for Rejected {
    fn from(error: JobError) -> Self {
        Self::Job(Box::new(error))
    }
}

/// The kind is `TimedOut` for a timeout, else `Other`; the [`Rejected`] is the inner error.
///
/// `error.get_ref()` returns it, and [`classify::of`](crate::classify::of) finds its class.
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
            Self::CircuitOpen { .. }
            | Self::BulkheadFull { .. }
            | Self::Throttled { .. }
            | Self::ShuttingDown { .. } => Category::Rejected,
            #[cfg(feature = "durable")]
            Self::Checkpoint(error) => return error.class(),
            // The class of the recorded error, for a job that failed before.
            #[cfg(feature = "durable")]
            Self::Job(error) => return error.class(),
        };
        let class = Classification::new(category);
        let class = if self.has_reached_the_service() { class } else { class.refused() };
        let class = match self {
            Self::LockTimeout { point } if !point.0.may_be_free => class.retry(Retryable::Never),
            _ => class,
        };
        match self.retry_after() {
            Some(wait) => class.retry_after(wait),
            None => class,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejected_fits_in_24_bytes() {
        assert!(size_of::<Rejected>() <= 24, "{}", size_of::<Rejected>());
        assert_eq!(size_of::<Option<Wait>>(), 8);
    }

    #[test]
    fn a_wait_keeps_every_nanosecond() {
        for wait in [Duration::ZERO, Duration::from_nanos(1), Duration::from_secs(60)] {
            assert_eq!(Wait::from(wait).duration(), wait);
        }
        assert_eq!(Wait::from(Duration::MAX), Wait::nanos(u64::MAX));
    }

    #[test]
    fn the_message_shows_the_key_only_with_key_label() {
        let text = |shows_key| {
            let origin = Origin::new("get".into(), Some("acme".into()), shows_key);
            Rejected::circuit_open(origin, Some(Duration::from_millis(1500).into())).to_string()
        };
        assert_eq!(text(false), "circuit breaker of `get` is open; retry in 1.5s");
        assert_eq!(text(true), "circuit breaker of `get` (key `acme`) is open; retry in 1.5s");
    }
}
