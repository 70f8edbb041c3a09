//! The settings that a breaker has now: those of its code, or of a configuration.

use super::CircuitBreaker;
use super::config::CircuitBreakerConfig;
use super::snapshot::State;
use super::state::PackedState;
use crate::base::settings::Settings;
#[cfg(feature = "config")]
use crate::point::Override;
#[cfg(feature = "config")]
use crate::policy::stateful::Stateful;
use std::time::Duration;

impl CircuitBreaker {
    /// Returns the settings in force: those of the code, or of a configuration.
    pub(crate) fn config(&self) -> CircuitBreakerConfig {
        self.settings_in_force().applied()
    }

    /// Returns the settings in force, without the threshold that [`config`](Self::config) leaves out.
    #[inline]
    pub(super) fn settings_in_force(&self) -> &Settings<CircuitBreakerConfig> {
        #[cfg(feature = "config")]
        if let Some(changed) = self.overridden().and_then(Override::get) {
            return changed;
        }
        &self.setup.settings
    }

    /// Returns how long a call may take before it counts as slow, by the settings in force.
    #[inline]
    pub(super) fn longest(&self) -> Option<Duration> {
        self.settings_in_force().config.slow
    }

    /// Returns whether it admits a call because a configuration has switched it off, and no operator has opened it.
    pub(super) fn admits_by_config(&self, word: PackedState) -> bool {
        self.is_off() && word.state() != State::ForcedOpen && !self.live.gate.is_open_by_operator()
    }

    /// Returns the state `word` as calls find it: a breaker that a configuration has switched off admits them.
    pub(super) fn seen(&self, word: PackedState) -> State {
        if self.admits_by_config(word) { State::Disabled } else { word.state() }
    }

    /// Returns whether a configuration has switched it off: then it admits every call that no operator refuses, and
    /// counts nothing.
    #[cfg_attr(not(feature = "config"), expect(clippy::unused_self, reason = "nothing switches it off"))]
    pub(crate) fn is_off(&self) -> bool {
        #[cfg(feature = "config")]
        return self.overridden().is_some_and(|changed| changed.is_off);
        #[cfg(not(feature = "config"))]
        return false;
    }
}
