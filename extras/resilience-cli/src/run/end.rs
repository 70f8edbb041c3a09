//! How an attempt ends, and the exit code and the message of that.

use super::report::{BUSY, Result as Ended};
use crate::FAILED;
use rustix::process::Signal;
use std::fmt;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

/// The end of an attempt.
#[derive(Debug)]
pub(super) enum AttemptEnd {
    Exited(ExitStatus),
    /// The limit of one attempt was over; whether the command had to be killed.
    TimedOut {
        limit: Duration,
        was_killed: bool,
    },
    /// The limit of all attempts was over.
    OutOfTime {
        was_killed: bool,
    },
    /// A signal came that ends the run.
    Stopped(i32),
    /// The command was stopped because it wants the terminal.
    WantsTerminal,
    NotStarted {
        /// Its first word.
        command: String,
        error: io::Error,
    },
    /// A lock was held by others: it never began.
    Busy(String),
    /// Work before or after the command failed.
    Failed(String),
}

impl AttemptEnd {
    pub(super) fn is_success(&self) -> bool {
        matches!(self, Self::Exited(status) if status.success())
    }

    /// Returns whether the command died of a signal by which people and systems end programs.
    pub(super) fn was_asked_to_end(&self) -> bool {
        let asked = [Signal::INT, Signal::QUIT, Signal::TERM, Signal::HUP].map(Signal::as_raw);
        matches!(self, Self::Exited(status) if status.signal().is_some_and(|signal| asked.contains(&signal)))
    }

    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Exited(status) => {
                let code = status.code().or(status.signal().map(|signal| 128 + signal));
                code.and_then(|code| u8::try_from(code).ok()).unwrap_or(FAILED)
            }
            Self::TimedOut { was_killed, .. } | Self::OutOfTime { was_killed } => {
                if *was_killed {
                    137
                } else {
                    124
                }
            }
            Self::Stopped(signal) => 128 + *signal as u8,
            Self::WantsTerminal | Self::Failed(_) => FAILED,
            Self::Busy(_) => BUSY,
            Self::NotStarted { error, .. } => match error.kind() {
                io::ErrorKind::NotFound => 127,
                _ => 126,
            },
        }
    }

    /// Returns the end of a run whose last attempt this was.
    pub(super) fn ended(&self) -> Ended {
        match self {
            Self::Exited(_) => Ended::Code(self.code()),
            Self::TimedOut { was_killed, .. } | Self::OutOfTime { was_killed } => {
                Ended::TimedOut { was_killed: *was_killed, what: self.to_string() }
            }
            Self::Stopped(signal) => Ended::Signal(*signal),
            Self::WantsTerminal => Ended::Failed(self.to_string()),
            Self::Busy(text) => Ended::Busy(text.clone()),
            Self::Failed(text) => Ended::Failed(text.clone()),
            Self::NotStarted { .. } => Ended::NotStarted { code: self.code(), error: self.to_string() },
        }
    }
}

impl fmt::Display for AttemptEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let killed = |was_killed: &bool| if *was_killed { ", and the command had to be killed" } else { "" };
        match self {
            Self::Exited(status) => match status.signal() {
                Some(signal) => write!(f, "died of signal {signal}"),
                None => write!(f, "exit code {}", status.code().unwrap_or_default()),
            },
            Self::TimedOut { limit, was_killed } => {
                write!(f, "timed out after {limit:?}{}", killed(was_killed))
            }
            Self::OutOfTime { was_killed } => write!(f, "the total timeout is over{}", killed(was_killed)),
            Self::Stopped(signal) => write!(f, "stopped by signal {signal}"),
            Self::WantsTerminal => f.write_str(
                "the command wants the terminal, which it cannot have in the background; it was ended",
            ),
            Self::NotStarted { command, error } => write!(f, "`{command}` cannot be started: {error}"),
            Self::Busy(text) | Self::Failed(text) => f.write_str(text),
        }
    }
}
