//! Replays what the test suites of other libraries expect of this one; `docs/conformance.md` tells more.
//!
//! Scenarios are files: those of `tests/scenarios`, and of every folder that `RESILIENCE_SCENARIOS` names.

mod admission;
mod breaker;
mod call;
mod classes;
mod crowd;
mod design;
mod expect;
mod failure;
mod fallback;
mod fields;
mod gaps;
mod gate;
mod lock;
mod model;
mod mutate;
mod nonsense;
mod numbers;
mod outcome;
mod pins;
mod play;
mod report;
mod retry;
mod runs;
mod scenario;
mod schedule;
mod seen;
mod stack;
mod stage;
mod transitions;
mod waits;

use play::Verdict;
use report::Report;
use scenario::Scenario;
use std::collections::BTreeSet;

#[test]
fn scenarios_of_other_libraries_pass() {
    let mut report = Report::default();
    for scenario in scenario::read(&scenario::own()).unwrap() {
        report.play(scenario);
    }
    let (verdicts, figures) = (report.verdicts(), report.figures());
    for folder in scenario::folders() {
        match scenario::read(&folder) {
            Ok(scenarios) => scenarios.into_iter().for_each(|scenario| report.play(scenario)),
            Err(error) => report.broken(error),
        }
    }
    report.print();
    assert_eq!(report.failures(), Vec::<String>::new());
    pins::verdicts(&verdicts);
    pins::page("figures", &figures);
    pins::page("gaps", &report::gaps());
}

#[test]
fn the_runner_plays_all_of_the_format() {
    let mut wrong = Vec::new();
    for scenario in scenario::read(&scenario::about_the_runner()).unwrap() {
        let verdict = play::play(&scenario);
        let is_expected = match (&verdict, &scenario.by_design, &scenario.unsupported) {
            (Verdict::Passed(skipped), None, None) => skipped.is_empty(),
            (Verdict::ByDesign(rule, ..), Some(expected), None) => rule == expected,
            (Verdict::Unsupported(gap, _), None, Some(expected)) => gap.word() == expected,
            _ => false,
        };
        if !is_expected {
            wrong.push(format!("{}: {verdict:?}", scenario.id));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// A scenario that passes must fail once one of its expectations is turned into an impossible one: otherwise
/// that expectation was not looked at, or is explained whatever it says.
#[test]
fn every_expectation_is_checked() {
    let mut blind = Vec::new();
    for scenario in all_that_play() {
        let Verdict::Passed(skipped) = play::play(&scenario) else { continue };
        for (place, mutated) in mutate::expectations(&scenario) {
            let is_skipped = skipped.iter().any(|field| field.starts_with(&format!("`{place}`")));
            let verdict = play::play(&mutated);
            if !is_skipped && !matches!(verdict, Verdict::Failed(_) | Verdict::ByConvention(_)) {
                blind.push(format!("{}, {place}: {verdict:?}", scenario.id));
            }
        }
    }
    assert_eq!(blind, Vec::<String>::new());
}

/// What differs by design has to be exactly what the design says: it fails with another expectation, too.
#[test]
fn no_exemption_covers_an_impossible_expectation() {
    let mut blind = Vec::new();
    for scenario in all_that_play() {
        let Verdict::ByDesign(rule, _, skipped) = play::play(&scenario) else { continue };
        for (place, mutated) in mutate::expectations(&scenario) {
            let is_skipped = skipped.iter().any(|field| field.starts_with(&format!("`{place}`")));
            let verdict = play::play(&mutated);
            if rule != design::NONSENSE && !is_skipped && !matches!(verdict, Verdict::Failed(_)) {
                blind.push(format!("{}, {place}: {verdict:?}", scenario.id));
            }
        }
    }
    assert_eq!(blind, Vec::<String>::new());
}

/// A function that does the opposite of what the scenario says, or panics, is noticed.
#[test]
fn inverted_outcomes_are_detected() {
    let mut blind = Vec::new();
    for scenario in all_that_play() {
        let Verdict::Passed(_) = play::play(&scenario) else { continue };
        let mutated = mutate::outcomes(&scenario);
        let is_blind = |mutated: &Scenario| matches!(play::play(mutated), Verdict::Passed(_));
        if !mutated.is_empty() && mutated.iter().all(is_blind) {
            blind.push(scenario.id);
        }
    }
    assert_eq!(blind, mutate::DEAF);
}

/// Every setting that the scenarios use makes a difference to one of them at least: it is read and played.
#[test]
fn every_changed_setting_is_detected() {
    let (mut all, mut noticed) = (BTreeSet::new(), BTreeSet::new());
    for scenario in all_that_play() {
        let Verdict::Passed(_) = play::play(&scenario) else { continue };
        for (setting, mutated) in mutate::settings(&scenario) {
            all.insert(setting.clone());
            if !noticed.contains(&setting) && !matches!(play::play(&mutated), Verdict::Passed(_)) {
                noticed.insert(setting);
            }
        }
    }
    let ignored: Vec<_> = all.difference(&noticed).collect();
    assert_eq!(ignored, mutate::WITHOUT_EFFECT.iter().collect::<Vec<_>>());
}

fn all_that_play() -> Vec<Scenario> {
    let folders = [scenario::own(), scenario::about_the_runner()];
    folders.iter().flat_map(|folder| scenario::read(folder).unwrap()).collect()
}
