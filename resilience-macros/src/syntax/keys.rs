//! Reads the arguments of an attribute against its table of keys: every unknown, duplicated or foreign
//! word is reported on its own token, with the nearest name and the list.

pub(crate) use super::entries::{Entry, Value, checked_entries, entries, split};

use super::suggest::{hint, nearest};
use super::tokens::{open, readable};
use super::units::is_unit;
use crate::errors::Errors;
use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;

/// One key of an attribute.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// A value, for messages: `60s`, `3`, `|e| ..`. For a setting it is the default, if that is a value and does
    /// something: a factor, whose default of `1.0` does nothing, has another. The settings and their defaults are in
    /// the runtime's `config.rs`, with which `tests/settings.rs` compares it.
    pub(crate) example: &'static str,
    pub(crate) form: Form,
    /// The form in which the value is read, if the key is a setting of the policy.
    pub(crate) setting: Option<Setting>,
}

/// The form in which a key is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `key = value`, or `key` alone for a switch.
    Value,
    /// `key(item, ..)`.
    List,
    /// `key(item, ..)`, any number of times.
    Lists,
}

/// The form of the value of a setting. Its range and its meaning are in the policy's own table; the
/// bounds here are those of values that can be judged without evaluating them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    /// A whole number, at least this.
    Count(u32),
    /// A number, at least 1.
    Factor,
    /// A share of a whole, above 0 and up to 1.
    Ratio,
    /// A length of time.
    Time,
    /// A length of time that is not zero.
    Lasting,
    /// A length of time, at least this one.
    TimeFrom(&'static str),
    /// A number of bytes.
    Size,
    /// `true` or `false`.
    Switch,
    /// A switch that is off unless it is written.
    Flag,
    /// A value that the attribute itself reads.
    Own,
    /// The path of a function that is called with an event.
    Hook,
}

impl Key {
    /// Returns the message about the key without its value.
    pub(crate) fn needs_value(&self) -> String {
        let Self { name, example, .. } = self;
        let equals = if self.is_list() { "" } else { " = " };
        format!("`{name}` needs a value\nhelp: write `{name}{equals}{example}`")
    }

    /// Returns whether the value is a list in parentheses, without a `=`.
    pub(crate) fn is_list(&self) -> bool {
        self.form != Form::Value
    }
}

pub(crate) const fn key(name: &'static str, example: &'static str) -> Key {
    Key { name, example, form: Form::Value, setting: None }
}

/// Returns a key whose value is a list.
pub(crate) const fn list_key(name: &'static str, example: &'static str) -> Key {
    Key { name, example, form: Form::List, setting: None }
}

/// Returns a key whose value is a list, and which may be written several times.
pub(crate) const fn lists_key(name: &'static str, example: &'static str) -> Key {
    Key { name, example, form: Form::Lists, setting: None }
}

/// Returns a key that is a setting of the policy.
pub(crate) const fn setting(name: &'static str, example: &'static str, setting: Setting) -> Key {
    Key { name, example, form: Form::Value, setting: Some(setting) }
}

/// The keys that an attribute understands.
pub(crate) struct Spec {
    pub(crate) attr: &'static str,
    pub(crate) keys: &'static [Key],
    /// Words of other libraries, and what to write instead; see [`advice`].
    pub(crate) foreign: &'static [(&'static str, &'static str)],
    pub(crate) positional: Positional,
}

/// The values that an attribute takes without a key. A bare name there is the user's own, whatever its meaning in
/// other libraries; only the attribute's own keys come first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Positional {
    Nothing,
    /// A category: one word.
    Category,
    /// The key of a job or step: a template, or an expression over the arguments.
    Key,
    /// A function or a call of one.
    Function,
    /// A duration.
    Duration,
    /// A count.
    Count,
    /// The name of an argument.
    Argument,
    /// An argument and its values: `model = ["large", "small"]`.
    Values,
}

impl Positional {
    /// Returns whether `entry`, whose key the attribute does not have, is a value without a key.
    fn takes(self, entry: &Entry, spec: &Spec) -> bool {
        match (&entry.value, self) {
            (_, Self::Nothing | Self::Values)
            | (Value::Given(_), _)
            | (Value::List(_), Self::Category | Self::Argument) => false,
            (Value::Bare(_), _)
            | (Value::List(_), Self::Function)
            | (Value::Word, Self::Category | Self::Argument | Self::Key | Self::Function) => true,
            (Value::List(_), Self::Key | Self::Duration | Self::Count) => spec.foreign(entry).is_none(),
            // A constant is rarely in lower case, and a misspelt switch always is.
            (Value::Word, Self::Duration | Self::Count) => entry.key.as_ref().is_none_or(|word| {
                let word = word.to_string();
                word.chars().any(char::is_uppercase) || hint(&word, &spec.names()).is_empty()
            }),
        }
    }

