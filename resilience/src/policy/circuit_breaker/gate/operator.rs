//! The operations of a person on a breaker.

use super::super::cause::MANUAL;
use super::super::config::CircuitBreakerConfig;
use super::super::snapshot::State;
use super::super::state::{Opening, Transition};
use super::Gate;
use crate::base::clock::{later, now};
use std::time::Instant;

impl Gate {
    /// Forgets all counts and closes it; calls that are running decide nothing any more.
    pub(in super::super) fn reset(&self) -> Option<Transition> {
        let mut memory = self.memory.lock();
        let (was, since) = (self.word().state(), memory.since);
        self.enter(&mut memory, State::Closed, now());
        if was == State::Closed {
            memory.since = since;
            return None;
        }
        Some(Transition::new(was, State::Closed, MANUAL))
    }

    /// Opens it for an operator, or moves the end of the open time of an open one: to `until`, or, if its time is over,
    /// to the end of another one.
    pub(in super::super) fn open_until(
        &self,
        until: Option<Instant>,
        config: &CircuitBreakerConfig,
    ) -> Option<Transition> {
        let mut memory = self.memory.lock();
        let (now, was) = (now(), self.word().state());
        let keeps_end = until.is_none() && was == State::Open && self.left_at(now).is_some();
        let until = until.unwrap_or_else(|| later(now, config.open_time(memory.reopenings, None)));
        if !keeps_end {
            self.stay_open_until(until);
        }
        memory.is_by_operator = true;
        if was == State::Open {
            return None;
        }
        self.enter(&mut memory, State::Open, now);
        memory.is_by_operator = true;
        let recovery = until.saturating_duration_since(now);
        Some(Opening::default().transition(was, State::Open, recovery))
    }

    /// Returns whether it is open because a person opened it, and its time is not over.
    pub(in super::super) fn is_open_by_operator(&self) -> bool {
        self.word().state() == State::Open && self.left().is_some() && self.memory.lock().is_by_operator
    }

    /// Sets a state that has nothing to remember.
    pub(in super::super) fn set(&self, state: State) -> Option<Transition> {
        let mut memory = self.memory.lock();
        let was = self.word().state();
        if was == state {
            return None;
        }
        self.enter(&mut memory, state, now());
        Some(Transition::new(was, state, MANUAL))
    }
}
