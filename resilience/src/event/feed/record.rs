//! An event with what all events have.

use crate::base::calendar;
use crate::event::Event;
use serde::{Serialize, Serializer};
use std::fmt;
use std::time::SystemTime;

/// Holds an event and the time at which it happened.
///
/// `Display` writes one line for people, without the key and without characters that a terminal obeys. It
/// serialises as the event with the field `at` before its own, an RFC 3339 time in UTC with milliseconds:
/// `{"at": "2026-11-27T17:18:26.250Z", "kind": "opened", "point": "search", ..}`.
///
/// # Examples
///
/// ```
/// use resilience::{CircuitBreaker, Event, events};
///
/// CircuitBreaker::new("records").force_open();
/// let last = events::recent("records").pop().unwrap();
/// assert!(matches!(last.event, Event::Opened { .. }));
/// assert!(last.to_string().ends_with("Z records: opened by hand"));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct EventRecord {
    /// What happened, and where.
    pub event: Event,
    /// The time of day at which it happened.
    pub at: SystemTime,
}

/// Writes `2026-11-27T17:18:26.250Z search: opened by hand`.
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
        struct Flat<'a> {
            at: Option<String>,
            #[serde(flatten)]
            event: &'a Event,
        }
        Flat { at: calendar::rfc_3339(self.at), event: &self.event }.serialize(serializer)
    }
}
