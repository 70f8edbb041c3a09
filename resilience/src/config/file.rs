//! Reading a configuration file: a whole, private, valid one, or an error with the line.
//!
//! The file can change what a program does, so it is held to more than a format: it must be a regular file, because
//! opening a pipe would wait; writable for its owner only; not empty, because an editor or a deployment that fails
//! leaves an empty file, which would silently mean "all defaults"; and at most 4 MiB. TOML is parsed with recovery, so
//! that all mistakes of its syntax are reported at once.

use super::entry::{
    ENABLED, Entry, Policy, PossibleMeaning, Selector, TIMED, Target, UnreadEntry, shortened, untimed,
};
use super::names::{Names, no_policy, not_a_table};
use super::report::ConfigError;
use crate::base::regular_file::open_to_read;
use crate::point::Raw;
use crate::settings::Source;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// More than any configuration has: a larger file is another one by mistake.
const LARGEST: u64 = 4 << 20;

/// Reads the file at `path` again, through symbolic links.
pub(super) fn content(path: &Arc<Path>) -> Result<String, ConfigError> {
    let whole = Source::File { path: path.clone(), line: 0 };
    let failed = |error: io::Error| ConfigError::new(&whole, format!("it cannot be read: {error}"));
    if !path.is_absolute() {
        let reason =
            "the path is relative, and the working directory may be anywhere: write an absolute path";
        return Err(ConfigError::new(&whole, reason));
    }
    let file = open_to_read(path).map_err(failed)?;
    if let Some(reason) = insecure(&file.metadata().map_err(failed)?) {
        return Err(ConfigError::new(&whole, reason));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        return Err(ConfigError::new(&whole, "it has more than 4 MiB"));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let lines = error.as_bytes().iter().take(valid).filter(|byte| **byte == b'\n').count();
        let source = Source::File { path: path.clone(), line: number(lines + 1) };
        ConfigError::new(&source, "it is not UTF-8 from here on")
    })?;
    if text.trim().is_empty() {
        return Err(ConfigError::new(
            &whole,
            "it is empty: remove it from the configuration, or write a comment",
        ));
    }
    Ok(text)
}

/// A hash that distinguishes the contents of a file, or the reasons why it cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Content(u64);

impl Content {
    pub(super) fn of(content: &Result<String, ConfigError>) -> Self {
        let mut hasher = DefaultHasher::new();
        match content {
            Ok(text) => text.hash(&mut hasher),
            Err(error) => error.reason.hash(&mut hasher),
        }
        Self(hasher.finish())
    }
}

/// Returns the content of the file at `path`; `None` where there is no file.
pub(super) fn look(path: &Arc<Path>) -> Option<Content> {
    let is_missing = || std::fs::metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
    let content = content(path);
    if content.is_err() && is_missing() { None } else { Some(Content::of(&content)) }
}

/// Returns why a file is not to be trusted.
#[cfg(unix)]
fn insecure(file: &std::fs::Metadata) -> Option<String> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = file.permissions().mode() & 0o7777;
    (mode & 0o022 != 0).then(|| {
        format!("users other than its owner may write to it (mode {mode:04o}): run `chmod go-w` on it")
    })
}

#[cfg(not(unix))]
const fn insecure(_: &std::fs::Metadata) -> Option<String> {
    None
}

fn number(line: usize) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX)
}

/// Returns the values of `text`, the content of the file at `path`, and what is wrong with the other ones.
pub(super) fn entries(path: &Arc<Path>, text: &str, names: &Names) -> (Vec<Entry>, Vec<UnreadEntry>) {
    let lines = Lines { path, ends: text.match_indices('\n').map(|(at, _)| at).collect() };
    let (table, mistakes) = DeTable::parse_recoverable(text);
    if !mistakes.is_empty() {
        let each = mistakes.iter().map(|mistake| {
            let source = lines.source(&mistake.span().unwrap_or_default());
            let error = ConfigError::new(&source, mistake.message().replace('\n', ": "));
            UnreadEntry { error, may_mean: Some(PossibleMeaning::ANY) }
        });
        return (Vec::new(), each.collect());
    }
    let mut reader = FileReader { lines, names, entries: Vec::new(), errors: Vec::new() };
    for (key, value) in table.get_ref() {
        reader.top(key.get_ref(), &key.span(), value);
    }
    (reader.entries, reader.errors)
}

/// The positions of the lines of a file.
struct Lines<'a> {
    path: &'a Arc<Path>,
    /// The ends of all lines but the last.
    ends: Vec<usize>,
}

impl Lines<'_> {
    fn source(&self, span: &Range<usize>) -> Source {
        let before = self.ends.partition_point(|end| *end < span.start);
        Source::File { path: self.path.clone(), line: number(before + 1) }
    }
}

struct FileReader<'a> {
    lines: Lines<'a>,
    names: &'a Names,
    entries: Vec<Entry>,
    errors: Vec<UnreadEntry>,
}

