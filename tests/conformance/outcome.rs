//! What one run of the protected function does, as scenarios write it: `slow:100ms+err:app(broken pipe)`.

use crate::failure::AppError;
use std::time::Duration;

/// One run of the protected function.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// Returns this value: `ok`, or `ok:<value>`.
    Ok(String),
    Err(AppError),
    Panic,
    /// Ends only when it is dropped.
    Hang,
    Slow(Duration, Box<Outcome>),
    /// The process goes away: only in the steps of a run.
    Crash,
}

impl Outcome {
    /// Reads one outcome.
    ///
    /// # Errors
    ///
    /// The words that are not understood.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let unknown = || format!("the outcome `{text}` is not understood");
        if text == "ok" || text.starts_with("ok:") {
            return Ok(Self::Ok(text.to_owned()));
        }
        if let Some(error) = text.strip_prefix("err:") {
            return AppError::parse(error).map(Self::Err).ok_or_else(unknown);
        }
        if let Some(slow) = text.strip_prefix("slow:") {
            let (wait, then) = slow.split_once('+').unwrap_or((slow, "ok"));
            let wait = millis(wait).ok_or_else(unknown)?;
            return Ok(Self::Slow(wait, Box::new(Self::parse(then)?)));
        }
        match text {
            "panic" => Ok(Self::Panic),
            "hang" => Ok(Self::Hang),
            "crash" => Ok(Self::Crash),
            _ => Err(unknown()),
        }
    }

    /// Reads one outcome or a list of them.
    pub(crate) fn parse_all(value: &serde_json::Value) -> Result<Vec<Self>, String> {
        let all = match value {
            serde_json::Value::Array(all) => all.iter().collect(),
            one => vec![one],
        };
        let parse = |value: &serde_json::Value| match value.as_str() {
            Some(text) => Self::parse(text),
            None => Err(format!("the outcome `{value}` is not understood")),
        };
        let all: Vec<Self> = all.into_iter().map(parse).collect::<Result<_, _>>()?;
        if all.is_empty() { Err("an empty list of outcomes".to_owned()) } else { Ok(all) }
    }

    /// What it comes to in the end, however slowly.
    pub(crate) fn end(&self) -> &Self {
        match self {
            Self::Slow(_, then) => then.end(),
            end => end,
        }
    }

    /// The error that it ends with, if it does.
    pub(crate) fn error(&self) -> Option<&AppError> {
        match self.end() {
            Self::Err(error) => Some(error),
            _ => None,
        }
    }
}

/// Reads `250ms`.
pub(crate) fn millis(text: &str) -> Option<Duration> {
    text.strip_suffix("ms")?.parse().ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> AppError {
        Outcome::parse(text).unwrap().error().unwrap().clone()
    }

    #[test]
    fn outcomes_are_parsed() {
        assert!(matches!(Outcome::parse("ok:a:b"), Ok(Outcome::Ok(value)) if value == "ok:a:b"));
        assert!(matches!(Outcome::parse("slow:20ms").unwrap().end(), Outcome::Ok(value) if value == "ok"));
        assert!(matches!(Outcome::parse("slow:20ms+slow:30ms+hang").unwrap().end(), Outcome::Hang));
        assert!(matches!(Outcome::parse("crash"), Ok(Outcome::Crash)));
        assert!(Outcome::parse("interrupt").is_err());
        assert!(Outcome::parse("slow:soon").is_err());
    }

    #[test]
    fn errors_are_parsed() {
        let wrapped = error("err:app(a > b)>connection@20ms");
        assert_eq!((wrapped.kind.as_str(), wrapped.content.as_deref()), ("app", Some("a > b")));
        let source = wrapped.source.unwrap();
        assert_eq!((source.kind.as_str(), source.wait), ("connection", Some(Duration::from_millis(20))));
        assert_eq!(error("slow:1ms+err:io").kind, "io");
        assert!(Outcome::parse("err:").is_err());
        assert!(Outcome::parse("err:a(b").is_err());
    }
}
