//! Where the library does by design what other libraries do not; `docs/conformance.md` gives the reasons.
//!
//! A difference is explained by computing both sides: the model with all rules must show what was seen, here
//! and in every step after it, and the model without the rule must show what the scenario expects.

use crate::model::{self, Facts};
use crate::scenario::Scenario;
use serde_json::{Value, json};

/// The rule for settings that make no sense.
pub(crate) const NONSENSE: &str = "nonsense-is-refused";

/// What the design decided otherwise than other libraries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    PanicCountsAsNothing,
    FirstError,
    RejectionEnds,
    RejectionIsWaitedFor,
    NoWaitWithoutTime,
    NeverUndercut,
    CategoryRetries,
    CategoryCounts,
    CapJitter,
    EveryErrorIsAnswered,
    StepsByName,
    ProbesOneByOne,
}

impl Rule {
    const ALL: [Self; 12] = [
        Self::PanicCountsAsNothing,
        Self::FirstError,
        Self::RejectionEnds,
        Self::RejectionIsWaitedFor,
        Self::NoWaitWithoutTime,
        Self::NeverUndercut,
        Self::CategoryRetries,
        Self::CategoryCounts,
        Self::CapJitter,
        Self::EveryErrorIsAnswered,
        Self::StepsByName,
        Self::ProbesOneByOne,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::PanicCountsAsNothing => "a-panic-counts-as-nothing",
            Self::FirstError => "if-all-fail-the-first-error",
            Self::RejectionEnds => "a-rejection-ends-the-retries",
            Self::RejectionIsWaitedFor => "a-rejection-is-waited-for",
            Self::NoWaitWithoutTime => "no-wait-that-has-no-time",
            Self::NeverUndercut => "retry-after-is-never-undercut",
            Self::CategoryRetries => "the-category-decides-what-is-retried",
            Self::CategoryCounts => "the-category-decides-what-counts",
            Self::CapJitter => "cap-before-and-after-jitter",
            Self::EveryErrorIsAnswered => "every-error-is-answered",
            Self::StepsByName => "steps-are-known-by-name",
            Self::ProbesOneByOne => "a-failed-probe-reopens",
        }
    }
}

/// Where in a scenario something is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The number of the step, from 0.
    pub(crate) step: usize,
    /// The number of its repetition, from 1.
    pub(crate) time: u64,
}

/// The rules without which `field` would show what is expected: one, or two together.
fn combinations() -> impl Iterator<Item = Vec<Rule>> {
    let single = Rule::ALL.into_iter().map(|rule| vec![rule]);
    let pairs = Rule::ALL.into_iter().enumerate().flat_map(|(place, first)| {
        Rule::ALL.into_iter().skip(place + 1).map(move |second| vec![first, second])
    });
    single.chain(pairs)
}

/// The rule because of which `field` does not show what the scenario expects of it.
pub(crate) fn rule(scenario: &Scenario, place: Place, field: &str, expected: &Value) -> Option<Rule> {
    let fact = |off: &[Rule]| model::facts(scenario, off, None, place.step, place.time)?.remove(field);
    let own = fact(&[])?;
    let explains =
        |off: &Vec<Rule>| fact(off).is_some_and(|without| without != own && model::fits(expected, &without));
    combinations().find(explains)?.first().copied()
}

/// What the design says that the step shows, as a scenario would expect it; nothing where it is not modelled.
pub(crate) fn facts(scenario: &Scenario, place: Place, waits: &[f64]) -> Option<Facts> {
    model::facts(scenario, &[], Some(waits), place.step, place.time)
}

/// `facts` as the `expect` of a step.
pub(crate) fn as_expectations(facts: &Facts) -> Value {
    let mut all = json!({});
    for (field, fact) in facts {
        match field.split_once('.') {
            Some((group, name)) => all[group][name] = fact.clone(),
            None => all[field] = fact.clone(),
        }
    }
    all
}
