//! The one thread that writes alerts, and the queue that leads to it.
//!
//! A disk may be slow, full or hang, so nothing but this thread touches it: a policy puts its alert into the queue and
//! goes on, and [`raise`](super::raise) waits for a second at most. In a test world there is no thread: `raise` writes
//! at once, and what policies raise is written by [`flush`].
//!
//! # The way of an alert
//!
//! ```text
//! raise, policies ──> limits ──> queue (1,000) ──> thread ──> alerts.jsonl
//!                       │           └──> sinks, each with its own queue and thread
//!                       └──> held back: counted in a later line
//! ```
//!
//! Sinks get an alert when it enters the queue, so that a disk that hangs does not keep it from them, and in the order
//! of the file. Alerts that leave the queue unwritten, or that the file does not take, are a *gap*: the next line that
//! can be written has their number and the time of the first, in one write with that line.

use super::alert::{Alert, AlertKind};
use super::file::LogFile;
use super::limits::Limits;
use super::{Raised, deliver, escalation, place};
use crate::base::alert_level::AlertLevel;
use crate::base::calendar::rfc_3339;
use crate::base::clock;
use crate::base::guarded::guarded;
use crate::base::of_process::OfProcess;
use crate::base::site::Site;
use crate::base::sync::locked;
use crate::base::world::World;
use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// The most alerts that wait to be written.
const WAITING: usize = 1_000;

/// An alert on its way to the file.
#[derive(Debug)]
struct Entry {
    alert: Alert,
    /// The caller that waits for the entry.
    ticket: Option<Arc<Ticket>>,
}

/// The answer that a caller waits for: whether its alert is in the file.
///
/// It is finished exactly once: by the writer, by the queue when the alert has to leave it, or at once if the alert is
/// held back.
#[derive(Debug, Default)]
pub(crate) struct Ticket {
    state: Mutex<(Option<Raised>, Option<Waker>)>,
    is_done: Condvar,
}

impl Ticket {
    fn finish(&self, raised: Raised) {
        let mut state = locked(&self.state);
        state.0 = Some(raised);
        let waker = state.1.take();
        drop(state);
        self.is_done.notify_all();
        crate::base::guarded::release(waker.into_iter().collect(), Vec::new());
    }

    /// Waits for the end; `None` after `limit`.
    pub(crate) fn wait(&self, limit: Duration) -> Option<Raised> {
        let state = locked(&self.state);
        let done = self.is_done.wait_timeout_while(state, limit, |(done, _)| done.is_none());
        done.unwrap_or_else(PoisonError::into_inner).0.0
    }

    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<Raised> {
        let mut state = locked(&self.state);
        let waker = (state.0.is_none()).then(|| cx.waker().clone());
        let before = std::mem::replace(&mut state.1, waker);
        let done = state.0;
        drop(state);
        crate::base::guarded::release(Vec::new(), before.into_iter().collect());
        done.map_or(Poll::Pending, Poll::Ready)
    }
}

/// The queue of a process or test world.
#[derive(Debug)]
struct Writer {
    queue: Mutex<Queue>,
    changed: Condvar,
    output: Mutex<Output>,
    not_written: AtomicU64,
}

/// The numbers of alerts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AlertCounts {
    pub(crate) warnings: u64,
    pub(crate) criticals: u64,
    /// The number of entries over the limit.
    pub(crate) held_back: u64,
    /// The number of entries that were removed from the full queue, or had no thread.
    pub(crate) put_out: u64,
    /// The number of entries that the file did not take.
    pub(crate) not_written: u64,
}

impl AlertCounts {
    const NONE: Self = Self { warnings: 0, criticals: 0, held_back: 0, put_out: 0, not_written: 0 };

    fn raised(&mut self, level: AlertLevel) {
        match level {
            AlertLevel::Warning => self.warnings += 1,
            AlertLevel::Critical => self.criticals += 1,
        }
    }
}

/// Returns the numbers of alerts so far.
pub(crate) fn counts() -> AlertCounts {
    let writer = of_world().unwrap_or_else(|| &*WRITER);
    let not_written = writer.not_written.load(Ordering::Relaxed);
    AlertCounts { not_written, ..locked(&writer.queue).counts }
}

/// The queue is locked by every thread that raises an alert, and never while the disk is written to; `is_writing` means
/// that the thread has taken an entry that is not written yet.
#[derive(Debug)]
struct Queue {
    entries: VecDeque<Entry>,
    /// Made with the first alert.
    limits: Option<Limits>,
    /// The number of entries that were removed from the full queue since the thread last looked.
    lost: u64,
    has_thread: bool,
    is_writing: bool,
    counts: AlertCounts,
}

/// The destination of the lines. Only the thread locks it, or the thread of a test world.
///
/// It is apart from the queue, so that a write that hangs holds this lock only.
#[derive(Debug)]
struct Output {
    file: Option<LogFile>,
    gap: Option<AlertGap>,
}

