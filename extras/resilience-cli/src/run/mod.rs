//! `resilience run`: a command with retries, timeouts, a recorded result and a fallback.
//!
//! The order is: total timeout, checkpoint, attempts with their timeouts, fallback. Retries and records are the library's
//! own [`Retry`] and [`Checkpoint`], so that a script and a program that use one state directory share what is recorded.

mod attempt;
mod capture;
mod group;
mod input;
mod report;
mod signals;

use crate::args::{Place, Recorded as What, RunArgs};
use crate::{FAILED, state};
use attempt::{Attempt, End, Limits};
use capture::{Captured, Output};
use group::Group;
use input::Input;
use report::{Report, Result as Ended};
use resilience::durable::{Checkpoint, CheckpointConfig, use_store};
use resilience::policy::{Backoff, Jitter, RetryConfig};
use resilience::{Category, Classification, Classify, Rejected, Retry};
use serde::{Deserialize, Serialize};
use signals::Stops;
use std::cell::{Cell, RefCell};
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The function to which the records of `run` belong.
const STEP: &str = "shell::run";
/// How much output a record holds.
const RECORDED: u64 = 1 << 20;

/// One attempt that has ended.
#[derive(Debug)]
struct Attempted {
    end: End,
    output: Captured,
    /// Why it cannot be repeated although it may have failed.
    is_final: bool,
}

/// Why no result was recorded.
#[derive(Debug)]
enum NotRecorded {
    /// The attempts have failed.
    Failed(Box<Attempted>),
    /// More was written than a record holds: it has been passed on.
    TooLarge,
    Rejected(Rejected),
}

impl From<Rejected> for NotRecorded {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

impl Classify for NotRecorded {
    fn classify(&self) -> Classification {
        match self {
            Self::Rejected(rejected) => rejected.classify(),
            Self::Failed(_) | Self::TooLarge => Category::Permanent.into(),
        }
    }
}

/// What a checkpoint records: of which command, and what it wrote.
#[derive(Debug, Deserialize, Serialize)]
struct Record {
    command: Vec<String>,
    dir: String,
    output: Option<Written>,
}

/// What a command wrote, readable where it is text.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Written {
    Text(String),
    Bytes(Vec<u8>),
}

impl Written {
    fn of(bytes: Vec<u8>) -> Self {
        String::from_utf8(bytes).map_or_else(|error| Self::Bytes(error.into_bytes()), Self::Text)
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

/// Runs the command, and returns the exit code. Ends the process by a signal that ended the run.
pub(crate) fn run(args: Box<RunArgs>, place: &Place) -> ExitCode {
    let is_verbose = args.verbose || std::env::var_os("RESILIENCE_DEBUG").is_some_and(|value| value == "1");
    let report = Report::new(args.status_file.clone(), is_verbose);
    let ended = match start(*args, place, &report) {
        Ok(ended) => ended,
        Err(error) => Ended::Failed(error.to_string()),
    };
    let code = report.end(&ended);
    if let Ended::Signal(signal) = ended {
        // Its sender, a shell in a loop perhaps, is to see that the signal was heeded.
        let _ = signal_hook::low_level::emulate_default_handler(signal);
    }
    ExitCode::from(code)
}

fn start(args: RunArgs, place: &Place, report: &Report) -> Result<Ended, crate::Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(async { Run::new(args, place, report)?.all().await });
    // A thread that still reads standard input is not waited for.
    runtime.shutdown_background();
    ended
}

struct Run<'a> {
    args: RunArgs,
    report: &'a Report,
    retry: Retry,
    checkpoint: Option<Checkpoint>,
    began: Instant,
    group: Group,
    stops: Stops,
    input: Input,
    attempts: Cell<u32>,
    /// Whether a command runs, which ends by itself when a signal comes.
    is_busy: Cell<bool>,
    /// Output of attempts that have failed is dropped; that of the last one is kept here.
    last: RefCell<Option<Captured>>,
}

