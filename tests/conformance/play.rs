//! One scenario, from its configuration to its verdict.

use crate::call::message;
use crate::design;
use crate::expect::{Check, Mismatch};
use crate::fields::Refusal;
use crate::scenario::Scenario;
use crate::stack::Stack;
use crate::stage::Stage;
use resilience::testing::isolate;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// What came of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Everything that could be looked at is as expected; what could not, with the reason.
    Passed(Vec<String>),
    Failed(String),
    /// Not as expected, and the scenario itself says that libraries differ here.
    ByConvention(String),
    /// Not as expected, and the design says so: the name of the rule, and what was seen.
    ByDesign(&'static str, String),
    Unsupported(String),
}

enum Stop {
    Missed(Box<Mismatch>),
    Refused(Refusal),
}

/// A scenario runs in virtual time: one that takes so long has come to a standstill.
const STANDSTILL: Duration = Duration::from_secs(60);

/// Plays `scenario` on a thread, so that it brings its own world, and may get stuck.
pub(crate) fn play(scenario: &Scenario) -> Verdict {
    let (tell, told) = channel();
    let played = scenario.clone();
    std::thread::spawn(move || {
        let verdict = catch_unwind(AssertUnwindSafe(|| judge(&played)));
        // Nobody listens any more after a standstill.
        let _ = tell.send(verdict.unwrap_or_else(|panic| Verdict::Failed(message(&*panic))));
    });
    match told.recv_timeout(STANDSTILL) {
        Ok(verdict) => verdict,
        Err(RecvTimeoutError::Timeout) => Verdict::Failed("came to a standstill".to_owned()),
        Err(RecvTimeoutError::Disconnected) => Verdict::Failed("ended without a verdict".to_owned()),
    }
}

fn judge(scenario: &Scenario) -> Verdict {
    let world = isolate();
    let built = match scenario.setting(&["classify"]).is_null() {
        true => Stack::build(&scenario.config),
        false => Stack::build(&serde_json::json!({})),
    };
    if let Some(expected) = &scenario.expects_config {
        return configuration(scenario, expected, built.err());
    }
    let stack = match built {
        Ok(stack) => stack,
        Err(Refusal::Unsupported(reason)) => return Verdict::Unsupported(reason),
        Err(Refusal::Nonsense(reason)) => return refused(scenario, reason),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()
    {
        Ok(runtime) => runtime,
        Err(error) => return Verdict::Failed(error.to_string()),
    };
    let local = tokio::task::LocalSet::new();
    let played = local.block_on(&runtime, async {
        let mut stage = Stage::new(scenario, &world, stack).map_err(Stop::Refused)?;
        steps(&mut stage).await
    });
    match played {
        Ok((0, skipped)) => {
            Verdict::Unsupported(format!("nothing is left to look at: {}", skipped.join("; ")))
        }
        Ok((_, skipped)) => Verdict::Passed(skipped),
        Err(Stop::Refused(Refusal::Unsupported(reason))) => Verdict::Unsupported(reason),
        Err(Stop::Refused(Refusal::Nonsense(reason))) => refused(scenario, reason),
        Err(Stop::Missed(mismatch)) => missed(scenario, &mismatch),
    }
}

/// How many expectations were met, and which could not be looked at.
async fn steps(stage: &mut Stage<'_>) -> Result<(usize, Vec<String>), Stop> {
    let (mut checked, mut skipped) = (0, Vec::new());
    for (number, step) in stage.scenario.steps.iter().enumerate() {
        stage.arrive(step).await;
        let times = step["times"].as_u64().unwrap_or(1);
        for time in 1..=times {
            let seen = stage.act(step).await.map_err(Stop::Refused)?;
            for (field, expected, check) in stage.look(&step["expect"], &seen, time == times) {
                match check {
                    Check::Met => checked += 1,
                    Check::Skipped(reason) => skipped.push(format!("`{field}`: {reason}")),
                    Check::Missed(actual) => {
                        let mismatch = stage.mismatch(number, field, expected, actual, &seen);
                        return Err(Stop::Missed(Box::new(mismatch)));
                    }
                }
            }
        }
    }
    skipped.sort();
    skipped.dedup();
    Ok((checked, skipped))
}

fn configuration(scenario: &Scenario, expected: &str, refusal: Option<Refusal>) -> Verdict {
    let told = match (expected, refusal) {
        (_, Some(Refusal::Unsupported(reason))) => return Verdict::Unsupported(reason),
        ("rejected", Some(Refusal::Nonsense(_))) | ("accepted", None) => return Verdict::Passed(Vec::new()),
        (_, None) => "the configuration is accepted".to_owned(),
        (_, Some(Refusal::Nonsense(reason))) => format!("the configuration is rejected: {reason}"),
    };
    if scenario.convention.is_some() { Verdict::ByConvention(told) } else { Verdict::Failed(told) }
}

/// A scenario that plays with settings which the library refuses.
fn refused(scenario: &Scenario, reason: String) -> Verdict {
    if scenario.convention.is_some() {
        return Verdict::ByConvention(reason);
    }
    Verdict::ByDesign(design::NONSENSE, reason)
}

fn missed(scenario: &Scenario, mismatch: &Mismatch) -> Verdict {
    let told = mismatch.describe(scenario);
    match design::rule(scenario, mismatch) {
        _ if scenario.convention.is_some() => Verdict::ByConvention(told),
        Some(rule) => Verdict::ByDesign(rule, told),
        None => Verdict::Failed(told),
    }
}
