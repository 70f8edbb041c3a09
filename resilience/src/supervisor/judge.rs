//! The severity and the steps for the errors of one pattern: a pure function.

use super::{Rule, Step};
use crate::failure::Severity;
use crate::supervisor::window::CategoryCounts;

/// A pattern seen more often than this is frequent.
const FREQUENT: u64 = 5;
/// The share of a point's calls from which a frequent pattern is acted on with more severity; five errors in a row are
/// enough, too.
const SHARE: f64 = 0.1;

/// The severity of a pattern for people, and for the steps about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct JudgedPattern {
    pub(super) alert: Severity,
    pub(super) action: Severity,
    /// Whether the pattern is frequent and not a small part of the calls: only then a breaker is opened.
    pub(super) is_heavy: bool,
}

impl JudgedPattern {
    pub(super) fn of(seen: &CategoryCounts) -> Self {
        let severity = seen.errors.severity;
        let is_frequent = seen.errors.count > FREQUENT;
        let is_large = seen.errors.count as f64 >= seen.calls as f64 * SHARE;
        let is_heavy = is_frequent && (is_large || seen.errors.in_a_row > 0);
        let raised = |is_raised| if is_raised { raised(severity) } else { severity };
        Self { alert: raised(is_frequent), action: raised(is_heavy), is_heavy }
    }

    /// Returns the steps of `rules`.
    ///
    /// The alert follows from the severity for people, everything else from that for actions: a frequent pattern that
    /// is a small part of the calls is reported, and opens no breaker.
    pub(super) fn steps(self, rules: &[Rule]) -> Vec<Step> {
        let of =
            |severity| rules.iter().find(|rule| rule.severity == severity).map_or(&[][..], |rule| rule.steps);
        let acts = of(self.action).iter().filter(|step| **step != Step::Alert);
        let acts = acts.filter(|step| **step != Step::OpenBreaker || self.is_heavy);
        acts.chain(of(self.alert).iter().filter(|step| **step == Step::Alert)).copied().collect()
    }
}

/// Returns the severity one step above this one.
const fn raised(severity: Severity) -> Severity {
    match severity {
        Severity::Low => Severity::Medium,
        Severity::Medium => Severity::High,
        Severity::High => Severity::Critical,
        Severity::Critical | Severity::Fatal => Severity::Fatal,
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::RULES;
    use super::super::window::Errors;
    use super::*;
    use crate::failure::Category;
    use Severity::{Critical, Fatal, High, Low, Medium};
    use Step::{Alert, FallBack, OpenBreaker, Retry};

    /// The severity of the errors, how many, of how many calls, those from the fifth in a row on; the alert, the
    /// action, the steps.
    type Row = (Severity, u64, u64, u64, Severity, Severity, &'static [Step]);

    #[test]
    fn every_rule_fires_at_its_threshold() {
        let rows: &[Row] = &[
            (Low, 1, 1, 0, Low, Low, &[Retry]),
            (Low, 5, 5, 1, Low, Low, &[Retry]),
            (Low, 6, 6, 2, Medium, Medium, &[Retry, FallBack]),
            (Medium, 5, 5, 1, Medium, Medium, &[Retry, FallBack]),
            (Medium, 6, 60, 0, High, High, &[OpenBreaker, FallBack]),
            (Medium, 6, 61, 0, High, Medium, &[Retry, FallBack]),
            (Medium, 6, 61, 1, High, High, &[OpenBreaker, FallBack]),
            (Medium, 1_000_000, 1_000_000, 999_996, High, High, &[OpenBreaker, FallBack]),
            (High, 1, 1, 0, High, High, &[FallBack]),
            (High, 6, 61, 0, Critical, High, &[FallBack, Alert]),
            (High, 6, 60, 0, Critical, Critical, &[OpenBreaker, FallBack, Alert]),
            (Critical, 1, 1_000, 0, Critical, Critical, &[FallBack, Alert]),
            (Critical, 6, 6, 2, Fatal, Fatal, &[OpenBreaker, FallBack, Alert]),
            (Fatal, 6, 6, 2, Fatal, Fatal, &[OpenBreaker, FallBack, Alert]),
        ];
        for (severity, count, calls, in_a_row, alert, action, steps) in rows {
            let errors = Errors {
                category: Category::Unavailable,
                severity: *severity,
                count: *count,
                in_a_row: *in_a_row,
            };
            let judged = JudgedPattern::of(&CategoryCounts { errors, calls: *calls });
            let case = format!(
                "{count} errors of {severity:?} in {calls} calls, {in_a_row} from the fifth in a row on"
            );
            assert_eq!((judged.alert, judged.action), (*alert, *action), "{case}");
            assert_eq!(judged.steps(&RULES), *steps, "{case}");
        }
    }
}
