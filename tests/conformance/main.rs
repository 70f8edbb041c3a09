//! Replays what the test suites of other libraries expect of this one; `docs/conformance.md` tells more.
//!
//! Scenarios are files: those of `tests/scenarios`, and of every folder that `RESILIENCE_SCENARIOS` names.

mod breaker;
mod call;
mod classes;
mod crowd;
mod design;
mod expect;
mod failure;
mod fields;
mod numbers;
mod outcome;
mod play;
mod report;
mod retry;
mod runs;
mod scenario;
mod seen;
mod spoil;
mod stack;
mod stage;
mod transitions;
mod waits;

use play::Verdict;
use report::Report;

#[test]
fn scenarios_of_other_libraries() {
    let mut report = Report::default();
    for folder in scenario::folders() {
        match scenario::read(&folder) {
            Ok(scenarios) => scenarios.into_iter().for_each(|scenario| report.play(scenario)),
            Err(error) => report.broken(error),
        }
    }
    report.print();
    assert_eq!(report.failures(), Vec::<String>::new());
}

#[test]
fn the_runner_plays_all_of_the_format() {
    for scenario in scenario::read(&scenario::about_the_runner()).unwrap() {
        let verdict = play::play(&scenario);
        let is_expected = match (&verdict, &scenario.by_design, &scenario.unsupported) {
            (Verdict::Passed(skipped), None, None) => skipped.is_empty(),
            (Verdict::ByDesign(rule, _), Some(expected), None) => rule == expected,
            (Verdict::Unsupported(reason), None, Some(expected)) => reason.starts_with(expected),
            _ => false,
        };
        assert!(is_expected, "{}: {verdict:?}", scenario.id);
    }
}

/// A scenario that passes must not pass any more once one of its expectations is turned into an impossible
/// one: otherwise that expectation was not looked at.
#[test]
fn every_expectation_is_looked_at() {
    for folder in [scenario::own(), scenario::about_the_runner()] {
        for scenario in scenario::read(&folder).unwrap() {
            let Verdict::Passed(skipped) = play::play(&scenario) else { continue };
            for (place, spoiled) in spoil::each(&scenario) {
                let is_skipped = skipped.iter().any(|field| field.starts_with(&format!("`{place}`")));
                let verdict = play::play(&spoiled);
                let is_blind = matches!(verdict, Verdict::Passed(_) | Verdict::Unsupported(_));
                assert!(is_skipped || !is_blind, "{}, {place}: {verdict:?}", scenario.id);
            }
        }
    }
}