    /// Returns whether `entry` has the form in which one of `arguments` is named. No key has that form, except for
    /// switches.
    fn is_argument(self, entry: &Entry, arguments: &[Ident]) -> bool {
        let has_form = match (self, &entry.value) {
            (Self::Argument, Value::Word) => true,
            (Self::Values, Value::Given(value)) => starts_with_bracket(value),
            _ => false,
        };
        has_form && entry.key.as_ref().is_some_and(|key| arguments.contains(key))
    }

    /// Returns how to write a value that is called like one of the keys.
    fn instead_of_key(self, word: &str) -> Option<String> {
        match self {
            Self::Nothing | Self::Category | Self::Argument | Self::Values => None,
            Self::Key => Some(format!("for the argument `{word}`, write `\"{{{word}}}\"`")),
            Self::Function => Some(format!("for the function `{word}`, write `self::{word}`")),
            Self::Duration | Self::Count => Some(format!("for the constant `{word}`, write `self::{word}`")),
        }
    }
}

impl Spec {
    /// Returns the names of all keys, the shared ones included.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.keys.iter().chain(SHARED).map(|key| key.name).collect()
    }

    /// Returns the key called `name`, which may be a shared one.
    fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().chain(SHARED).find(|key| key.name == name)
    }

    /// Returns the keys that are settings of the policy.
    pub(crate) fn settings(&self) -> impl Iterator<Item = (&'static Key, Setting)> {
        self.keys.iter().filter_map(|key| Some((key, key.setting?)))
    }

    /// Returns whether one of `entries` is a value without a key.
    fn has_positional(&self, entries: &[Entry]) -> bool {
        let names = self.names();
        let is_key = |entry: &Entry| names.iter().any(|name| entry.is(name));
        entries.iter().any(|entry| !is_key(entry) && self.positional.takes(entry, self))
    }

    /// Marks the entries that name one of `arguments`, and no key.
    pub(crate) fn mark_arguments(&self, entries: &mut [Entry], arguments: &[Ident]) {
        if self.has_positional(entries) {
            return;
        }
        for entry in entries {
            entry.is_argument = self.positional.is_argument(entry, arguments);
        }
    }

    /// Returns what to write instead of the entry's key, if that is a word of another library.
    pub(crate) fn foreign(&self, entry: &Entry) -> Option<&'static str> {
        self.foreign.iter().find(|(word, _)| entry.is(word)).map(|(_, advice)| *advice)
    }

    /// Returns whether one of `entries` has a word of another library whose advice is in `advices`.
    pub(crate) fn names_any(&self, entries: &[Entry], advices: &[&str]) -> bool {
        entries.iter().filter_map(|entry| self.foreign(entry)).any(|advice| advices.contains(&advice))
    }

    /// Returns the message about one of the keys, shared ones included, that has no value where a value without a
    /// key may be meant: among `entries` there is no other.
    pub(crate) fn lacks_value(&self, entry: &Entry, entries: &[Entry]) -> Option<String> {
        let Value::Word = entry.value else { return None };
        let key = self.key(&entry.key.as_ref()?.to_string())?;
        let is_switch = matches!(key.example, "true" | "false");
        if is_switch || self.has_positional(entries) {
            return None;
        }
        let instead = self.positional.instead_of_key(key.name)?;
        Some(format!("{}; {instead}", key.needs_value()))
    }
}

/// Keys about the function, not about one policy: written once, in any attribute of its stack.
pub(crate) const SHARED: &[Key] = &[
    key("name", "\"Type::function\""),
    key("classify", "path or |e| .."),
    key("rejected", "path or |r| .."),
    list_key("clone", "(argument, ..)"),
    key("when_ok", "|value| .."),
    list_key("context", "(name = expression, ..)"),
    key("timed", "true"),
    key("crate", "::path"),
];

/// The arguments of one attribute, being taken out key by key.
pub(crate) struct Reader<'a> {
    pub(crate) spec: &'a Spec,
    entries: Vec<Entry>,
    pub(crate) errors: &'a Errors,
}

impl<'a> Reader<'a> {
    /// Checks every key of an attribute against `spec`.
    pub(crate) fn new(spec: &'a Spec, entries: Vec<Entry>, errors: &'a Errors) -> Self {
        Self::read(&Table { spec, around: None }, entries, errors)
    }

    /// Checks every key of a list inside the attribute `around` against `spec`.
    pub(crate) fn inside(around: &'a Spec, spec: &'a Spec, entries: Vec<Entry>, errors: &'a Errors) -> Self {
        Self::read(&Table { spec, around: Some(around) }, entries, errors)
    }

