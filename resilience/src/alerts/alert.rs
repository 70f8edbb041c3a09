//! One alert: what it holds, and its line in the file.

use crate::base::alert_level::AlertLevel;
use crate::base::clock::time_of_day;
use crate::base::of_process::OfProcess;
use crate::base::{calendar, scrub};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The most bytes of a line, the end of it included.
pub(crate) const LINE: usize = 16 << 10;
/// The most bytes of a message, and of one text in the details.
pub(crate) const TEXT: usize = 1_000;
/// The most bytes of the name of a component, and of the name of a detail.
pub(crate) const NAME: usize = 256;
/// The most details that a program may add.
const PAIRS: usize = 100;
/// The names of the details that every alert has, whether or not they apply.
const ALWAYS: [&str; 9] =
    ["id", "point", "job", "attempt", "category", "code", "process", "suppressed", "key"];
/// The detail that makes an alert an escalation.
pub(crate) const ESCALATION: &str = "escalation";
/// The detail of an alert that has lost details, or parts of them.
const SHORTENED: &str = "shortened";
/// The details that only the library sets.
const OWN: [&str; 3] = ["id", "process", "suppressed"];

/// The properties by which alerts are limited.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AlertKind<'a> {
    pub(crate) level: AlertLevel,
    pub(crate) component: &'a str,
    pub(crate) message: &'a str,
    /// The id of the job that the alert is about, if there is one. It matters for critical alerts only.
    pub(crate) job: Option<&'a str>,
}

impl<'a> AlertKind<'a> {
    /// Returns the kind of a warning that is about no job.
    pub(crate) const fn warning(component: &'a str, message: &'a str) -> Self {
        Self { level: AlertLevel::Warning, component, message, job: None }
    }
}

/// A message for operators: one line of `alerts.jsonl`.
///
/// It serialises as `{timestamp, level, component, message, details}`, exactly as it is in the file. All texts are
/// without secrets that [the library knows](crate::alerts#secrets) and without control characters.
///
/// # Details
///
/// Every alert has these; what does not apply is `null`:
///
/// | detail | holds |
/// |---|---|
/// | `id` | 24 random hexadecimal digits, different for each alert |
/// | `point` | the annotated function |
/// | `job` | the id of the job |
/// | `attempt` | the attempt that failed, counted from 1 |
/// | `category`, `code` | what the error means |
/// | `process` | `{pid, program}` of the process that raised it |
/// | `suppressed` | how many alerts of the same kind were held back before it |
/// | `key` | the key of a keyed policy with `key_label`, else a hash of 8 digits that another process does not share |
///
/// Further details are those that the program has passed: the first 100 of them, with at most 1,000 bytes each. Where
/// there are more, or where a line would be longer than 16 KiB, which shortens the texts and at last leaves these
/// details out, `shortened` is `true`.
///
/// # Examples
///
/// ```
/// use resilience::alerts::{self, AlertLevel};
/// # let _world = resilience::testing::isolate();
/// # let dir = std::env::temp_dir().join(format!("resilience-alert-{}", std::process::id()));
/// # alerts::use_dir(&dir);
///
/// alerts::raise(AlertLevel::Warning, "importer", "the feed is empty", &[("feed", "prices")]);
/// let alert = &alerts::recent(1)?.alerts[0];
/// assert_eq!(alert.to_string(), r#"WARNING importer: the feed is empty (feed: "prices")"#);
/// assert_eq!(alert.details["suppressed"], 0);
/// # std::fs::remove_dir_all(dir)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Alert {
    /// When the alert was raised, in UTC: `2026-11-06T08:49:37.250Z`. The order of alerts is that of the file.
    pub timestamp: String,
    /// The severity.
    pub level: AlertLevel,
    /// The function or the part of the program that the alert is about.
    pub component: String,
    /// What happened: the same words each time, since alerts are limited by them.
    pub message: String,
    /// Further details.
    pub details: Map<String, Value>,
}

impl Alert {
    /// Creates an alert that is raised now, with the details that every alert has.
    pub(crate) fn new(kind: AlertKind<'_>, pairs: &[(&str, &str)]) -> Self {
        let AlertKind { level, component, message, job } = kind;
        let mut details: Map<String, Value> =
            ALWAYS.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
        if let Some(job) = job {
            details.insert("job".to_owned(), scrub::scrub(job, NAME).into());
        }
        for (name, value) in pairs.iter().take(PAIRS) {
            let (name, value) = (scrub::scrub(name, NAME), text_of(name, value));
            details.insert(name, value.into());
        }
        let mut alert = Self {
            timestamp: calendar::rfc_3339(time_of_day()).unwrap_or_default(),
            level,
            component: scrub::scrub(component, NAME),
            message: scrub::scrub(message, TEXT),
            details,
        };
        if pairs.len() > PAIRS {
            alert.set(SHORTENED, true);
        }
        alert.set("id", new_id());
        alert.set("process", json!({"pid": std::process::id(), "program": program()}));
        alert.suppressing(0)
    }

