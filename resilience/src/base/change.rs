//! Values from a configuration: what a file or a variable says of one setting, until its policy has judged it.
//!
//! A file has typed values and a variable has text, so the same duration is `"2s"` in the one and `2s` in the other.
//! Both become a [`Value`] of the kind that the table of the policy asks for; ranges are judged by the policy itself.

use super::forms::Bytes;
use super::setting::{Complaint, InvalidPolicy, Kind, Setting, Source, Table, Value};
use super::settings::{Settings, Time};
use std::any::Any;

/// A value as it is written.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq)]
pub enum Raw {
    /// A whole number.
    Integer(i64),
    /// A number with a point.
    Float(f64),
    /// Yes or no.
    Switch(bool),
    /// A text.
    Text(String),
    /// The value of a variable, which has no type.
    Variable(String),
    /// Something that no setting takes, in words: "an array".
    Other(&'static str),
}

/// The value of a configuration for one setting.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The setting.
    pub name: String,
    /// The value.
    pub raw: Raw,
    /// The place of the value.
    pub source: Source,
}

/// The mistake in one value.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq)]
pub struct Mistake {
    /// The value's place.
    pub source: Source,
    /// The mistake, in a sentence.
    pub reason: String,
    /// What makes the value wrong.
    pub cause: Cause,
}

/// The reason why a value is wrong.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The value itself, wherever it is used.
    Value,
    /// The code of the function: the setting cannot change there.
    Code,
    /// Other values of the policy: it contradicts them.
    OtherValues,
}

/// The settings of a policy with changes, in the type that it uses for a call; or all that is wrong with them.
pub(crate) type Changed = Result<Box<dyn Any + Send + Sync>, Vec<Mistake>>;

impl<C: Table> Settings<C> {
    /// Returns these settings with `changes`, each judged alone; settings for which `fixed` returns a reason are
    /// refused.
    pub(crate) fn changed(
        mut self,
        changes: &[Change],
        fixed: impl Fn(&str) -> Option<&'static str>,
    ) -> Result<Self, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        for change in changes {
            if let Some(reason) = fixed(&change.name) {
                let reason = format!("`{}` cannot change while the program runs: {reason}", change.name);
                mistakes.push(Mistake { source: change.source.clone(), reason, cause: Cause::Code });
            } else if let Err(reason) = self.change(change) {
                mistakes.push(Mistake { source: change.source.clone(), reason, cause: Cause::Value });
            }
        }
        if mistakes.is_empty() { Ok(self) } else { Err(mistakes) }
    }

    /// Sets one setting and its bit. A value of the wrong kind and a value out of range have different messages:
    /// the first says what the setting takes, the second is the policy's own.
    fn change(&mut self, change: &Change) -> Result<(), String> {
        let mut rows = C::ROWS.iter().zip(C::TAKES).enumerate();
        let Some((place, (row, takes))) = rows.find(|(_, (row, _))| row.name == change.name) else {
            return Err(format!("there is no setting `{}`", change.name));
        };
        let unlike = || format!("`{}` takes {takes}, and this is {}", row.name, change.raw.described());
        let value = change.raw.read(row).ok_or_else(unlike)?;
        let is_kind = |invalid: &InvalidPolicy| !invalid.message().ends_with("has values of another kind");
        self.config
            .set_by_name(row.name, value)
            .map_err(|invalid| if is_kind(&invalid) { invalid.to_string() } else { unlike() })?;
        self.set |= 1 << place;
        Ok(())
    }
}

/// Returns `settings` with `changes`, judged alone and together: the config, as a policy uses it.
pub(crate) fn judged<C: Table + Send + Sync + 'static>(
    settings: Settings<C>,
    changes: &[Change],
    fixed: impl Fn(&str) -> Option<&'static str>,
) -> Changed {
    let config = settings.changed(changes, fixed)?.config;
    together(config.judge(), changes)?;
    Ok(Box::new(config))
}

/// Judges changed settings together: the mistake is reported at the first value that was changed.
pub(crate) fn together(complaint: Complaint, changes: &[Change]) -> Result<(), Vec<Mistake>> {
    complain(complaint, changes, Cause::OtherValues)
}

