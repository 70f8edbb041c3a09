//! What a step expects, held against what was seen.

use crate::seen::Seen;
use crate::stage::Stage;
use crate::{numbers, transitions};
use resilience::policy::circuit_breaker::State;
use resilience::{CircuitBreaker, Event};
use serde_json::Value;
use std::sync::atomic::Ordering;

/// What came of one expectation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Check {
    Met,
    /// What was seen instead.
    Missed(String),
    /// Why it cannot be looked at.
    Skipped(String),
}

pub(crate) fn met(is_met: bool, actual: impl ToString) -> Check {
    if is_met { Check::Met } else { Check::Missed(actual.to_string()) }
}

pub(crate) fn skipped(reason: impl Into<String>) -> Check {
    Check::Skipped(reason.into())
}

fn on<T>(seen: Option<&T>, check: impl FnOnce(&T) -> Check) -> Check {
    seen.map_or_else(|| skipped("such a step does not show it"), check)
}

fn whole(count: usize) -> f64 {
    count as f64
}

impl Stage<'_> {
    /// Every expectation of `expect`, by name; those about counters only after the `last` repetition.
    pub(crate) fn look(&self, expect: &Value, seen: &Seen, last: bool) -> Vec<(String, Value, Check)> {
        let mut all = Vec::new();
        for (field, expected) in expect.as_object().into_iter().flatten() {
            let group = matches!(field.as_str(), "metrics" | "events_count" | "step_executions");
            let counter = group || matches!(field.as_str(), "executions" | "events");
            match expected.as_object() {
                _ if counter && !last => {}
                Some(parts) if group => all.extend(parts.iter().map(|(name, expected)| {
                    let check = match field.as_str() {
                        "metrics" => self.metric(name, expected, &seen.key),
                        "step_executions" => {
                            match self.runs.as_ref().and_then(|runs| runs.executions(name)) {
                                Some(count) => numbers::count(expected, count),
                                None => skipped("no such step is there"),
                            }
                        }
                        _ => self.count_of_events(name, expected),
                    };
                    (format!("{field}.{name}"), expected.clone(), check)
                })),
                _ => all.push((field.clone(), expected.clone(), self.one(field, expected, seen))),
            }
        }
        all
    }

    fn one(&self, field: &str, expected: &Value, seen: &Seen) -> Check {
        match field {
            "admitted" => on(seen.admitted.as_ref(), |is| met(*expected == is.value(), is)),
            "result" => {
                on(seen.ending.as_ref(), |is| met(expected.as_str().is_some_and(|word| is.is(word)), is))
            }
            "state" => self.state(0, expected, &seen.key),
            "inner_state" => self.state(1, expected, &seen.key),
            "attempts" => on(seen.attempts.as_ref(), |is| numbers::count(expected, *is)),
            "executions" => numbers::count(expected, self.executions.load(Ordering::Relaxed)),
            "delays_ms" => on(seen.waits.as_ref(), |is| numbers::each(expected, is)),
            "delay_ms" => on(seen.samples.as_ref(), |is| numbers::all(expected, is)),
            "mean_ms" => on(seen.samples.as_ref(), |is| numbers::mean(expected, is)),
            "distinct_min" => on(seen.samples.as_ref(), |is| numbers::distinct(expected, is)),
            "elapsed_ms" => on(seen.elapsed.as_ref(), |is| numbers::one(expected, Some(*is))),
            "retry_after_ms" => self.retry_after(expected, seen),
            "fallback_called" => on(seen.has_fallen_back.as_ref(), |is| met(*expected == *is, is)),
            "work_cancelled" => on(seen.was_cut.as_ref(), |is| met(*expected == *is, is)),
            "max_observed_concurrency" => on(seen.most.as_ref(), |is| numbers::count(expected, *is)),
            "rejected_count" => on(seen.rejected.as_ref(), |is| numbers::count(expected, *is)),
            "retry" => {
                on(seen.category.as_ref(), |is| met(*expected == is.is_retryable(), is.is_retryable()))
            }
            "category" => on(seen.category.as_ref(), |is| met(*expected == is.as_str(), is)),
            "ran" => on(seen.ran.as_ref(), |is| met(*expected == serde_json::json!(is), is.join(", "))),
            "running" => on(seen.running.as_ref(), |is| numbers::count(expected, *is)),
            "events" => transitions::check(&self.events(), self.scenario, expected),
            _ => skipped("the runner does not know it"),
        }
    }

    /// The waits of all retries since the scenario began.
    pub(crate) fn waits(&self) -> Vec<f64> {
        self.world.waits().into_iter().map(crate::stage::millis).collect()
    }

    /// The events since the scenario began.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.world.events().split_off(self.first_event)
    }

    fn breaker<R>(&self, place: usize, key: &str, look: impl FnOnce(&CircuitBreaker) -> R) -> Option<R> {
        self.stack.breakers().nth(place).map(|layer| look(&layer.get(key)))
    }

    fn state(&self, place: usize, expected: &Value, key: &str) -> Check {
        match self.breaker(place, key, CircuitBreaker::state) {
            Some(state) => met(*expected == state.as_str(), state),
            None => skipped("no breaker is there"),
        }
    }

    fn retry_after(&self, expected: &Value, seen: &Seen) -> Check {
        match seen.retry_after {
            Some(told) => numbers::one(expected, told),
            None => match self.breaker(0, &seen.key, |breaker| breaker.snapshot().retry_after) {
                Some(left) => numbers::one(expected, left.map(crate::stage::millis)),
                None => skipped("such a step does not show it"),
            },
        }
    }

    fn metric(&self, name: &str, expected: &Value, key: &str) -> Check {
        if name == "retries" {
            let is_retry = |event: &&Event| matches!(event, Event::Retrying { .. });
            return numbers::count(expected, self.events().iter().filter(is_retry).count());
        }
        if let Some(bulkhead) = self.stack.bulkheads().next() {
            let now = bulkhead.get(key).snapshot();
            match name {
                "available" => return numbers::one(expected, Some(f64::from(now.slots - now.in_use))),
                "queued" | "waiting" => return numbers::count(expected, now.waiting),
                _ => {}
            }
        }
        let Some(snapshot) = self.breaker(0, key, CircuitBreaker::snapshot) else {
            return skipped("the library does not count it");
        };
        let Some(layer) = self.stack.breakers().next() else { return skipped("no breaker is there") };
        let config = &layer.plan().config;
        let counts_in_a_row = config.window.is_none() && config.rate.is_none();
        let is_counting = matches!(snapshot.state, State::Closed | State::MetricsOnly);
        match name {
            "consecutive_failures" | "failures" | "calls" | "successes" | "failure_rate" if !is_counting => {
                skipped("a breaker that is not closed shows no failures")
            }
            "calls" if config.rate.is_some() => {
                numbers::one(expected, snapshot.calls.map(|calls| calls as f64))
            }
            "successes" if config.rate.is_some() => {
                let successes = snapshot.calls.map(|calls| calls as f64 - f64::from(snapshot.failures));
                numbers::one(expected, successes)
            }
            "failure_rate" if config.rate.is_some() => {
                numbers::one(expected, snapshot.failure_rate.map(|rate| 100.0 * rate))
            }
            "consecutive_failures" if counts_in_a_row => {
                numbers::one(expected, Some(f64::from(snapshot.failures)))
            }
            "consecutive_failures" => skipped("a breaker with a window does not count failures in a row"),
            "failures" if !counts_in_a_row => numbers::one(expected, Some(f64::from(snapshot.failures))),
            "failures" => skipped("a breaker that counts failures in a row keeps no sum of them"),
            // Of the present state in some libraries, since the start in others and in this one.
            "not_permitted" => match numbers::one(expected, Some(snapshot.rejected as f64)) {
                Check::Missed(_) => numbers::count(expected, transitions::refused_since(&self.events(), key)),
                check => check,
            },
            _ => skipped("the library does not count it"),
        }
    }

    fn count_of_events(&self, name: &str, expected: &Value) -> Check {
        let events = self.events();
        let count = |is: fn(&Event) -> bool| {
            numbers::one(expected, Some(whole(events.iter().filter(|e| is(e)).count())))
        };
        match name {
            "opened" | "open" => count(|event| matches!(event, Event::Opened { .. })),
            "half_opened" | "half_open" => count(|event| matches!(event, Event::HalfOpened { .. })),
            "closed" => count(|event| matches!(event, Event::Closed { .. })),
            "timeout" => count(|event| matches!(event, Event::TimedOut { .. })),
            "retry" | "retries" => count(|event| matches!(event, Event::Retrying { .. })),
            "not_permitted" | "rejected" => count(|event| matches!(event, Event::Rejected { .. })),
            "fallback" => count(|event| matches!(event, Event::FellBack { .. })),
            _ => skipped("the library does not tell of it"),
        }
    }
}
