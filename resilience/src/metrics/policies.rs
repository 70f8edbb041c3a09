//! The state and the counters of policies.

use super::family::{Family, Kind, Label, Rows, Sink};
use super::keys::KeySplits;
use crate::keyed::OTHER_KEYS;
use crate::point::KeySnapshot;
use crate::point::info::{PointSnapshot, PolicySnapshot};

const STATES: [&str; 6] = ["closed", "open", "half_open", "forced_open", "disabled", "metrics_only"];
const BREAKER: &str = "circuit_breaker";

const BREAKER_STATE: Family = Family {
    name: "resilience_breaker_state",
    kind: Kind::Gauge,
    help: "1 for the state that the breaker is in, 0 for the others.",
};
const TIMEOUTS: Family = Family {
    name: "resilience_timeouts_total",
    kind: Kind::Counter,
    help: "Attempts and whole calls that a timeout ended.",
};

/// One metric that is read from the numbers of policies.
struct PolicyMetric {
    family: Family,
    policy: &'static str,
    /// The numbers, each with the label that it gets; `None` for no label beside the name.
    of: &'static [(&'static str, Option<(&'static str, &'static str)>)],
}

macro_rules! numbers {
    ($($kind:ident $name:literal $policy:literal [$($number:literal $(=> $label:literal $value:literal)?),*] $help:literal;)*) => {
        &[$(PolicyMetric {
            family: Family { name: $name, kind: Kind::$kind, help: $help },
            policy: $policy,
            of: &[$(($number, label!($($label $value)?))),*],
        },)*]
    };
}

macro_rules! label {
    () => {
        None
    };
    ($label:literal $value:literal) => {
        Some(($label, $value))
    };
}