/// Reports a mistake at the value of the setting that it names, or else at the first value that was changed.
fn complain(complaint: Complaint, changes: &[Change], cause: Cause) -> Result<(), Vec<Mistake>> {
    match (complaint, changes.first()) {
        (Some(reason), Some(first)) => {
            // The sentence names a setting: its value is where a person looks.
            let named = |change: &&Change| reason.contains(&format!("`{}`", change.name));
            let source = changes.iter().find(named).unwrap_or(first).source.clone();
            Err(vec![Mistake { source, reason: reason.to_owned(), cause }])
        }
        _ => Ok(()),
    }
}

impl Raw {
    /// Describes the value in words; a text is cut, since it may be anything.
    pub(crate) fn described(&self) -> String {
        let cut = |text: &String| {
            let short: String = text.chars().take(40).collect();
            if short.len() < text.len() { format!("{short:?}..") } else { format!("{short:?}") }
        };
        match self {
            Self::Integer(number) => number.to_string(),
            Self::Float(number) => format!("{number:?}"),
            Self::Switch(is_on) => is_on.to_string(),
            Self::Text(text) | Self::Variable(text) => cut(text),
            Self::Other(what) => (*what).to_owned(),
        }
    }

    /// Returns whether the value switches something on or off.
    pub(crate) fn switch(&self) -> Option<bool> {
        match self {
            Self::Switch(is_on) => Some(*is_on),
            Self::Variable(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// Returns the value in the kind of `row`; `None` if it is of another kind.
    fn read(&self, row: &Setting) -> Option<Value> {
        if let Self::Text(text) | Self::Variable(text) = self
            && text == "off"
            && row.default == "off"
        {
            return Some(Value::Off);
        }
        match row.kind {
            Kind::Count => self.whole().map(Value::Count),
            Kind::Factor => self.number().map(Value::Factor),
            Kind::Ratio => self.number().or_else(|| percent(self.text()?)).map(Value::Ratio),
            Kind::Time => self.text().map(|text| match time(text) {
                Some(time) => time,
                None => Value::Word(text.to_owned().into()),
            }),
            Kind::Bytes => match self.text() {
                Some(text) => Bytes::read(&digits_of(text)?).map(|bytes| Value::Bytes(bytes as u64)),
                None => self.whole().map(Value::Bytes),
            },
            Kind::Switch => self.switch().map(Value::Switch),
            Kind::Word => self.number().map(Value::Factor).or_else(|| self.text().map(word)),
        }
    }

    /// Returns the text that a person wrote; a variable always is one.
    fn text(&self) -> Option<&str> {
        if let Self::Text(text) | Self::Variable(text) = self { Some(text) } else { None }
    }

    /// Returns a whole number; `-1`, `+1` and `1.0` are none.
    fn whole(&self) -> Option<u64> {
        match self {
            Self::Integer(number) => u64::try_from(*number).ok(),
            Self::Variable(text) => digits_of(text)?.parse().ok(),
            _ => None,
        }
    }

    /// Returns any number. `inf` and `nan`, which Rust reads as numbers, begin with no digit.
    fn number(&self) -> Option<f64> {
        match self {
            Self::Integer(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            Self::Variable(text) => digits_of(text)?.parse().ok(),
            _ => None,
        }
    }
}

/// Returns a text that begins with a digit, without the `_` between digits, which TOML and Rust allow.
///
/// It keeps out what the parsers of numbers take beside digits: signs, `inf`, `nan`.
fn digits_of(text: &str) -> Option<String> {
    let is_digit = |at: usize| text.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
    let is_kept = |(at, c): &(usize, char)| *c != '_' || !is_digit(at - 1) || !is_digit(at + 1);
    is_digit(0).then(|| text.char_indices().filter(is_kept).map(|(_, c)| c).collect())
}

/// Reads a duration by the same parser that reads the defaults of the tables.
fn time(text: &str) -> Option<Value> {
    Time::read(&digits_of(text)?).map(Value::Time)
}

/// Reads `50%` as `0.5`; the policy judges whether it is at most 1.
fn percent(text: &str) -> Option<f64> {
    let share: f64 = digits_of(text)?.strip_suffix('%')?.parse().ok()?;
    Some(share / 100.0)
}

/// Reads a word, or a range of two factors.
fn word(text: &str) -> Value {
    let range = text.split_once("..").and_then(|(low, high)| {
        Some(Value::Range(digits_of(low)?.parse().ok()?, digits_of(high)?.parse().ok()?))
    });
    range.unwrap_or_else(|| Value::Word(text.to_owned().into()))
}
