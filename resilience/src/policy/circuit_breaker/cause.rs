//! Why a breaker opens, for its event.

use super::config::CircuitBreakerConfig;
use super::rates::Shares;
use super::state::Change;
use crate::classify::Classification;
use std::time::Duration;

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

    pub(super) fn opened(self, recovery: Option<Duration>) -> Change {
        Change::Opened { class: self.class.copied(), failures: self.failures, slow: self.slow, recovery }
    }
}

pub(super) fn failures_in(shares: Shares) -> u32 {
    u32::try_from(shares.failures).unwrap_or(u32::MAX)
}
