//! The messages about a run: each step if requested, and the end.

use serde_json::{Value, json};
use std::cell::Cell;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

/// The exit codes of a run whose lock is held by others, and of one whose files were, or could not be, put back.
pub(super) const BUSY: u8 = 75;
const ROLLED_BACK: u8 = 76;
const NOT_ROLLED_BACK: u8 = 77;

/// The end of a run.
#[derive(Debug)]
pub(super) enum Result {
    /// With the exit code of the last attempt.
    Code(u8),
    /// With that of the fallback.
    FellBack(u8),
    /// The result was recorded before.
    Recorded,
    /// A lock was held by others.
    Busy(String),
    /// The last attempt ended with this code and for this reason, and the files were put back, or could not be.
    RolledBack {
        command_code: u8,
        what: String,
        failure: Option<String>,
    },
    TimedOut {
        was_killed: bool,
        what: String,
    },
    NotStarted {
        code: u8,
        error: String,
    },
    /// A signal ended it.
    Signal(i32),
    /// The run failed before or after its command.
    Failed(String),
}

#[derive(Debug)]
pub(super) struct Report {
    status_file: Option<PathBuf>,
    is_verbose: bool,
    /// The number of attempts that have begun.
    pub(super) attempts: Cell<u32>,
    /// Whether the last line of the terminal shows the wait.
    shows_wait: Cell<bool>,
}

impl Report {
    pub(super) fn new(status_file: Option<PathBuf>, is_verbose: bool) -> Self {
        Self { status_file, is_verbose, attempts: Cell::new(0), shows_wait: Cell::new(false) }
    }

    /// Reports a fault in one line.
    pub(super) fn fault(&self, text: &str) {
        self.shows(None);
        crate::print::say(text);
    }

    /// Shows the wait on a terminal, in place of the previous line.
    pub(super) fn shows(&self, wait: Option<&str>) {
        const LONGEST: usize = 78;
        let mut stderr = io::stderr();
        if (wait.is_none() && !self.shows_wait.get()) || !stderr.is_terminal() {
            return;
        }
        self.shows_wait.set(wait.is_some());
        let line: String = crate::print::visible(wait.unwrap_or_default()).chars().take(LONGEST).collect();
        // The line is for people: a closed terminal is not a failure.
        let _ = write!(stderr, "\r\x1b[K{line}");
    }

    /// Reports a step, if requested.
    pub(super) fn step(&self, text: impl FnOnce() -> String) {
        self.step_if(|| Some(text()));
    }

    /// Reports a step if there was one, and if requested.
    pub(super) fn step_if(&self, text: impl FnOnce() -> Option<String>) {
        if self.is_verbose
            && let Some(text) = text()
        {
            self.fault(&text);
        }
    }

    /// Reports in one line the facts that only this program knows, writes the status file, and returns the exit code.
    pub(super) fn end(&self, ended: &Result) -> u8 {
        let (word, code, text) = match ended {
            Result::Code(0) => ("ok", 0, None),
            Result::Code(code) => ("failed", *code, None),
            Result::FellBack(code) => ("fell_back", *code, None),
            Result::Recorded => ("recorded", 0, None),
            Result::Busy(text) => ("busy", BUSY, Some(text.clone())),
            Result::RolledBack { what, failure: None, .. } => {
                ("rolled_back", ROLLED_BACK, Some(format!("rolled back: {what}")))
            }
            Result::RolledBack { what, failure: Some(failure), .. } => {
                let text = format!("{what}, and the files could not be put back: {failure}");
                ("rollback_failed", NOT_ROLLED_BACK, Some(text))
            }
            Result::TimedOut { was_killed, what } => {
                ("timed_out", if *was_killed { 137 } else { 124 }, Some(what.clone()))
            }
            Result::NotStarted { code, error } => ("not_started", *code, Some(error.clone())),
            // A shell sees the same number after death by that signal.
            Result::Signal(signal) => ("signal", 128 + *signal as u8, None),
            Result::Failed(text) => ("error", crate::FAILED, Some(text.clone())),
        };
        // An attempt that was not started is none.
        let not_started = u32::from(matches!(ended, Result::NotStarted { .. }));
        let attempts = self.attempts.get().saturating_sub(not_started);
        self.shows(None);
        if let Some(text) = &text {
            self.fault(text);
        }
        let mut status = status(word, code, attempts, text.as_deref());
        if let Result::RolledBack { command_code, .. } = ended {
            status["command_code"] = (*command_code).into();
        }
        if let Some(file) = &self.status_file {
            write(file, &status);
        }
        code
    }
}

/// Writes into the status file that the command line was wrong, because of `text`: the file may be that of an earlier
/// run.
pub(crate) fn misused(file: &Path, text: &str) {
    write(file, &status("error", crate::FAILED, 0, Some(text)));
}

fn status(result: &str, code: u8, attempts: u32, message: Option<&str>) -> Value {
    json!({ "schema": 1, "result": result, "code": code, "attempts": attempts, "message": message })
}

fn write(file: &Path, status: &Value) {
    if let Err(error) = std::fs::write(file, format!("{status}\n")) {
        crate::print::say(&format!("{}: {error}", file.display()));
    }
}
