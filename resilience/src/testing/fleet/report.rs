//! The result of a run of a fleet.

use std::fmt;
use std::time::Duration;

/// The share of its calls that succeed in each second of a fleet that has recovered.
const WELL: f64 = 0.95;

/// The calls of the clients of a [`Fleet`](super::Fleet), and their results.
///
/// `Display` writes a line for a message of a test:
/// `24000 calls, 90.2 % succeeded, 541.0 a second; 1.12 requests a call; recovered after 2s`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Calls that began.
    pub calls: u64,
    /// Calls that ended with `Ok`.
    pub succeeded: u64,
    /// Calls that ended with an error. Calls that are in neither number still ran at the end.
    pub failed: u64,
    /// Requests that reached the service, those that it refused included.
    pub requests: u64,
    /// The counts of each whole second of the run.
    pub seconds: Vec<Second>,
    /// The end of the last outage.
    healthy_since: Duration,
    lasted: Duration,
}

/// The counts of one second of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Second {
    /// Calls that began in it.
    pub calls: u64,
    /// Calls that ended in it with `Ok`.
    pub succeeded: u64,
    /// Calls that ended in it with an error.
    pub failed: u64,
    /// Requests that reached the service in it.
    pub requests: u64,
}

impl Second {
    /// Returns whether nearly all calls that ended in this second succeeded. If none ends, none may have begun.
    fn is_healthy(&self) -> bool {
        match self.succeeded + self.failed {
            0 => self.calls == 0,
            ended => self.succeeded as f64 >= WELL * ended as f64,
        }
    }
}

impl Report {
    pub(super) fn new(healthy_since: Duration, lasted: Duration) -> Self {
        let seconds = usize::try_from(lasted.as_secs()).unwrap_or(0);
        Self {
            calls: 0,
            succeeded: 0,
            failed: 0,
            requests: 0,
            seconds: vec![Second::default(); seconds],
            healthy_since,
            lasted,
        }
    }

    /// Returns the average number of requests that the service got for each call, 1.0 without any call.
    ///
    /// More than 1 is the work that retries and hedges add; less is what breakers and limits have kept away.
    pub fn amplification(&self) -> f64 {
        if self.calls == 0 { 1.0 } else { self.requests as f64 / self.calls as f64 }
    }

    /// Returns the number of successful calls a second.
    pub fn goodput(&self) -> f64 {
        if self.lasted.is_zero() { 0.0 } else { self.succeeded as f64 / self.lasted.as_secs_f64() }
    }

    /// Returns how long it took from the end of the last outage until the calls succeeded again, in whole seconds.
    ///
    /// That is the first second from which on, until the end of the run, at least 95 % of the calls that ended in each
    /// second succeeded; `None` if there is none. Without an outage it is counted from the begin.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::testing::fleet::{Fleet, Server};
    /// use std::time::Duration;
    ///
    /// let seconds = Duration::from_secs;
    /// let down = Server::new(10, Duration::from_millis(10)).down(seconds(3)..seconds(6));
    /// let report = Fleet::new(5).run(seconds(10), down.clone(), async |service| service.request().await).unwrap();
    /// assert_eq!(report.recovery(), Some(seconds(0)));
    ///
    /// let report = Fleet::new(5).run(seconds(5), down, async |service| service.request().await).unwrap();
    /// assert_eq!(report.recovery(), None, "it is down at the end");
    /// ```
    pub fn recovery(&self) -> Option<Duration> {
        let bad = self.seconds.iter().rposition(|second| !second.is_healthy());
        let well = Duration::from_secs(bad.map_or(0, |last| last as u64 + 1));
        let is_seen = well.max(self.healthy_since) < Duration::from_secs(self.seconds.len() as u64);
        is_seen.then(|| well.saturating_sub(self.healthy_since))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = if self.calls == 0 { 1.0 } else { self.succeeded as f64 / self.calls as f64 };
        let (share, goodput, amplification) = (100.0 * share, self.goodput(), self.amplification());
        write!(f, "{} calls, {share:.1} % succeeded, {goodput:.1} a second; ", self.calls)?;
        write!(f, "{amplification:.2} requests a call; ")?;
        match self.recovery() {
            Some(took) => write!(f, "recovered after {took:?}"),
            None => f.write_str("not recovered"),
        }
    }
}
