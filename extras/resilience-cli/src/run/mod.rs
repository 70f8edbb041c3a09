//! `resilience run`: a command with retries, timeouts, a lock, backups, a recorded result and a fallback.
//!
//! The order is: total timeout, lock, checkpoint, backups, attempts with their timeouts, rollback, fallback. Retries,
//! records, locks and backups are the library's own, so that scripts and programs share them.

mod attempt;
mod capture;
mod end;
mod group;
mod hold;
mod input;
mod record;
pub(crate) mod report;
mod script;
mod signals;

use crate::FAILED;
use crate::args::{RunArgs, StateOptions};
use attempt::{Attempt, Limits};
use capture::{Captured, Output};
use end::AttemptEnd;
use group::Group;
use hold::{HeldFiles, HeldLocks, LockWait};
use input::Input;
use record::{RunCheckpoint, line};
use report::{Report, Result as Ended};
use resilience::policy::{Backoff, Jitter, RetryConfig};
use resilience::{Category, Classification, Retry};
use signals::Stops;
use std::cell::{Cell, RefCell};
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// An attempt that has ended.
#[derive(Debug)]
struct Attempted {
    end: AttemptEnd,
    output: Captured,
    /// Why it cannot be repeated although it may have failed.
    is_final: bool,
    /// Whether the files were put back after it; an error has the reason why they could not be.
    rolled_back: Option<Result<(), String>>,
}

impl Attempted {
    /// Creates an attempt that never began, or that is none because something else failed.
    fn never(end: AttemptEnd) -> Self {
        Self { end, output: Captured::default(), is_final: true, rolled_back: None }
    }
}

/// Runs the command, and returns the exit code. Ends the process by a signal that ended the run.
pub(crate) fn run(args: Box<RunArgs>, place: &StateOptions) -> ExitCode {
    let is_verbose = args.verbose || std::env::var_os("RESILIENCE_DEBUG").is_some_and(|value| value == "1");
    let report = Report::new(args.status_file.clone(), is_verbose);
    let ended = crate::caught(|| start(*args, place, &report))
        .unwrap_or_else(|error| Ended::Failed(error.to_string()));
    let code = report.end(&ended);
    // The kernel ignores a signal that process 1 of a container sends to itself.
    if let Ended::Signal(signal) = ended
        && std::process::id() != 1
    {
        // Its sender, a shell in a loop perhaps, is to see that the signal was heeded.
        let _ = signal_hook::low_level::emulate_default_handler(signal);
    }
    ExitCode::from(code)
}

fn start(args: RunArgs, place: &StateOptions, report: &Report) -> Result<Ended, crate::Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(async { Run::new(args, place, report)?.all().await });
    // A thread that still reads standard input is not waited for.
    runtime.shutdown_background();
    ended
}

/// Returns a message about the settings of a retry in one line, with the options that set them.
fn in_options(message: &str) -> String {
    let options = [("give_up_after", "total-timeout"), ("base", "base"), ("backoff", "backoff")];
    options.iter().fold(message.replace('\n', ": "), |message, (setting, option)| {
        message.replace(&format!("`{setting}`"), &format!("`--{option}`"))
    })
}

struct Run<'a> {
    args: RunArgs,
    report: &'a Report,
    retry: Retry,
    checkpoint: Option<RunCheckpoint>,
    began: Instant,
    group: Group,
    stops: Stops,
    input: Input,
    waits: LockWait,
    held: HeldLocks,
    /// The files that are put back if the command fails.
    files: RefCell<Option<HeldFiles>>,
    /// Whether a command runs, which ends directly when a signal comes.
    is_busy: Cell<bool>,
    /// Output of attempts that have failed is dropped; that of the last one is kept here.
    last: RefCell<Option<Captured>>,
}

