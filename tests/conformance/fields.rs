//! The fields of a JSON object, taken out one by one: what is left over was not understood.

use crate::gaps::Gap;
use resilience::policy::InvalidPolicy;
use serde_json::{Map, Value};
use std::time::Duration;

/// Why a configuration makes no stack of policies.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Refusal {
    /// No Rust type of a setting holds the number.
    Unwritable(String),
    /// A constructor of the library refuses the settings.
    Refused(String),
    /// The library, or this runner, has no such feature.
    Unsupported(Gap, String),
    /// The library failed where it must not.
    Broken(String),
}

pub(crate) fn lacks<T>(gap: Gap) -> Result<T, Refusal> {
    Err(Refusal::Unsupported(gap, gap.reason().to_owned()))
}

/// Something that the page about the format of scenarios does not name.
pub(crate) fn unknown<T>(what: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Unsupported(Gap::Format, what.into()))
}

fn unwritable<T>(reason: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Unwritable(reason.into()))
}

/// A policy, or the refusal of its constructor.
pub(crate) fn accepted<P>(made: Result<P, InvalidPolicy>) -> Result<P, Refusal> {
    made.map_err(|invalid| Refusal::Refused(invalid.message().to_owned()))
}

pub(crate) struct Fields {
    name: String,
    left: Map<String, Value>,
}

impl Fields {
    pub(crate) fn of(name: &str, value: &Value) -> Result<Self, Refusal> {
        match value {
            Value::Object(fields) => Ok(Self { name: name.to_owned(), left: fields.clone() }),
            _ => unknown(format!("`{name}` is not an object: {value}")),
        }
    }

    /// The field `key`; `null` is as good as left out.
    pub(crate) fn take(&mut self, key: &str) -> Option<Value> {
        self.left.remove(key).filter(|value| !value.is_null())
    }

    /// Whether `key` is there, `null` included.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.left.contains_key(key)
    }

    /// The names of all fields that were not read yet.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.left.iter().filter(|(_, value)| !value.is_null()).map(|(key, _)| key.as_str())
    }

    pub(crate) fn millis(&mut self, key: &str) -> Result<Option<Duration>, Refusal> {
        let Some(value) = self.take(key) else { return Ok(None) };
        match value.as_f64() {
            Some(ms) if ms < 0.0 => unwritable(format!("`{key}` is negative: no `Duration` holds it")),
            Some(ms) => match value.as_u64() {
                Some(whole) => Ok(Some(Duration::from_millis(whole))),
                None => match Duration::try_from_secs_f64(ms / 1000.0) {
                    Ok(wait) => Ok(Some(wait)),
                    Err(error) => unwritable(format!("`{key}`: {error}")),
                },
            },
            None => unwritable(format!("`{key}` is no number: {value}")),
        }
    }

    pub(crate) fn count(&mut self, key: &str) -> Result<Option<u32>, Refusal> {
        let Some(value) = self.take(key) else { return Ok(None) };
        match value.as_u64().and_then(|count| u32::try_from(count).ok()) {
            Some(count) => Ok(Some(count)),
            None => unwritable(format!("`{key}` is {value}: no `u32` holds it")),
        }
    }

    pub(crate) fn number(&mut self, key: &str) -> Result<Option<f64>, Refusal> {
        let Some(value) = self.take(key) else { return Ok(None) };
        match (value.as_f64(), value.as_str().map(str::parse)) {
            (Some(number), _) | (None, Some(Ok(number))) => Ok(Some(number)),
            _ => unwritable(format!("`{key}` is no number: {value}")),
        }
    }

    pub(crate) fn switch(&mut self, key: &str) -> Result<Option<bool>, Refusal> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Bool(on)) => Ok(Some(on)),
            Some(value) => unknown(format!("`{key}` is no switch: {value}")),
        }
    }

    pub(crate) fn word(&mut self, key: &str) -> Result<Option<String>, Refusal> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(word)) => Ok(Some(word)),
            Some(value) => unknown(format!("`{key}` is no word: {value}")),
        }
    }

    /// A word or a list of words; numbers and switches are spelled as JSON does.
    pub(crate) fn words(&mut self, key: &str) -> Result<Option<Vec<String>>, Refusal> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let all = match value {
            Value::Array(all) => all,
            one => vec![one],
        };
        let word = |value: Value| match value {
            Value::String(word) => Ok(word),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(on) => Ok(on.to_string()),
            other => unknown(format!("`{key}` is no list of words: {other}")),
        };
        all.into_iter().map(word).collect::<Result<_, _>>().map(Some)
    }

    pub(crate) fn object(&mut self, key: &str) -> Result<Option<Self>, Refusal> {
        self.take(key).map(|value| Self::of(&format!("{}.{key}", self.name), &value)).transpose()
    }

    /// Done: refuses what was not read.
    pub(crate) fn finish(self) -> Result<(), Refusal> {
        match self.names().next() {
            None => Ok(()),
            Some(key) => unknown(format!("the runner does not know the field `{key}` of `{}`", self.name)),
        }
    }
}
