//! The alerts that events of policies and jobs raise by themselves.
//!
//! An alert is limited by its component and message, so these are fixed texts; what differs from call to call, such as
//! the key or the class, is a detail. A key may have personal data in it, and the file of alerts is kept: without
//! `key_label` it gets a hash that is the same for equal keys of this process, so that one failing customer and a
//! thousand can be told apart.

use super::{AlertLevel, Event, Log};
use crate::alerts::alert::{Alert, AlertKind, ESCALATION, NAME, TEXT, hash};
use crate::alerts::{job, writer};
use crate::base::{scrub, stopping};
use crate::failure::Classification;
#[cfg(feature = "durable")]
use crate::failure::durable::StoreError;
use serde_json::Value;

/// The alert of a retry that gives up because its budget is empty.
const BUDGET: &str = "the retry budget is used up";

/// A configuration that was refused, and changes nothing.
const REFUSED: &str = "a configuration was refused";
/// The alert of a configuration with values for functions that do not exist in the program, or that cannot take them.
const WITHOUT_EFFECT: &str = "settings have no effect";

/// Puts the alert of `event` into the queue, if it has one. It is called within calls of the program, and waits for
/// nothing.
pub(super) fn raise(event: &Event, log: Log<'_>) {
    let Some((level, message)) = alert_of(event) else { return };
    let job = event.job().map(str::to_owned).or_else(job);
    let kind = AlertKind { level, component: event.point(), message, job: job.as_deref() };
    let make = || {
        let mut alert = Alert::new(kind, &[]);
        alert.set("point", scrub::scrub(event.point(), NAME));
        if let Some(key) = event.key() {
            let key = if log.shows_key { scrub::scrub(key, NAME) } else { hash(key) };
            alert.set("key", key);
        }
        describe(&mut alert, event);
        alert
    };
    writer::submit(kind, make, None);
}

/// Puts the alert about a store that is down into the queue: a call of `point` has found it so.
#[cfg(feature = "durable")]
pub(crate) fn store_is_down(point: &str, error: &StoreError) {
    let job = job();
    let kind = AlertKind { job: job.as_deref(), ..AlertKind::warning("store", "the store is down") };
    let make = || {
        let mut alert = Alert::new(kind, &[]);
        alert.set("point", scrub::scrub(point, NAME));
        alert.set("reason", scrub::scrub(&error.to_string(), TEXT));
        alert
    };
    writer::submit(kind, make, None);
}

/// Returns the level and the message; what differs between two alerts is in their details.
fn alert_of(event: &Event) -> Option<(AlertLevel, &'static str)> {
    match event {
        Event::Opened { .. } => Some((AlertLevel::Warning, "a circuit breaker opened")),
        Event::GaveUp { reason, .. } if *reason == BUDGET => Some((AlertLevel::Warning, BUDGET)),
        // Each restart of a program interrupts jobs, which go on in the next process.
        Event::JobInterrupted { problem, .. } if is_restart(problem) => None,
        Event::JobInterrupted { .. } => Some((AlertLevel::Warning, "a job was interrupted")),
        Event::Alert { level, message, .. } => Some((*level, message)),
        Event::Config { problem: Some(_), refused: true, .. } => Some((AlertLevel::Warning, REFUSED)),
        Event::Config { problem: Some(_), .. } => Some((AlertLevel::Warning, WITHOUT_EFFECT)),
        _ => None,
    }
}

/// Returns whether a job was interrupted for this reason by a shutdown, and not by a panic meanwhile.
fn is_restart(problem: &str) -> bool {
    problem == stopping::PROBLEM || problem.starts_with(stopping::RETURNED)
}

fn describe(alert: &mut Alert, event: &Event) {
    match event {
        Event::Opened { class, failures, slow, recovery, .. } => {
            classify(alert, class.as_ref());
            alert.set("failures", *failures);
            alert.set("slow", *slow);
            alert.set("recovery_s", recovery.map_or(Value::Null, |recovery| recovery.as_secs_f64().into()));
        }
        Event::GaveUp { attempt, class, .. } => {
            classify(alert, Some(class));
            alert.set("attempt", *attempt);
        }
        Event::Config { problem: Some(problem), .. } => {
            alert.set("reason", scrub::scrub(problem, TEXT));
        }
        Event::JobInterrupted { problem: reason, .. } | Event::Alert { reason, .. } => {
            alert.set("reason", scrub::scrub(reason, TEXT));
            if alert.level == AlertLevel::Critical {
                alert.set(ESCALATION, true);
            }
        }
        _ => {}
    }
}

fn classify(alert: &mut Alert, class: Option<&Classification>) {
    if let Some(class) = class {
        alert.set("category", class.category.as_str());
        alert.set("code", class.code.map(|code| code.to_string()));
    }
}
