//! The result of a question.

use super::{Answer, Level};
use crate::base::name::PointName;
use crate::base::visible::Visible;
use crate::base::{calendar, scrub};
use serde::ser::{Serialize, SerializeMap, SerializeStruct as _, Serializer};
use std::fmt;
use std::time::{Duration, SystemTime};

/// The most bytes of a message, an action or a detail.
const MOST: usize = 1_000;
/// The most details of a status.
const MOST_DETAILS: usize = 100;

/// The result of the last look at a component.
///
/// `Display` writes one line. `Serialize` writes `{component, level, healthy, critical, message, action, details,
/// timestamp, age_s}`, with an RFC 3339 time in UTC. Messages, actions and details are without control characters, and
/// what looks like a password or a key in them is replaced by `***`.
///
/// # Examples
///
/// ```
/// use resilience::health::{self, Level};
///
/// # let _world = resilience::testing::isolate();
/// health::register("queue", || Err::<(), _>("9000 entries wait"));
/// let status = health::check("queue").unwrap();
/// assert_eq!((status.level, status.healthy), (Level::Fail, false));
/// assert_eq!(status.to_string(), "queue: fail: 9000 entries wait");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// The name of the check.
    pub component: PointName,
    /// The level of the component.
    pub level: Level,
    /// Whether the component works: its level is not `Fail`.
    pub healthy: bool,
    /// Whether the check decides [readiness](super::ready).
    pub critical: bool,
    /// The message of the check; may be empty.
    pub message: String,
    /// What a person should do.
    pub action: Option<String>,
    /// Names and values that belong to it, in the order of the answer.
    pub details: Vec<(String, String)>,
    /// When the look ended.
    pub timestamp: SystemTime,
    /// The age of the look: an answer is used again for one second.
    pub age: Duration,
}

impl Status {
    pub(super) fn new(component: PointName, critical: bool, answer: &Answer, timestamp: SystemTime) -> Self {
        let clean = |text: &str| scrub::scrub(text, MOST);
        let details = answer.details.iter().take(MOST_DETAILS);
        Self {
            component,
            level: answer.level,
            healthy: answer.level != Level::Fail,
            critical,
            message: clean(&answer.message),
            action: answer.action.as_deref().map(clean),
            details: details.map(|(name, value)| (clean(name), clean(value))).collect(),
            timestamp,
            age: Duration::ZERO,
        }
    }
}

/// Writes `component: level: message (name: value, ..); action`.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A name may be made of values.
        write!(f, "{}: {}", Visible(&self.component), self.level)?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        for (n, (name, value)) in self.details.iter().enumerate() {
            write!(f, "{}{name}: {value}", if n == 0 { " (" } else { ", " })?;
        }
        if !self.details.is_empty() {
            f.write_str(")")?;
        }
        self.action.as_ref().map_or(Ok(()), |action| write!(f, "; {action}"))
    }
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut status = serializer.serialize_struct("Status", 9)?;
        status.serialize_field("component", &self.component)?;
        status.serialize_field("level", &self.level)?;
        status.serialize_field("healthy", &self.healthy)?;
        status.serialize_field("critical", &self.critical)?;
        status.serialize_field("message", &self.message)?;
        status.serialize_field("action", &self.action)?;
        status.serialize_field("details", &Details(&self.details))?;
        status.serialize_field("timestamp", &calendar::rfc_3339(self.timestamp))?;
        status.serialize_field("age_s", &self.age.as_secs_f64())?;
        status.end()
    }
}

/// Details as a map; of equal names the last counts.
struct Details<'a>(&'a [(String, String)]);

impl Serialize for Details<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let last = |n: usize, name: &str| self.0.iter().skip(n + 1).all(|(later, _)| later != name);
        let mut map = serializer.serialize_map(None)?;
        for (n, (name, value)) in self.0.iter().enumerate() {
            if last(n, name) {
                map.serialize_entry(name, value)?;
            }
        }
        map.end()
    }
}
