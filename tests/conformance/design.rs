//! Where the library does by design what other libraries do not; `docs/conformance.md` gives the reasons.
//!
//! A rule explains a kind of difference, so that scenarios which nobody has seen yet are recognised, too. It
//! looks both at what the scenario plays and at what was seen: only the difference that the design makes is
//! explained, not any difference.

use crate::expect::Mismatch;
use crate::failure::{AppError, category};
use crate::outcome::Outcome;
use crate::scenario::Scenario;
use resilience::Category;
use serde_json::Value;

/// The rule for settings that the library refuses.
pub(crate) const NONSENSE: &str = "nonsense-is-refused";

struct Rule {
    name: &'static str,
    explains: fn(&Scenario, &Mismatch) -> bool,
}

#[rustfmt::skip]
const RULES: [Rule; 11] = [
    Rule { name: "a-panic-counts-as-nothing", explains: panic_counts_as_nothing },
    Rule { name: "if-all-fail-the-first-error", explains: first_error },
    Rule { name: "a-rejection-ends-the-retries", explains: rejection_ends_retries },
    Rule { name: "a-rejection-is-waited-for", explains: rejection_is_waited_for },
    Rule { name: "no-wait-that-has-no-time", explains: no_wait_without_time },
    Rule { name: "retry-after-is-never-undercut", explains: never_undercut },
    Rule { name: "the-category-decides-what-is-retried", explains: category_decides_retry },
    Rule { name: "the-category-decides-what-counts", explains: category_decides_count },
    Rule { name: "cap-before-and-after-jitter", explains: cap_before_jitter },
    Rule { name: "every-error-is-answered", explains: every_error_is_answered },
    Rule { name: "steps-are-known-by-name", explains: steps_are_known_by_name },
];

/// The rule that explains `mismatch`, if one does.
pub(crate) fn rule(scenario: &Scenario, mismatch: &Mismatch) -> Option<&'static str> {
    RULES.iter().find(|rule| (rule.explains)(scenario, mismatch)).map(|rule| rule.name)
}

fn has(scenario: &Scenario, policy: &str) -> bool {
    !scenario.setting(&[policy]).is_null()
}

/// What the function did up to the step of `mismatch`, as far as it was asked to.
fn ends(scenario: &Scenario, mismatch: &Mismatch) -> Vec<Outcome> {
    let outcomes = scenario.outcomes(mismatch.step).filter_map(|text| Outcome::parse(text).ok());
    outcomes.map(|outcome| outcome.end().clone()).collect()
}

fn errors(scenario: &Scenario, mismatch: &Mismatch) -> Vec<AppError> {
    ends(scenario, mismatch).iter().filter_map(|outcome| outcome.error().cloned()).collect()
}

/// Whether the breaker of the scenario holds less against the function than expected: it is further from
/// open, it counts less, it lets through what was to be refused.
fn is_milder(mismatch: &Mismatch) -> bool {
    let severity = |state: &str| ["closed", "half_open", "open"].iter().position(|known| *known == state);
    match mismatch.field.as_str() {
        "state" | "inner_state" => {
            severity(&mismatch.actual) < severity(mismatch.expected.as_str().unwrap_or_default())
        }
        "admitted" => mismatch.expected == false,
        "result" => mismatch.expected == "rejected:open",
        "executions" => !is_less(mismatch),
        "metrics.successes" => true,
        _ => mismatch.is_about(&["metrics", "events_count"]) && is_less(mismatch),
    }
}

/// Whether less happened than expected: fewer attempts, waits or events, or less time.
fn is_less(mismatch: &Mismatch) -> bool {
    let low = match &mismatch.expected {
        Value::Array(ends) => ends.first().and_then(Value::as_f64),
        one => one.as_f64(),
    };
    match mismatch.actual.parse::<f64>() {
        Ok(actual) => low.is_some_and(|low| actual < low),
        Err(_) => mismatch.expected.as_array().is_some_and(|all| mismatch.waits.len() < all.len()),
    }
}

/// The errors of the step of `mismatch` alone.
fn errors_now(scenario: &Scenario, mismatch: &Mismatch) -> Vec<AppError> {
    let before = mismatch.step.checked_sub(1).map_or(0, |step| scenario.outcomes(step).count());
    let outcomes = scenario.outcomes(mismatch.step).skip(before);
    outcomes.filter_map(|text| Outcome::parse(text).ok()?.error().cloned()).collect()
}

/// Whether a call ended before the retries that were expected.
fn ended_early(mismatch: &Mismatch) -> bool {
    let counted =
        mismatch.is_about(&["attempts", "executions", "delays_ms", "elapsed_ms", "metrics", "events_count"]);
    mismatch.field == "result" || mismatch.field == "fallback_called" || counted && is_less(mismatch)
}

fn panic_counts_as_nothing(scenario: &Scenario, mismatch: &Mismatch) -> bool {
    let panics = ends(scenario, mismatch).iter().any(|outcome| matches!(outcome, Outcome::Panic));
    panics && has(scenario, "breaker") && is_milder(mismatch)
}

