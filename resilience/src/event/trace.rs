//! Events as `tracing` events: names and fields only, never arguments, values or error texts. Keys are
//! made of arguments, and shown only where they were asked for.
//!
//! The names of targets, messages and fields, and the levels, are part of the public interface: dashboards and filters
//! use them. `tests/tracing.rs` compares them with the table on [`Event`]. There is one line for each thing that
//! happened: a retry that follows a failed attempt is a field of that attempt's line (`delay_ms`).
//!
//! # Levels
//!
//! | level | what | because |
//! |---|---|---|
//! | ERROR | a critical alert: damage, lost work | a person has to act |
//! | WARN | gave up, breaker opened, job interrupted or rolled back, a fallback that hides a permanent error, chaos that is armed | the program is worse than it should be |
//! | INFO | succeeded after retries, breaker half-open or closed, job resumed | the service works again |
//! | DEBUG | each failed attempt, timeout, rejection, further copy or backend, fallback, stale or simpler answer, step and job | for a look at one call |
//! | TRACE | the beginning of an attempt | |
//!
//! # Fields
//!
//! `point` is in every line, and `job` in every line of a call that a job makes. A class is three fields: `category`,
//! `severity` and, where the error had one, `code`. Durations are whole milliseconds, in fields that end with `_ms`.
//! `key` is there where the policy has `key_label`, or `RESILIENCE_KEY_LABELS=1` is in the environment. A field without
//! a value is left out.
//!
//! Rejections of one policy are logged at most once a second, warnings of one fallback at most once a minute. A
//! subscriber that panics costs its own line only.

use super::AlertLevel;
use super::health::HealthLevel;
use super::kinds::Event;
use super::log::Log;
use crate::base::carry::job_id;
use crate::base::guarded::guarded;
use crate::base::name::PointName;
use crate::base::repeats;
use crate::base::visible::{Visible, in_one_line};
use crate::failure::{Classification, Code};
use std::time::Duration;
use tracing::field::{DisplayValue, display};
use tracing::{debug, error, info, trace, warn};

/// Logs a line about a call: the fields that each has, and then its own.
macro_rules! call_line {
    ($level:ident, target: $target:literal, $point:expr, $($fields:tt)+) => {
        $level!(target: $target, point = &**$point, job = job_id(), $($fields)+)
    };
}

fn delay_ms(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}

fn category(class: &Classification) -> &'static str {
    class.category.as_str()
}

fn code(class: &Classification) -> Option<DisplayValue<Code>> {
    class.code.map(display)
}

/// Returns how many retries repeat the call, if any does.
fn depth(inside: &[PointName]) -> Option<u64> {
    u64::try_from(inside.len()).ok().filter(|depth| *depth > 0)
}

/// Returns the point whose retry repeats the call, the innermost of several.
fn inside(inside: &[PointName]) -> Option<&str> {
    inside.last().map(|point| &**point)
}

/// Logs that an attempt begins.
#[cold]
pub(crate) fn started(point: &PointName, attempt: u32, attempts_max: u32) {
    guarded(|| {
        let around = repeats::around();
        let (depth, inside) = (depth(&around), inside(&around));
        call_line!(trace, target: "resilience::retry", point, attempt, attempts_max, depth, inside, "attempt started");
    });
}

/// Logs that a sync function waits inside a future.
///
/// Said once for each point, at WARN: it is a fault of the program that no test shows, since a blocked runtime only
/// becomes slow.
#[cfg(feature = "tokio")]
pub(super) fn blocks(point: &PointName) {
    use crate::base::scope::Stack;
    use crate::base::site::Site;
    use crate::base::sync::locked;
    use std::collections::BTreeSet;
    use std::sync::Mutex;
    /// The points of which it has been said; the values without a point count as one.
    static SAID: Site<Mutex<BTreeSet<Stack>>> = Site::new(Mutex::new(BTreeSet::new()), Mutex::default);
    let said = || locked(&SAID);
    if said().contains(&point.stack()) || !crate::base::clock::is_polled() || !said().insert(point.stack()) {
        return;
    }
    warn!(target: "resilience::retry", point = &**point, "a sync function waits inside a future, and blocks the thread of its runtime: make it async, or call it in `tokio::task::spawn_blocking`");
}

/// Calls no longer wait for a handler of events.
#[cfg(feature = "ops")]
pub(super) fn handler_is_slow() {
    warn!(target: "resilience::events", "a handler took longer than a call waits three times in a row: for 60 s calls do not wait for it");
}

impl Log<'_> {
    /// Returns whether a line that is logged at most once in `every` is due.
    fn is_due(self, every: Duration) -> bool {
        self.pace.is_none_or(|pace| pace.allows(every))
    }
}