    fn read(table: &Table<'a>, entries: Vec<Entry>, errors: &'a Errors) -> Self {
        let names = table.names();
        let mut kept: Vec<Entry> = Vec::new();
        let lacking: Vec<_> = entries.iter().map(|entry| table.spec.lacks_value(entry, &entries)).collect();
        for (entry, lacking) in entries.into_iter().zip(lacking) {
            let is_known = names.iter().any(|name| entry.is(name));
            if !is_known && table.spec.positional.takes(&entry, table.spec) {
                kept.push(entry);
                continue;
            }
            let Some(key) = entry.key.clone() else {
                errors.at_span(entry.span, table.unexpected_value(&entry));
                continue;
            };
            let name = key.to_string();
            if !is_known {
                errors.at_span(key.span(), table.unknown(&name, &entry.value));
            } else if let Some(words) = lacking {
                errors.at_span(key.span(), words);
            } else if !table.may_repeat(&name) && kept.iter().any(|other| other.is(&name)) {
                errors.at_span(key.span(), written_twice(&name));
            } else {
                kept.push(entry);
            }
        }
        Self { spec: table.spec, entries: kept, errors }
    }

    /// Takes the entry called `name`.
    pub(crate) fn take(&mut self, name: &str) -> Option<Entry> {
        let at = self.entries.iter().position(|entry| entry.is(name))?;
        Some(self.entries.remove(at))
    }

    /// Returns the value of the entry called `name`, which is not taken.
    pub(crate) fn peek(&self, name: &str) -> Option<&Value> {
        self.entries.iter().find(|entry| entry.is(name)).map(|entry| &entry.value)
    }

    /// Returns where the entry called `name` is, if there is one that was not taken yet.
    pub(crate) fn span_of(&self, name: &str) -> Option<Span> {
        self.entries.iter().find(|entry| entry.is(name)).map(|entry| entry.span)
    }

    /// Returns whether one of the keys `names` is written and was not taken yet.
    pub(crate) fn has_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.span_of(name).is_some())
    }

    /// Returns the key of the entry called `name`, if there is one that was not taken yet.
    pub(crate) fn key_of(&self, name: &str) -> Option<TokenStream> {
        self.entries.iter().find(|entry| entry.is(name)).map(|entry| entry.key.to_token_stream())
    }

    /// Takes every entry called `name`.
    pub(crate) fn take_all(&mut self, name: &str) -> Vec<Entry> {
        std::iter::from_fn(|| self.take(name)).collect()
    }

    /// Returns whether there is anything that was not taken yet.
    pub(crate) const fn has_rest(&self) -> bool {
        !self.entries.is_empty()
    }

    /// Returns the message about the key of `entry`, which the attribute does not have.
    pub(crate) fn unknown(&self, key: &Ident, entry: &Entry) -> String {
        Table { spec: self.spec, around: None }.unknown(&key.to_string(), &entry.value)
    }

    /// Returns everything that was not taken yet, in order.
    pub(crate) fn rest(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.entries)
    }

    /// Takes the value of `key = value` and reads it with `read`; mistakes are reported.
    pub(crate) fn value<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(TokenStream) -> syn::Result<T>,
    ) -> Option<T> {
        let entry = self.take(name)?;
        match entry.value {
            Value::Given(tokens) if !tokens.is_empty() => match read(tokens) {
                Ok(value) => Some(value),
                Err(error) => {
                    self.errors.push(error);
                    None
                }
            },
            _ => {
                if let Some(key) = self.spec.key(name) {
                    self.errors.at_span(entry.span, key.needs_value());
                }
                None
            }
        }
    }

    /// Takes a switch: `key`, `key = true` or `key = false`.
    pub(crate) fn switch(&mut self, name: &str) -> Option<bool> {
        let entry = self.take(name)?;
        self.errors.ok(entry.switch())
    }
}

/// The keys that are valid in one place.
struct Table<'a> {
    spec: &'a Spec,
    /// The attribute around the place, whose own keys are written beside it.
    around: Option<&'a Spec>,
}