    /// Returns the id by which the alert is acknowledged: 24 hexadecimal digits, different for each alert.
    ///
    /// It is the argument of [`acknowledge`](crate::alerts::acknowledge). An alert that another program has written
    /// into the file without one has an empty id.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::alerts::{self, AlertLevel};
    /// # let _world = resilience::testing::isolate();
    /// # let dir = std::env::temp_dir().join(format!("resilience-alert-id-{}", std::process::id()));
    /// # alerts::use_dir(&dir);
    ///
    /// alerts::raise(AlertLevel::Critical, "importer", "the feed is gone", &[]);
    /// let alert = &alerts::recent(1)?.alerts[0];
    /// assert!(alert.id().len() == 24 && alert.id().bytes().all(|digit| digit.is_ascii_hexdigit()));
    /// # std::fs::remove_dir_all(dir)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn id(&self) -> &str {
        self.text("id").unwrap_or_default()
    }

    /// Returns the id of the job that the alert is about.
    ///
    /// It is the job that the raising code is part of, unless the details name another one.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::alerts::{self, AlertLevel};
    /// # let _world = resilience::testing::isolate();
    /// # let dir = std::env::temp_dir().join(format!("resilience-alert-job-{}", std::process::id()));
    /// # alerts::use_dir(&dir);
    ///
    /// alerts::raise(AlertLevel::Critical, "importer", "the feed is gone", &[("job", "import:7")]);
    /// assert_eq!(alerts::recent(1)?.alerts[0].job(), Some("import:7"));
    /// # std::fs::remove_dir_all(dir)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn job(&self) -> Option<&str> {
        self.text("job")
    }

    /// Returns the properties by which the alert is limited.
    pub(crate) fn kind(&self) -> AlertKind<'_> {
        AlertKind { level: self.level, component: &self.component, message: &self.message, job: self.job() }
    }

    /// Returns whether the alert asks for a person.
    pub(crate) fn is_escalation(&self) -> bool {
        self.details.get(ESCALATION) == Some(&Value::Bool(true))
    }

    pub(crate) fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.details.insert(name.to_owned(), value.into());
    }

    /// Returns the alert with the number of alerts that were held back before it.
    pub(crate) fn suppressing(mut self, held_back: u64) -> Self {
        self.set("suppressed", held_back);
        self
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.details.get(name)?.as_str()
    }

    /// Returns the line of the alert, with the line feed: at most 16 KiB, for which details are shortened and then left
    /// out.
    pub(crate) fn line(&self) -> Vec<u8> {
        let mut alert = self.clone();
        let mut most = TEXT;
        loop {
            let mut line = serde_json::to_vec(&alert).unwrap_or_default();
            line.push(b'\n');
            if line.len() <= LINE {
                return line;
            }
            most /= 2;
            alert.shorten(most);
        }
    }

    /// Cuts the texts of the details to `most` bytes; below 16 leaves out what the program has added.
    fn shorten(&mut self, most: usize) {
        if most < 16 {
            self.details.retain(|name, _| ALWAYS.contains(&name.as_str()) || name == ESCALATION);
        }
        for (name, value) in &mut self.details {
            match value {
                Value::String(text) if !OWN.contains(&name.as_str()) => {
                    *text = scrub::scrub(text, most.max(16));
                }
                Value::Array(_) | Value::Object(_) if name != "process" => *value = Value::Null,
                _ => {}
            }
        }
        self.set(SHORTENED, true);
    }

    /// Returns the alert of a line; `None` if the line is not one, such as a line that was cut off.
    pub(crate) fn of_line(line: &[u8]) -> Option<Self> {
        let Value::Object(mut fields) = serde_json::from_slice(line).ok()? else { return None };
        let level = match fields.get("level")?.as_str()? {
            "WARNING" => AlertLevel::Warning,
            "CRITICAL" => AlertLevel::Critical,
            _ => return None,
        };
        let mut text = |name: &str| match fields.remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let (timestamp, component, message) = (text("timestamp")?, text("component")?, text("message")?);
        let Some(Value::Object(details)) = fields.remove("details") else { return None };
        Some(Self { timestamp, level, component, message, details })
    }
}