/// Alerts that are in no file.
#[derive(Debug)]
struct AlertGap {
    lost: u64,
    since: String,
}

impl Writer {
    const fn new() -> Self {
        Self {
            queue: Mutex::new(Queue {
                entries: VecDeque::new(),
                limits: None,
                lost: 0,
                has_thread: false,
                is_writing: false,
                counts: AlertCounts::NONE,
            }),
            changed: Condvar::new(),
            output: Mutex::new(Output { file: None, gap: None }),
            not_written: AtomicU64::new(0),
        }
    }

    /// Takes the next entry, if there is one.
    fn take(&self, queue: &mut Queue) -> Option<(Entry, u64)> {
        queue.sweep();
        let entry = queue.entries.pop_front();
        queue.is_writing = entry.is_some();
        self.changed.notify_all();
        Some((entry?, std::mem::take(&mut queue.lost)))
    }

    /// Writes what waits, on this thread.
    fn drain(&self) {
        loop {
            let next = self.take(&mut locked(&self.queue));
            let Some((entry, lost)) = next else { return };
            self.write(&entry, lost);
        }
    }

    fn write(&self, entry: &Entry, lost: u64) {
        let written = guarded(|| locked(&self.output).write(&entry.alert, lost));
        self.not_written.fetch_add(u64::from(written != Some(true)), Ordering::Relaxed);
        if let Some(ticket) = &entry.ticket {
            ticket.finish(if written == Some(true) { Raised::Written } else { Raised::NotWritten });
        }
    }

