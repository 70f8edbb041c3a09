//! The checks that every program has.

use super::answer::Answer;
use super::resources;
use super::work::CheckCode;
use crate::point::registry::snapshot;

/// Returns the names and the code of the built-in checks.
pub(super) fn checks() -> Vec<(&'static str, CheckCode)> {
    let own = [
        ("breakers", CheckCode::blocking(breakers)),
        #[cfg(feature = "chaos")]
        ("chaos", CheckCode::blocking(chaos)),
        #[cfg(feature = "durable")]
        ("store", CheckCode::blocking(super::stores::look)),
    ];
    own.into_iter().chain(resources::checks()).collect()
}

/// The most breakers or functions that the details name.
const MOST: usize = 20;

/// Warns of open breakers. An open breaker is not a failure: it protects the program, and a restart would not help.
///
/// Keys are made of arguments: they are counted, and not named.
fn breakers() -> Answer {
    let is_open = |state: &str| matches!(state, "open" | "forced_open");
    let mut open = Vec::new();
    for point in snapshot().points {
        for policy in point.policies.iter().filter(|policy| policy.kind == "circuit_breaker") {
            let keys = policy.keys.iter().filter(|key| is_open(key.state)).count();
            if let Some(state) = policy.state.filter(|state| is_open(state)) {
                open.push((point.name.to_string(), state.to_owned()));
            } else if keys > 0 {
                let words = if keys == 1 { "key" } else { "keys" };
                open.push((point.name.to_string(), format!("open for {keys} {words}")));
            }
        }
    }
    let answer = match open.len() {
        0 => return Answer::pass("no breaker is open"),
        1 => Answer::warn("1 breaker is open"),
        count => Answer::warn(format!("{count} breakers are open")),
    };
    let answer = answer.action("look at the service behind it; the breaker closes when that is back");
    open.into_iter().take(MOST).fold(answer, |answer, (name, state)| answer.detail(name, state))
}

/// Warns of faults that the program has armed, which may cause errors and delays.
#[cfg(feature = "chaos")]
fn chaos() -> Answer {
    let armed = crate::policy::chaos::armed();
    if armed.is_empty() {
        return Answer::pass("no faults are armed");
    }
    let answer =
        Answer::warn("chaos armed").action("drop the guard of `chaos::arm`, or wait until its time is over");
    let named = armed.into_iter().take(MOST);
    named.fold(answer, |answer, (point, left)| {
        answer.detail(point, format!("{}s left", left.as_secs_f64().ceil()))
    })
}
