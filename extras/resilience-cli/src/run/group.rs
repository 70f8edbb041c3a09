//! Process groups, the terminal, and what a command leaves behind.

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus, getpid, kill_process, kill_process_group,
    set_child_subreaper, waitid,
};
use std::fs;
use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The process group in which commands run, and the processes below this one that are none of theirs.
#[derive(Debug)]
pub(super) struct Group {
    /// Whether commands stay in the group of this program, which is in the foreground of a terminal: Ctrl-C and Ctrl-Z
    /// reach them directly.
    pub(super) is_shared: bool,
    /// The processes that a shell had started before it became this program (`exec`).
    earlier: Vec<Process>,
}

impl Group {
    /// Looks at the terminal, and makes this process the parent of orphans below it.
    pub(super) fn find() -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        set_child_subreaper(Some(getpid()))?;
        Ok(Self { is_shared: own().is_some_and(|own| own.group == own.foreground), earlier: descendants() })
    }

    /// Sends a signal to a command, with all of its group where that is its own.
    pub(super) fn send(&self, command: Pid, signal: Signal) {
        // An ended process is reaped only after this.
        let _ =
            if self.is_shared { kill_process(command, signal) } else { kill_process_group(command, signal) };
    }

    /// Returns whether the command was stopped because it wants the terminal.
    pub(super) fn wants_terminal(&self, command: Pid) -> bool {
        if self.is_shared {
            return false;
        }
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let Ok(Some(status)) = waitid(WaitId::Pid(command), options) else { return false };
        let wants = [Signal::TTIN.as_raw(), Signal::TTOU.as_raw()];
        status.stopping_signal().is_some_and(|signal| wants.contains(&signal))
    }

    /// Kills and reaps the processes that a command has left behind; returns their number.
    pub(super) fn kill_leftovers(&self) -> usize {
        const LIMIT: Duration = Duration::from_secs(1);
        let (began, mut killed) = (Instant::now(), 0);
        loop {
            let left = self.left();
            if left.is_empty() || began.elapsed() > LIMIT {
                return killed;
            }
            for child in left {
                killed += usize::from(kill_process(child, Signal::KILL).is_ok());
                reap(child);
            }
            sleep(Duration::from_millis(1));
        }
    }

    /// Returns how many processes of a command still run.
    pub(super) fn leftovers(&self) -> usize {
        self.left().len()
    }

    fn left(&self) -> Vec<Pid> {
        // What an earlier process began since then is in its group, where the group of a command is another one.
        let begun_by = |earlier: &Process, child: &Process| !self.is_shared && earlier.group == child.group;
        let is_earlier = |child: &Process| {
            self.earlier.iter().any(|earlier| earlier.is(child) || begun_by(earlier, child))
        };
        pids(children().into_iter().filter(|child| !is_earlier(child)))
    }
}

/// Reaps the children that have ended, but for `command`: orphans have no other parent.
pub(super) fn reap_others(command: Pid) {
    if let Ok(Some(_)) = ended() {
        pids(children()).into_iter().filter(|child| *child != command).for_each(reap);
    }
}

/// Returns a child that has ended, if one has, and leaves it to be reaped.
///
/// # Errors
///
/// There are no children.
fn ended() -> rustix::io::Result<Option<WaitIdStatus>> {
    waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT)
}

fn reap(child: Pid) {
    let _ = waitid(WaitId::Pid(child), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
}

fn pids(processes: impl IntoIterator<Item = Process>) -> Vec<Pid> {
    processes.into_iter().filter_map(|process| Pid::from_raw(process.pid)).collect()
}

/// Returns the children of this process, adopted orphans included. None are seen if `/proc` is that of another PID
/// namespace: its numbers are not those of the processes here.
fn children() -> Vec<Process> {
    let pid = getpid().as_raw_pid();
    if own().is_none_or(|own| own.pid != pid) {
        return Vec::new();
    }
    groups().into_iter().filter(|process| process.parent == pid).collect()
}

/// Returns the children of this process, and those of them.
fn descendants() -> Vec<Process> {
    // Nearly always there are none: the other processes of the machine need not be read.
    let mut found = if ended().is_err() { Vec::new() } else { children() };
    let all = if found.is_empty() { Vec::new() } else { groups() };
    let mut at = 0;
    while let Some(parent) = found.get(at).map(|process| process.pid) {
        found.extend(all.iter().filter(|process| process.parent == parent).cloned());
        at += 1;
    }
    found
}

/// A process, its parent, its group, its session and the foreground group of its terminal.
///
/// In a PID namespace, a parent, group or session that began outside of it is 0, as for `docker exec`. The system calls
/// return that 0 too, and `rustix` panics on it.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) parent: i32,
    pub(super) group: i32,
    pub(super) session: i32,
    /// -1 without a terminal.
    foreground: i32,
    /// When it began; empty if that is not known.
    start: String,
}

impl Process {
    /// Returns whether this is `other`, and not one that has its number since.
    fn is(&self, other: &Self) -> bool {
        (self.pid, &self.start) == (other.pid, &other.start)
    }

    /// Returns the words by which [`lives`] finds it again.
    pub(super) fn identity(&self) -> String {
        format!("{}.{}", self.pid, self.start)
    }
}

/// Returns whether the process with this identity has not ended.
pub(super) fn lives(identity: &str) -> bool {
    let number = identity.split('.').next().and_then(|number| number.parse::<i32>().ok());
    number.and_then(|number| process(&number.to_string())).is_some_and(|found| found.identity() == identity)
}

/// Returns this process.
pub(super) fn own() -> Option<Process> {
    process("self")
}

/// Returns all visible processes.
pub(super) fn groups() -> Vec<Process> {
    let Ok(all) = fs::read_dir("/proc") else { return Vec::new() };
    let names = all.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| name.parse::<i32>().is_ok()).filter_map(|name| process(&name)).collect()
}

fn process(name: &str) -> Option<Process> {
    // The name in parentheses may have any bytes in it, those of a parenthesis, too.
    let stat = fs::read(format!("/proc/{name}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    let (before, rest) = stat.rsplit_once(')')?;
    let pid = before.split_whitespace().next()?.parse().ok()?;
    let mut numbers = rest.split_whitespace().skip(1).map_while(|number| number.parse().ok());
    let [parent, group, session, _terminal, foreground] =
        [numbers.next()?, numbers.next()?, numbers.next()?, numbers.next()?, numbers.next()?];
    let began = rest.split_whitespace().nth(19).unwrap_or_default().to_owned();
    Some(Process { pid, parent, group, session, foreground, start: began })
}