/// Logs an event. Each policy has a target of its own, such as `resilience::retry`, so that a filter can silence one.
pub(super) fn event(event: &Event, log: Log<'_>) {
    match event {
        Event::AttemptFailed { .. } | Event::Recovered { .. } | Event::GaveUp { .. } => retry(event, log),
        // One line for a failed attempt and the wait after it: that of `AttemptFailed`.
        Event::Retrying { .. } => {}
        Event::Opened { .. } | Event::HalfOpened { .. } | Event::Closed { .. } | Event::Rejected { .. } => {
            breaker(event, log);
        }
        Event::TimedOut { point, key, limit } => {
            let key = shown(key.as_ref(), log);
            call_line!(debug, target: "resilience::timeout", point, key, limit_ms = delay_ms(*limit), "timed out");
        }
        Event::FellBack { point, class, step } => fell_back(point, class, *step, log),
        Event::FailedOver { point, class, value, step } => {
            let (category, severity, code) = (category(class), class.severity.as_str(), code(class));
            call_line!(debug, target: "resilience::failover", point, category, severity, code, value = value.as_deref(), step, "failed over");
        }
        Event::Simplified { point, class, level } => {
            let (category, severity, code) = (category(class), class.severity.as_str(), code(class));
            call_line!(debug, target: "resilience::degrade", point, category, severity, code, level, "simplified");
        }
        Event::Hedged { point, key, number, after } => {
            let key = shown(key.as_ref(), log);
            call_line!(debug, target: "resilience::hedge", point, key, number, after_ms = delay_ms(*after), "hedged");
        }
        Event::Injected { point, fault } => {
            call_line!(debug, target: "resilience::chaos", point, fault, "injected a fault");
        }
        Event::ChaosArmed { point, limit } => {
            warn!(target: "resilience::chaos", point = &**point, limit_ms = delay_ms(*limit), "faults are armed");
        }
        Event::ServedStale { point, class, age } => {
            let (category, severity, code) = (category(class), class.severity.as_str(), code(class));
            call_line!(debug, target: "resilience::cache", point, category, severity, code, age_ms = delay_ms(*age), "served a stale value");
        }
        Event::Locked { point, key, waited } => {
            let key = log.shows_key.then(|| key.to_string());
            call_line!(debug, target: "resilience::lock", point, key, waited_ms = delay_ms(*waited), "locked");
        }
        Event::Lost { point, key, reason } => {
            let key = log.shows_key.then(|| key.to_string());
            call_line!(warn, target: "resilience::lock", point, key, reason, "a lock was lost while a call held it");
        }
        Event::StepRecorded { .. } | Event::StepReused { .. } | Event::StepRefused { .. } => step(event),
        Event::JobStarted { .. }
        | Event::JobResumed { .. }
        | Event::JobDone { .. }
        | Event::JobFailed { .. }
        | Event::JobInterrupted { .. }
        | Event::RolledBack { .. } => job(event),
        Event::Alert { .. } => alert(event),
        Event::Config { .. } | Event::Health { .. } => operation(event),
    }
}

fn operation(event: &Event) {
    match event {
        Event::Config { settings, problem: None, .. } => {
            info!(target: "resilience::config", settings, "settings loaded");
        }
        Event::Config { problem: Some(problem), refused, .. } => {
            let problem = in_one_line(problem);
            let problem = Visible(&problem);
            if *refused {
                warn!(target: "resilience::config", %problem, "the configuration was refused, nothing has changed");
            } else {
                warn!(target: "resilience::config", %problem, "a setting of the configuration needs attention");
            }
        }
        Event::Health { point, level: HealthLevel::Pass, before } => {
            info!(target: "resilience::health", point = &**point, level = "pass", before = before.map(HealthLevel::as_str), "health changed");
        }
        Event::Health { point, level, before } => {
            warn!(target: "resilience::health", point = &**point, level = level.as_str(), before = before.map(HealthLevel::as_str), "health changed");
        }
        _ => {}
    }
}

/// Returns the key, if the line shows it.
fn shown(key: Option<&PointName>, log: Log<'_>) -> Option<String> {
    key.filter(|_| log.shows_key).map(ToString::to_string)
}

fn retry(event: &Event, log: Log<'_>) {
    match event {
        Event::AttemptFailed { point, key, attempt, attempts_max, class, delay, reason, inside: around } => {
            let (category, severity, code) = (category(class), class.severity.as_str(), code(class));
            let (key, delay_ms) = (shown(key.as_ref(), log), delay.map(delay_ms));
            let (depth, inside) = (depth(around), inside(around));
            call_line!(debug, target: "resilience::retry", point, key, attempt, attempts_max, category, severity, code, delay_ms, reason, depth, inside, "attempt failed");
        }
        Event::Recovered { point, key, attempt, attempts_max, inside: around } => {
            let key = shown(key.as_ref(), log);
            let (depth, inside) = (depth(around), inside(around));
            call_line!(info, target: "resilience::retry", point, key, attempt, attempts_max, depth, inside, "succeeded after retries");
        }
        Event::GaveUp { point, key, attempt, attempts_max, class, reason, inside: around } => {
            let key = shown(key.as_ref(), log);
            let (category, severity, code) = (category(class), class.severity.as_str(), code(class));
            let (depth, inside) = (depth(around), inside(around));
            call_line!(warn, target: "resilience::retry", point, key, attempt, attempts_max, category, severity, code, reason, depth, inside, "gave up");
        }
        _ => {}
    }
}