fn first_error(scenario: &Scenario, mismatch: &Mismatch) -> bool {
    let fallback = scenario.setting(&["fallback", "outcome"]).as_str().unwrap_or_default();
    let Ok(fallback) = Outcome::parse(fallback) else { return false };
    let expects_its = fallback.error().is_some_and(|error| mismatch.expected == format!("err:{error}"));
    let is_own = |error: &AppError| mismatch.actual == format!("err:{error}");
    let is_first = errors(scenario, mismatch).iter().any(is_own) || mismatch.actual.starts_with("rejected:");
    mismatch.field == "result" && expects_its && (is_first || mismatch.actual == "timeout")
}

fn rejection_ends_retries(scenario: &Scenario, mismatch: &Mismatch) -> bool {
    let says_nothing = |key| scenario.setting(&["retry", key]).is_null();
    let silent = ["retry_on", "retry_on_message"].into_iter().all(says_nothing);
    silent
        && scenario.wraps("retry", "breaker")
        && mismatch.ending == "rejected:open"
        && ended_early(mismatch)
}

/// One wait until the breaker admits calls again, in place of many short ones.
fn rejection_is_waited_for(scenario: &Scenario, mismatch: &Mismatch) -> bool {
    let words = scenario.setting(&["retry", "retry_on"]).as_array();
    let asks = words.is_some_and(|words| words.contains(&Value::from("open")));
    let own = scenario.setting(&["retry", "delay_ms"]).as_f64().unwrap_or(0.0);
    let waits = mismatch.waits.iter().any(|wait| *wait > own);
    asks && scenario.wraps("retry", "breaker")
        && waits
        && mismatch.is_about(&["attempts", "delays_ms", "metrics"])
}

fn no_wait_without_time(_: &Scenario, mismatch: &Mismatch) -> bool {
    let out_of_time = |reason: &&str| reason.starts_with("the wait would");
    mismatch.gave_up.last().is_some_and(out_of_time) && ended_early(mismatch)
}

/// The stated wait, or up to a tenth more, where another was expected.
fn never_undercut(scenario: &Scenario, mismatch: &Mismatch) -> bool {
    let errors = errors(scenario, mismatch);
    let mut stated = errors.iter().filter_map(|error| error.wait).map(crate::stage::millis);
    let kept =
        stated.any(|stated| mismatch.waits.iter().any(|wait| stated <= *wait && *wait <= stated * 1.1));
    let as_many = mismatch.expected.as_array().is_none_or(|all| all.len() == mismatch.waits.len());
    let respects = *scenario.setting(&["retry", "respect_retry_after"]) == true;
    respects && kept && as_many && mismatch.is_about(&["delays_ms", "elapsed_ms"])
}

fn category_decides_retry(scenario: &Scenario, mismatch: &Mismatch) -> bool {
    let is_spared = |error: &AppError| {
        let category = resilience::classify::of(error).category;
        !category.is_retryable() || category == Category::Conflict
    };
    let aborts = scenario.setting(&["retry", "abort_on"]).to_string();
    let is_aborted = |error: &AppError| aborts.contains(&format!("\"{}\"", error.kind));
    let silent = scenario.setting(&["retry", "retry_on"]).is_null();
    let spared = errors_now(scenario, mismatch).iter().any(|error| is_spared(error) && !is_aborted(error));
    silent && has(scenario, "retry") && spared && ended_early(mismatch)
}

fn category_decides_count(scenario: &Scenario, mismatch: &Mismatch) -> bool {
    use Category::{Auth, Cancelled, Conflict, Invalid, NotFound, Permanent, Rejected};
    let is_spared = |error: &AppError| {
        let category = resilience::classify::of(error).category;
        matches!(category, Auth | Cancelled | Conflict | Invalid | NotFound | Permanent | Rejected)
    };
    let silent = scenario.setting(&["breaker", "record"]).is_null();
    let spared = errors(scenario, mismatch).iter().any(is_spared);
    silent && has(scenario, "breaker") && spared && is_milder(mismatch)
}

/// At the cap the spread reaches down from the cap itself.
fn cap_before_jitter(scenario: &Scenario, mismatch: &Mismatch) -> bool {
    let backoff = scenario.setting(&["retry", "backoff"]);
    let cap = backoff["max_delay_ms"].as_f64().or(scenario.setting(&["retry", "max_delay_ms"]).as_f64());
    let factor = scenario.setting(&["retry", "jitter", "factor"]).as_f64();
    let (Some(cap), Some(factor)) = (cap, factor) else { return false };
    let spread = mismatch.waits.iter().all(|wait| cap * (1.0 - factor) <= *wait && *wait <= cap);
    spread && mismatch.is_about(&["delay_ms", "delays_ms", "mean_ms"])
}

fn every_error_is_answered(scenario: &Scenario, mismatch: &Mismatch) -> bool {
    let cancelled = |error: &AppError| category(&error.kind) == Category::Cancelled;
    let says_nothing = |key| scenario.setting(&["fallback", key]).is_null();
    let fallback = has(scenario, "fallback") && ["on", "skip"].into_iter().all(says_nothing);
    let answered = mismatch.field == "fallback_called" || mismatch.actual.starts_with("ok");
    fallback && errors(scenario, mismatch).iter().any(cancelled) && answered
}

/// A step that is new in a run's place, or is met in another order, runs as what it is.
fn steps_are_known_by_name(scenario: &Scenario, mismatch: &Mismatch) -> bool {
    let is_changed = !scenario.steps[mismatch.step]["changed_steps"].is_null();
    let went_on = mismatch.field == "ran" || mismatch.expected == "err:unexpected_step";
    has(scenario, "checkpoint") && is_changed && went_on
}
