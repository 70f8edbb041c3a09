//! The calls of every function, by how they ended.

use super::family::{Family, Kind, Rows, Sink};
use crate::failure::Category;
use crate::point::counts::CallCounts;
use crate::point::durations::Outcome;
use crate::point::info::PointSnapshot;

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

const DURATION: Family = Family {
    name: "resilience_call_duration_seconds",
    kind: Kind::Histogram,
    help: "How long calls took, by outcome; of functions with `timed`.",
};
const DELAY: Family = Family {
    name: "resilience_retry_delay_seconds",
    kind: Kind::Histogram,
    help: "How long retries have waited, by where the time comes from; of functions with `timed`.",
};

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

/// What is measured of the functions with `timed`.
fn durations(sink: &mut dyn Sink, points: &[PointSnapshot]) {
    let measured =
        || points.iter().filter_map(|point| Some((&*point.name, point.calls.as_ref()?.measured.as_deref()?)));
    let mut rows = Rows::new(sink, &DURATION);
    for (name, measured) in measured() {
        for (outcome, times) in &measured.calls {
            rows.times(&[("name", name), ("outcome", outcome.as_str())], times);
        }
    }
    let mut rows = Rows::new(sink, &DELAY);
    for (name, measured) in measured() {
        for (source, times) in &measured.waits {
            rows.times(&[("name", name), ("source", source)], times);
        }
    }
}

/// The last attempt of each call has the category of the call's error, or `none`; the others have a retry after them.
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

/// Each outcome with its count, and whether it is shown before the first one.
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
