//! The holders of a lock: the text in its file, and whether that text can be trusted.
//!
//! A text outlives its lock, and so does a process id. So a text counts only while the kernel shows that the lock is
//! held, and only if its process lives: with the same start time, in the same boot and the same pid namespace.

use crate::base::files::kernel_text;
use crate::base::of_process::OfProcess;
use crate::base::template::{part, whole};
use crate::base::visible::Visible;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A process that holds a lock, or waits for it.
///
/// `Display` writes one line: `process 123 (importer), for 12s`.
///
/// # Examples
///
/// ```
/// # let _world = resilience::testing::isolate();
/// let held = resilience::lock::task("report").acquire()?;
/// # #[cfg(target_os = "linux")] {
/// let all = resilience::lock::list()?;
/// assert_eq!((all[0].name.as_str(), all[0].holders[0].pid), ("task:report", std::process::id()));
/// # }
/// # drop(held);
/// # Ok::<(), resilience::fs::LockError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Holder {
    /// The id of the process, as this process sees it; 0 where only the kernel knows the holder.
    pub pid: u32,
    /// The file name of its program; empty where that is not known.
    pub program: String,
    /// The time for which it has held the lock, or waited; `None` if that is not known.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "age_s", serialize_with = "crate::base::serialise::seconds")
    )]
    pub age: Option<Duration>,
    /// Whether it is stopped by a signal, so that it does not continue by itself. Its lock is never taken away.
    pub is_stopped: bool,
}

impl Holder {
    /// Creates a holder of which at most the process is known.
    pub(super) fn unknown(pid: u32) -> Self {
        let program = kernel_text(format!("/proc/{pid}/comm")).unwrap_or_default();
        Self {
            pid,
            program: program.trim_end().to_owned(),
            age: None,
            is_stopped: process(pid).is_some_and(|(state, _)| state == 'T'),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pid == 0 {
            return f.write_str("an unknown process");
        }
        write!(f, "process {}", self.pid)?;
        if !self.program.is_empty() {
            write!(f, " ({})", Visible(&self.program))?;
        }
        if self.is_stopped {
            f.write_str(", stopped")?;
        }
        self.age.map_or(Ok(()), |age| write!(f, ", for {}s", age.as_secs()))
    }
}

/// A process among all that this machine has ever had, and its program.
#[derive(Clone, Debug)]
struct Process {
    pid: u32,
    start: String,
    boot: String,
    namespace: String,
    program: String,
}

static OWN: OfProcess<OnceLock<Process>> = OfProcess::new(OnceLock::new(), |_| OnceLock::new());

fn own() -> &'static Process {
    fn leak(own: &'static OfProcess<OnceLock<Process>>) -> &'static OnceLock<Process> {
        own
    }
    leak(&OWN).get_or_init(|| {
        let pid = std::process::id();
        let start = process(pid).map_or(String::new(), |(_, start)| start);
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        let program = std::env::args_os().next().unwrap_or_default();
        let program = std::path::Path::new(&program).file_name().unwrap_or_default();
        Process {
            pid,
            start,
            boot: boot.trim().to_owned(),
            namespace: namespace.to_string_lossy().into_owned(),
            program: program.to_string_lossy().into_owned(),
        }
    })
}

/// Returns the identity of this process: its id and start time, and the boot.
#[cfg(target_os = "linux")]
pub(crate) fn this_process() -> String {
    let Process { pid, start, boot, .. } = own();
    format!("{pid} {start} {boot}")
}

/// Returns the state and the start time of the process `pid`, if the system shows them in a file.
fn process(pid: u32) -> Option<(char, String)> {
    let stat = kernel_text(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may have any character in it.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.to_owned()))
}

/// Returns whether no process `pid` runs any more; a process that waits to be reaped has ended.
pub(super) fn has_ended(pid: u32) -> bool {
    process(pid).is_none_or(|(state, _)| is_over(state))
}

fn is_over(state: char) -> bool {
    matches!(state, 'Z' | 'X')
}

/// The journal that a lock file names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedJournal {
    pub(crate) path: String,
    /// What the transaction has noted about its directories; `None` in a text of an earlier version.
    pub(crate) places: Option<String>,
}

/// Returns the journal that the lock file `file` names.
#[cfg(target_os = "linux")]
pub(crate) fn journal_named_in(file: &File) -> Option<NamedJournal> {
    Text::read(file).journal
}

