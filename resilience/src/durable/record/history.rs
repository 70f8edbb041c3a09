//! The facts about a job beside its result: why it failed, and the events of its recovery.
//!
//! It is the *note* of a record: JSON in the record's head, so that a listing has it. Its size is bounded: 100 events,
//! and 1,000 bytes for each text of an error. Texts of the program go through [`kept`] before they are recorded.

use crate::base::guarded::panic_text;
use crate::base::scrub::scrub;
use crate::classify::{Category, Classification, Severity};
use crate::durable::record::{Millis, Record, Status};
use serde_json::{Value, json};
use std::any::Any;

/// The most recovery events that a job keeps.
///
/// The oldest go first, when the note is written.
const EVENTS: usize = 100;

/// The most bytes of a text of the program that a job keeps.
const TEXT: usize = 1_000;

/// Returns the part that a job keeps of the text of an error or a panic.
pub(crate) fn kept(text: &str) -> String {
    scrub(text, TEXT)
}

/// Returns the part that a job keeps of a panic: its text, if it has one.
pub(crate) fn kept_panic(panic: &(dyn Any + Send)) -> String {
    kept(panic_text(panic).unwrap_or("a value that is not text"))
}

/// One event in the recovery of a job.
///
/// [`JobInfo::events`](crate::durable::JobInfo::events) has the last 100 of a job, with categories and names,
/// never values; with the text of an error only where that is recorded.
///
/// | `strategy` | `result` | what happened |
/// |---|---|---|
/// | `resume` | `interrupted` | the owner was found dead, or the job stopped through no fault of its own |
/// | `resume` | `ok` | it was begun again, and done; or a person asked for it |
/// | `failed` | `failed` | the body returned an error or panicked |
/// | `rollback` | `started` | its steps are being undone |
/// | `rolled_back` | `ok` | its steps are undone |
/// | `manual`, `dead` | `failed` | it waits for a person |
/// | `cancel`, `fork` | `ok` | a person asked for it |
///
/// # Examples
///
/// ```
/// use resilience::{Job, Rejected, jobs};
///
/// # let _world = resilience::testing::isolate();
/// let failed: Result<u32, Rejected> = Job::run_blocking("import:7", (), |()| {
///     Err(resilience::testing::rejected::timed_out("import", std::time::Duration::from_secs(2)))
/// });
/// failed.unwrap_err();
/// let job = jobs::blocking::get("import:7")?.expect("the job");
/// let event = job.events.last().expect("an event");
/// assert_eq!((&*event.result, event.category.as_deref()), ("failed", Some("timeout")));
/// # Ok::<(), Rejected>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct JobEvent {
    /// The time, in milliseconds since 1970, by the store's clock.
    pub at: Millis,
    /// The step it was about, if it was about one.
    pub step: Option<String>,
    /// The number of times that the job had been begun, 1 for the first time.
    pub attempt: u32,
    /// The category of the error, if there was one, as its name in snake case: `"timeout"`.
    pub category: Option<String>,
    /// The code that the error carried, as text: `"503"`, `"os error 104"`.
    pub code: Option<String>,
    /// The text of the error, as in [`JobInfo::text`](crate::durable::JobInfo::text), where it is recorded.
    pub text: Option<String>,
    /// The strategy: `"resume"`, `"rollback"`, `"manual"`, ..
    pub strategy: String,
    /// The result: `"ok"`, `"failed"`, ..
    pub result: String,
    /// The process that did it, as the store names it: `pid-random`.
    pub owner: String,
    /// Why, in words for a person; they may change between releases.
    pub reason: String,
}

impl JobEvent {
    /// Creates the event of `owner` at `at` for a job that had been begun `attempt` times.
    pub(crate) fn by(owner: String, at: Millis, attempt: u32) -> Self {
        let (strategy, result, reason) = (String::new(), String::new(), String::new());
        let (step, category, code, text) = (None, None, None, None);
        Self { at, step, attempt, category, code, text, strategy, result, owner, reason }
    }

    /// Creates an event for the job of `record`, at the time of the last write of that: the store's clock, and no
    /// question to it.
    pub(crate) fn of(record: &Record, strategy: &str, result: &str, reason: &str) -> Self {
        Self {
            strategy: strategy.to_owned(),
            result: result.to_owned(),
            reason: reason.to_owned(),
            ..Self::by(record.owner.clone(), record.updated, record.attempts)
        }
    }

    /// Returns the event with an error of `class` as its reason.
    pub(crate) fn because(self, class: &Classification) -> Self {
        let code = class.code.map(|code| code.to_string());
        Self { category: Some(class.category.as_str().to_owned()), code, ..self }
    }

    /// Encodes the fields by name, so that a field that is added later is merely absent in older notes.
    fn to_json(&self) -> Value {
        json!({
            "at": self.at, "step": self.step, "attempt": self.attempt, "category": self.category,
            "code": self.code, "text": self.text, "strategy": self.strategy, "result": self.result,
            "owner": self.owner, "reason": self.reason,
        })
    }

