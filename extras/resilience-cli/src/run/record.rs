//! The record of a command in a checkpoint, and printing it again.

use super::report::Result as Ended;
use super::{Attempted, Run};
use crate::args::{Place, Recorded as What};
use crate::{print, state};
use resilience::{Category, Classification, Classify, Rejected};
use serde::{Deserialize, Serialize};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;

/// The most bytes of output in a record.
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

/// The record of a checkpoint: the command and its output.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Record {
    command: Vec<Word>,
    dir: Word,
    output: Option<Written>,
}

/// An argument or a path, exactly, and readable where it is text.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(untagged)]
enum Word {
    Text(String),
    Bytes(Vec<u8>),
}

impl From<&OsStr> for Word {
    fn from(word: &OsStr) -> Self {
        word.to_str()
            .map_or_else(|| Self::Bytes(word.as_bytes().to_owned()), |text| Self::Text(text.to_owned()))
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(&print::visible(text)),
            Self::Bytes(bytes) => bytes.utf8_chunks().try_for_each(|chunk| {
                f.write_str(&print::visible(chunk.valid()))?;
                chunk.invalid().iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))
            }),
        }
    }
}

/// The output of a command, readable if it is text.
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
    /// Makes the attempts, and returns the record of one that succeeded. Its output has been printed then.
    pub(super) async fn record(&self) -> Result<Record, NotRecorded> {
        let attempted = self.attempts(false).await;
        if !attempted.end.is_success() {
            return Err(NotRecorded::Failed(Box::new(attempted)));
        }
        let output = match self.args.checkpoint_output {
            What::None => {
                self.last.replace(Some(attempted.output));
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
    pub(super) async fn check(
        &self,
        key: &str,
        record: &Record,
        has_run: bool,
    ) -> Result<Ended, crate::Failure> {
        let (command, dir) = (words(&self.args.command), here());
        if record.command != command || record.dir != dir {
            let (was, is) = if record.command == command {
                (record.dir.to_string(), dir.to_string())
            } else {
                (joined(&record.command), joined(&command))
            };
            return Ok(Ended::Failed(format!(
                "the checkpoint `{key}` was recorded for `{was}`, and this is `{is}`: use another key"
            )));
        }
        match (&record.output, self.last.take()) {
            (Some(output), _) => drop(print::bytes(output.bytes())?),
            // It is not in the record, which is made also where it cannot be printed.
            (None, Some(output)) => output.pass_on().await?,
            (None, None) => {}
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

fn words(command: &[OsString]) -> Vec<Word> {
    command.iter().map(|word| word.as_os_str().into()).collect()
}

/// Returns a command as one line of text.
pub(super) fn line(command: &[OsString]) -> String {
    joined(&words(command))
}

fn joined(words: &[Word]) -> String {
    words.iter().map(Word::to_string).collect::<Vec<_>>().join(" ")
}

fn here() -> Word {
    std::env::current_dir().unwrap_or_default().as_os_str().into()
}
