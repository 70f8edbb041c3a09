//! One scenario, from its configuration to its verdict.

use crate::call::message;
use crate::design::{self, Place};
use crate::expect::Check;
use crate::fields::Refusal;
use crate::gaps::Gap;
use crate::lock::{self, Locks};
use crate::nonsense;
use crate::scenario::Scenario;
use crate::seen::Seen;
use crate::stack::Stack;
use crate::stage::Stage;
use resilience::testing::isolate;
use serde_json::Value;
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
    /// What could not be looked at comes last.
    ByDesign(&'static str, String, Vec<String>),
    Unsupported(Gap, String),
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
    if lock::is_one(&scenario.config) {
        return locks(scenario).unwrap_or_else(|refusal| refused(scenario, refusal));
    }
    let built = match scenario.setting(&["classify"]).is_null() {
        true => Stack::build(&scenario.config),
        false => Stack::build(&serde_json::json!({})),
    };
    if let Some(expected) = &scenario.expects_config {
        return configuration(scenario, expected, built.err());
    }
    let stack = match built {
        Ok(stack) => stack,
        Err(refusal) => return refused(scenario, refusal),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()
    {
        Ok(runtime) => runtime,
        Err(error) => return Verdict::Failed(error.to_string()),
    };
    let local = tokio::task::LocalSet::new();
    let played = local.block_on(&runtime, async {
        let mut stage = Stage::new(scenario, &world, stack)?;
        steps(&mut stage).await
    });
    played.unwrap_or_else(|refusal| refused(scenario, refusal))
}

/// A scenario of locks.
fn locks(scenario: &Scenario) -> Result<Verdict, Refusal> {
    let built = Locks::new(&scenario.config, &scenario.steps);
    if let Some(expected) = &scenario.expects_config {
        return Ok(configuration(scenario, expected, built.err()));
    }
    let (mut locks, mut course) = (built?, Course::default());
    for (number, step) in scenario.steps.iter().enumerate() {
        let seen = locks.act(step)?;
        let expected = step["expect"].as_object().into_iter().flatten();
        let looked = expected
            .map(|(field, expected)| (field.clone(), expected.clone(), locks.look(field, expected, &seen)));
        if let Some((field, expected, actual)) = course.note(looked.collect()).first() {
            let told = describe(scenario, number, field, expected, actual);
            let is_convention = scenario.convention.is_some();
            return Ok(if is_convention { Verdict::ByConvention(told) } else { Verdict::Failed(told) });
        }
    }
    Ok(course.verdict())
}

/// What was found in the steps so far.
#[derive(Default)]
struct Course {
    checked: usize,
    skipped: Vec<String>,
    /// The rule that explains the first difference, and what was seen.
    by_design: Option<(&'static str, String)>,
}

async fn steps(stage: &mut Stage<'_>) -> Result<Verdict, Refusal> {
    let mut course = Course::default();
    for (number, step) in stage.scenario.steps.iter().enumerate() {
        stage.arrive(step).await;
        let times = step["times"].as_u64().unwrap_or(1);
        for time in 1..=times {
            let seen = stage.act(step).await?;
            let looked = stage.look(&step["expect"], &seen, time == times);
            let missed = course.note(looked);
            let place = Place { step: number, time };
            for (field, expected, actual) in &missed {
                let told = describe(stage.scenario, number, field, expected, actual);
                if stage.scenario.convention.is_some() {
                    return Ok(Verdict::ByConvention(told));
                }
                let Some(rule) = design::rule(stage.scenario, place, field, expected) else {
                    return Ok(Verdict::Failed(told));
                };
                course.by_design.get_or_insert((rule.name(), told));
            }
            if course.by_design.is_some()
                && let Err(told) = as_designed(stage, place, &seen)
            {
                return Ok(Verdict::Failed(told));
            }
        }
    }
    Ok(course.verdict())
}

/// A field, what is expected of it, and what was seen.
type Missed = (String, Value, String);

impl Course {
    /// Counts what was looked at, and returns the expectations that are not met.
    fn note(&mut self, looked: Vec<(String, Value, Check)>) -> Vec<Missed> {
        let mut missed = Vec::new();
        for (field, expected, check) in looked {
            match check {
                Check::Met => self.checked += 1,
                Check::Skipped(reason) => self.skipped.push(format!("`{field}`: {reason}")),
                Check::Missed(actual) => missed.push((field, expected, actual)),
            }
        }
        missed
    }

    fn verdict(mut self) -> Verdict {
        self.skipped.sort();
        self.skipped.dedup();
        match self.by_design {
            Some((rule, told)) => Verdict::ByDesign(rule, told, self.skipped),
            None if self.checked == 0 => Verdict::Unsupported(Gap::Nothing, self.skipped.join("; ")),
            None => Verdict::Passed(self.skipped),
        }
    }
}

/// Once a scenario differs by design, every step has to be what the design says, down to the numbers.
///
/// # Errors
///
/// What is not, in words.
fn as_designed(stage: &Stage<'_>, place: Place, seen: &Seen) -> Result<(), String> {
    let facts = design::facts(stage.scenario, place, &stage.waits());
    let expectations = facts.as_ref().map(design::as_expectations).unwrap_or_default();
    for (field, expected, check) in stage.look(&expectations, seen, true) {
        if let Check::Missed(actual) = check {
            let told = describe(stage.scenario, place.step, &field, &expected, &actual);
            return Err(format!("by the design, {told}"));
        }
    }
    Ok(())
}

fn describe(scenario: &Scenario, step: usize, field: &str, expected: &Value, actual: &str) -> String {
    let action = scenario.steps.get(step).map(|step| step["do"].to_string()).unwrap_or_default();
    format!("step {} ({action}): {field}: expected {expected}, seen {actual}", step + 1)
}

fn configuration(scenario: &Scenario, expected: &str, refusal: Option<Refusal>) -> Verdict {
    let told = match (expected, refusal) {
        (_, Some(Refusal::Unsupported(gap, reason))) => return Verdict::Unsupported(gap, reason),
        (_, Some(Refusal::Broken(reason))) => return Verdict::Failed(reason),
        ("rejected", Some(_)) | ("accepted", None) => return Verdict::Passed(Vec::new()),
        (_, None) => "the configuration is accepted".to_owned(),
        (_, Some(Refusal::Unwritable(reason) | Refusal::Refused(reason))) => {
            format!("the configuration is rejected: {reason}")
        }
    };
    if scenario.convention.is_some() { Verdict::ByConvention(told) } else { Verdict::Failed(told) }
}

/// A scenario that cannot be played to its end. The library may refuse only what this runner calls nonsense.
fn refused(scenario: &Scenario, refusal: Refusal) -> Verdict {
    let problem = match refusal {
        Refusal::Unsupported(gap, reason) => return Verdict::Unsupported(gap, reason),
        Refusal::Broken(reason) => return Verdict::Failed(reason),
        Refusal::Unwritable(reason) => Ok(reason),
        Refusal::Refused(reason) => nonsense::of(&scenario.config).ok_or(reason),
    };
    match problem {
        Err(reason) => Verdict::Failed(format!("rejected, though none of its numbers is nonsense: {reason}")),
        Ok(problem) if scenario.convention.is_some() => Verdict::ByConvention(problem),
        Ok(problem) => Verdict::ByDesign(design::NONSENSE, problem, Vec::new()),
    }
}
