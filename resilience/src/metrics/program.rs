//! The metrics of the whole program: alerts, lost events, health, jobs and recoveries.

#[cfg(any(feature = "fs", feature = "durable"))]
use super::family::histogram;
use super::family::{Family, Kind, Rows, Sink};
use crate::event::HealthLevel;

const fn counter(name: &'static str, help: &'static str) -> Family {
    Family { name, kind: Kind::Counter, help }
}

const ALERTS: Family = counter("resilience_alerts_total", "Alerts that were raised, by level.");
const ALERTS_DROPPED: Family =
    counter("resilience_alerts_dropped_total", "Alerts that are in no line of their own, by reason.");
const EVENTS_DROPPED: Family =
    counter("resilience_events_dropped_total", "Events that a listener did not get, by reason.");
const HOOK_PANICS: Family =
    counter("resilience_hook_panics_total", "Panics of hooks and handlers, which no call has noticed.");
const HEALTH: Family = Family {
    name: "resilience_health_status",
    kind: Kind::Gauge,
    help: "The last answer of a health check: 1 pass, 0.5 warn, 0 fail.",
};
const JOBS: Family = counter("resilience_jobs_total", "What happened to jobs.");
const REFUSED: Family = counter(
    "resilience_checkpoint_refused_total",
    "Calls of steps that were refused or not recorded, by reason.",
);
const ROLLBACKS: Family = counter("resilience_rollbacks_total", "Jobs and transactions that were undone.");

pub(super) fn write(sink: &mut dyn Sink) {
    let alerts = crate::alerts::counts();
    let mut rows = Rows::new(sink, &ALERTS);
    rows.count(&[("level", "WARNING")], alerts.warnings);
    rows.count(&[("level", "CRITICAL")], alerts.criticals);
    let mut rows = Rows::new(sink, &ALERTS_DROPPED);
    rows.count(&[("reason", "held_back")], alerts.held_back);
    rows.count(&[("reason", "full")], alerts.put_out);
    rows.count(&[("reason", "not_written")], alerts.not_written);
    let events = crate::event::lost();
    let mut rows = Rows::new(sink, &EVENTS_DROPPED);
    rows.count(&[("reason", "lagged")], events.lagged);
    rows.count(&[("reason", "full")], events.skipped);
    Rows::new(sink, &HOOK_PANICS).count(&[], crate::event::hook_panics());
    let mut rows = Rows::new(sink, &HEALTH);
    for (component, level) in crate::health::last() {
        let value = match level {
            HealthLevel::Pass => 1.0,
            HealthLevel::Warn => 0.5,
            HealthLevel::Fail => 0.0,
        };
        rows.add(&[("component", &component)], value);
    }
    let mut rows = Rows::new(sink, &JOBS);
    let jobs = crate::event::jobs();
    for (result, count) in jobs.results() {
        rows.count(&[("result", result)], count);
    }
    let mut rows = Rows::new(sink, &REFUSED);
    for (reason, count) in jobs.refused() {
        rows.count(&[("reason", reason)], count);
    }
    Rows::new(sink, &ROLLBACKS).count(&[], jobs.rolled_back());
    #[cfg(feature = "durable")]
    {
        recoveries(sink);
        writes(sink);
    }
    #[cfg(feature = "fs")]
    lock_waits(sink);
}

#[cfg(feature = "fs")]
fn lock_waits(sink: &mut dyn Sink) {
    const WAITS: Family = histogram(
        "resilience_lock_wait_seconds",
        "How long locks of files were waited for, by how that ended.",
    );
    let mut rows = Rows::new(sink, &WAITS);
    for (result, times) in crate::fs::lock::waits() {
        rows.times(&[("result", result)], &times);
    }
}

/// Writes the number and the durations of writes, from one look.
#[cfg(feature = "durable")]
fn writes(sink: &mut dyn Sink) {
    const WRITES: Family = counter(
        "resilience_checkpoint_writes_total",
        "Results and positions of steps and jobs that were written to stores, by kind of store and by result.",
    );
    const SECONDS: Family = histogram(
        "resilience_checkpoint_write_seconds",
        "How long these writes took, by kind of store and by result.",
    );
    let all = crate::durable::store::writes::writes();
    let mut rows = Rows::new(sink, &WRITES);
    for ((kind, result), times) in &all {
        rows.count(&[("store", kind), ("result", result)], times.count());
    }
    let mut rows = Rows::new(sink, &SECONDS);
    for ((kind, result), times) in &all {
        rows.times(&[("store", kind), ("result", result)], times);
    }
}

#[cfg(feature = "durable")]
fn recoveries(sink: &mut dyn Sink) {
    const RECOVERIES: Family =
        counter("resilience_recoveries_total", "Failures that something was done about, by strategy.");
    const RECORDED: Family =
        counter("resilience_checkpoint_bytes_total", "Bytes of the values that steps have recorded.");
    let stats = crate::durable::recovery_stats();
    let mut rows = Rows::new(sink, &RECOVERIES);
    for (strategy, taken, worked) in &stats.by_strategy {
        rows.count(&[("strategy", strategy), ("result", "ok")], *worked);
        rows.count(&[("strategy", strategy), ("result", "failed")], taken.saturating_sub(*worked));
    }
    Rows::new(sink, &RECORDED).count(&[], stats.checkpoint_bytes);
}
