//! What is said of a run: each step where that was asked for, and how it ended.

use serde_json::json;
use std::path::PathBuf;

/// How a run ended.
#[derive(Debug)]
pub(super) enum Result {
    /// With the exit code of the last attempt.
    Code {
        code: u8,
        attempts: u32,
    },
    /// With that of the fallback.
    FellBack {
        code: u8,
        attempts: u32,
    },
    /// The result was recorded before.
    Recorded,
    TimedOut {
        was_killed: bool,
        attempts: u32,
        what: String,
    },
    NotStarted {
        code: u8,
        error: String,
    },
    /// A signal ended it.
    Signal(i32),
    /// It could not be done.
    Failed(String),
}

#[derive(Debug)]
pub(super) struct Report {
    status_file: Option<PathBuf>,
    is_verbose: bool,
}

impl Report {
    pub(super) fn new(status_file: Option<PathBuf>, is_verbose: bool) -> Self {
        Self { status_file, is_verbose }
    }

    /// Says a step, where that was asked for.
    pub(super) fn step(&self, text: impl FnOnce() -> String) {
        self.step_if(|| Some(text()));
    }

    /// Says a step if there was one, where that was asked for.
    pub(super) fn step_if(&self, text: impl FnOnce() -> Option<String>) {
        if self.is_verbose
            && let Some(text) = text()
        {
            eprintln!("resilience: {}", crate::print::visible(&text));
        }
    }

    /// Says in one line what only this program knows, writes the status file, and returns the exit code.
    pub(super) fn end(&self, ended: &Result) -> u8 {
        let (word, code, attempts, text) = match ended {
            Result::Code { code: 0, attempts } => ("ok", 0, *attempts, None),
            Result::Code { code, attempts } => ("failed", *code, *attempts, None),
            Result::FellBack { code, attempts } => ("fell_back", *code, *attempts, None),
            Result::Recorded => ("recorded", 0, 0, None),
            Result::TimedOut { was_killed, attempts, what } => {
                ("timed_out", if *was_killed { 137 } else { 124 }, *attempts, Some(what.clone()))
            }
            Result::NotStarted { code, error } => ("not_started", *code, 0, Some(error.clone())),
            // A shell sees the same number after death by that signal.
            Result::Signal(signal) => ("signal", 128 + *signal as u8, 0, None),
            Result::Failed(text) => ("error", crate::FAILED, 0, Some(text.clone())),
        };
        if let Some(text) = &text {
            eprintln!("resilience: {}", crate::print::visible(text));
        }
        let status =
            json!({ "schema": 1, "result": word, "code": code, "attempts": attempts, "message": text });
        if let Some(file) = &self.status_file
            && let Err(error) = std::fs::write(file, format!("{status}\n"))
        {
            eprintln!("resilience: {}: {error}", file.display());
        }
        code
    }
}
