//! Scenarios spoiled on purpose: with an impossible expectation, another outcome, or another setting.

use crate::outcome::Outcome;
use crate::scenario::Scenario;
use serde_json::{Value, json};

/// Every copy of `scenario` with one impossible expectation, and the name of that expectation.
pub(crate) fn expectations(scenario: &Scenario) -> Vec<(String, Scenario)> {
    let mut all = Vec::new();
    if let Some(expected) = &scenario.expects_config {
        let other = if expected == "rejected" { "accepted" } else { "rejected" };
        all.push((
            "config".to_owned(),
            Scenario { expects_config: Some(other.to_owned()), ..scenario.clone() },
        ));
    }
    for (number, step) in scenario.steps.iter().enumerate() {
        for (field, expected) in step["expect"].as_object().into_iter().flatten() {
            let parts: Vec<Option<&str>> = match expected.as_object() {
                Some(parts) => parts.keys().map(|part| Some(part.as_str())).collect(),
                None => vec![None],
            };
            for part in parts {
                let mut spoiled = scenario.clone();
                let place = &mut spoiled.steps[number]["expect"][field];
                match part {
                    Some(part) => place[part] = impossible(&expected[part]),
                    None => *place = impossible(expected),
                }
                let name = part.map_or_else(|| field.clone(), |part| format!("{field}.{part}"));
                all.push((name, spoiled));
            }
        }
    }
    all
}

fn impossible(expected: &Value) -> Value {
    match expected {
        Value::Number(_) | Value::Null => json!(987_654_321),
        Value::Bool(_) | Value::String(_) => json!("impossible"),
        Value::Array(all) if all.iter().any(|one| one.is_array() || one.is_string()) => {
            let more = all.iter().cloned().chain([json!("closed>impossible")]);
            Value::Array(more.collect())
        }
        Value::Array(_) => json!([987_654_321, 987_654_322]),
        Value::Object(_) => expected.clone(),
    }
}

/// Settings that no scenario can notice: the library does what they ask for in any case.
pub(crate) const WITHOUT_EFFECT: [&str; 3] =
    ["lock.heartbeat_ms", "lock.lease_ms", "retry.stop_before_deadline"];

/// Scenarios whose calls are all refused or cut, or are fewer than the threshold, whatever they do; or that count how many
/// run at once.
pub(crate) const DEAF: [&str; 14] = [
    "brk-073", "brk-081", "brk-116", "blk-001", "blk-002", "blk-007", "cmp-016", "lim-001", "lim-002",
    "lck-013", "run-030", "run-051", "run-087", "run-088",
];

/// `scenario` with a function that does the opposite, one that always fails, and one that panics; nothing
/// where no function runs.
pub(crate) fn outcomes(scenario: &Scenario) -> Vec<Scenario> {
    let opposite = |text: &str| {
        let succeeds = Outcome::parse(text).is_ok_and(|outcome| matches!(outcome.end(), Outcome::Ok(_)));
        if succeeds { "err:unavailable" } else { "ok:spoiled" }
    };
    let turns: [&dyn Fn(&str) -> &'static str; 3] = [&opposite, &|_| "err:unavailable", &|_| "panic"];
    let all = turns.map(|turn| turned(scenario, turn));
    all.into_iter().filter(|spoiled| !spoiled.is_like(scenario)).collect()
}

fn turned(scenario: &Scenario, turn: &dyn Fn(&str) -> &'static str) -> Scenario {
    let mut spoiled = scenario.clone();
    let steps = spoiled.config.pointer_mut("/checkpoint/steps").and_then(Value::as_array_mut);
    let of_steps = steps.into_iter().flatten().filter_map(|step| step.get_mut("outcomes"));
    let of_calls = spoiled.steps.iter_mut().filter_map(|step| step.get_mut("outcome"));
    for outcome in of_steps.chain(of_calls) {
        let all = match outcome {
            Value::Array(all) => all.as_mut_slice(),
            one => std::slice::from_mut(one),
        };
        for one in all {
            *one = json!(turn(one.as_str().unwrap_or_default()));
        }
    }
    spoiled
}

/// Every copy of `scenario` with one setting changed or left out, and the path of that setting.
pub(crate) fn settings(scenario: &Scenario) -> Vec<(String, Scenario)> {
    let mut all = Vec::new();
    for (policy, settings) in scenario.config.as_object().into_iter().flatten() {
        let keys =
            settings.as_object().into_iter().flatten().map(|(key, _)| key).filter(|key| *key != "steps");
        for key in keys {
            for other in others(&settings[key]) {
                let mut spoiled = scenario.clone();
                spoiled.config[policy][key] = other;
                all.push((format!("{}.{key}", policy.trim_end_matches("_inner")), spoiled));
            }
        }
    }
    all
}

/// Other values for a setting: none at all, and what is more or less where it is a number.
fn others(value: &Value) -> Vec<Value> {
    let numbers = value.as_f64().map(|n| vec![json!(n * 2.0 + 1.0), json!((n / 2.0).floor())]);
    let words = value.as_array().map(|_| vec![json!(["spoiled"])]);
    let switches = value.as_bool().map(|is| vec![json!(!is)]);
    let other = numbers.or(words).or(switches).unwrap_or_default();
    other.into_iter().chain([Value::Null]).collect()
}