#[rustfmt::skip]
const NUMBERS: &[PolicyMetric] = numbers! {
    Counter "resilience_breaker_opened_total" "circuit_breaker" ["opened"] "How often a breaker has opened.";
    Counter "resilience_breaker_calls_total" "circuit_breaker"
        ["failures" => "result" "failure", "rejected" => "result" "rejected", "cancelled" => "result" "cancelled", "panicked" => "result" "panicked", "slow" => "result" "slow", "ignored" => "result" "ignored"]
        "Calls that a breaker did not count as plain success, by their result.";
    Counter "resilience_retry_calls_total" "with_retry"
        ["recovered" => "result" "ok_retried", "not_retryable" => "result" "not_retryable", "exhausted" => "result" "exhausted",
            "out_of_time" => "result" "deadline", "server_wait" => "result" "retry_after", "denied" => "result" "budget_denied"]
        "Calls whose first attempt failed, by what the retry did.";
    Counter "resilience_retry_budget_denied_total" "with_retry" ["denied"] "Retries that the budget denied.";
    Counter "resilience_retry_throttled_total" "with_retry" ["throttled"] "Calls that the throttle of a budget refused.";
    Counter "resilience_nested_retries_total" "with_retry" ["nested"] "Retries inside a repeated attempt of another retry, which multiplies them.";
    Gauge "resilience_timeout_abandoned" "timeout" ["abandoned"] "Bodies that still run on their threads after their timeout.";
    Gauge "resilience_bulkhead_in_use" "bulkhead" ["in_use"] "Slots in use.";
    Gauge "resilience_bulkhead_waiting" "bulkhead" ["waiting"] "Calls that wait for a slot.";
    Counter "resilience_bulkhead_rejected_total" "bulkhead" ["rejected"] "Calls that found no free slot.";
    Counter "resilience_bulkhead_waited_total" "bulkhead" ["waited"] "Calls that have waited for a slot.";
    Counter "resilience_bulkhead_keys_shared_total" "bulkhead" ["overflowed"] "How often a key found every entry in use and shared one.";
    Gauge "resilience_ratelimit_available" "rate_limit" ["available"] "Calls that may pass at once.";
    Gauge "resilience_ratelimit_waiting" "rate_limit" ["waiting"] "Calls that wait for their turn.";
    Counter "resilience_ratelimit_rejected_total" "rate_limit" ["rejected"] "Calls beyond the rate limit.";
    Counter "resilience_ratelimit_waited_total" "rate_limit" ["waited"] "Calls that have waited for their turn.";
    Counter "resilience_ratelimit_keys_shared_total" "rate_limit" ["overflowed"] "How often a key found every entry in use and shared one.";
    Counter "resilience_hedges_total" "hedge" ["hedged"] "Extra calls of hedges.";
    Counter "resilience_hedge_wins_total" "hedge" ["won_by_extra" => "winner" "hedge"] "Calls that an extra call of a hedge answered.";
    Counter "resilience_hedge_budget_denied_total" "hedge" ["denied"] "Extra calls that the budget denied.";
    Counter "resilience_cache_requests_total" "cached"
        ["misses" => "result" "miss", "joined" => "result" "joined", "stale" => "result" "stale"]
        "Calls that a cache did not answer with a fresh value, by what it did.";
    Gauge "resilience_cache_entries" "cached" ["entries"] "Values that a cache holds.";
    Counter "resilience_degraded_calls_total" "degrade"
        ["simplified" => "result" "simplified", "answered" => "result" "answered"]
        "Calls that were made simpler, and those of them that were answered.";
    Counter "resilience_failovers_total" "failover"
        ["failed_over" => "result" "failed_over", "answered" => "result" "answered"]
        "Calls that went on with another value, and those of them that were answered.";
    Counter "resilience_lock_acquisitions_total" "with_lock"
        ["locked" => "result" "ok", "rejected" => "result" "timeout"]
        "Attempts to take a lock, by their result.";
    Counter "resilience_lock_waited_total" "with_lock" ["waited"] "Calls that have waited for a lock.";
    Counter "resilience_lock_lost_total" "with_lock" ["lost"] "Locks that were lost while they were held.";
    Counter "resilience_checkpoint_calls_total" "checkpoint"
        ["begun" => "result" "begun", "reused" => "result" "reused"]
        "Calls of recorded steps, by whether their body began or a recorded value was used.";
    Counter "resilience_job_calls_total" "job"
        ["begun" => "result" "begun", "reused" => "result" "reused"]
        "Calls of jobs, by whether their body began or a recorded value was used.";
    Counter "resilience_recovery_strategies_total" "with_recovery" ["taken"] "Failures for which a recovery found a strategy.";
    Counter "resilience_chaos_injected_total" "chaos"
        ["error" => "kind" "error", "lost_answer" => "kind" "lost_answer", "latency" => "kind" "latency", "panic" => "kind" "panic"]
        "Faults that were injected on purpose.";
};