impl FileReader<'_> {
    fn refuse(&mut self, may_mean: Option<PossibleMeaning>, span: &Range<usize>, reason: impl Into<String>) {
        let error = ConfigError::new(&self.lines.source(span), reason);
        self.errors.push(UnreadEntry { error, may_mean });
    }

    /// Reads a table at the top: a policy of all functions, or a function or a module with its policies; or the switch
    /// of all functions.
    fn top(&mut self, name: &str, span: &Range<usize>, value: &Spanned<DeValue<'_>>) {
        let shown = shortened(name);
        if name == TIMED && !matches!(value.get_ref(), DeValue::Table(_)) {
            return self.timed(&Target::All, span, value);
        }
        let DeValue::Table(table) = value.get_ref() else {
            return self.refuse(Some(PossibleMeaning::ANY), span, not_a_table(&Target::All, name));
        };
        if let Some(policy) = Policy::find(name) {
            if self.names.has(name) {
                let reason = format!("`{shown}` is a policy, and also the name of a function or a module");
                return self.refuse(Some(PossibleMeaning::ANY), span, reason);
            }
            return self.policy(&Target::All, &Selector { kind: policy.kind, number: None }, table);
        }
        let is_flat = !table.is_empty()
            && table.iter().all(|(key, value)| {
                ![ENABLED, TIMED].contains(&&**key.get_ref()) && !matches!(value.get_ref(), DeValue::Table(_))
            });
        if is_flat && !self.names.has(name) {
            return self.refuse(Some(PossibleMeaning::ANY), span, no_policy(name));
        }
        let target = match self.names.target(name) {
            Ok(target) => target,
            Err(reason) => return self.refuse(Some(PossibleMeaning::ANY), span, reason),
        };
        for (key, value) in table {
            self.member(&target, key.get_ref(), &key.span(), value);
        }
    }

    /// Reads a policy of a function or module, its switch, or its keys.
    fn member(&mut self, target: &Target, name: &str, span: &Range<usize>, value: &Spanned<DeValue<'_>>) {
        let any_policy = || Some(PossibleMeaning::at(target.clone()));
        match value.get_ref() {
            DeValue::Table(keys) if name == "key" => match target {
                Target::Point(point) => self.keys(point, keys),
                _ => self.refuse(any_policy(), span, "only a function has keys: write its whole name"),
            },
            DeValue::Table(table) => {
                let Some(policy) = Selector::read(name) else {
                    return self.refuse(any_policy(), span, self.names.no_policy_of(target, name));
                };
                self.policy(target, &policy, table);
            }
            _ if name == ENABLED && matches!(target, Target::Point(_) | Target::Key(..)) => {
                self.value(target, None, name, span, value);
            }
            _ if name == TIMED => self.timed(target, span, value),
            _ if name == ENABLED => {
                self.refuse(
                    any_policy(),
                    span,
                    "only one function, or a policy, can be switched off: write a whole name",
                );
            }
            _ => self.refuse(any_policy(), span, not_a_table(target, name)),
        }
    }

    /// Reads whether the calls of functions are measured.
    fn timed(&mut self, target: &Target, span: &Range<usize>, value: &Spanned<DeValue<'_>>) {
        if let Target::Key(..) = target {
            return self.refuse(None, span, "`timed` is the same for all keys: write it at the function");
        }
        match untimed() {
            Some(reason) => self.refuse(None, span, reason),
            None => self.value(target, None, TIMED, span, value),
        }
    }

    /// Reads the tables of single keys.
    fn keys(&mut self, point: &str, keys: &DeTable<'_>) {
        for (key, value) in keys {
            let target = Target::Key(point.to_owned(), key.get_ref().to_string());
            let DeValue::Table(policies) = value.get_ref() else {
                let help = "write `[\"..\".key.\"..\".circuit_breaker]` above its settings";
                self.refuse(
                    Some(PossibleMeaning::at(target)),
                    &key.span(),
                    format!("a key has policies: {help}"),
                );
                continue;
            };
            for (name, value) in policies {
                if name.get_ref() == "key" {
                    self.refuse(Some(PossibleMeaning::at(target.clone())), &name.span(), "a key has no keys");
                } else {
                    self.member(&target, name.get_ref(), &name.span(), value);
                }
            }
        }
    }

    fn policy(&mut self, target: &Target, policy: &Selector, table: &DeTable<'_>) {
        for (setting, value) in table {
            self.value(target, Some(policy), setting.get_ref(), &setting.span(), value);
        }
    }

    fn value(
        &mut self,
        target: &Target,
        policy: Option<&Selector>,
        setting: &str,
        span: &Range<usize>,
        value: &Spanned<DeValue<'_>>,
    ) {
        let complaint = policy.and_then(|policy| Policy::find(policy.kind)?.complaint(setting));
        if let Some(reason) = complaint {
            return self.refuse(PossibleMeaning::by_setting(setting, target, policy), span, reason);
        }
        self.entries.push(Entry {
            target: target.clone(),
            policy: policy.cloned(),
            setting: setting.to_owned(),
            raw: raw(value.get_ref()),
            source: self.lines.source(&value.span()),
        });
    }
}

fn raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Raw::Other("a number that is too large"), Raw::Integer),
        DeValue::Float(number) => number.as_str().parse().map_or(Raw::Other("no number"), Raw::Float),
        DeValue::Boolean(is_on) => Raw::Switch(*is_on),
        DeValue::Datetime(_) => Raw::Other("a date or time"),
        DeValue::Array(_) => Raw::Other("an array"),
        DeValue::Table(_) => Raw::Other("a table"),
    }
}