impl<'a> Run<'a> {
    fn new(args: RunArgs, place: &Place, report: &'a Report) -> Result<Self, crate::Failure> {
        let retry = Retry::try_new(RetryConfig {
            max: args.retries.unwrap_or(0),
            backoff: Backoff::Exponential(args.backoff),
            base: args.base,
            cap: args.cap.max(args.base),
            jitter: Some(if args.no_jitter { Jitter::None } else { Jitter::Full }),
            give_up_after: args.total_timeout,
            ..RetryConfig::default()
        })?;
        let checkpoint = match &args.checkpoint {
            Some(_) => {
                use_store(std::sync::Arc::new(open(place)?));
                let wait = args.total_timeout.unwrap_or(CheckpointConfig::default().wait);
                Some(Checkpoint::try_new(STEP, CheckpointConfig { wait, ..CheckpointConfig::default() })?)
            }
            None => None,
        };
        let can_repeat = args.retries.is_some_and(|retries| retries > 0);
        let is_plain = !can_repeat && checkpoint.is_none() && args.fallback.is_none();
        Ok(Self {
            retry: retry.name("shell"),
            checkpoint,
            began: Instant::now(),
            group: Group::find()?,
            stops: Stops::listen()?,
            input: if is_plain { Input::inherited() } else { Input::find()? },
            attempts: Cell::new(0),
            is_busy: Cell::new(false),
            last: RefCell::new(None),
            args,
            report,
        })
    }

    /// All of it; a signal ends what waits.
    async fn all(self) -> Result<Ended, crate::Failure> {
        let ended = tokio::select! {
            biased;
            ended = self.recorded() => ended?,
            signal = self.stops.while_idle(&self.is_busy) => Ended::Signal(signal),
        };
        Ok(ended)
    }

    /// The recorded result, or the attempts.
    async fn recorded(&self) -> Result<Ended, crate::Failure> {
        let (Some(checkpoint), Some(key)) = (self.checkpoint, &self.args.checkpoint) else {
            let attempted = self.attempts(true).await;
            return self.fall_back(attempted).await;
        };
        let has_run = Cell::new(false);
        let body = async || {
            has_run.set(true);
            self.record().await
        };
        let record: Result<Record, NotRecorded> = checkpoint.call_async(key, body).await;
        match record {
            Ok(record) => self.check(key, &record, has_run.get()),
            Err(NotRecorded::Failed(attempted)) => self.fall_back(*attempted).await,
            Err(NotRecorded::TooLarge) => Ok(Ended::Failed(format!(
                "the command succeeded, but its output is over {} KiB and was not recorded: write --checkpoint-output none",
                RECORDED >> 10
            ))),
            Err(NotRecorded::Rejected(rejected)) => {
                // The command has run, and what it wrote is not lost.
                if let Some(output) = self.last.take() {
                    output.pass_on().await?;
                }
                Ok(Ended::Failed(rejected.to_string()))
            }
        }
    }

    /// Makes the attempts, and what is to be recorded of one that succeeded. Its output has been printed then.
    async fn record(&self) -> Result<Record, NotRecorded> {
        let attempted = self.attempts(false).await;
        if !attempted.end.is_success() {
            return Err(NotRecorded::Failed(Box::new(attempted)));
        }
        let output = match self.args.checkpoint_output {
            What::None => {
                let _ = attempted.output.pass_on().await;
                None
            }
            What::Stdout if attempted.output.len() > RECORDED || attempted.output.has_passed() => {
                let _ = attempted.output.pass_on().await;
                return Err(NotRecorded::TooLarge);
            }
            What::Stdout => {
                let bytes = attempted.output.bytes().map_err(|_| NotRecorded::TooLarge)?;
                self.last.replace(Some(attempted.output));
                Some(Written::of(bytes))
            }
        };
        Ok(Record { command: words(&self.args.command), dir: here(), output })
    }

    /// Prints the recorded output, if it is that of this command.
    fn check(&self, key: &str, record: &Record, has_run: bool) -> Result<Ended, crate::Failure> {
        let (command, dir) = (words(&self.args.command), here());
        if record.command != command || record.dir != dir {
            let (was, is) = if record.command == command {
                (record.dir.clone(), dir)
            } else {
                (record.command.join(" "), command.join(" "))
            };
            return Ok(Ended::Failed(format!(
                "the checkpoint `{key}` was recorded for `{was}`, and this is `{is}`: use another key"
            )));
        }
        if let Some(output) = &record.output {
            crate::print::bytes(output.bytes())?;
        }
        if !has_run {
            self.report.step(|| format!("`{key}` is recorded: the command does not run"));
        }
        Ok(if has_run { Ended::Code { code: 0, attempts: self.attempts.get() } } else { Ended::Recorded })
    }

