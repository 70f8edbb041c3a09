//! Scenarios with one expectation turned into an impossible one.

use crate::scenario::Scenario;
use serde_json::{Value, json};

/// Every spoiled copy of `scenario`, with the name of the expectation that was spoiled.
pub(crate) fn each(scenario: &Scenario) -> Vec<(String, Scenario)> {
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
        Value::Bool(is) => json!(!is),
        Value::Number(_) | Value::Null => json!(987_654_321),
        Value::String(_) => json!("impossible"),
        Value::Array(all) if all.iter().any(|one| one.is_array() || one.is_string()) => {
            let more = all.iter().cloned().chain([json!("closed>impossible")]);
            Value::Array(more.collect())
        }
        Value::Array(_) => json!([987_654_321, 987_654_322]),
        Value::Object(_) => expected.clone(),
    }
}
