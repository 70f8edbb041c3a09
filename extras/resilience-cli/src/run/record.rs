//! The record of a command in a checkpoint, and printing it again.

use super::end::AttemptEnd;
use super::hold::inherited;
use super::report::Result as Ended;
use super::{Attempted, Run};
use crate::args::{Recorded as What, StateOptions};
use crate::{Failure, print, state};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use resilience::durable::{Checkpoint, CheckpointConfig, CheckpointError, SqliteStore, use_store};
use resilience::fs::{FileLock, Holder, LockError, LockGuard};
use resilience::{Category, Classification, Classify, Rejected, lock};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::cell::Cell;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;
use std::time::Duration;

/// The function to which the records of `run` belong.
const STEP: &str = "shell::run";

/// The most bytes of output in a record; how many fit depends on what they are.
const RECORDED: u64 = 1 << 20;
const TOO_LARGE: &str = "the command succeeded, but its output is too large for a record, and was not recorded: write \
                         --checkpoint-output none";

/// The checkpoint of a run.
pub(super) struct RunCheckpoint {
    key: String,
    /// Held while the command works, which inherits it. The lease in the store ends with this process.
    lock: FileLock,
}

impl RunCheckpoint {
    /// Opens the store of the checkpoint with this key.
    pub(super) fn open(key: &str, place: &StateOptions) -> Result<Self, Failure> {
        let state = state::of_run(place)?;
        state::warn_of_owner(&state.dir);
        let store =
            SqliteStore::open(&state.dir).map_err(|error| format!("{}: {error}", state.dir.display()))?;
        use_store(Arc::new(store));
        let lock = lock::in_dir(state.dir.join("locks"), format!("checkpoint:{key}"));
        Ok(Self { key: key.to_owned(), lock })
    }
}

/// The reason why no result was recorded.
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

/// The record of a checkpoint: the command and its output.
#[derive(Debug, Deserialize, Serialize)]
struct Record {
    command: Vec<ArgumentText>,
    dir: ArgumentText,
    output: Option<Written>,
}

/// An argument or a path, exactly, and readable where it is text.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(untagged)]
enum ArgumentText {
    Text(String),
    Bytes(Vec<u8>),
}

impl From<&OsStr> for ArgumentText {
    fn from(word: &OsStr) -> Self {
        word.to_str()
            .map_or_else(|| Self::Bytes(word.as_bytes().to_owned()), |text| Self::Text(text.to_owned()))
    }
}

impl fmt::Display for ArgumentText {
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

/// The output of a command: readable text, unless that takes more room than the other form.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Written {
    Text(String),
    Base64(String),
    /// As the first release wrote it: each byte as a number.
    Bytes(Vec<u8>),
}

impl Written {
    fn of(bytes: Vec<u8>) -> Self {
        let encoded = BASE64_STANDARD.encode(&bytes);
        let length = |text: &str| serde_json::to_vec(text).map_or(usize::MAX, |json| json.len());
        match String::from_utf8(bytes) {
            Ok(text) if length(&text) <= encoded.len().max(64) => Self::Text(text),
            _ => Self::Base64(encoded),
        }
    }

    /// Returns the bytes; `None` if the record is damaged.
    fn bytes(&self) -> Option<Cow<'_, [u8]>> {
        match self {
            Self::Text(text) => Some(text.as_bytes().into()),
            Self::Base64(text) => BASE64_STANDARD.decode(text).ok().map(Cow::Owned),
            Self::Bytes(bytes) => Some(bytes.into()),
        }
    }
}

