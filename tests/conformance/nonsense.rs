//! Which settings make no sense, judged by this runner alone.
//!
//! The library refuses some settings. A refusal is by design only where the scenario's own numbers break one
//! of the rules below; every other refusal is a failure.

use serde_json::Value;

/// The first rule that the settings of `config` break.
pub(crate) fn of(config: &Value) -> Option<String> {
    config.as_object()?.iter().find_map(|(name, policy)| {
        let problem = match name.trim_end_matches("_inner") {
            "breaker" => breaker(policy),
            "retry" => retry(policy),
            "timeout" => is_zero(policy, "ms"),
            "bulkhead" => is_zero(policy, "max_concurrent").or_else(|| negative(policy)),
            "rate_limit" => rate_limit(policy),
            "cache" => is_zero(policy, "ttl_ms").or_else(|| negative(policy)),
            "hedge" => is_zero(policy, "delay_ms")
                .or_else(|| is_zero(policy, "max_hedges"))
                .or_else(|| negative(policy)),
            _ => negative(policy),
        };
        problem.map(|problem| format!("`{name}`: {problem}"))
    })
}

fn breaker(policy: &Value) -> Option<String> {
    let zeros = [
        "failure_threshold",
        "failure_ratio",
        "min_calls",
        "half_open_permits",
        "success_threshold",
        "open_ms",
    ];
    let growth = &policy["open_backoff"];
    let cap = number(&growth["max_ms"]).or(number(&growth["max_open_ms"]));
    let window = &policy["window"];
    zeros
        .iter()
        .find_map(|key| is_zero(policy, key))
        .or_else(|| negative(policy))
        .or_else(|| is_zero(window, "ms").or_else(|| is_zero(window, "size")))
        .or_else(|| shrinks(&growth["factor"]))
        .or_else(|| exceeds(number(&policy["failure_ratio"]), Some(1.0), "a ratio above 1 is never reached"))
        .or_else(|| {
            let (min_calls, size) = (number(&policy["min_calls"]), number(&window["size"]));
            exceeds(min_calls, size, "`min_calls` exceeds the calls of the window: it would never open")
        })
        .or_else(|| exceeds(number(&policy["open_ms"]), cap, "`open_ms` exceeds the longest open time"))
}

fn rate_limit(policy: &Value) -> Option<String> {
    let zeros = ["permits", "per_ms", "burst"];
    zeros.iter().find_map(|key| is_zero(policy, key)).or_else(|| negative(policy))
}

fn retry(policy: &Value) -> Option<String> {
    let (backoff, jitter) = (&policy["backoff"], &policy["jitter"]);
    let delay = number(&policy["delay_ms"]).or(Some(0.0));
    let cap = number(&backoff["max_delay_ms"]).or(number(&policy["max_delay_ms"]));
    is_zero(policy, "max_attempts")
        .or_else(|| is_zero(policy, "max_elapsed_ms"))
        .or_else(|| negative(policy))
        .or_else(|| shrinks(&backoff["factor"]))
        .or_else(|| exceeds(delay, cap, "`delay_ms` exceeds `max_delay_ms`"))
        .or_else(|| spread(jitter, delay))
}

fn spread(jitter: &Value, delay: Option<f64>) -> Option<String> {
    let (factor, by, to) = (number(&jitter["factor"]), number(&jitter["ms"]), number(&jitter["max_ms"]));
    match jitter["type"].as_str() {
        Some("factor") => exceeds(factor, Some(1.0), "a jitter factor above 1 makes waits negative"),
        Some("plus_minus") => exceeds(by, delay, "`jitter.ms` exceeds `delay_ms`: waits would be negative"),
        Some("range") => exceeds(delay, to, "`delay_ms` exceeds `jitter.max_ms`: the range is reversed"),
        _ => None,
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

fn is_zero(of: &Value, key: &str) -> Option<String> {
    (number(&of[key]) == Some(0.0)).then(|| format!("`{key}` is zero"))
}

fn exceeds(value: Option<f64>, limit: Option<f64>, problem: &str) -> Option<String> {
    (value? > limit?).then(|| problem.to_owned())
}

fn shrinks(factor: &Value) -> Option<String> {
    let factor = number(factor)?;
    (!factor.is_finite() || factor < 1.0).then(|| format!("a factor of {factor} is not a number from 1"))
}

/// No setting of any policy is negative.
fn negative(of: &Value) -> Option<String> {
    of.as_object()?.iter().find_map(|(key, value)| match value {
        Value::Object(_) => negative(value),
        Value::Array(all) => {
            all.iter().any(|one| number(one).is_some_and(|n| n < 0.0)).then(|| format!("`{key}` is negative"))
        }
        _ => number(value).is_some_and(|n| n < 0.0).then(|| format!("`{key}` is negative")),
    })
}

#[cfg(test)]
mod tests {
    use super::of;
    use serde_json::json;

    #[test]
    fn impossible_settings_are_recognized() {
        let breaker =
            |key: &str, value| json!({"breaker": {"failure_threshold": 3, "open_ms": 100, key: value}});
        let retry = |key: &str, value| json!({"retry": {"max_attempts": 3, "delay_ms": 100, key: value}});
        let sound = [
            breaker("half_open_permits", json!(1)),
            breaker("open_backoff", json!({"factor": 1, "max_ms": 100})),
            retry("backoff", json!({"type": "exponential", "factor": 2.0, "max_delay_ms": 100})),
            retry("jitter", json!({"type": "factor", "factor": 1})),
            retry("jitter", json!({"type": "range", "max_ms": 100})),
            retry("max_elapsed_ms", json!(1)),
            json!({"timeout": {"ms": 1}}),
            json!({"bulkhead": {"max_concurrent": 1, "max_wait_ms": 0, "queue": 0}}),
            json!({"rate_limit": {"permits": 1, "per_ms": 1}}),
        ];
        for config in sound {
            assert_eq!(of(&config), None, "{config}");
        }
        let broken = [
            breaker("failure_threshold", json!(0)),
            breaker("half_open_permits", json!(0)),
            breaker("success_threshold", json!(0)),
            breaker("open_ms", json!(0)),
            breaker("open_ms", json!(-1)),
            breaker("window", json!({"type": "time", "ms": 0})),
            breaker("open_backoff", json!({"factor": 0.9})),
            breaker("open_backoff", json!({"factor": 2, "max_ms": 99})),
            retry("max_attempts", json!(0)),
            retry("max_retries", json!(-1)),
            retry("backoff", json!({"factor": 0.5})),
            retry("backoff", json!({"max_delay_ms": 99})),
            retry("jitter", json!({"type": "factor", "factor": 1.1})),
            retry("jitter", json!({"type": "factor", "factor": -0.1})),
            retry("jitter", json!({"type": "plus_minus", "ms": 101})),
            retry("jitter", json!({"type": "range", "max_ms": 99})),
            retry("max_elapsed_ms", json!(0)),
            json!({"timeout_inner": {"ms": 0}}),
            json!({"bulkhead": {"max_concurrent": 0}}),
            json!({"bulkhead": {"max_concurrent": 1, "queue": -1}}),
            json!({"rate_limit": {"permits": 0, "per_ms": 1}}),
            json!({"rate_limit": {"permits": 1, "per_ms": 0}}),
        ];
        for config in broken {
            assert!(of(&config).is_some(), "{config}");
        }
    }
}