/// Writes the level, the component, the message and the details that apply, in one line that a terminal only shows.
impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |text: &str| scrub::scrub(text, LINE);
        write!(f, "{} {}: {}", self.level.as_str(), text(&self.component), text(&self.message))?;
        let shown = |name: &str, value: &Value| match name {
            "id" | "process" => false,
            "suppressed" => *value != 0,
            _ => !value.is_null(),
        };
        let shown: Vec<_> = self.details.iter().filter(|(name, value)| shown(name, value)).collect();
        for (n, (name, value)) in shown.iter().enumerate() {
            write!(f, "{}{}: {}", if n == 0 { " (" } else { ", " }, text(name), text(&value.to_string()))?;
        }
        if shown.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}

/// Returns the value of a detail, hidden where its name says that it is a secret.
fn text_of(name: &str, value: &str) -> String {
    let is_secret = scrub::scrub(&format!("{name}=x"), LINE).ends_with("***");
    if is_secret { "***".to_owned() } else { scrub::scrub(value, TEXT) }
}

/// Keys of the hashes of this process, which no other process has.
static KEYS: OfProcess<OnceLock<(RandomState, RandomState)>> =
    OfProcess::new(OnceLock::new(), |_| OnceLock::new());

/// Returns 96 random bits in hexadecimal digits.
fn new_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let (one, other) = KEYS.get_or_init(<(RandomState, RandomState)>::default);
    // The child of a fork has the keys that its parent's thread would make next.
    let number = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed), time_of_day());
    format!("{:016x}{:08x}", one.hash_one(number), other.hash_one(number) as u32)
}

/// Returns 8 digits in place of a key that may contain personal data: the same for equal keys of this process.
pub(crate) fn hash(key: &str) -> String {
    let (keys, _) = KEYS.get_or_init(<(RandomState, RandomState)>::default);
    format!("{:08x}", keys.hash_one(key) as u32)
}

/// Returns the name of the running program's file.
fn program() -> String {
    let name = |path: &Path| path.file_name().map(|name| scrub::scrub(&name.to_string_lossy(), NAME));
    std::env::current_exe().ok().and_then(|path| name(&path)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_bounded_and_round_trips() {
        let long = "\"\\\n€".repeat(300);
        let names: Vec<String> = (0..200).map(|n| format!("{n} {long}")).collect();
        let pairs: Vec<_> = names.iter().map(|name| (name.as_str(), long.as_str())).collect();
        for pairs in [&pairs[..], &pairs[..1], &[]] {
            let alert = Alert::new(
                AlertKind {
                    level: AlertLevel::Critical,
                    job: Some(&long),
                    ..AlertKind::warning(&long, &long)
                },
                pairs,
            );
            let line = alert.line();
            assert!(
                line.len() <= LINE && line.iter().position(|byte| *byte == b'\n') == Some(line.len() - 1)
            );
            let read = Alert::of_line(&line).expect("an alert");
            assert_eq!((read.id(), &read.message), (alert.id(), &alert.message));
            assert_eq!(read.details.contains_key(SHORTENED), pairs.len() > 1);
            assert!(ALWAYS.iter().all(|name| read.details.contains_key(*name)));
        }
    }

    #[test]
    fn an_alert_shows_that_it_does_not_have_all_details() {
        let names: Vec<String> = (0..3_000).map(|n| format!("detail {n}")).collect();
        let pairs: Vec<_> = names.iter().map(|name| (name.as_str(), "value")).collect();
        for (given, kept) in [(PAIRS, PAIRS), (PAIRS + 1, PAIRS), (3_000, PAIRS)] {
            let alert = Alert::new(AlertKind::warning("a", "b"), &pairs[..given]);
            let read = Alert::of_line(&alert.line()).expect("an alert");
            assert_eq!(read.details.keys().filter(|name| name.starts_with("detail ")).count(), kept);
            assert_eq!(read.details.contains_key(SHORTENED), given > kept, "{given}");
        }
    }

    #[test]
    fn callers_cannot_override_reserved_details() {
        let pairs = [("id", "1"), ("process", "2"), ("suppressed", "3"), ("job", "import:7")];
        let alert = Alert::new(AlertKind::warning("a", "b"), &pairs);
        assert_eq!((alert.id().len(), alert.job()), (24, Some("import:7")));
        assert_eq!(alert.details["process"]["pid"], std::process::id());
        assert_eq!(alert.details["suppressed"], 0);
    }
}
