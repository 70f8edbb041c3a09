//! Why a breaker opens, for its event.

use super::config::CircuitBreakerConfig;
use super::rates::Shares;
use super::snapshot::State;
use super::state::{Change, Opening};
use crate::classify::Classification;
use std::time::Duration;

/// Calls took too long.
pub(super) const SLOW: &str = "slow";
/// A person, or code of the program.
pub(super) const MANUAL: &str = "manual";
/// Enough probes have succeeded.
pub(super) const PROBE: &str = "probe";
/// The open time is over.
pub(super) const TIMER: &str = "timer";

/// Why a breaker opens: nothing where a person or the program opens it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cause<'a> {
    /// The error of the call that opens it.
    pub(super) class: Option<&'a Classification>,
    pub(super) failures: u32,
    /// How many calls were slow, where that opens it.
    pub(super) slow: u32,
}

impl<'a> Cause<'a> {
    pub(super) const fn of_failures(failures: u32, class: &'a Classification) -> Self {
        Self { class: Some(class), failures, slow: 0 }
    }

    pub(super) fn of_shares(
        shares: Shares,
        class: Option<&'a Classification>,
        config: &CircuitBreakerConfig,
    ) -> Self {
        let slow = if shares.trip_by_slowness(config) { shares.slow } else { 0 };
        Self { class, failures: failures_in(shares), slow: u32::try_from(slow).unwrap_or(u32::MAX) }
    }

    /// That it goes from the state `from` into `to`, which rejects calls.
    pub(super) fn opened(self, from: State, to: State, recovery: Option<Duration>) -> Change {
        let cause = match self.class {
            _ if self.slow > 0 => SLOW,
            Some(class) => class.category.as_str(),
            None => MANUAL,
        };
        let opening =
            Opening { class: self.class.copied(), failures: self.failures, slow: self.slow, recovery };
        Change { opening, ..Change::new(from, to, cause) }
    }
}

pub(super) fn failures_in(shares: Shares) -> u32 {
    u32::try_from(shares.failures).unwrap_or(u32::MAX)
}
