//! One run of a command: from its start until it has ended, or was ended.

use super::capture::{Captured, Output, capture};
use super::end::AttemptEnd;
use super::group::{self, Group};
use super::hold::HELD;
use super::input::{Pipe, Source};
use super::report::Report;
use super::script;
use super::signals::{Stop, Stops};
use crate::print;
use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use std::ffi::{OsStr, OsString};
use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin, Command};
use tokio::signal::unix::{self, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) attempt: Option<Duration>,
    /// The rest of the time for all attempts.
    pub(super) total: Option<Duration>,
    /// The time that a command may take to end after it was asked to.
    pub(super) kill_after: Duration,
}

pub(super) struct Attempt<'a> {
    pub(super) words: &'a [OsString],
    pub(super) output: Output,
    pub(super) limits: Limits,
    pub(super) group: &'a Group,
    pub(super) stops: &'a Stops,
    pub(super) report: &'a Report,
    /// The locks that it inherits, for a run inside of the command.
    pub(super) held: Option<&'a str>,
}

/// The reason why a command is being ended, and what follows if it does not end.
#[derive(Debug, Default)]
struct EndReason {
    cause: Option<Cause>,
    /// The time at which the command is asked to end, if it was not yet.
    ask_at: Option<Instant>,
    kill_at: Option<Instant>,
    was_killed: bool,
}

#[derive(Clone, Copy, Debug)]
enum Cause {
    Timeout(Duration),
    Total,
    Signal(i32),
    Terminal,
}

/// An occurrence while a command runs.
#[derive(Clone, Copy, Debug)]
enum AttemptEvent {
    /// A limit is over.
    Deadline,
    /// It is time to ask the command to end.
    Ask,
    /// It is time to kill the command.
    Kill,
    /// A signal came to this process.
    Signal(Stop),
    /// A child has ended, or was stopped.
    Child,
}

