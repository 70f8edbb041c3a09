//! The breakers of other libraries, with the settings of ours.

use recloser::Recloser;
use std::time::Duration;

/// How long a breaker stays open: longer than a row takes.
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// Returns the failsafe breaker that opens after five failures in a row.
pub(crate) fn failsafe()
-> failsafe::StateMachine<failsafe::failure_policy::ConsecutiveFailures<failsafe::backoff::Constant>, ()> {
    let wait = failsafe::backoff::constant(HOUR);
    failsafe::Config::new().failure_policy(failsafe::failure_policy::consecutive_failures(5, wait)).build()
}

/// Returns the recloser that opens when half of 100 calls fail.
pub(crate) fn recloser() -> Recloser {
    Recloser::custom().error_rate(0.5).closed_len(100).open_wait(HOUR).build()
}