/// The metrics of policies besides their counters, by their names there.
#[rustfmt::skip]
const READINGS: &[PolicyMetric] = numbers! {
    Counter "resilience_breaker_transitions_total" "circuit_breaker" ["breaker_transitions_total"] "Transitions of breakers, of all keys together.";
    Counter "resilience_breaker_state_seconds_total" "circuit_breaker" ["breaker_state_seconds_total"] "How long a breaker without keys was in each state.";
    Gauge "resilience_breaker_failure_ratio" "circuit_breaker" ["breaker_failure_ratio"] "The share of failures in the window of a rate; -1 while there are too few calls.";
    Gauge "resilience_breaker_keys" "circuit_breaker" ["keys"] "Keys that have a breaker.";
    Counter "resilience_breaker_keys_evicted_total" "circuit_breaker" ["keys_evicted_total"] "Keys whose breaker was evicted.";
    Counter "resilience_breaker_series_overflow_total" "circuit_breaker" ["series_overflow_total"] "Keys used often that have no label.";
    Counter "resilience_fallbacks_total" "with_fallback" ["fallbacks_total"] "Failures that came to a fallback, by its result and the step that answered.";
    Gauge "resilience_bulkhead_limit" "bulkhead" ["bulkhead_limit"] "Slots of a bulkhead without keys.";
    Gauge "resilience_bulkhead_keys" "bulkhead" ["keys"] "Keys that have a bulkhead.";
    Counter "resilience_bulkhead_keys_evicted_total" "bulkhead" ["keys_evicted_total"] "Keys whose bulkhead was evicted.";
    Counter "resilience_bulkhead_series_overflow_total" "bulkhead" ["series_overflow_total"] "Keys used often that have no label.";
    Gauge "resilience_ratelimit_keys" "rate_limit" ["keys"] "Keys that have a rate limit.";
    Counter "resilience_ratelimit_keys_evicted_total" "rate_limit" ["keys_evicted_total"] "Keys whose rate limit was evicted.";
    Counter "resilience_ratelimit_series_overflow_total" "rate_limit" ["series_overflow_total"] "Keys used often that have no label.";
    Gauge "resilience_hedge_keys" "hedge" ["keys"] "Keys that have a hedge.";
    Counter "resilience_hedge_keys_evicted_total" "hedge" ["keys_evicted_total"] "Keys whose hedge was evicted.";
    Counter "resilience_hedge_series_overflow_total" "hedge" ["series_overflow_total"] "Keys used often that have no label.";
    Gauge "resilience_retry_budget_tokens" "with_retry" ["retry_budget_tokens"] "Tokens in the budget of a retry without keys.";
};

pub(super) fn write(sink: &mut dyn Sink, points: &[PointSnapshot], splits: &mut KeySplits) {
    states(&mut Rows::new(sink, &BREAKER_STATE), points);
    let mut rows = Rows::new(sink, &TIMEOUTS);
    for point in points {
        for scope in ["attempt", "total"] {
            rows.count(&[("name", &point.name), ("scope", scope)], timeouts(point, scope));
        }
    }
    for numbers in NUMBERS {
        let mut rows = Rows::new(sink, &numbers.family);
        for point in points {
            numbers.write(&mut rows, point, splits);
        }
    }
    for numbers in READINGS {
        let mut rows = Rows::new(sink, &numbers.family);
        for point in points {
            numbers.read(&mut rows, point);
        }
    }
}

/// Writes the state of each breaker without keys, and of each key with a label.
fn states(rows: &mut Rows<'_>, points: &[PointSnapshot]) {
    for point in points {
        let breakers = || point.policies.iter().filter(|policy| policy.kind == BREAKER);
        let mut add = |labels: &[Label<'_>], now: &str| {
            for state in STATES {
                rows.add(&[labels, &[("state", state)]].concat(), state == now);
            }
        };
        if let Some(now) = breakers().find_map(|policy| policy.state) {
            add(&[("name", &point.name)], now);
        }
        let Some((policy, keys)) = breakers().find_map(labelled) else { continue };
        for key in keys {
            // An evicted breaker admits every call, like a closed one.
            let now = of_key(policy, key).map_or("closed", |row| row.state);
            add(&[("name", &point.name), ("key", key)], now);
        }
    }
}

/// Returns the calls that the timeouts of `point` have ended: for attempts those below a retry.
fn timeouts(point: &PointSnapshot, scope: &str) -> u64 {
    let retry = point.policies.iter().rposition(|policy| policy.kind == "with_retry");
    let is_attempt = |at: usize| retry.is_some_and(|retry| at > retry);
    let of_scope = |at: usize| is_attempt(at) == (scope == "attempt");
    let policies = point.policies.iter().enumerate();
    let timeouts = policies.filter(|(at, policy)| policy.kind == "timeout" && of_scope(*at));
    timeouts.map(|(_, policy)| number(&policy.counters, "timed_out").unwrap_or(0)).sum()
}