    /// Reads an event. A field that is missing or of another type reads as empty: a note keeps no job from running.
    fn from_json(value: &Value) -> Self {
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        Self {
            at: value["at"].as_u64().unwrap_or(0),
            step: text("step"),
            attempt: value["attempt"].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
            category: text("category"),
            code: text("code"),
            text: text("text"),
            strategy: text("strategy").unwrap_or_default(),
            result: text("result").unwrap_or_default(),
            owner: text("owner").unwrap_or_default(),
            reason: text("reason").unwrap_or_default(),
        }
    }
}

/// The facts about a job beside its result; the note of its record, as JSON.
///
/// Fields that a later release adds are ignored by an earlier one, and read as absent where they are missing, so that a
/// rolling deployment reads the notes of both.
///
/// A note that cannot be read counts as empty: it is for people, and must not keep a job from running.
#[derive(Clone, Debug, Default)]
pub(crate) struct JobHistory {
    pub(crate) class: Option<Classification>,
    /// The text of the error of that class, if that is recorded.
    pub(crate) text: Option<String>,
    /// Why the job did not go on, in words.
    pub(crate) problem: Option<String>,
    pub(crate) events: Vec<JobEvent>,
}

impl JobHistory {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return Self::default() };
        let class = &value["class"];
        let events = value["events"].as_array().into_iter().flatten().map(JobEvent::from_json).collect();
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        Self { class: read_class(class), text: text("text"), problem: text("problem"), events }
    }

    /// Returns the last 100 events stay: a job that is interrupted every day keeps the useful ones.
    pub(crate) fn write(&self) -> Vec<u8> {
        let class = self
            .class
            .map(|class| json!({ "category": class.category.as_str(), "severity": class.severity.as_str() }));
        let kept = self.events.len().saturating_sub(EVENTS);
        let events: Vec<_> = self.events.iter().skip(kept).map(JobEvent::to_json).collect();
        json!({ "class": class, "text": self.text, "problem": self.problem, "events": events })
            .to_string()
            .into_bytes()
    }

    /// Notes that the job failed with an error of `class` that said `text`, as `event` says.
    pub(crate) fn failed(self, class: Classification, text: Option<String>, event: JobEvent) -> Self {
        let event = JobEvent { text: text.clone(), ..event.because(&class) };
        Self { class: Some(class), text, problem: None, ..self }.with(event)
    }

    /// Returns the note of the job of `record`, which was interrupted because of `problem`.
    ///
    /// Of a job that undoes its steps the former problem stays: it is why it undoes, and that goes on where it was.
    pub(crate) fn interrupted(record: &Record, problem: &str, reason: &str) -> Self {
        let note = Self::read(&record.note);
        let is_undoing = record.status == Status::RollingBack;
        let problem = if is_undoing { note.problem } else { Some(problem.to_owned()) };
        Self { problem, ..note }.with(JobEvent::of(record, "resume", "interrupted", reason))
    }

    /// Adds `event`. A job that is interrupted again for the same reason has one event of it, the last.
    pub(crate) fn with(mut self, event: JobEvent) -> Self {
        const INTERRUPTED: &str = "interrupted";
        let is_same = |last: &&mut JobEvent| {
            (&*last.result, &*event.result) == (INTERRUPTED, INTERRUPTED) && last.reason == event.reason
        };
        match self.events.last_mut().filter(is_same) {
            Some(last) => *last = event,
            None => self.events.push(event),
        }
        self
    }
}

/// Returns the class of a recorded error; `None` for a category of a later release. An unknown severity is that of the
/// category.
fn read_class(value: &Value) -> Option<Classification> {
    use Severity::{Critical, Fatal, High, Low, Medium};
    let category = value["category"].as_str()?;
    let category = Category::ALL.into_iter().find(|known| known.as_str() == category)?;
    let class = Classification::new(category);
    let severity = value["severity"].as_str();
    let severity =
        [Low, Medium, High, Critical, Fatal].into_iter().find(|known| Some(known.as_str()) == severity);
    Some(severity.map_or(class, |severity| class.severity(severity)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(result: &str, reason: &str, attempt: u32) -> JobEvent {
        let (strategy, result, reason) = ("resume".to_owned(), result.to_owned(), reason.to_owned());
        JobEvent { strategy, result, reason, ..JobEvent::by(String::new(), 0, attempt) }
    }

    #[test]
    fn a_note_round_trips_and_merges_equal_interruptions() {
        let mut note = JobHistory { problem: Some("the store is down".to_owned()), ..JobHistory::default() };
        for attempt in 1..=3 {
            note = note.with(event("interrupted", "down", attempt));
        }
        note = note
            .with(event("interrupted", "full", 4))
            .with(event("ok", "full", 5))
            .with(event("ok", "full", 6));
        let read = JobHistory::read(&note.write());
        assert_eq!((&read.problem, &read.events), (&note.problem, &note.events));
        assert_eq!(read.events.iter().map(|event| event.attempt).collect::<Vec<_>>(), [3, 4, 5, 6]);
    }
}