    /// Makes attempts until one succeeds or none may follow.
    async fn attempts(&self, may_stream: bool) -> Attempted {
        let attempt = || self.attempt(may_stream && self.args.fallback.is_none());
        self.retry.call_async_judged(attempt, |attempted| self.judge(attempted)).await
    }

    fn judge(&self, attempted: &Attempted) -> Option<Classification> {
        if attempted.end.is_success() {
            return None;
        }
        let is_repeated = !attempted.is_final && self.is_repeated(&attempted.end);
        Some(if is_repeated { Category::Transient } else { Category::Permanent }.into())
    }

    fn is_repeated(&self, end: &End) -> bool {
        let code = end.code();
        match end {
            End::Exited(_) if end.was_asked_to_end() => false,
            End::Exited(_) | End::TimedOut { .. } => match self.args.retry_on.as_slice() {
                [] => ![FAILED, 126, 127].contains(&code),
                codes => codes.contains(&code),
            },
            End::OutOfTime { .. } | End::Stopped(_) | End::WantsTerminal | End::NotStarted(_) => false,
        }
    }

    async fn attempt(&self, may_stream: bool) -> Attempted {
        let number = self.attempts.get() + 1;
        self.attempts.set(number);
        let most = self.args.retries.unwrap_or(0) + 1;
        let is_last = number >= most;
        self.report.step(|| format!("attempt {number} of {most}: {}", words(&self.args.command).join(" ")));
        let output =
            if is_last && may_stream { Output::Inherited } else { Output::Held(self.args.max_output) };
        let input = self.input.open(number);
        let (end, output) = self.command(&self.args.command, output, input, self.args.timeout).await;
        if !end.is_success() {
            self.report.step(|| format!("attempt {number} of {most}: {end}"));
        }
        let is_final = output.has_passed() || self.input.is_lost();
        Attempted { end, output, is_final }
    }

    /// Runs a command within `limit` and what is left of the total timeout.
    async fn command(
        &self,
        words: &[OsString],
        output: Output,
        input: std::io::Result<input::Source>,
        limit: Option<Duration>,
    ) -> (End, Captured) {
        let input = match input {
            Ok(input) => input,
            Err(error) => return (End::NotStarted(error), Captured::default()),
        };
        let total = self.args.total_timeout.map(|total| total.saturating_sub(self.began.elapsed()));
        let limits = Limits { attempt: limit, total, kill_after: self.args.kill_after };
        self.is_busy.set(true);
        let attempt =
            Attempt { words, output, limits, group: &self.group, stops: &self.stops, report: self.report };
        let ended = attempt.run(input).await;
        self.is_busy.set(false);
        ended
    }

    /// The end of the attempts, or that of the fallback.
    async fn fall_back(&self, attempted: Attempted) -> Result<Ended, crate::Failure> {
        let Attempted { end, output, .. } = attempted;
        let ended = end.ended(self.attempts.get());
        // Where no time is left, or a signal came, nothing follows.
        let is_over = end.is_success() || matches!(end, End::Stopped(_) | End::OutOfTime { .. });
        let Some(fallback) = self.args.fallback.as_ref().filter(|_| !is_over) else {
            output.pass_on().await?;
            return Ok(ended);
        };
        self.report.step(|| format!("fallback: {fallback}"));
        let words = ["sh".into(), "-c".into(), fallback.into()];
        let (end, _) = self.command(&words, Output::Inherited, Ok(input::Source::Inherited), None).await;
        Ok(match end.ended(self.attempts.get()) {
            Ended::Code { code, attempts } => Ended::FellBack { code, attempts },
            other => other,
        })
    }
}

fn open(place: &Place) -> Result<resilience::durable::SqliteStore, crate::Failure> {
    let state = state::of_run(place)?;
    Ok(resilience::durable::SqliteStore::open(&state.dir)
        .map_err(|error| format!("{}: {error}", state.dir.display()))?)
}

fn words(command: &[OsString]) -> Vec<String> {
    command.iter().map(|word| word.to_string_lossy().into_owned()).collect()
}

fn here() -> String {
    std::env::current_dir().map(|dir| dir.display().to_string()).unwrap_or_default()
}
