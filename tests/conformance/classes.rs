//! `do: classify`: what the library makes of an error from elsewhere.

use crate::failure::category;
use crate::fields::{Fields, Refusal, unknown};
use crate::scenario::Scenario;
use crate::seen::Seen;
use resilience::Category;
use resilience::classify::{self, from_text, retry_after};
use std::io::ErrorKind;
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) fn classify(scenario: &Scenario, fields: &mut Fields) -> Result<Seen, Refusal> {
    let mut config = Fields::of("classify", scenario.setting(&["classify"]))?;
    let preset = config.word("preset")?;
    let now = moment(config.word("now")?)?;
    config.finish()?;
    let Some(mut error) = fields.object("error")? else { return unknown("an error that is no object") };
    let asked = error.words("retry_after")?.and_then(|header| retry_after(&header.concat(), now));
    let category = match (preset.as_deref(), error.count("http_status")?) {
        (Some("http"), Some(status)) => match u16::try_from(status) {
            Ok(status) => Category::from_status(status),
            Err(_) => return unknown(format!("an HTTP status of {status}")),
        },
        _ => other(&mut error)?,
    };
    error.finish()?;
    Ok(Seen {
        category: Some(category),
        retry_after: Some(asked.map(crate::stage::millis)),
        ..Seen::of(String::new())
    })
}

fn other(error: &mut Fields) -> Result<Category, Refusal> {
    if let Some(kind) = error.word("kind")? {
        return match (category(&kind), io_kind(&kind)) {
            (Category::Unknown, Some(kind)) => Ok(classify::of(&std::io::Error::from(kind)).category),
            (Category::Unknown, None) if kind != "unknown" => unknown(format!("the kind of error `{kind}`")),
            (category, _) => Ok(category),
        };
    }
    for key in ["io", "io_kind"] {
        if let Some(word) = error.word(key)? {
            return match io_kind(&word) {
                Some(kind) => Ok(classify::of(&std::io::Error::from(kind)).category),
                None => unknown(format!("the kind of I/O error `{word}`")),
            };
        }
    }
    for key in ["message", "text"] {
        if let Some(text) = error.word(key)? {
            return Ok(from_text(&text).category);
        }
    }
    unknown("an error that is neither a status, nor a kind, nor a message")
}

/// The kind of I/O error that a word names: `connection_reset`, `ConnectionReset` or `io:connection_reset`.
fn io_kind(word: &str) -> Option<ErrorKind> {
    use ErrorKind::*;
    let all = [
        NotFound,
        PermissionDenied,
        ConnectionRefused,
        ConnectionReset,
        HostUnreachable,
        NetworkUnreachable,
        ConnectionAborted,
        NotConnected,
        AddrInUse,
        AddrNotAvailable,
        NetworkDown,
        BrokenPipe,
        AlreadyExists,
        WouldBlock,
        InvalidInput,
        InvalidData,
        TimedOut,
        WriteZero,
        StorageFull,
        QuotaExceeded,
        ResourceBusy,
        Deadlock,
        Interrupted,
        Unsupported,
        UnexpectedEof,
        OutOfMemory,
    ];
    let plain = |word: &str| word.trim_start_matches("io:").replace('_', "").to_lowercase();
    all.into_iter().find(|kind| plain(&format!("{kind:?}")) == plain(word))
}

/// The time of day that the scenario names; without one, the present.
fn moment(date: Option<String>) -> Result<SystemTime, Refusal> {
    let Some(date) = date else { return Ok(SystemTime::now()) };
    match retry_after(&date, UNIX_EPOCH) {
        Some(since) => Ok(UNIX_EPOCH + since),
        None => unknown(format!("the date `{date}`")),
    }
}