impl Run<'_> {
    /// Returns the recorded result, or makes the attempts.
    pub(super) async fn recorded(&self) -> Result<Ended, Failure> {
        let Some(RunCheckpoint { key, lock }) = &self.checkpoint else {
            let attempted = self.attempts(true).await;
            return self.fall_back(attempted).await;
        };
        let has_run = Cell::new(false);
        let body = async || {
            has_run.set(true);
            self.record(key, lock).await
        };
        self.waits.begin(format!("waiting for the checkpoint {key}"));
        let config = CheckpointConfig { wait: self.wait_for_checkpoint(), ..CheckpointConfig::default() };
        let checkpoint = Checkpoint::try_new(STEP, config)?;
        let record: Result<Record, NotRecorded> = checkpoint.call_async(key, body).await;
        match record {
            Ok(record) => self.check(key, &record, has_run.get()).await,
            Err(NotRecorded::Failed(attempted)) => self.fall_back(*attempted).await,
            Err(NotRecorded::TooLarge) => Ok(Ended::Failed(TOO_LARGE.to_owned())),
            Err(NotRecorded::Rejected(rejected)) => {
                // The command has run, and what it wrote is not lost.
                if let Some(output) = self.last.take() {
                    output.pass_on().await?;
                }
                Ok(self.rejected(&rejected).ended())
            }
        }
    }

    /// Returns the end of a run whose checkpoint has refused to begin or to record it.
    fn rejected(&self, rejected: &Rejected) -> AttemptEnd {
        match rejected {
            Rejected::Checkpoint(error) => match **error {
                CheckpointError::TooLarge { .. } => AttemptEnd::Failed(TOO_LARGE.to_owned()),
                CheckpointError::Busy { .. } => self.lock_timed_out(rejected.to_string()),
                _ => AttemptEnd::Failed(rejected.to_string()),
            },
            _ => AttemptEnd::Failed(rejected.to_string()),
        }
    }

    fn wait_for_checkpoint(&self) -> Duration {
        if self.is_nested() {
            return Duration::ZERO;
        }
        self.left().unwrap_or(CheckpointConfig::default().wait)
    }

    /// Returns the end of a run that has waited too long for another process with its checkpoint.
    fn lock_timed_out(&self, text: String) -> AttemptEnd {
        match self.args.total_timeout {
            _ if self.is_nested() => self.busy(&text),
            Some(_) => AttemptEnd::OutOfTime { was_killed: false },
            None => AttemptEnd::Failed(text),
        }
    }

    /// Waits until no command works for this checkpoint whose run was killed.
    async fn alone(&self, key: &str, lock: &FileLock) -> Result<LockGuard, AttemptEnd> {
        let taken = lock.clone().wait(self.wait_for_checkpoint()).acquire_async().await;
        taken.map_err(|error| match error {
            LockError::Timeout { holders, .. } => {
                let holders: Vec<_> = holders.iter().map(Holder::to_string).collect();
                let holders =
                    if holders.is_empty() { "another process".to_owned() } else { holders.join(", ") };
                self.lock_timed_out(format!("step `{key}` of `{STEP}` is being done by {holders}"))
            }
            error => AttemptEnd::Failed(error.to_string()),
        })
    }

    /// Makes the attempts, and returns the record of one that succeeded. Its output is printed by
    /// [`check`](Self::check).
    async fn record(&self, key: &str, lock: &FileLock) -> Result<Record, NotRecorded> {
        let not_begun = |end| NotRecorded::Failed(Box::new(Attempted::never(end)));
        let lock = self.alone(key, lock).await.map_err(not_begun)?;
        let inherited =
            inherited([&lock]).map_err(|error| not_begun(AttemptEnd::Failed(error.to_string())))?;
        let attempted = self.attempts(false).await;
        drop(inherited);
        lock.unlock();
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
    async fn check(&self, key: &str, record: &Record, has_run: bool) -> Result<Ended, Failure> {
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
            (Some(output), _) => {
                let bytes = output.bytes().ok_or_else(|| format!("the record of `{key}` is damaged"))?;
                print::bytes(&bytes)?;
            }
            // It is not in the record, which is made also where it cannot be printed.
            (None, Some(output)) => output.pass_on().await?,
            (None, None) => {}
        }
        if !has_run {
            self.report.step(|| format!("`{key}` is recorded: the command does not run"));
        }
        Ok(if has_run { Ended::Code(0) } else { Ended::Recorded })
    }
}

fn words(command: &[OsString]) -> Vec<ArgumentText> {
    command.iter().map(|word| word.as_os_str().into()).collect()
}

/// Returns a command as one line of text.
pub(super) fn line(command: &[OsString]) -> String {
    joined(&words(command))
}

fn joined(words: &[ArgumentText]) -> String {
    words.iter().map(ArgumentText::to_string).collect::<Vec<_>>().join(" ")
}

fn here() -> ArgumentText {
    std::env::current_dir().unwrap_or_default().as_os_str().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records as each release wrote them.
    #[test]
    fn records_of_earlier_releases_are_read() {
        for (output, expected) in [
            ("null", None),
            (r#"{"text":"hi\n"}"#, Some(&b"hi\n"[..])),
            (r#"{"bytes":[0,255,10]}"#, Some(b"\x00\xff\n")),
            (r#"{"base64":"AP8K"}"#, Some(b"\x00\xff\n")),
        ] {
            let json = format!(r#"{{"command":["sh",[97,255]],"dir":"/","output":{output}}}"#);
            let record: Record = serde_json::from_str(&json).unwrap();
            assert_eq!(
                record.command,
                [ArgumentText::Text("sh".to_owned()), ArgumentText::Bytes(b"a\xff".to_vec())]
            );
            let bytes = record.output.as_ref().map(|output| output.bytes().unwrap());
            assert_eq!(bytes.as_deref(), expected, "{json}");
        }
        assert_eq!(Written::Base64("AP8".to_owned()).bytes(), None);
    }

    #[test]
    fn utf8_output_is_stored_as_text() {
        let json = |bytes: &[u8]| serde_json::to_string(&Written::of(bytes.to_vec())).unwrap();
        assert_eq!(json(b"\x1b[1mhi\n"), r#"{"text":"\u001b[1mhi\n"}"#);
        assert_eq!(json(b"\x00\xff\n"), r#"{"base64":"AP8K"}"#);
        assert!(json(&[1; 100]).len() < 150);
    }
}