impl PolicyMetric {
    /// Writes the series of one point: a stack can have several layers of one kind, whose numbers are added.
    fn write(&self, rows: &mut Rows<'_>, point: &PointSnapshot, splits: &mut KeySplits) {
        let layers = || point.policies.iter().filter(|policy| policy.kind == self.policy);
        if layers().next().is_none() {
            return;
        }
        let keyed = layers().find_map(labelled);
        for (number_of, label) in self.of {
            let numbers = layers().filter_map(|policy| number(&policy.counters, number_of));
            let Some(total) = numbers.reduce(|all, more| all + more) else { continue };
            let labels = |key| -> Vec<Label<'_>> {
                [Some(("name", &*point.name)), key, *label].into_iter().flatten().collect()
            };
            let Some((policy, keys)) = keyed else {
                self.add(rows, &labels(None), total);
                continue;
            };
            let count_of = |key| of_key(policy, key).and_then(|row| number(&row.counters, number_of));
            let counts: Vec<_> = keys.iter().map(|key| (key.as_str(), count_of(key).unwrap_or(0))).collect();
            self.divided(
                rows,
                splits,
                (&point.name, label.map_or(*number_of, |label| label.1)),
                total,
                &counts,
                &labels,
            );
        }
    }

    /// Writes the series of one number that is kept for each key.
    fn divided<'a>(
        &self,
        rows: &mut Rows<'_>,
        splits: &mut KeySplits,
        (point, label): (&str, &'static str),
        total: u64,
        counts: &'a [(&'a str, u64)],
        labels: &dyn Fn(Option<Label<'a>>) -> Vec<Label<'a>>,
    ) {
        if self.family.kind == Kind::Gauge {
            for (key, count) in counts {
                rows.add(&labels(Some(("key", key))), *count);
            }
            let shown: u64 = counts.iter().map(|(_, count)| count).sum();
            rows.add(&labels(Some(("key", OTHER_KEYS))), total.saturating_sub(shown));
            return;
        }
        let shares = splits.divide((point.to_owned(), self.family.name, label), total, counts);
        for ((key, _), count) in counts.iter().zip(shares.labels) {
            rows.count(&labels(Some(("key", key))), count);
        }
        rows.count(&labels(Some(("key", OTHER_KEYS))), shares.other);
    }

    fn add(&self, rows: &mut Rows<'_>, labels: &[Label<'_>], value: u64) {
        match self.family.kind {
            Kind::Gauge => rows.add(labels, value),
            Kind::Counter | Kind::Histogram => rows.count(labels, value),
        }
    }

    /// Writes the readings of one point. Readings with the same labels, of several layers, are added.
    fn read(&self, rows: &mut Rows<'_>, point: &PointSnapshot) {
        let layers = point.policies.iter().filter(|policy| policy.kind == self.policy);
        let wanted = |metric: &str| self.of.iter().any(|(name, _)| *name == metric);
        let mut sums: Vec<(&[(&'static str, &'static str)], f64)> = Vec::new();
        for reading in layers.flat_map(|policy| &policy.shown.readings).filter(|row| wanted(row.metric)) {
            match sums.iter_mut().find(|(labels, _)| *labels == reading.labels) {
                Some((_, sum)) => *sum += reading.value,
                None => sums.push((&reading.labels, reading.value)),
            }
        }
        for (labels, value) in sums {
            if self.family.kind == Kind::Gauge || value > 0.0 {
                let name: &[Label<'_>] = &[("name", &point.name)];
                rows.add(&[name, labels].concat(), value);
            }
        }
    }
}

fn number(numbers: &[(&'static str, u64)], name: &str) -> Option<u64> {
    numbers.iter().find(|(known, _)| *known == name).map(|(_, count)| *count)
}

/// Returns a policy whose keys have labels, with those keys.
fn labelled(policy: &PolicySnapshot) -> Option<(&PolicySnapshot, &[String])> {
    Some((policy, policy.shown.labelled.as_deref()?))
}

/// Returns the state that `policy` keeps for `key`, if it keeps any now.
fn of_key<'a>(policy: &'a PolicySnapshot, key: &str) -> Option<&'a KeySnapshot> {
    let at = policy.keys.binary_search_by(|row| row.key.as_str().cmp(key)).ok()?;
    policy.keys.get(at)
}
