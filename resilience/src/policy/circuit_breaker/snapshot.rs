//! The state of a breaker at one moment.

use crate::base::text::About;
use crate::base::visible::write_name;
use crate::point::PointName;
use std::fmt;
use std::time::{Duration, Instant};

/// The state of a circuit breaker, which decides what it does with a call.
///
/// The last three are set by an operator or the program, and stay until another state is set.
///
/// # Examples
///
/// ```
/// use resilience::{CircuitBreaker, State};
///
/// let breaker = CircuitBreaker::new("search");
/// assert_eq!(breaker.state(), State::Closed);
/// breaker.set_state(State::MetricsOnly);
/// assert_eq!(breaker.state().to_string(), "metrics_only");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum State {
    /// Calls pass, and failures are counted.
    Closed,
    /// Calls are rejected until the open time is over.
    Open,
    /// A few calls pass as probes; their results decide.
    HalfOpen,
    /// Calls are rejected until another state is set: for maintenance.
    ForcedOpen,
    /// Calls pass and nothing is counted, until another state is set: as if there were no breaker. A breaker that a
    /// configuration has switched off is in this state, too, until it is switched on in the state that it had.
    Disabled,
    /// Calls pass and failures are counted, but never open it, until another state is set: to try out
    /// numbers.
    MetricsOnly,
}

impl State {
    /// Every state, each at the index of its number.
    #[cfg(feature = "ops")]
    pub(super) const ALL: [Self; 6] =
        [Self::Closed, Self::Open, Self::HalfOpen, Self::ForcedOpen, Self::Disabled, Self::MetricsOnly];

    /// Returns the stable name, in snake case: `"half_open"`.
    ///
    /// It is the form in metrics, the serialised snapshot and the inventory, and never changes for a state.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::ForcedOpen => "forced_open",
            Self::Disabled => "disabled",
            Self::MetricsOnly => "metrics_only",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The state and counts of a breaker at one moment; see
/// [`CircuitBreaker::snapshot`](crate::CircuitBreaker::snapshot).
///
/// With the feature `serde` it serialises as a map, with `retry_after_s` in seconds and `since` as a time.
///
/// # Examples
///
/// ```
/// use resilience::{CircuitBreaker, State};
///
/// let breaker = CircuitBreaker::new("search").threshold(3);
/// let failed: Result<(), std::io::Error> = breaker.call(|| Err(std::io::ErrorKind::TimedOut.into()));
/// assert!(failed.is_err());
///
/// let now = breaker.snapshot();
/// assert_eq!((now.state, now.failures, now.threshold), (State::Closed, 1, 3));
/// assert_eq!(now.to_string(), "search: closed, failures 1 of 3, rejected 0");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct BreakerSnapshot {
    /// The point, or the name of a plain value.
    pub name: PointName,
    /// The key, on a keyed breaker.
    pub key: Option<PointName>,
    /// The state.
    pub state: State,
    /// When the breaker entered the state; `None` if it never changed, or a configuration has switched it off. It is
    /// serialised as an RFC 3339 time in UTC.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::base::serialise::moment"))]
    pub since: Option<Instant>,
    /// The number of failures that count at the moment: in a row or inside the window, or those that opened it.
    pub failures: u32,
    /// The number of calls inside the window of a `rate`; `None` without one, and while it does not count.
    pub calls: Option<u64>,
    /// The share of failures among those calls, once there are `min_calls` of them.
    pub failure_rate: Option<f64>,
    /// The share of slow calls among them, of a breaker with `slow`.
    pub slow_rate: Option<f64>,
    /// The number of probes of this half-open time that have succeeded.
    pub successes: u32,
    /// The number of calls that it has refused since the program started.
    pub rejected: u64,
    /// The number of failures that open it; 0 if only a `rate` does.
    pub threshold: u32,
    /// The time for which it stays open; `None` if calls pass, or its time is over.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "retry_after_s", serialize_with = "crate::base::serialise::seconds")
    )]
    pub retry_after: Option<Duration>,
}

/// `search (key a.example): open for 30s, failures 5 of 5, rejected 3`.
impl fmt::Display for BreakerSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(f, &self.name, self.key.as_deref())?;
        write!(f, ": {}", self.state)?;
        self.retry_after.map_or(Ok(()), |wait| write!(f, " for {}", About(wait)))?;
        match self.calls {
            Some(calls) => write!(f, ", failures {} of {calls} calls", self.failures)?,
            None if self.threshold > 0 => write!(f, ", failures {} of {}", self.failures, self.threshold)?,
            None => write!(f, ", failures {}", self.failures)?,
        }
        write!(f, ", rejected {}", self.rejected)
    }
}
