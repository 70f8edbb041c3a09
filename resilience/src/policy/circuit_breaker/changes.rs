//! What metrics show of a breaker beside its state: its transitions, the time in each state and the share of failures.

use super::snapshot::State;
use super::state::Change;
use super::{CircuitBreaker, Counters};
use crate::base::sync::locked;
use crate::point::Reading;
use crate::policy::keyed::EntryMap;
use std::sync::{Mutex, OnceLock};

/// How often a breaker went from one state to another, by cause.
///
/// There are few kinds of transitions, so they are a list; it is made with the first.
#[derive(Debug, Default)]
pub(super) struct Changes(OnceLock<Box<Mutex<Vec<Counted>>>>);

#[derive(Debug)]
struct Counted {
    from: State,
    to: State,
    cause: &'static str,
    count: u64,
}

impl Changes {
    pub(super) const fn new() -> Self {
        Self(OnceLock::new())
    }

    pub(super) fn count(&self, Change { from, to, cause, .. }: Change) {
        let mut all = locked(self.0.get_or_init(Box::default));
        match all.iter_mut().find(|other| (other.from, other.to, other.cause) == (from, to, cause)) {
            Some(counted) => counted.count += 1,
            None => all.push(Counted { from, to, cause, count: 1 }),
        }
    }

    fn readings(&self) -> Vec<Reading> {
        let Some(all) = self.0.get() else { return Vec::new() };
        let reading = |Counted { from, to, cause, count }: &Counted| Reading {
            labels: vec![("from", from.as_str()), ("to", to.as_str()), ("cause", cause)],
            ..Reading::new("breaker_transitions_total", *count as f64)
        };
        locked(all).iter().map(reading).collect()
    }
}

impl Counters {
    /// The transitions that these counters have.
    pub(super) fn transitions(&self) -> Vec<Reading> {
        self.changes.readings()
    }
}

impl CircuitBreaker {
    /// What metrics show of a breaker without keys.
    pub(super) fn own_readings(&self) -> Vec<Reading> {
        let config = self.config();
        let mut all = self.live.counters.transitions();
        for (state, time) in State::ALL.into_iter().zip(self.live.gate.times()) {
            if !time.is_zero() {
                let labels = vec![("state", state.as_str())];
                let seconds = Reading::new("breaker_state_seconds_total", time.as_secs_f64());
                all.push(Reading { labels, ..seconds });
            }
        }
        if config.has_shares() {
            // Below the least number of calls there is no share.
            let ratio = self.snapshot().failure_rate.unwrap_or(-1.0);
            all.push(Reading::new("breaker_failure_ratio", ratio));
        }
        all
    }

    /// The transitions of all keys together.
    pub(super) fn transitions_of_all(entries: &EntryMap<Self>) -> Vec<Reading> {
        let totals = entries.whole().and_then(|whole| whole.totals.as_deref());
        totals.map_or_else(Vec::new, Counters::transitions)
    }
}
