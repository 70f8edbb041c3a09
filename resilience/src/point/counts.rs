//! The results of the calls of one annotated function, as the inventory shows them.

#[cfg(feature = "ops")]
use super::durations::{Measure, Times};
use crate::failure::{Category, Severity};
use std::fmt;

/// The number of calls of one annotated function by how they ended, since the program started; needs the feature `ops`.
///
/// The counters only grow, but for `in_flight`. All parts are read in one pass and the totals are their sums, so that
/// `total` is `succeeded`, the counts of `failed`, `rejected`, `cancelled` and `panicked` at every moment, also under
/// load.
///
/// # Examples
///
/// ```
/// use resilience::{point, with_retry};
///
/// #[with_retry(max = 2, base = 0s, name = "rates::load")]
/// fn load() -> std::io::Result<u32> {
///     Err(std::io::ErrorKind::TimedOut.into())
/// }
///
/// load().unwrap_err();
/// let calls = point("rates::load").unwrap().snapshot().calls;
/// # #[cfg(feature = "ops")] {
/// let calls = calls.unwrap();
/// assert_eq!((calls.total, calls.succeeded, calls.attempts), (1, 0, 3));
/// assert_eq!(calls.failed, [("timeout", 1)]);
/// assert_eq!((calls.amplification(), calls.success_rate()), (3.0, 0.0));
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct CallCounts {
    /// The number of calls that have ended.
    pub total: u64,
    /// The number of calls that returned a success.
    ///
    /// An answer of a `with_fallback` or a stale value of a cache is a success, too: for the caller nothing has failed.
    /// Where that is not meant, the [`policies`](crate::PointSnapshot::policies) have the counts of such answers.
    pub succeeded: u64,
    /// The number of calls that failed, by the category of the error that the caller got; none with 0.
    ///
    /// A call that ran out of time is `"timeout"`, whether a policy cut it or its error says so.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::base::serialise::map"))]
    pub failed: Vec<(&'static str, u64)>,
    /// The number of calls that were refused by a policy of the function, or of a function that it calls.
    pub rejected: u64,
    /// The number of futures of calls that were dropped before their end.
    pub cancelled: u64,
    /// The number of calls that panicked.
    pub panicked: u64,
    /// The number of calls that run now; an estimate under load.
    pub in_flight: u64,
    /// The number of attempts: one for each call that has ended, and one for each retry.
    pub attempts: u64,
    /// The failures with the severity of their errors.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) severities: Vec<(Category, Severity, u64)>,
    /// The attempts that a retry followed.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) retried: Vec<(Category, u64)>,
    /// The errors that were at least the fifth of their category in a row.
    #[cfg(feature = "ops")]
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) runs: Vec<(Category, u64)>,
    /// The durations of calls and of their parts, where they are measured.
    #[cfg(feature = "ops")]
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) measured: Vec<(Measure, Times)>,
}

impl CallCounts {
    /// Returns the share of calls that succeeded, from 0 to 1; 1 before the first call.
    ///
    /// Cancelled calls are left out: they have no outcome. Rejected calls and panics lower the share.
    pub fn success_rate(&self) -> f64 {
        let judged = self.total.saturating_sub(self.cancelled);
        if judged == 0 { 1.0 } else { self.succeeded as f64 / judged as f64 }
    }

    /// Returns the attempts that were made for one call on average; 1 before the first call.
    pub fn amplification(&self) -> f64 {
        if self.total == 0 { 1.0 } else { self.attempts as f64 / self.total as f64 }
    }
}

/// Writes one line: `calls 12: succeeded 9, timeout 2, cancelled 1; 1.25 attempts a call`.
impl fmt::Display for CallCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "calls {}: succeeded {}", self.total, self.succeeded)?;
        let others =
            [("rejected", self.rejected), ("cancelled", self.cancelled), ("panicked", self.panicked)];
        let others = others.iter().filter(|(_, count)| *count > 0);
        self.failed.iter().chain(others).try_for_each(|(name, count)| write!(f, ", {name} {count}"))?;
        write!(f, "; {:.2} attempts a call", self.amplification())
    }
}

#[cfg(test)]
mod tests {
    use super::CallCounts;

    #[test]
    fn cancelled_calls_do_not_affect_the_success_rate() {
        let none = CallCounts::default();
        let cancelled = CallCounts { total: 2, cancelled: 2, ..none.clone() };
        let mixed = CallCounts { total: 6, succeeded: 3, rejected: 1, cancelled: 2, ..none.clone() };
        let failed = CallCounts { total: 1, panicked: 1, ..none.clone() };
        let rates = [none, cancelled, mixed, failed].map(|calls| format!("{:.2}", calls.success_rate()));
        assert_eq!(rates, ["1.00", "1.00", "0.75", "0.00"]);
    }
}
