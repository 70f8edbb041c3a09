//! The escalations: a record for each alert that waits for a person, until someone acknowledges it.
//!
//! The records are lines of a file of their own, which is not rotated: an alert of each, and a line for each
//! acknowledgement. Whenever the file has grown by a mebibyte, acknowledged escalations are removed.

use super::alert::{Alert, ESCALATION};
use super::file::{Lock, append_to};
use super::{Raised, place};
use crate::base::alert_level::AlertLevel;
use crate::base::calendar::rfc_3339;
use crate::base::clock::time_of_day;
use crate::base::files;
use crate::base::regular_file::open_to_read;
use crate::base::scrub::scrub;
use serde::Serialize;
use serde_json::{Value, json};
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

const NAME: &str = "escalations.jsonl";
/// The name of the new file while the file is rewritten.
const REWRITTEN: &str = "escalations.jsonl.new";
/// The growth after which acknowledged escalations are removed, in bytes.
const GROWTH: u64 = 1 << 20;
/// The most bytes of open escalations; beyond that the oldest lines are removed.
const LARGEST: usize = 8 << 20;
/// The most bytes of the name of a person.
const PERSON: usize = 256;

/// An alert that asks for a person, and who has acknowledged it.
///
/// # Examples
///
/// ```
/// use resilience::alerts;
/// # let _world = resilience::testing::isolate();
/// # let dir = std::env::temp_dir().join(format!("resilience-escalation-{}", std::process::id()));
/// # alerts::use_dir(&dir);
///
/// alerts::escalate("importer", "the feed has a new format", &[("feed", "prices")]);
///
/// let open = alerts::escalations()?;
/// assert_eq!(open[0].alert.message, "the feed has a new format");
/// assert!(open[0].is_open());
///
/// assert!(alerts::acknowledge(open[0].alert.id(), "Ada")?);
/// assert_eq!(alerts::escalations()?[0].acknowledged_by.as_deref(), Some("Ada"));
/// # std::fs::remove_dir_all(dir)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Escalation {
    /// The alert, a critical one.
    #[serde(flatten)]
    pub alert: Alert,
    /// When it was acknowledged, in UTC: `2026-11-06T08:49:37.250Z`.
    pub acknowledged_at: Option<String>,
    /// Who acknowledged it.
    pub acknowledged_by: Option<String>,
}

impl Escalation {
    /// Returns whether the alert still waits for a person.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::alerts;
    /// # let _world = resilience::testing::isolate();
    /// # let dir = std::env::temp_dir().join(format!("resilience-open-{}", std::process::id()));
    /// # alerts::use_dir(&dir);
    ///
    /// alerts::escalate("importer", "the feed has a new format", &[]);
    /// let open = alerts::escalations()?.into_iter().filter(|escalation| escalation.is_open()).count();
    /// assert_eq!(open, 1);
    /// # std::fs::remove_dir_all(dir)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub const fn is_open(&self) -> bool {
        self.acknowledged_at.is_none()
    }
}

/// Raises a critical alert that asks for a person, and keeps a record of it until it is [acknowledged](acknowledge).
///
/// The library escalates by itself what a person has to decide: an error that `#[with_recovery]` escalates, a job that
/// is dead or waits for a person, an undo that failed, a damaged record. It waits and returns what
/// [`raise`](super::raise) does; the detail `escalation` is `true`.
///
/// # Examples
///
/// ```
/// use resilience::alerts;
/// # let _world = resilience::testing::isolate();
///
/// alerts::escalate("importer", "the feed has a new format", &[("feed", "prices")]);
/// ```
pub fn escalate(component: &str, message: &str, details: &[(&str, &str)]) -> Raised {
    super::raised(AlertLevel::Critical, component, message, details, |alert| {
        alert.set(ESCALATION, true);
    })
}

/// Returns the escalations of this program, oldest first: all open ones, and those that were acknowledged recently.
///
/// When the records have grown by 1 MiB, acknowledged ones are removed; of open ones the last 8 MiB stay.
///
/// The file is read whole, at most some 9 MiB; without one there are none. Lines that are no records are skipped.
///
/// # Errors
///
/// Those of reading the file, and [`NotFound`](io::ErrorKind::NotFound) if there is no home directory and nothing else
/// says where the alerts are.
///
/// # Examples
///
/// ```
/// use resilience::alerts;
/// # let _world = resilience::testing::isolate();
/// # let dir = std::env::temp_dir().join(format!("resilience-escalations-{}", std::process::id()));
/// # alerts::use_dir(&dir);
///
/// assert!(alerts::escalations()?.is_empty());
/// alerts::escalate("importer", "the feed has a new format", &[("feed", "prices")]);
/// assert_eq!(alerts::escalations()?[0].alert.details["feed"], "prices");
/// # std::fs::remove_dir_all(dir)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn escalations() -> io::Result<Vec<Escalation>> {
    escalations_in(place::dir()?)
}

