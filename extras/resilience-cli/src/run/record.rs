//! What a checkpoint records of a command, and printing it again.

use super::report::Result as Ended;
use super::{Attempted, Run};
use crate::args::{Place, Recorded as What};
use crate::state;
use resilience::{Category, Classification, Classify, Rejected};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;

/// How much output a record holds.
pub(super) const RECORDED: u64 = 1 << 20;

/// Why no result was recorded.
#[derive(Debug)]
pub(super) enum NotRecorded {
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
pub(super) struct Record {
    pub(super) command: Vec<String>,
    dir: String,
    output: Option<Written>,
}

/// What a command wrote, readable where it is text.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Written {
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

impl Run<'_> {
    /// Makes the attempts, and what is to be recorded of one that succeeded. Its output has been printed then.
    pub(super) async fn record(&self) -> Result<Record, NotRecorded> {
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
    pub(super) fn check(&self, key: &str, record: &Record, has_run: bool) -> Result<Ended, crate::Failure> {
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
}

pub(super) fn open(place: &Place) -> Result<resilience::durable::SqliteStore, crate::Failure> {
    let state = state::of_run(place)?;
    Ok(resilience::durable::SqliteStore::open(&state.dir)
        .map_err(|error| format!("{}: {error}", state.dir.display()))?)
}

pub(super) fn words(command: &[OsString]) -> Vec<String> {
    command.iter().map(|word| word.to_string_lossy().into_owned()).collect()
}

fn here() -> String {
    std::env::current_dir().map(|dir| dir.display().to_string()).unwrap_or_default()
}
