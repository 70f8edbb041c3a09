//! The metrics of a breaker besides its state: its transitions, the time in each state and the share of failures.

use super::snapshot::State;
use super::state::Transition;
use super::{CircuitBreaker, Counters};
use crate::base::sync::locked;
use crate::point::MetricReading;

impl Counters {
    pub(super) fn count_transition(&self, Transition { from, to, cause, .. }: Transition) {
        *locked(&self.transitions).entry([from.as_str(), to.as_str(), cause]).or_default() += 1;
    }

    /// Returns how often the breaker went from one state to another, by cause.
    pub(super) fn read_transitions(&self) -> Vec<MetricReading> {
        let reading = |([from, to, cause], count): (&[&'static str; 3], &u64)| MetricReading {
            labels: vec![("from", *from), ("to", *to), ("cause", *cause)],
            ..MetricReading::new("breaker_transitions_total", *count as f64)
        };
        locked(&self.transitions).iter().map(reading).collect()
    }
}

impl CircuitBreaker {
    /// Returns the metrics of a breaker without keys.
    pub(super) fn own_readings(&self) -> Vec<MetricReading> {
        let config = self.config();
        let mut all = self.live.counters.read_transitions();
        for (state, time) in State::ALL.into_iter().zip(self.live.gate.times()) {
            if !time.is_zero() {
                let labels = vec![("state", state.as_str())];
                let seconds = MetricReading::new("breaker_state_seconds_total", time.as_secs_f64());
                all.push(MetricReading { labels, ..seconds });
            }
        }
        if config.has_shares() {
            // Below the least number of calls there is no share.
            let ratio = self.snapshot().failure_rate.unwrap_or(-1.0);
            all.push(MetricReading::new("breaker_failure_ratio", ratio));
        }
        all
    }
}