    /// Waits until nothing waits and nothing is written, at most for `limit`; whether it is so.
    fn wait_until_idle(&self, limit: Duration) -> bool {
        let is_busy = |queue: &mut Queue| queue.is_writing || !queue.entries.is_empty();
        let waited = self.changed.wait_timeout_while(locked(&self.queue), limit, is_busy);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Runs the loop of the thread.
    fn run(&self) {
        let mut queue = locked(&self.queue);
        loop {
            match self.take(&mut queue) {
                Some((entry, lost)) => {
                    drop(queue);
                    self.write(&entry, lost);
                    queue = locked(&self.queue);
                }
                None => queue = self.wait(queue),
            }
        }
    }

    /// Waits for an alert, or for the moment at which some that were held back become a line.
    fn wait<'a>(&self, queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
        let due = queue.limits.as_ref().and_then(Limits::due);
        let Some(due) = due else {
            return self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        };
        let wait = due.saturating_duration_since(clock::now());
        self.changed.wait_timeout(queue, wait).unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Queue {
    /// Adds an alert, and the lines about others that `limits` has made; tickets of what has no room any more.
    fn push(&mut self, entry: Entry, summaries: Vec<Alert>) -> Vec<Arc<Ticket>> {
        for alert in summaries {
            self.add(Entry { alert, ticket: None });
        }
        self.add(entry);
        self.make_room()
    }

    /// Adds an entry, and passes it to the sinks: in the order of the file, and without waiting for the disk.
    fn add(&mut self, entry: Entry) {
        deliver::deliver(&entry.alert);
        self.entries.push_back(entry);
    }

    /// Counts alerts that leave the queue unwritten.
    fn lose(&mut self, alerts: usize) {
        self.lost += alerts as u64;
        self.counts.put_out += alerts as u64;
    }

    fn make_room(&mut self) -> Vec<Arc<Ticket>> {
        let mut tickets = Vec::new();
        while self.entries.len() > WAITING {
            let is_warning = |entry: &Entry| entry.alert.level == AlertLevel::Warning;
            let warning = self.entries.iter().position(is_warning);
            let out = self.entries.remove(warning.unwrap_or(0));
            self.lose(1);
            tickets.extend(out.and_then(|entry| entry.ticket));
        }
        tickets
    }

    /// Adds lines for alerts that were held back long enough, while there is room.
    fn sweep(&mut self) {
        let mut summaries = Vec::new();
        if let Some(limits) = &mut self.limits {
            limits.sweep(clock::now(), &mut summaries);
        }
        let room = WAITING.saturating_sub(self.entries.len());
        self.lose(summaries.len().saturating_sub(room));
        for alert in summaries.into_iter().take(room) {
            self.add(Entry { alert, ticket: None });
        }
    }
}

impl Output {
    /// Appends the alert; whether it is in the file.
    fn write(&mut self, alert: &Alert, lost: u64) -> bool {
        if lost > 0 {
            self.lose(lost);
        }
        match self.append(alert) {
            Ok(()) => true,
            Err(error) => {
                self.lose(1);
                not_written(alert, &error);
                false
            }
        }
    }

    fn lose(&mut self, lost: u64) {
        let since = || rfc_3339(clock::time_of_day()).unwrap_or_default();
        let gap = self.gap.get_or_insert_with(|| AlertGap { lost: 0, since: since() });
        gap.lost += lost;
    }

    fn append(&mut self, alert: &Alert) -> io::Result<()> {
        let dir = place::dir()?;
        let file = match &mut self.file {
            Some(file) if file.dir() == dir => file,
            other => other.insert(LogFile::new(dir, place::largest())),
        };
        // Both lines or none: a disk may have room for one of them only.
        let mut lines = self.gap.as_ref().map_or_else(Vec::new, |gap| gap.alert().line());
        lines.append(&mut alert.line());
        if alert.is_escalation() {
            file.prepare()?;
            escalation::record(file.dir(), alert)?;
        }
        file.append(&lines, alert.level == AlertLevel::Critical)?;
        self.gap = None;
        Ok(())
    }
}

impl AlertGap {
    fn alert(&self) -> Alert {
        let details = [("lost", &*self.lost.to_string()), ("since", &*self.since)];
        Alert::new(AlertKind::warning("alerts", "alerts were lost"), &details)
    }
}

/// Shows an alert that is in no file where people may see it: in `tracing` and on stderr.
pub(crate) fn not_written(alert: &Alert, error: &io::Error) {
    if place::is_test() {
        return;
    }
    let error = crate::base::scrub::scrub(&error.to_string(), 1_000);
    #[cfg(feature = "tracing")]
    guarded(|| {
        tracing::error!(target: "resilience::alert", id = alert.id(), component = alert.component, error, "an alert is in no file: {}", alert.message);
    });
    // One write, so that the output of other processes cannot split the line.
    let line = format!("resilience: this alert is in no file ({error}): {alert}\n");
    let _ = io::stderr().write_all(line.as_bytes());
}

static WRITER: OfProcess<Writer> = OfProcess::new(Writer::new(), |_| Writer::new());
static IN_WORLD: Site<Writer> = Site::new(Writer::new(), Writer::new);

/// Returns the queue of this thread's test world, if it is in one.
fn of_world() -> Option<&'static Writer> {
    World::here().and_then(|world| IN_WORLD.in_world(&world))
}

/// Puts an alert into the queue, unless it is held back; then it is not created. When the queue has 1,000 alerts, the
/// oldest warning makes room, or else the oldest alert.
pub(crate) fn submit(kind: AlertKind<'_>, make: impl FnOnce() -> Alert, ticket: Option<Arc<Ticket>>) {
    let in_world = of_world();
    let has_ticket = ticket.is_some();
    let writer = in_world.unwrap_or_else(|| &*WRITER);
    let mut queue = locked(&writer.queue);
    let mut summaries = Vec::new();
    queue.counts.raised(kind.level);
    let judged = queue.limits.get_or_insert_default().judge(kind, clock::now(), make, &mut summaries);
    let held_back = judged.as_ref().err().copied().unwrap_or_default();
    queue.counts.held_back += u64::from(held_back > 0);
    let mut tickets = match judged {
        Ok(alert) => queue.push(Entry { alert, ticket: ticket.clone() }, summaries),
        Err(_) => Vec::new(),
    };
    let needs_thread = in_world.is_none() && !std::mem::replace(&mut queue.has_thread, true);
    drop(queue);
    tickets.drain(..).for_each(|ticket| ticket.finish(Raised::NotWritten));
    if held_back > 0
        && let Some(ticket) = ticket
    {
        ticket.finish(Raised::HeldBack);
    }
    if in_world.is_some() && has_ticket {
        writer.drain();
    } else if needs_thread && let Err(error) = start() {
        no_thread(writer, &error);
    }
    // The thread waits for the end of the period since the first alert that it holds back.
    if held_back <= 1 {
        writer.changed.notify_all();
    }
}

fn start() -> io::Result<()> {
    let thread = std::thread::Builder::new().name("resilience-alerts".to_owned());
    thread.spawn(|| WRITER.run()).map(drop)
}

/// Shows the waiting alerts on stderr, since there is no thread; the next alert tries again to start one.
fn no_thread(writer: &Writer, error: &io::Error) {
    let mut queue = locked(&writer.queue);
    queue.has_thread = false;
    let entries = std::mem::take(&mut queue.entries);
    queue.lose(entries.len());
    drop(queue);
    for entry in entries {
        not_written(&entry.alert, error);
        if let Some(ticket) = entry.ticket {
            ticket.finish(Raised::NotWritten);
        }
    }
}

/// Waits until the alerts that policies have raised are written, at most for `limit`, and returns whether they are.
///
/// Then waits for the [sinks](super::add_sink), for the rest of `limit` and at most two seconds. The alerts of a
/// program that ends are lost while they wait in a queue: call this at the end of `main`.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// # let _world = resilience::testing::isolate();
/// assert!(resilience::alerts::flush(Duration::from_secs(1)));
/// ```
pub fn flush(limit: Duration) -> bool {
    let began = clock::now();
    let left = || limit.saturating_sub(clock::now().saturating_duration_since(began));
    let write = |limit| match of_world() {
        Some(writer) => {
            writer.drain();
            true
        }
        None => WRITER.wait_until_idle(limit),
    };
    // A sink that fails raises an alert.
    write(limit) && deliver::flush(left()) && write(left())
}
