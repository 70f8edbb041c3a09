//! Variables of the environment: `RESILIENCE__<function>__<policy>__<setting>`, and `RESILIENCE__<function>__TIMED`.
//!
//! A variable cannot have a `:` in its name, so names are matched, not read: each name of the program is written as a
//! variable would have it, and the variable must be one of them with a policy and a setting behind it.

use super::entry::{ENABLED, Entry, Policy, PossibleMeaning, Selector, TIMED, Target, UnreadEntry, untimed};
use super::names::{Names, no_policy};
use super::report::ConfigError;
use crate::point::Raw;
use crate::settings::Source;
use std::collections::HashSet;
use std::ffi::OsString;

/// The prefix of the names of all variables.
const PREFIX: &str = "RESILIENCE__";

/// A variable: its name, and its value where that is a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value: Option<String>,
}

/// Returns the variables of `all` that are meant for this module.
pub(super) fn ours(all: impl Iterator<Item = (OsString, OsString)>) -> Vec<Variable> {
    let ours = all.filter_map(|(name, value)| {
        let name = name.into_string().ok()?;
        let begin = name.get(..PREFIX.len())?;
        let is_ours = begin.eq_ignore_ascii_case(PREFIX);
        is_ours.then(|| Variable { name, value: value.into_string().ok() })
    });
    let mut ours: Vec<_> = ours.collect();
    ours.sort_by(|a, b| a.name.cmp(&b.name));
    ours
}

/// Returns the values of `variables`, and what is wrong with the other ones.
pub(super) fn entries(variables: &[Variable], names: &Names) -> (Vec<Entry>, Vec<UnreadEntry>) {
    let (mut entries, mut errors, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    for variable in variables {
        let source = Source::Environment { variable: variable.name.as_str().into() };
        let upper = variable.name.to_ascii_uppercase();
        if !seen.insert(upper.clone()) {
            let error = ConfigError::new(&source, "another variable has this name in other letters");
            errors.push(UnreadEntry { error, may_mean: Some(PossibleMeaning::ANY) });
            continue;
        }
        match entry(variable, &source, upper.get(PREFIX.len()..).unwrap_or_default(), names) {
            Ok(entry) => entries.push(entry),
            Err(unread) => errors.push(unread),
        }
    }
    (entries, errors)
}

/// Returns the value of a variable. It may be read in several ways, since `_` stands for `::` and for itself: exactly
/// one reading has to fit the names of the program. Without any it must at least end in a policy and a setting.
fn entry(variable: &Variable, source: &Source, rest: &str, names: &Names) -> Result<Entry, UnreadEntry> {
    let unread =
        |reason, may_mean| UnreadEntry { error: ConfigError { source: source.clone(), reason }, may_mean };
    let refused = |reason: String| unread(reason, Some(PossibleMeaning::ANY));
    let Some(value) = &variable.value else { return Err(refused("its value is not UTF-8".to_owned())) };
    let mut readings = Vec::new();
    if let Some((policy, setting)) = tail(rest) {
        readings.push((None, policy, setting));
    }
    if rest.eq_ignore_ascii_case(TIMED) {
        readings.push((None, None, TIMED.to_owned()));
    }
    for (written, name) in names.spelled() {
        let Some(rest) = rest.strip_prefix(written).and_then(|rest| rest.strip_prefix("__")) else {
            continue;
        };
        if let Some(switch) = [ENABLED, TIMED].into_iter().find(|switch| rest.eq_ignore_ascii_case(switch)) {
            readings.push((Some(name), None, switch.to_owned()));
        } else if let Some((policy, setting)) = tail(rest) {
            readings.push((Some(name), policy, setting));
        } else if rest.starts_with("KEY__") {
            // What follows may be any text, in other letters than the key has.
            return Err(refused("single keys are in the file only".to_owned()));
        }
    }
    if let [(_, _, _), (_, _, _), ..] = readings.as_slice() {
        let fits: Vec<_> =
            readings.iter().map(|(name, ..)| format!("`{}`", name.unwrap_or("all functions"))).collect();
        return Err(refused(format!("it fits {}: use the file", fits.join(" and "))));
    }
    let (target, policy, setting) = match readings.pop() {
        Some((name, policy, setting)) => {
            (name.map_or(Ok(Target::All), |name| names.target(name)).map_err(refused)?, policy, setting)
        }
        // The function may be linked into another version of the program.
        None => unknown(rest).map_err(refused)?,
    };
    if let (None, TIMED, Some(reason)) = (&policy, &*setting, untimed()) {
        return Err(unread(reason.to_owned(), None));
    }
    if policy.is_none() && setting == ENABLED && !matches!(target, Target::Point(_)) {
        let reason = "only one function, or a policy, can be switched off: write a whole name".to_owned();
        return Err(unread(reason, Some(PossibleMeaning::at(target))));
    }
    if let Some(reason) = policy.as_ref().and_then(|policy| Policy::find(policy.kind)?.complaint(&setting)) {
        return Err(unread(reason, PossibleMeaning::by_setting(&setting, &target, policy.as_ref())));
    }
    let raw = Raw::Variable(value.clone());
    Ok(Entry { target, policy, setting, raw, source: source.clone() })
}

/// Reads a policy and a setting: `WITH_RETRY__MAX`.
fn tail(rest: &str) -> Option<(Option<Selector>, String)> {
    let (policy, setting) = rest.split_once("__")?;
    if setting.is_empty() {
        return None;
    }
    Some((Some(Selector::read(&policy.to_ascii_lowercase())?), setting.to_ascii_lowercase()))
}

/// Reads a variable whose function nothing in the program has: it must end in a policy and a setting, or in
/// `TIMED`.
fn unknown(rest: &str) -> Result<(Target, Option<Selector>, String), String> {
    let form = "expected `RESILIENCE__<function>__<policy>__<setting>`, or without the function";
    let (before, setting) = rest.rsplit_once("__").ok_or(form)?;
    if setting.eq_ignore_ascii_case(TIMED) && !before.is_empty() {
        return Ok((Target::Point(before.to_owned()), None, TIMED.to_owned()));
    }
    let (name, policy) = before.rsplit_once("__").unwrap_or(("", before));
    let policy = policy.to_ascii_lowercase();
    match Selector::read(&policy) {
        Some(selector) if !name.is_empty() && !setting.is_empty() => {
            Ok((Target::Point(name.to_owned()), Some(selector), setting.to_ascii_lowercase()))
        }
        Some(_) => Err(form.to_owned()),
        None if Selector::read(&setting.to_ascii_lowercase()).is_some() => Err(form.to_owned()),
        None => Err(no_policy(&policy)),
    }
}
