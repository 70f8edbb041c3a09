//! A breaker's transitions, as its events tell them.

use crate::expect::{Check, met, skipped};
use crate::scenario::Scenario;
use resilience::Event;
use resilience::point::PointName;
use serde_json::Value;

/// Holds `["closed>open", ..]` against `events`.
pub(crate) fn check(events: &[Event], scenario: &Scenario, expected: &Value) -> Check {
    if expected
        .as_array()
        .is_none_or(|all| !all.iter().all(|one| one.as_str().is_some_and(|one| one.contains('>'))))
    {
        return skipped("the runner knows events of the form `closed>open` only");
    }
    if ["disabled", "metrics_only"].iter().any(|state| expected.to_string().contains(state)) {
        return skipped("the library does not tell of such a state");
    }
    let mut state = scenario.setting(&["breaker", "initial_state"]).as_str().unwrap_or("closed");
    let mut told = Vec::new();
    for event in events {
        let next = match event {
            Event::Opened { recovery: None, .. } => "forced_open",
            Event::Opened { .. } => "open",
            Event::HalfOpened { .. } => "half_open",
            Event::Closed { .. } => "closed",
            _ => continue,
        };
        told.push(format!("{state}>{next}"));
        state = next;
    }
    met(*expected == Value::from(told.clone()), format!("{told:?}"))
}

/// How many calls the breaker of `key` has refused since its last transition.
pub(crate) fn refused_since(events: &[Event], key: &str) -> usize {
    let is_its = |of: &Option<PointName>| of.as_deref().is_none_or(|of| of == key);
    let mut refused = 0;
    for event in events {
        match event {
            Event::Opened { key, .. } | Event::HalfOpened { key, .. } | Event::Closed { key, .. }
                if is_its(key) =>
            {
                refused = 0;
            }
            Event::Rejected { key, .. } if is_its(key) => refused += 1,
            _ => {}
        }
    }
    refused
}