fn breaker(event: &Event, log: Log<'_>) {
    let shown = |key: &Option<PointName>| shown(key.as_ref(), log);
    match event {
        Event::Opened { point, key, class, failures, slow, recovery } => {
            let key = shown(key);
            let category = class.as_ref().map(category);
            let severity = class.as_ref().map(|class| class.severity.as_str());
            let code = class.as_ref().and_then(code);
            let delay_ms = recovery.map(delay_ms);
            let slow = (*slow > 0).then_some(slow);
            call_line!(warn, target: "resilience::breaker", point, key, category, severity, code, failures, slow, delay_ms, "opened");
        }
        Event::HalfOpened { point, key } => {
            call_line!(info, target: "resilience::breaker", point, key = shown(key), "half-open");
        }
        Event::Closed { point, key } => {
            call_line!(info, target: "resilience::breaker", point, key = shown(key), "closed");
        }
        Event::Rejected { point, key, policy, retry_after } if log.is_due(Duration::from_secs(1)) => {
            let (key, delay_ms) = (shown(key), retry_after.map(delay_ms));
            match *policy {
                "rate_limit" => {
                    call_line!(debug, target: "resilience::rate_limit", point, key, policy, delay_ms, "rejected");
                }
                "with_lock" => {
                    call_line!(debug, target: "resilience::lock", point, key, policy, "rejected");
                }
                "bulkhead" => {
                    call_line!(debug, target: "resilience::bulkhead", point, key, policy, delay_ms, "rejected");
                }
                "with_retry" => {
                    call_line!(debug, target: "resilience::retry", point, key, policy, delay_ms, "rejected");
                }
                _ => {
                    call_line!(debug, target: "resilience::breaker", point, key, policy, delay_ms, "rejected");
                }
            }
        }
        _ => {}
    }
}

/// Logs a fallback. One for `Auth`, `Invalid` or `Permanent` hides an error that will occur at each call: WARN, once a
/// minute.
fn fell_back(point: &PointName, class: &Classification, step: u32, log: Log<'_>) {
    use crate::failure::Category::{Auth, Invalid, Permanent};
    let (category, severity, code) = (category(class), class.severity.as_str(), code(class));
    let hides = matches!(class.category, Auth | Invalid | Permanent);
    if hides && log.is_due(Duration::from_secs(60)) {
        call_line!(warn, target: "resilience::fallback", point, category, severity, code, step, "fallback hides an error that will not pass by itself");
    } else {
        call_line!(debug, target: "resilience::fallback", point, category, severity, code, step, "fell back");
    }
}

fn step(event: &Event) {
    match event {
        Event::StepRecorded { point, job, .. } => {
            debug!(target: "resilience::checkpoint", point = &**point, job, "recorded");
        }
        Event::StepReused { point, job, .. } => {
            debug!(target: "resilience::checkpoint", point = &**point, job, "reused");
        }
        Event::StepRefused { point, job, reason, .. } => {
            debug!(target: "resilience::checkpoint", point = &**point, job, reason, "refused");
        }
        _ => {}
    }
}

fn job(event: &Event) {
    match event {
        Event::JobStarted { point, job } => {
            debug!(target: "resilience::job", point = &**point, job, "started");
        }
        Event::JobDone { point, job } => {
            debug!(target: "resilience::job", point = &**point, job, "done");
        }
        Event::JobFailed { point, job, status, class } => {
            let category = class.as_ref().map(category);
            let severity = class.as_ref().map(|class| class.severity.as_str());
            let code = class.as_ref().and_then(code);
            debug!(target: "resilience::job", point = &**point, job, status, category, severity, code, "ended without a result");
        }
        Event::JobInterrupted { point, job, problem } => {
            warn!(target: "resilience::job", point = &**point, job, problem, "interrupted");
        }
        Event::JobResumed { point, job } => {
            info!(target: "resilience::job", point = &**point, job, "resumed");
        }
        Event::RolledBack { point, job, steps } => {
            warn!(target: "resilience::job", point = &**point, job, steps, "rolled back");
        }
        _ => {}
    }
}

fn alert(event: &Event) {
    match event {
        Event::Alert { point, job, level: level @ AlertLevel::Warning, message, reason } => {
            let level = level.as_str();
            warn!(target: "resilience::alert", point = &**point, job, level, reason, message);
        }
        Event::Alert { point, job, level: level @ AlertLevel::Critical, message, reason } => {
            let level = level.as_str();
            error!(target: "resilience::alert", point = &**point, job, level, reason, message);
        }
        _ => {}
    }
}