impl<'a> Run<'a> {
    fn new(args: RunArgs, place: &StateOptions, report: &'a Report) -> Result<Self, crate::Failure> {
        let retry = Retry::try_new(RetryConfig {
            max: args.retries.unwrap_or(0),
            backoff: Backoff::Exponential(args.backoff),
            base: args.base,
            cap: args.cap.max(args.base),
            jitter: Some(if args.no_jitter { Jitter::None } else { Jitter::Full }),
            give_up_after: args.total_timeout,
            ..RetryConfig::default()
        })
        .map_err(|invalid| in_options(invalid.message()))?;
        let held = HeldLocks::new(&args, place)?;
        let checkpoint = args.checkpoint.as_deref().map(|key| RunCheckpoint::open(key, place)).transpose()?;
        let can_repeat = args.retries.is_some_and(|retries| retries > 0);
        let is_plain = !can_repeat && checkpoint.is_none() && args.fallback.is_none();
        Ok(Self {
            retry: retry.name("shell"),
            checkpoint,
            began: Instant::now(),
            group: Group::find()?,
            stops: Stops::listen()?,
            input: if is_plain { Input::inherited() } else { Input::find()? },
            is_busy: Cell::new(false),
            last: RefCell::new(None),
            waits: LockWait::default(),
            files: RefCell::new(None),
            held,
            args,
            report,
        })
    }

    /// Runs the whole command line; a signal ends its waits.
    async fn all(&self) -> Result<Ended, crate::Failure> {
        let ended = tokio::select! {
            biased;
            ended = self.locked() => ended,
            signal = self.stops.while_idle(&self.is_busy) => Ok(Ended::Signal(signal)),
            () = self.waits.shown(self.report) => Ok(Ended::Failed(String::new())),
        };
        // If a signal ended a wait, or something else failed, the files are put back here.
        if let Some(Err(error)) = self.roll_back() {
            self.report.fault(&format!("the files could not be put back: {error}"));
        }
        ended
    }

    /// Makes attempts until one succeeds or none may follow.
    async fn attempts(&self, may_stream: bool) -> Attempted {
        if let Err(end) = self.back_up().await {
            return Attempted::never(end);
        }
        let attempt = || self.attempt(may_stream && self.args.fallback.is_none());
        let attempted = self.retry.call_async_judged(attempt, |attempted| self.judge(attempted)).await;
        self.waits.end(self.report);
        if !attempted.end.is_success() {
            let rolled_back = self.roll_back();
            // A signal during the rollback acts now.
            let signal = self.stops.now().filter(|_| rolled_back.is_some());
            let end = signal.map_or(attempted.end, AttemptEnd::Stopped);
            return Attempted { end, rolled_back, ..attempted };
        }
        match self.accept() {
            Ok(()) => attempted,
            Err(error) => {
                let text = format!(
                    "the command succeeded, but its changes are not safe and were taken back: {error}"
                );
                Attempted { end: AttemptEnd::Failed(text), ..attempted }
            }
        }
    }

    fn judge(&self, attempted: &Attempted) -> Option<Classification> {
        if attempted.end.is_success() {
            return None;
        }
        let is_repeated = !attempted.is_final && self.is_repeated(&attempted.end);
        Some(if is_repeated { Category::Transient } else { Category::Permanent }.into())
    }

    fn is_repeated(&self, end: &AttemptEnd) -> bool {
        let code = end.code();
        match end {
            AttemptEnd::Exited(_) | AttemptEnd::TimedOut { .. } => match self.args.retry_on.as_slice() {
                [] => !end.was_asked_to_end() && ![FAILED, 126, 127].contains(&code),
                codes => codes.contains(&code),
            },
            AttemptEnd::OutOfTime { .. }
            | AttemptEnd::Stopped(_)
            | AttemptEnd::WantsTerminal
            | AttemptEnd::NotStarted { .. }
            | AttemptEnd::Busy(_)
            | AttemptEnd::Failed(_) => false,
        }
    }