/// Returns the escalations in the state directory `dir`, which may be that of another program; see [`escalations`].
///
/// # Errors
///
/// Those of reading the file.
///
/// # Examples
///
/// ```
/// use resilience::alerts;
///
/// assert!(alerts::escalations_in("/no/such/directory")?.is_empty());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn escalations_in(dir: impl AsRef<Path>) -> io::Result<Vec<Escalation>> {
    let mut bytes = Vec::new();
    let file = open_to_read(&dir.as_ref().join(NAME));
    match file.and_then(|mut file| file.read_to_end(&mut bytes)) {
        Ok(_) => Ok(parse(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Records that `person` has taken over the escalation with this id; returns whether it was open.
///
/// The id is [`Alert::id`]. It is `false` for an id that does not exist, and for a second acknowledgement, which
/// changes nothing. Of the name at most 256 bytes are kept, without what looks like a secret. It waits for the lock of
/// the file, and for the disk: a record that is acknowledged survives a power cut.
///
/// # Errors
///
/// Those of the file, and [`NotFound`](io::ErrorKind::NotFound) if there is no home directory and nothing else says
/// where the alerts are.
///
/// # Examples
///
/// ```
/// use resilience::alerts;
/// # let _world = resilience::testing::isolate();
/// # let dir = std::env::temp_dir().join(format!("resilience-acknowledge-{}", std::process::id()));
/// # alerts::use_dir(&dir);
///
/// alerts::escalate("importer", "the feed has a new format", &[]);
/// let id = alerts::escalations()?[0].alert.id().to_owned();
/// assert!(alerts::acknowledge(&id, "Ada")?);
/// assert!(!alerts::acknowledge(&id, "Grace")?, "Ada has it");
/// # std::fs::remove_dir_all(dir)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn acknowledge(id: &str, person: &str) -> io::Result<bool> {
    acknowledge_in(place::dir()?, id, person)
}

/// Acknowledges an escalation of the state directory `dir`, which may be that of another program; see [`acknowledge`].
///
/// # Errors
///
/// Those of the file.
///
/// # Examples
///
/// ```
/// use resilience::alerts;
///
/// assert!(!alerts::acknowledge_in("/no/such/directory", "0123456789abcdef01234567", "Ada")?);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn acknowledge_in(dir: impl AsRef<Path>, id: &str, person: &str) -> io::Result<bool> {
    let dir = dir.as_ref();
    if !dir.join(NAME).exists() {
        return Ok(false);
    }
    // Before a file is made in it: that of another user is left alone.
    files::inspect(dir, None)?;
    let _lock = Lock::exclusive(dir)?;
    let is_open = |escalation: &Escalation| escalation.alert.id() == id && escalation.is_open();
    if !escalations_in(dir)?.iter().any(is_open) {
        return Ok(false);
    }
    let at = rfc_3339(time_of_day()).unwrap_or_default();
    append(dir, &line(&acknowledgement(id, &at, &scrub(person, PERSON))))?;
    Ok(true)
}

/// Records an escalation; it survives a power cut from here on.
pub(super) fn record(dir: &Path, alert: &Alert) -> io::Result<()> {
    let _lock = Lock::exclusive(dir)?;
    append(dir, &alert.line())
}

fn acknowledgement(id: &str, at: &str, by: &str) -> Value {
    json!({"acknowledged": id, "timestamp": at, "by": by})
}

fn line(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line
}

/// Appends a line, under the lock.
fn append(dir: &Path, line: &[u8]) -> io::Result<()> {
    let path = dir.join(NAME);
    // Not for each line beyond a size: where most escalations are open, each would rewrite all of them.
    let has_grown = |length: u64| (length + line.len() as u64) / GROWTH > length / GROWTH;
    if fs::metadata(&path).is_ok_and(|found| has_grown(found.len())) {
        shrink(dir)?;
    }
    let (mut file, length) = append_to(&path)?;
    super::file::write(&mut file, line, true)?;
    if length == 0 { Ok(files::sync_dir(dir)?) } else { Ok(()) }
}

/// Rewrites the file with the open escalations, and only their last part if they take more than [`LARGEST`].
///
/// It writes a new file and renames it: a crash leaves the old one or the new one.
fn shrink(dir: &Path) -> io::Result<()> {
    let open = escalations_in(dir)?.into_iter().filter(Escalation::is_open);
    let lines: Vec<_> = open.map(|escalation| escalation.alert.line()).collect();
    let mut room = LARGEST;
    let fits = |line: &&Vec<u8>| {
        room = room.saturating_sub(line.len());
        room > 0
    };
    let kept = lines.iter().rev().take_while(fits).count();
    let text = lines[lines.len() - kept..].concat();
    let new = dir.join(REWRITTEN);
    // Of a process that was killed here.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let (mut file, _) = append_to(&new)?;
    super::file::write(&mut file, &text, true)?;
    fs::rename(&new, dir.join(NAME))?;
    Ok(files::sync_dir(dir)?)
}

/// Returns the escalations of the lines, each with its acknowledgement.
fn parse(bytes: &[u8]) -> Vec<Escalation> {
    let mut all: Vec<Escalation> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Some(alert) = Alert::of_line(line) {
            places.insert(alert.id().to_owned(), all.len());
            all.push(Escalation { alert, acknowledged_at: None, acknowledged_by: None });
            continue;
        }
        let Ok(Value::Object(fields)) = serde_json::from_slice(line) else { continue };
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        let at = text("acknowledged").and_then(|id| places.get(id)).and_then(|at| all.get_mut(*at));
        if let Some(escalation) = at {
            escalation.acknowledged_at = Some(text("timestamp").unwrap_or_default().to_owned());
            escalation.acknowledged_by = text("by").map(str::to_owned);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::AlertKind;

    /// Makes a directory for a test, and an alert of some 1,000 bytes with a number as its id.
    fn setting(name: &str) -> (std::path::PathBuf, impl Fn(u32) -> Alert) {
        let dir = std::env::temp_dir().join(format!("resilience-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a directory");
        let first = Alert::new(
            AlertKind { level: AlertLevel::Critical, ..AlertKind::warning("a", "b") },
            &[("text", &"x".repeat(900))],
        );
        let alert = move |n: u32| {
            let mut alert = first.clone();
            alert.set("id", n.to_string());
            alert
        };
        (dir, alert)
    }

    #[test]
    fn open_escalations_are_rewritten_once_per_mebibyte_of_growth() {
        let (dir, alert) = setting("growth");
        let mut lines = line(&alert(0));
        lines.append(&mut line(&acknowledgement("0", "", "Ada")));
        lines.extend((1..1_400).flat_map(|n| alert(n).line()));
        fs::write(dir.join(NAME), &lines).expect("a file");
        let size = || fs::metadata(dir.join(NAME)).expect("the file").len();
        let knows_the_first = || {
            escalations_in(&dir)
                .expect("a look")
                .first()
                .is_some_and(|escalation| escalation.alert.id() == "0")
        };

        let mut next = 1_400..;
        let mut add = || record(&dir, &alert(next.next().expect("a number"))).expect("a record");
        (0..20).for_each(|_| add());
        assert!(knows_the_first(), "it is not rewritten for each record");
        let mut before = size();
        while size() < 2 << 20 {
            before = size();
            add();
        }
        assert!(before > (2 << 20) - 3_000 && !knows_the_first(), "{before}");
        fs::remove_dir_all(dir).expect("a directory");
    }

    #[test]
    fn a_large_file_keeps_the_latest_open_escalations() {
        let (dir, alert) = setting("shrink");
        let mut lines = Vec::new();
        for n in 0..2_000 {
            let alert = alert(n);
            lines.append(&mut alert.line());
            if n % 2 == 0 {
                lines.append(&mut line(&acknowledgement(alert.id(), "", "Ada")));
            }
        }
        fs::write(dir.join(NAME), &lines).expect("a file");
        shrink(&dir).expect("a smaller file");
        record(&dir, &alert(2_000)).expect("a record");
        let all = escalations_in(&dir).expect("a look");
        assert!(all.iter().all(Escalation::is_open));
        let numbers: Vec<_> = all.iter().map(|escalation| escalation.alert.id()).collect();
        let expected = (0..1_000).map(|n| 2 * n + 1).chain([2_000]);
        assert_eq!(numbers, expected.map(|n: u32| n.to_string()).collect::<Vec<_>>());

        let open: Vec<u8> = (0..9_000).flat_map(|n| alert(n).line()).collect();
        fs::write(dir.join(NAME), &open).expect("a file");
        shrink(&dir).expect("a smaller file");
        record(&dir, &alert(9_000)).expect("a record");
        let kept = escalations_in(&dir).expect("a look");
        assert_eq!(kept.last().expect("one").alert.id(), "9000");
        let size = fs::metadata(dir.join(NAME)).expect("the file").len();
        assert!(open.len() > LARGEST && size <= LARGEST as u64 + 2_000, "{size} of {}", open.len());
        fs::remove_dir_all(dir).expect("a directory");
    }
}
