//! The calls of every function, by how they ended.

use super::family::{Family, Kind, Label, Rows, Sink, histogram};
use crate::failure::Category;
use crate::point::counts::CallCounts;
use crate::point::durations::Outcome;
use crate::point::info::PointSnapshot;
use crate::point::{Admission, Measure};

const CALLS: Family = Family {
    name: "resilience_calls_total",
    kind: Kind::Counter,
    help: "Calls that have ended, by outcome.",
};
const IN_FLIGHT: Family =
    Family { name: "resilience_calls_in_flight", kind: Kind::Gauge, help: "Calls that run now." };
const ERRORS: Family =
    Family { name: "resilience_errors_total", kind: Kind::Counter, help: "Calls that failed, by category." };
const ATTEMPTS: Family = Family {
    name: "resilience_attempts_total",
    kind: Kind::Counter,
    help: "Attempts that have ended, by the category of their error and by whether a retry followed.",
};
const AMPLIFICATION: Family = Family {
    name: "resilience_retry_amplification",
    kind: Kind::Gauge,
    help: "Attempts for one call on average.",
};
const DEGRADED: Family = Family {
    name: "resilience_degraded",
    kind: Kind::Gauge,
    help: "Whether in the last 60 s a call was answered with less than the function's own result.",
};

const DURATION: Family = histogram(
    "resilience_call_duration_seconds",
    "How long calls took, by outcome; of functions with `timed`.",
);
const ATTEMPT: Family = histogram(
    "resilience_attempt_duration_seconds",
    "How long the attempts of retries took, by whether a retry followed; of functions with `timed`.",
);
const DELAY: Family = histogram(
    "resilience_retry_delay_seconds",
    "How long retries have waited, by where the time comes from; of functions with `timed`.",
);
const SLOT: Family = histogram(
    "resilience_bulkhead_wait_seconds",
    "How long admitted calls have waited for a slot; of functions with `timed`.",
);
const TURN: Family = histogram(
    "resilience_ratelimit_wait_seconds",
    "How long admitted calls have waited for their turn; of functions with `timed`.",
);

pub(super) fn write(sink: &mut dyn Sink, points: &[PointSnapshot]) {
    let counted = || points.iter().filter_map(|point| Some((&*point.name, point.calls.as_ref()?)));
    let mut rows = Rows::new(sink, &CALLS);
    for (name, calls) in counted() {
        for (outcome, count, is_always) in outcomes(calls) {
            if is_always || count > 0 {
                rows.add(&[("name", name), ("outcome", outcome)], count);
            }
        }
    }
    let mut rows = Rows::new(sink, &IN_FLIGHT);
    counted().for_each(|(name, calls)| rows.add(&[("name", name)], calls.in_flight));
    let mut rows = Rows::new(sink, &ERRORS);
    for (name, calls) in counted() {
        for (category, severity, count) in &calls.severities {
            let (category, severity) = (category.as_str(), severity.as_str());
            rows.add(&[("name", name), ("category", category), ("severity", severity)], *count);
        }
    }
    let mut rows = Rows::new(sink, &ATTEMPTS);
    counted().for_each(|(name, calls)| attempts(&mut rows, name, calls));
    durations(sink, points);
    let mut rows = Rows::new(sink, &AMPLIFICATION);
    counted().for_each(|(name, calls)| rows.add(&[("name", name)], calls.amplification()));
    let mut rows = Rows::new(sink, &DEGRADED);
    for point in points.iter().filter(|point| point.calls.is_some()) {
        rows.add(&[("name", &point.name)], point.degraded);
    }
}

/// Writes the durations of the functions with `timed`.
fn durations(sink: &mut dyn Sink, points: &[PointSnapshot]) {
    for family in [&DURATION, &ATTEMPT, &DELAY, &SLOT, &TURN] {
        let mut rows = Rows::new(sink, family);
        for point in points {
            let measured = point.calls.iter().flat_map(|calls| &calls.measured);
            for (what, times) in measured {
                let (of, label) = series(*what);
                if of.name == family.name {
                    rows.times(
                        &[Some(("name", &*point.name)), label].into_iter().flatten().collect::<Vec<_>>(),
                        times,
                    );
                }
            }
        }
    }
}

/// Returns the family of a measure, and its label there.
const fn series(what: Measure) -> (&'static Family, Option<Label<'static>>) {
    match what {
        Measure::Call(outcome) => (&DURATION, Some(("outcome", outcome.as_str()))),
        Measure::Attempt { is_handled } => {
            (&ATTEMPT, Some(("handled", if is_handled { "true" } else { "false" })))
        }
        Measure::Delay { is_asked_for } => {
            (&DELAY, Some(("source", if is_asked_for { "retry_after" } else { "backoff" })))
        }
        Measure::Admission(Admission::Slot) => (&SLOT, None),
        Measure::Admission(Admission::Turn) => (&TURN, None),
    }
}

/// Writes the attempts. The last one of each call has the category of the call's error, or `none`; the others have a
/// retry after them.
fn attempts(rows: &mut Rows<'_>, name: &str, calls: &CallCounts) {
    let mut add = |category, handled, count| {
        rows.count(&[("name", name), ("category", category), ("handled", handled)], count);
    };
    add("none", "false", calls.succeeded + calls.cancelled + calls.panicked);
    for (category, count) in &calls.failed {
        add(category, "false", *count);
    }
    add(Category::Rejected.as_str(), "false", calls.rejected);
    for (category, count) in &calls.retried {
        add(category.as_str(), "true", *count);
    }
}

/// Returns each outcome with its count, and whether it is shown before the first one.
fn outcomes(calls: &CallCounts) -> [(&'static str, u64, bool); 6] {
    let timeouts = |(name, _): &&(&str, u64)| *name == Category::Timeout.as_str();
    let count = |of: &[(&'static str, u64)], is_timeout: bool| -> u64 {
        of.iter().filter(|row| timeouts(row) == is_timeout).map(|(_, count)| count).sum()
    };
    [
        (Outcome::Success.as_str(), calls.succeeded, true),
        (Outcome::Error.as_str(), count(&calls.failed, false), true),
        (Outcome::Rejected.as_str(), calls.rejected, false),
        (Outcome::Timeout.as_str(), count(&calls.failed, true), false),
        (Outcome::Cancelled.as_str(), calls.cancelled, false),
        (Outcome::Panic.as_str(), calls.panicked, false),
    ]
}
