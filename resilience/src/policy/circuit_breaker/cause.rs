//! Why a breaker opens, for its event.

use super::config::CircuitBreakerConfig;
use super::rates::Shares;
use super::snapshot::State;
use super::state::{Opening, Transition};
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

impl Opening {
    pub(super) fn of_failures(failures: u32, class: &Classification) -> Self {
        Self { class: Some(*class), failures, ..Self::default() }
    }

    pub(super) fn of_shares(
        shares: Shares,
        class: Option<&Classification>,
        config: &CircuitBreakerConfig,
    ) -> Self {
        let slow = if shares.trip_by_slowness(config) { shares.slow } else { 0 };
        let slow = u32::try_from(slow).unwrap_or(u32::MAX);
        Self { class: class.copied(), failures: failures_in(shares), slow, recovery: None }
    }

    /// Creates the event that it goes from the state `from` into `to`, which rejects calls for the time `recovery`.
    pub(super) fn transition(self, from: State, to: State, recovery: Duration) -> Transition {
        let cause = match self.class {
            _ if self.slow > 0 => SLOW,
            Some(class) => class.category.as_str(),
            None => MANUAL,
        };
        Transition { from, to, cause, opening: Self { recovery: Some(recovery), ..self } }
    }
}

pub(super) fn failures_in(shares: Shares) -> u32 {
    u32::try_from(shares.failures).unwrap_or(u32::MAX)
}