impl Table<'_> {
    fn names(&self) -> Vec<&'static str> {
        let shared = if self.around.is_some() { &[] } else { SHARED };
        self.spec.keys.iter().chain(shared).map(|key| key.name).collect()
    }

    fn list(&self) -> String {
        let names: Vec<_> = self.names().iter().map(|name| format!("`{name}`")).collect();
        names.join(", ")
    }

    fn may_repeat(&self, name: &str) -> bool {
        self.spec.key(name).is_some_and(|key| key.form == Form::Lists)
    }

    fn is_around(&self, name: &str) -> bool {
        self.around.is_some_and(|around| around.keys.iter().chain(SHARED).any(|key| key.name == name))
    }

    fn unknown(&self, name: &str, value: &Value) -> String {
        let wrong = format!("`{}` has no key `{name}`", self.spec.attr);
        let help = |word: &str, text: &str| format!("{wrong}\nhelp: {}", advice(word, text, value));
        if let Some((word, text)) = self.spec.foreign.iter().find(|(word, _)| *word == name) {
            return help(word, text);
        }
        if self.is_around(name) {
            return format!("{wrong}\nhelp: write it beside `{}`\nkeys: {}", self.spec.attr, self.list());
        }
        // If two are equally near, the attribute's own comes first.
        let words = self.names().into_iter().chain(self.spec.foreign.iter().map(|(word, _)| *word));
        let near = nearest(name, &words.collect::<Vec<_>>());
        match near.and_then(|near| self.spec.foreign.iter().find(|(word, _)| *word == near)) {
            Some((word, text)) => help(word, text),
            None => format!("{wrong}{}\nkeys: {}", hint(name, &self.names()), self.list()),
        }
    }

    fn unexpected_value(&self, entry: &Entry) -> String {
        let wrong = format!("expected `key = value` in `{}`", self.spec.attr);
        if let Some((name, value)) = other_sign(&entry.tokens())
            && self.names().iter().any(|key| name == *key)
        {
            return format!("{wrong}\nhelp: write `{name} = {value}`");
        }
        let value = readable(&entry.tokens());
        // The first key is the one that the attribute is written for.
        match self.spec.keys.first() {
            Some(key) if form_of(&value).is_some_and(|form| form_of(key.example) == Some(form)) => {
                format!("{wrong}\nhelp: write `{} = {value}`", key.name)
            }
            _ => format!("{wrong}\nkeys: {}", self.list()),
        }
    }
}

/// Returns the name and the value of `name: value`, `name => value`, `name == value` or `name value`.
fn other_sign(tokens: &TokenStream) -> Option<(String, String)> {
    let written = readable(tokens);
    let (name, rest) = written.split_at(written.find(|c: char| !c.is_alphanumeric() && c != '_')?);
    let rest = rest.trim_start();
    let value = ["=>", "==", ":"].iter().find_map(|sign| rest.strip_prefix(sign)).unwrap_or(rest);
    let is_path = rest.starts_with("::");
    (!is_path && !value.is_empty()).then(|| (name.to_owned(), value.trim_start().to_owned()))
}

/// Returns what follows the digits of a number: nothing, a percent sign, or the same word for all units of time.
fn form_of(value: &str) -> Option<&str> {
    let rest = value.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '_');
    let has_digits = value.starts_with(|c: char| c.is_ascii_digit());
    has_digits.then(|| if is_unit(rest) { "s" } else { rest })
}

pub(crate) fn starts_with_bracket(value: &TokenStream) -> bool {
    let first = open(value.clone()).into_iter().next();
    matches!(first, Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Bracket)
}

/// Returns the message about a second `name` in a list.
pub(crate) fn written_twice(name: &str) -> String {
    format!("`{name}` is written twice\nhelp: remove one of the two")
}

/// Returns the text of a foreign word, with the user's own value in it: `<3>` is the value where it is of the same
/// kind and `3` otherwise, and `<3-1>` is one less.
fn advice(word: &str, text: &str, value: &Value) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, (example, after))) =
        rest.split_once('<').and_then(|(before, rest)| Some((before, rest.split_once('>')?)))
    {
        out += before;
        out += &own_value(word, example, value).unwrap_or_else(|| match example.strip_suffix("-1") {
            Some(number) => minus_one(number).unwrap_or_default(),
            None => example.to_owned(),
        });
        rest = after;
    }
    out + rest
}

/// Returns the value as it would be written in place of `example`.
fn own_value(word: &str, example: &str, value: &Value) -> Option<String> {
    let Value::Given(tokens) = value else { return None };
    let mut tokens = open(tokens.clone()).into_iter();
    let (Some(TokenTree::Literal(literal)), None) = (tokens.next(), tokens.next()) else { return None };
    let value = literal.to_string();
    let digits = value.trim_end_matches(|c: char| c.is_alphabetic());
    let is_number = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
    let (is_whole, unit) = (!digits.contains('.'), &value[digits.len()..]);
    if !is_number {
        return None;
    }
    if let Some(number) = example.strip_suffix("-1") {
        return minus_one(digits).filter(|_| unit.is_empty() && !number.is_empty());
    }
    let has_unit = example.ends_with(|c: char| c.is_alphabetic());
    match (has_unit, unit) {
        (true, "") => {
            let units =
                [("_ms", "ms"), ("_millis", "ms"), ("_secs", "s"), ("_seconds", "s"), ("seconds", "s")];
            let (_, unit) = units.iter().find(|(end, _)| word.ends_with(end))?;
            Some(format!("{digits}{unit}"))
        }
        (true, _) => is_unit(unit).then_some(value),
        (false, "") if is_whole || example.contains('.') => Some(value),
        (false, _) => None,
    }
}

fn minus_one(number: &str) -> Option<String> {
    number.parse::<u32>().ok()?.checked_sub(1).map(|less| less.to_string())
}
