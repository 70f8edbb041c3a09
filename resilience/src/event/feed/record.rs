//! An event with what all events have.

use crate::base::{calendar, carry};
use crate::event::Event;
use serde::{Serialize, Serializer};
use std::fmt;
use std::time::SystemTime;

/// An event, the time at which it happened, and the job that it belongs to.
///
/// `Display` writes one line for people, without the key and without characters that a terminal obeys. It
/// serialises as the event with two fields before its own, `at`, an RFC 3339 time in UTC with milliseconds, and
/// `job`: `{"at": "2026-11-27T17:18:26.250Z", "job": null, "kind": "opened", "point": "search", ..}`. Where the
/// event has a `job` of its own, it is that one.
///
/// # Examples
///
/// ```
/// use resilience::{CircuitBreaker, Event, events};
///
/// CircuitBreaker::new("records").force_open();
/// let last = events::recent("records").pop().unwrap();
/// assert!(matches!(last.event, Event::Opened { .. }));
/// assert!(last.to_string().ends_with("Z records: forced open"));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct EventRecord {
    /// What happened, and where.
    pub event: Event,
    /// The time of day at which it happened.
    pub at: SystemTime,
    /// The id of the job that it is about, or in which it happened.
    pub job: Option<String>,
}

impl EventRecord {
    /// Returns whether the event has a field for its job, which it serialises.
    const fn event_has_job(&self) -> bool {
        matches!(
            self.event,
            Event::StepRecorded { .. }
                | Event::StepReused { .. }
                | Event::StepRefused { .. }
                | Event::JobStarted { .. }
                | Event::JobResumed { .. }
                | Event::JobDone { .. }
                | Event::JobFailed { .. }
                | Event::JobInterrupted { .. }
                | Event::RolledBack { .. }
                | Event::Alert { .. }
        )
    }
}

/// Returns the id of the job that `event` is about, or that the running code is part of.
pub(super) fn job_of(event: &Event) -> Option<String> {
    event.job().map(str::to_owned).or_else(carry::job_id)
}

/// Writes `2026-11-27T17:18:26.250Z search: forced open`.
impl fmt::Display for EventRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = calendar::rfc_3339(self.at) {
            write!(f, "{at} ")?;
        }
        self.event.fmt(f)
    }
}

impl Serialize for EventRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[expect(clippy::option_option, reason = "a field that is left out is not one that is null")]
        struct Flat<'a> {
            at: Option<String>,
            /// The outer `None` where the event has it itself.
            #[serde(skip_serializing_if = "Option::is_none")]
            job: Option<Option<&'a str>>,
            #[serde(flatten)]
            event: &'a Event,
        }
        let job = (!self.event_has_job()).then_some(self.job.as_deref());
        Flat { at: calendar::rfc_3339(self.at), job, event: &self.event }.serialize(serializer)
    }
}