impl Attempt<'_> {
    /// Runs the command; returns how it ended, and its output where that is held back.
    pub(super) async fn run(&self, input: Source) -> (AttemptEnd, Captured) {
        // One signal handler for all children: it has to be installed before the first one starts.
        let started = signal(SignalKind::child()).and_then(|children| Ok((children, self.spawn(&input)?)));
        let (mut children, mut child) = match started {
            Ok(started) => started,
            Err(error) => return (not_started(&self.words[0], error), Captured::default()),
        };
        let Some(pid) = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())) else {
            return (AttemptEnd::Failed("the command has no process id".to_owned()), Captured::default());
        };
        let feeder = match (input, child.stdin.take()) {
            (Source::Pipe(pipe), Some(stdin)) => Some(tokio::spawn(feed(pipe, stdin))),
            _ => None,
        };
        let (has_ended, ended) = oneshot::channel();
        let captured = match (self.output, child.stdout.take()) {
            (Output::Held(limit), Some(pipe)) => Some(tokio::spawn(capture(pipe, limit, ended))),
            _ => None,
        };

        let end = self.ended(pid, &mut child, &mut children).await;
        // Input that the command would still take belongs to the next attempt.
        if let Some(feeder) = feeder {
            feeder.abort();
        }
        self.clear(&end);
        let _ = has_ended.send(());
        let captured = match captured {
            Some(captured) => captured.await.map_err(io::Error::other).and_then(|captured| captured),
            None => Ok(Captured::default()),
        };
        match captured {
            Ok(captured) => {
                if let Some(error) = captured.not_held().filter(|_| !end.is_success()) {
                    self.report.fault(&format!(
                        "the output was passed on, and the command is not repeated: no file could hold it: {error}"
                    ));
                }
                (end, captured)
            }
            Err(error) => (
                AttemptEnd::Failed(format!("the output of the command was lost: {error}")),
                Captured::default(),
            ),
        }
    }

    /// Waits until the command has ended, or ends it; returns how it ended.
    async fn ended(&self, pid: Pid, child: &mut Child, children: &mut unix::Signal) -> AttemptEnd {
        let began = Instant::now();
        let limit = [self.limits.attempt, self.limits.total].into_iter().flatten().min();
        let mut ending = EndReason::default();
        let mut stops = self.stops.watch();
        let status = loop {
            let deadline = limit.filter(|_| ending.cause.is_none()).map(|limit| began + limit);
            let moment = tokio::select! {
                biased;
                status = child.wait() => break status,
                () = at(deadline) => AttemptEvent::Deadline,
                () = at(ending.ask_at) => AttemptEvent::Ask,
                () = at(ending.kill_at) => AttemptEvent::Kill,
                Ok(()) = stops.changed() => AttemptEvent::Signal(*stops.borrow_and_update()),
                Some(()) = children.recv() => AttemptEvent::Child,
            };
            // If this process was stopped meanwhile, the command may have ended long before.
            if let Ok(Some(status)) = child.try_wait() {
                if let AttemptEvent::Signal(stop) = moment
                    && (!status.success() || self.is_seen_by_command(stop.signal))
                {
                    ending.cause.get_or_insert(Cause::Signal(stop.signal));
                }
                break Ok(status);
            }
            self.act(moment, pid, &mut ending, limit);
        };
        match (status, ending.cause) {
            (_, Some(Cause::Timeout(limit))) => AttemptEnd::TimedOut { limit, was_killed: ending.was_killed },
            (_, Some(Cause::Total)) => AttemptEnd::OutOfTime { was_killed: ending.was_killed },
            (_, Some(Cause::Signal(signal))) => AttemptEnd::Stopped(signal),
            (_, Some(Cause::Terminal)) => AttemptEnd::WantsTerminal,
            (Ok(status), None) => AttemptEnd::Exited(status),
            (Err(error), None) => AttemptEnd::Failed(format!("the end of the command is not known: {error}")),
        }
    }

    /// Does what has to be done at this moment while the command runs.
    fn act(&self, moment: AttemptEvent, pid: Pid, ending: &mut EndReason, limit: Option<Duration>) {
        match moment {
            AttemptEvent::Deadline => {
                let is_total = self.limits.attempt.is_none_or(|attempt| Some(attempt) > limit);
                let cause = if is_total { Cause::Total } else { Cause::Timeout(limit.unwrap_or_default()) };
                self.end(pid, ending, cause);
            }
            AttemptEvent::Ask => self.ask(pid, ending),
            AttemptEvent::Kill => self.kill(pid, ending),
            AttemptEvent::Signal(stop) if stop.times > 1 => self.kill(pid, ending),
            AttemptEvent::Signal(stop) => self.stop(pid, ending, stop.signal),
            AttemptEvent::Child => {
                group::reap_others(pid);
                if ending.cause.is_none() && self.group.wants_terminal(pid) {
                    self.end(pid, ending, Cause::Terminal);
                }
            }
        }
    }

    /// Starts the command, by the shell if it is a script that names no program.
    fn spawn(&self, input: &Source) -> io::Result<Child> {
        let spawned = self.command(self.words, input).spawn();
        match &spawned {
            Err(error) if error.raw_os_error() == Some(Errno::NOEXEC.raw_os_error()) => {
                let words = script::by_shell(self.words);
                words.map_or(spawned, |words| self.command(&words, input).spawn())
            }
            _ => spawned,
        }
    }

    fn command(&self, words: &[OsString], input: &Source) -> Command {
        let mut command = Command::new(&words[0]);
        // It does not go on below a run that has failed itself.
        command.args(&words[1..]).stdout(self.output.stdio()).kill_on_drop(true);
        if let Source::Pipe(_) = input {
            command.stdin(Stdio::piped());
        }
        if let Some(held) = self.held {
            command.env(HELD, held);
        }
        if !self.group.is_shared {
            command.process_group(0);
        }
        command
    }

    /// Begins to end the command.
    fn end(&self, pid: Pid, ending: &mut EndReason, cause: Cause) {
        ending.cause = Some(cause);
        self.ask(pid, ending);
    }

    /// Ends the command because of a signal. From a terminal that it shares with this program, it gets the signal
    /// itself.
    fn stop(&self, pid: Pid, ending: &mut EndReason, signal: i32) {
        if self.is_seen_by_command(signal) {
            ending.cause = Some(Cause::Signal(signal));
            ending.ask_at = Some(Instant::now() + self.limits.kill_after);
        } else {
            self.end(pid, ending, Cause::Signal(signal));
        }
    }

    /// Returns whether the command gets this signal from the terminal, too.
    fn is_seen_by_command(&self, signal: i32) -> bool {
        self.group.is_shared && [Signal::INT, Signal::QUIT].map(Signal::as_raw).contains(&signal)
    }

    /// Asks the command to end; a stopped process handles nothing before it goes on.
    fn ask(&self, pid: Pid, ending: &mut EndReason) {
        self.group.send(pid, Signal::TERM);
        self.group.send(pid, Signal::CONT);
        (ending.ask_at, ending.kill_at) = (None, Some(Instant::now() + self.limits.kill_after));
    }

    fn kill(&self, pid: Pid, ending: &mut EndReason) {
        self.group.send(pid, Signal::KILL);
        (ending.ask_at, ending.kill_at, ending.was_killed) = (None, None, true);
    }

    /// Ends what a failed attempt has left behind. After a success it is left alone.
    fn clear(&self, end: &AttemptEnd) {
        if end.is_success() {
            self.report.step_if(|| match self.group.leftovers() {
                0 => None,
                left => Some(format!("the command has left {left} processes behind, which go on")),
            });
        } else {
            let killed = self.group.kill_leftovers();
            self.report.step_if(|| {
                (killed > 0).then(|| format!("killed {killed} processes that the command had left behind"))
            });
        }
    }
}

/// Returns the end of an attempt whose command, the program `word`, was not started.
fn not_started(word: &OsStr, error: io::Error) -> AttemptEnd {
    let end = AttemptEnd::NotStarted { command: print::visible(&word.to_string_lossy()), error };
    match &end {
        // The machine has no room for another process, which says nothing about the command; EAGAIN is the limit of
        // processes.
        AttemptEnd::NotStarted { error, .. }
            if [io::ErrorKind::WouldBlock, io::ErrorKind::OutOfMemory].contains(&error.kind()) =>
        {
            AttemptEnd::Failed(end.to_string())
        }
        _ => end,
    }
}

/// Waits until then; for ever without a time.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Writes the input to a command, as far as it reads it.
async fn feed(pipe: Arc<Pipe>, mut stdin: ChildStdin) {
    loop {
        let part = pipe.next().await;
        if part.is_empty() || stdin.write_all(&part).await.is_err() {
            return;
        }
    }
}