    async fn attempt(&self, may_stream: bool) -> Attempted {
        let number = self.report.attempts.get().saturating_add(1);
        self.report.attempts.set(number);
        self.waits.end(self.report);
        let most = self.args.retries.unwrap_or(0).saturating_add(1);
        let is_last = number >= most;
        self.report.step(|| format!("attempt {number} of {most}: {}", line(&self.args.command)));
        let output =
            if is_last && may_stream { Output::Inherited } else { Output::Held(self.args.max_output) };
        let input = self.input.open(number);
        let (end, output) = self.command(&self.args.command, output, input, self.args.timeout).await;
        if !end.is_success() {
            self.report.step(|| format!("attempt {number} of {most}: {end}"));
        }
        // After the last attempt the files are put back permanently.
        let is_final = is_last || output.has_passed() || self.input.is_lost();
        let is_retryable = !end.is_success() && self.is_repeated(&end);
        if is_retryable && is_final && !is_last {
            let reason = if output.has_passed() {
                "its output was passed on"
            } else {
                "it had more input than is kept"
            };
            self.report.step(|| format!("attempt {number} of {most}: not repeated, since {reason}"));
        }
        let may_follow = !is_final && is_retryable;
        let is_final = is_final || (may_follow && !self.restore());
        if number < most {
            self.waits.begin(format!("waiting for attempt {} of {most}", number.saturating_add(1)));
        }
        Attempted { end, output, is_final, rolled_back: None }
    }

    /// Runs a command within `limit` and the rest of the total timeout.
    async fn command(
        &self,
        words: &[OsString],
        output: Output,
        input: std::io::Result<input::Source>,
        limit: Option<Duration>,
    ) -> (AttemptEnd, Captured) {
        let input = match input {
            Ok(input) => input,
            Err(error) => {
                return (
                    AttemptEnd::Failed(format!("its input cannot be read: {error}")),
                    Captured::default(),
                );
            }
        };
        let total = self.args.total_timeout.map(|total| total.saturating_sub(self.began.elapsed()));
        let limits = Limits { attempt: limit, total, kill_after: self.args.kill_after };
        self.is_busy.set(true);
        let (group, stops, report, held) = (&self.group, &self.stops, self.report, self.held.words());
        let attempt = Attempt { words, output, limits, group, stops, report, held };
        let ended = attempt.run(input).await;
        self.is_busy.set(false);
        ended
    }

    /// Returns the end of the attempts, or that of the fallback.
    async fn fall_back(&self, attempted: Attempted) -> Result<Ended, crate::Failure> {
        let Attempted { end, output, rolled_back, .. } = attempted;
        let mut ended = end.ended();
        let is_stopped = matches!(end, AttemptEnd::Stopped(_));
        let failure = rolled_back.and_then(|rolled_back| match (rolled_back, is_stopped) {
            (Err(failure), true) => {
                self.report.fault(&format!("the files could not be put back: {failure}"));
                None
            }
            (_, true) => None,
            (rolled_back, false) => Some(rolled_back.err()),
        });
        let is_broken = matches!(failure, Some(Some(_)));
        if let Some(failure) = failure {
            let (command_code, what) = (end.code(), end.to_string());
            ended = Ended::RolledBack { command_code, what, failure };
        }
        // If no time is left, a signal came, or the files have changed, nothing follows.
        let is_over = is_stopped
            || is_broken
            || end.is_success()
            || matches!(end, AttemptEnd::OutOfTime { .. } | AttemptEnd::Busy(_) | AttemptEnd::Failed(_));
        let Some(fallback) = self.args.fallback.as_ref().filter(|_| !is_over) else {
            output.pass_on().await?;
            return Ok(ended);
        };
        self.report.step(|| format!("fallback: {fallback}"));
        let words = ["sh".into(), "-c".into(), fallback.into()];
        let (end, _) = self.command(&words, Output::Inherited, Ok(input::Source::Inherited), None).await;
        Ok(match end.ended() {
            Ended::Code(code) => Ended::FellBack(code),
            other => other,
        })
    }
}