/// The text of a lock file, read.
#[derive(Clone, Debug, Default)]
pub(super) struct Text {
    /// The name or path of the lock.
    pub(super) label: String,
    /// The journal of a transaction that must be finished before the lock may be used.
    pub(super) journal: Option<NamedJournal>,
    process: Option<Process>,
    since: Option<SystemTime>,
    /// The format of a text that a later version has written, and that this one does not read.
    pub(super) later: Option<u32>,
}

/// The first line is this and the format.
const MAGIC: &str = "resilience lock ";
const FORMAT: u32 = 1;
/// More than the first line has.
const HEAD: u64 = 32;
/// More than a text has.
const LIMIT: u64 = 16 << 10;

impl Text {
    /// Returns the text of `file`; an empty one if it has none.
    pub(super) fn read(mut file: &File) -> Self {
        let mut text = String::new();
        let read = file.rewind().and_then(|()| file.take(LIMIT).read_to_string(&mut text));
        match read.ok().and_then(|_| format_of(&text)) {
            Some(FORMAT) => {}
            Some(later) if later > FORMAT => return Self { later: Some(later), ..Self::default() },
            _ => return Self::default(),
        }
        let field = |name: &str| {
            text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).map(str::to_owned)
        };
        let process = || {
            let pid = field("pid")?.parse().ok()?;
            Some(Process {
                pid,
                start: field("start")?,
                boot: field("boot")?,
                namespace: field("namespace")?,
                program: field("program").map(|program| whole(&program)).unwrap_or_default(),
            })
        };
        let since = field("since").and_then(|since| since.parse().ok());
        Self {
            label: field("name").map(|name| whole(&name)).unwrap_or_default(),
            journal: field("journal")
                .map(|path| NamedJournal { path: whole(&path), places: field("places") }),
            process: process(),
            since: since.map(|since| UNIX_EPOCH + Duration::from_millis(since)),
            later: None,
        }
    }

    /// Returns whether a transaction may have to be finished before the lock is used.
    pub(super) fn may_name_a_journal(&self) -> bool {
        self.journal.is_some() || self.later.is_some()
    }

    /// Returns the process of the text, if it lives in this boot and in the pid namespace of this process.
    pub(super) fn living(&self) -> Option<Holder> {
        let written = self.process.as_ref()?;
        let own = own();
        let (state, start) = process(written.pid).filter(|(state, _)| !is_over(*state))?;
        let is_same = start == written.start
            && written.boot == own.boot
            && written.namespace == own.namespace
            && !start.is_empty();
        let now = SystemTime::now();
        is_same.then(|| Holder {
            pid: written.pid,
            program: written.program.clone(),
            age: self.since.map(|since| now.duration_since(since).unwrap_or_default()),
            is_stopped: state == 'T',
        })
    }

    /// Returns whether the process of the text has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.process.is_some() && self.living().is_none()
    }

    /// Returns whether the text was written in another pid namespace, whose locks `/proc/locks` may not show here.
    pub(super) fn is_of_another_namespace(&self) -> bool {
        self.process.as_ref().is_some_and(|process| process.namespace != own().namespace)
    }
}

/// Returns the format of a text; `None` for a text that no lock has written.
fn format_of(text: &str) -> Option<u32> {
    text.lines().next()?.strip_prefix(MAGIC)?.parse().ok()
}

/// Writes like [`write`], unless `file` has a content that no lock has written, or a later version: it may be a file
/// with data that is used as a lock.
pub(super) fn write_unless_foreign(
    mut file: &File,
    label: &str,
    journal: Option<&NamedJournal>,
) -> io::Result<()> {
    let mut head = Vec::new();
    file.rewind()?;
    file.take(HEAD).read_to_end(&mut head)?;
    let is_own = head.is_empty() || format_of(&String::from_utf8_lossy(&head)) == Some(FORMAT);
    if is_own { write(file, label, journal) } else { Ok(()) }
}

/// Writes into `file` that this process has the lock `label`, or waits for it. A `journal` comes first, so that
/// later texts leave its bytes as they are.
pub(super) fn write(mut file: &File, label: &str, journal: Option<&NamedJournal>) -> io::Result<()> {
    let Process { pid, start, boot, namespace, program } = own();
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let journal = journal.map_or(String::new(), |NamedJournal { path, places }| {
        let places = places.as_ref().map_or(String::new(), |places| format!("places {places}\n"));
        format!("journal {}\n{places}", part(path))
    });
    let text = format!(
        "{MAGIC}{FORMAT}\n{journal}name {}\npid {pid}\nstart {start}\nboot {boot}\nnamespace {namespace}\nprogram {}\nsince {since}\n",
        part(label),
        part(program),
    );
    file.rewind()?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)
}
