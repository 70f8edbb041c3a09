//! What came of all scenarios, a line an area.

use crate::gaps::Gap;
use crate::play::{Verdict, play};
use crate::scenario::Scenario;
use std::collections::{BTreeMap, HashMap};
use std::io::Write;

#[derive(Default)]
pub(crate) struct Report {
    played: Vec<(Scenario, Verdict)>,
    known: HashMap<String, usize>,
    broken: Vec<String>,
}

#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
    by_convention: usize,
    by_design: usize,
    unsupported: usize,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.by_convention += other.by_convention;
        self.by_design += other.by_design;
        self.unsupported += other.unsupported;
    }
}

/// The table of `docs/conformance.md`: what cannot be played.
pub(crate) fn gaps() -> String {
    let row = |gap: Gap| format!("| `{}` | {} |\n", gap.word(), gap.reason());
    format!("| word | reason |\n|---|---|\n{}", Gap::ALL.map(row).concat())
}

impl Report {
    /// Plays `scenario`, unless the same one was played before.
    pub(crate) fn play(&mut self, scenario: Scenario) {
        let known = self.known.get(&scenario.id).map(|place| &self.played[*place].0);
        if known.is_some_and(|known| known.is_like(&scenario)) {
            return;
        }
        let verdict = play(&scenario);
        self.known.insert(scenario.id.clone(), self.played.len());
        self.played.push((scenario, verdict));
    }

    /// Notes a folder or file that could not be read.
    pub(crate) fn broken(&mut self, error: String) {
        self.broken.push(error);
    }

    /// Every scenario that failed, and every file that could not be read.
    pub(crate) fn failures(&self) -> Vec<String> {
        let failed = self.played.iter().filter_map(|(scenario, verdict)| match verdict {
            Verdict::Failed(told) => Some(format!("{}: {told}", scenario.id)),
            _ => None,
        });
        self.broken.iter().cloned().chain(failed).collect()
    }

    /// A line for each scenario: its id and its verdict, without what was seen.
    pub(crate) fn verdicts(&self) -> String {
        let lines = self.played.iter().map(|(scenario, verdict)| {
            let told = match verdict {
                Verdict::Passed(skipped) if skipped.is_empty() => "passed".to_owned(),
                Verdict::Passed(skipped) => {
                    let fields = skipped.iter().filter_map(|field| field.split('`').nth(1));
                    format!("passed without {}", fields.collect::<Vec<_>>().join(", "))
                }
                Verdict::Failed(_) => "FAILED".to_owned(),
                Verdict::ByConvention(_) => "differs by convention".to_owned(),
                Verdict::ByDesign(rule, ..) => format!("differs by design: {rule}"),
                Verdict::Unsupported(gap, _) => format!("unsupported: {}", gap.word()),
            };
            format!("{} {told}\n", scenario.id)
        });
        lines.collect()
    }

    /// The table of `docs/conformance.md`: how many scenarios of each area came to which verdict.
    pub(crate) fn figures(&self) -> String {
        let head = "| area | passed | failed | by convention | by design | unsupported |\n|---|---|---|---|---|---|\n";
        let row = |area: &str, tally: &Tally| {
            let Tally { passed, failed, by_convention, by_design, unsupported } = tally;
            format!("| {area} | {passed} | {failed} | {by_convention} | {by_design} | {unsupported} |\n")
        };
        let tallies = self.tallies();
        let mut all = Tally::default();
        tallies.values().for_each(|tally| all.add(tally));
        let rows: String = tallies.iter().map(|(area, tally)| row(area, tally)).collect();
        format!("{head}{rows}{}", row("all", &all))
    }

    /// Prints past the test harness, which keeps what is printed to itself where a test passes.
    pub(crate) fn print(&self) {
        let mut text = String::new();
        for (scenario, verdict) in &self.played {
            let (id, convention) = (&scenario.id, scenario.convention.as_deref().unwrap_or_default());
            match verdict {
                Verdict::Passed(skipped) => {
                    skipped.iter().for_each(|what| text.push_str(&format!("{id} passed without {what}\n")));
                }
                Verdict::Failed(told) => text.push_str(&format!("{id} FAILED: {told}\n")),
                Verdict::ByConvention(told) => {
                    text.push_str(&format!("{id} differs by convention ({convention}): {told}\n"));
                }
                Verdict::ByDesign(rule, told, _) => {
                    text.push_str(&format!("{id} differs by design ({rule}): {told}\n"))
                }
                Verdict::Unsupported(gap, reason) => {
                    text.push_str(&format!("{id} unsupported ({}): {reason}\n", gap.word()));
                }
            }
        }
        text.push('\n');
        for (area, tally) in self.tallies() {
            let Tally { passed, failed, by_convention, by_design, unsupported } = tally;
            text.push_str(&format!(
                "{area}: {passed} passed, {failed} failed, {by_convention} differ by convention, \
                 {by_design} differ by design, {unsupported} unsupported\n"
            ));
        }
        // A report that cannot be shown is no reason to fail.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }

    fn tallies(&self) -> BTreeMap<&str, Tally> {
        let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
        for (scenario, verdict) in &self.played {
            let tally = tallies.entry(&scenario.area).or_default();
            *match verdict {
                Verdict::Passed(_) => &mut tally.passed,
                Verdict::Failed(_) => &mut tally.failed,
                Verdict::ByConvention(_) => &mut tally.by_convention,
                Verdict::ByDesign(..) => &mut tally.by_design,
                Verdict::Unsupported(..) => &mut tally.unsupported,
            } += 1;
        }
        tallies
    }
}
