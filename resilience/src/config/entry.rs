//! One value of a configuration with its target, and the policies that exist.
//!
//! Both sources, the file and the environment, are read into the same [`Entry`]: a target, a policy, a setting and the
//! raw value, with the place it comes from. Names are judged here, because they need only the tables of settings that
//! the policies have declared; values are judged twice: alone ([`Policy::judge`]), so that a mistake is reported even
//! where no function has the policy, and in `resolve` together with the other settings of each function.

use super::report::ConfigError;
use crate::base::setting::Table;
use crate::base::settings::Settings;
use crate::point::{Change, Mistake, Raw};
use crate::settings::{Setting, Source};

/// The target of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Every function of the program.
    All,
    /// The functions of a module and of the modules in it.
    Module(String),
    /// One function.
    Point(String),
    /// One key of a function.
    Key(String, String),
}

impl Target {
    /// Returns the rank of the target: narrower targets come before wider ones.
    pub(super) fn rank(&self) -> (u8, usize) {
        match self {
            Self::All => (0, 0),
            Self::Module(name) => (1, name.len()),
            Self::Point(_) => (2, 0),
            Self::Key(..) => (3, 0),
        }
    }
}

/// One of a function's policies: its kind and, if the function has several of that kind, its number from the top,
/// counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selector {
    pub(super) kind: &'static str,
    pub(super) number: Option<usize>,
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) target: Target,
    /// `None` for a switch of the whole function: [`ENABLED`] or [`TIMED`].
    pub(super) policy: Option<Selector>,
    pub(super) setting: String,
    pub(super) raw: Raw,
    pub(super) source: Source,
}

/// An entry that could not be read, and what it may have been meant for.
#[derive(Debug)]
pub(super) struct UnreadEntry {
    pub(super) error: ConfigError,
    /// `None` if the values that could be read mean the same without it.
    pub(super) may_mean: Option<PossibleMeaning>,
}

/// The settings that something unreadable may have been meant for.
///
/// The values that were read are not compared with them: they may contradict each other only because one is missing.
#[derive(Clone, Debug)]
pub(super) struct PossibleMeaning {
    pub(super) target: Target,
    /// `None` for any policy.
    pub(super) kind: Option<&'static str>,
}

impl PossibleMeaning {
    pub(super) const ANY: Self = Self::at(Target::All);

    /// Means any policy of the functions of `target`.
    pub(super) const fn at(target: Target) -> Self {
        Self { target, kind: None }
    }

    /// Returns what a setting that no policy can have may mean; `None` if it is certainly no setting.
    pub(super) fn by_setting(setting: &str, target: &Target, policy: Option<&Selector>) -> Option<Self> {
        let is_in_code = setting == TIMED || IN_CODE.iter().any(|(keys, _)| keys.contains(&setting));
        (!is_in_code).then(|| Self { target: target.clone(), kind: policy.map(|policy| policy.kind) })
    }
}

/// The switch that every policy has beside its settings.
pub(super) const ENABLED: &str = "enabled";

/// The switch of a function that has its calls measured.
pub(super) const TIMED: &str = "timed";

/// A kind of policy.
///
/// A kind with two tables, such as `timeout`, is one attribute with two forms; a value has to be valid in one of them,
/// and `resolve` asks each function's own table.
pub(super) struct Policy {
    pub(super) kind: &'static str,
    tables: &'static [SettingRows],
}

/// A table of settings, and what judges one value of it alone.
struct SettingRows {
    rows: &'static [Setting],
    judge: fn(&Change) -> Result<(), Vec<Mistake>>,
}

const fn rows<C: Table>() -> SettingRows {
    SettingRows {
        rows: C::ROWS,
        judge: |change| Settings::whole(C::START).changed(std::slice::from_ref(change), |_| None).map(drop),
    }
}

macro_rules! policies {
    ($($(#[$meta:meta])* $kind:ident($($(#[$has:meta])* $($path:ident)::+),*))*) => {
        &[$(
            $(#[$meta])*
            Policy { kind: stringify!($kind), tables: &[$($(#[$has])* rows::<crate::$($path)::+>()),*] }
        ),*]
    };
}

/// The policies of all attributes.
pub(super) const POLICIES: &[Policy] = resilience_macros::__attributes!(policies);

/// The policies that can be switched off for all functions at once, because the result of a call stays the same.
const OPTIONAL: &[&str] = &["with_retry", "circuit_breaker", "hedge", "cached", "chaos"];

/// Returns the attributes and their tables, for tests; `timeout(adaptive)` has one of its own.
pub fn tables() -> impl Iterator<Item = (&'static str, &'static [Setting])> {
    POLICIES.iter().filter_map(|policy| Some((policy.kind, policy.tables.first()?.rows)))
}

/// Keys of attributes that are part of the code, and why.
///
/// They are refused by name, because a reader of the documentation may expect them to work: "no such setting" would be
/// a lie.
const IN_CODE: &[(&[&str], &str)] = &[
    (&["key", "max_keys"], "what divides the state is part of the code"),
    (
        &["name", "context", "classify", "clone", "rejected", "when_ok"],
        "it belongs to the function, not to the policy",
    ),
    (&["when", "unless", "on", "rerun_if", "each"], "which errors count is part of the code"),
    (&["instance", "policy", "budget", "throttle", "throttle_factor"], "the program owns it"),
    (&["thread", "adaptive"], "how calls run is part of the code"),
    (
        &[
            "on_retry",
            "on_give_up",
            "on_open",
            "on_half_open",
            "on_close",
            "on_reject",
            "on_fallback",
            "rollback",
        ],
        "a function of the program is part of the code",
    ),
];

impl Policy {
    pub(super) fn find(kind: &str) -> Option<&'static Self> {
        POLICIES.iter().find(|policy| policy.kind == kind)
    }

    /// Returns whether it can be switched off for all functions at once.
    pub(super) fn is_optional(&self) -> bool {
        OPTIONAL.contains(&self.kind)
    }

    fn settings(&self) -> impl Iterator<Item = &'static str> {
        self.tables.iter().flat_map(|table| table.rows).map(|row| row.name)
    }

    /// Returns what is wrong with a value whichever function it is for.
    pub(super) fn judge(&self, change: &Change) -> Vec<Mistake> {
        let has = |table: &&SettingRows| table.rows.iter().any(|row| row.name == change.name);
        let judged: Vec<_> = self.tables.iter().filter(has).map(|table| (table.judge)(change)).collect();
        // A setting of two tables has to be valid in one of them.
        if judged.iter().any(Result::is_ok) {
            return Vec::new();
        }
        judged.into_iter().find_map(Result::err).unwrap_or_default()
    }

    /// Returns what is wrong with the name of a setting.
    pub(super) fn complaint(&self, setting: &str) -> Option<String> {
        let kind = self.kind;
        if setting == ENABLED || self.settings().any(|name| name == setting) {
            return None;
        }
        if setting == TIMED {
            let place = "write it in `[\"shop::fetch\"]`, or above all tables for every function";
            return Some(format!("`{TIMED}` is about the function and not about `{kind}`: {place}"));
        }
        if let Some((_, reason)) = IN_CODE.iter().find(|(keys, _)| keys.contains(&setting)) {
            return Some(format!("`{setting}` of `{kind}` cannot change while the program runs: {reason}"));
        }
        let known = self.settings().chain([ENABLED]);
        let help = nearest(setting, known).map_or_else(
            || format!("it has {}", self.settings().chain([ENABLED]).collect::<Vec<_>>().join(", ")),
            |name| format!("write `{name}`"),
        );
        Some(format!("`{kind}` has no setting `{}`: {help}", shortened(setting)))
    }
}

impl Entry {
    /// Returns what is wrong with the value of a switch: [`ENABLED`] or [`TIMED`].
    pub(super) fn no_switch(&self) -> Option<String> {
        let Self { setting, raw, .. } = self;
        let words = || format!("`{setting}` takes true or false, and this is {}", raw.described());
        raw.switch().is_none().then(words)
    }

    /// Returns the order in which values are applied: narrower targets later, and within a target the environment.
    pub(super) fn precedence(&self) -> ((u8, usize), bool) {
        (self.target.rank(), matches!(self.source, Source::Environment { .. }))
    }

    /// Returns whether the value is a switch for measuring calls.
    pub(super) fn is_timed(&self) -> bool {
        self.policy.is_none() && self.setting == TIMED
    }
}

/// Returns why no function can have [`TIMED`] here, if none can.
pub(super) const fn untimed() -> Option<&'static str> {
    if cfg!(feature = "ops") { None } else { Some("`timed` needs the feature `ops`, which measures calls") }
}

impl Selector {
    /// Reads `timeout` or, for the second one of a function, `timeout_2`.
    pub(super) fn read(text: &str) -> Option<Self> {
        if let Some(policy) = Policy::find(text) {
            return Some(Self { kind: policy.kind, number: None });
        }
        let (kind, digits) = text.rsplit_once('_')?;
        let number: usize = digits.parse().ok()?;
        let is_plain = number > 0 && number.to_string() == digits;
        is_plain.then_some(Self { kind: Policy::find(kind)?.kind, number: Some(number) })
    }
}

/// Returns a name from a file, shortened for a message: it may contain anything.
pub(super) fn shortened(name: &str) -> String {
    let short: String = name.chars().take(80).collect();
    if short.len() < name.len() { format!("{short}..") } else { short }
}

/// Returns the name nearest to `written`, if one is near enough.
///
/// A third of the letters may differ, at least 2 and at most 6; very long names have no neighbour, since a comparison
/// costs the product of both lengths.
pub(super) fn nearest<'a>(written: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = (written.chars().count() / 3).clamp(2, 6);
    if written.len() > 200 {
        return None;
    }
    let near = names.filter(|name| name.len().abs_diff(written.len()) <= most * 4);
    // Two of three letters may differ by chance.
    let is_like = |name: &str| written.len() > 4 || name.chars().next() == written.chars().next();
    near.map(|name| (distance(written, name), name))
        .filter(|(far, name)| *far <= most && *far < name.len() && (*far == 1 || is_like(name)))
        .min()
        .map(|(_, name)| name)
}

/// Returns the number of letters that have to be added, removed or replaced.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    // The distances of the letters of `a` so far to each beginning of `b` but the empty one.
    let mut row: Vec<usize> = (1..=b.len()).collect();
    for (n, x) in a.chars().enumerate() {
        let (mut diagonal, mut left) = (n, n + 1);
        for (cell, y) in row.iter_mut().zip(&b) {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = *cell;
            left = replaced.min(left + 1).min(*cell + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or_else(|| a.chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_picks_one_of_several_policies() {
        let read = |text| Selector::read(text).map(|selector| (selector.kind, selector.number));
        assert_eq!(read("timeout"), Some(("timeout", None)));
        assert_eq!(read("timeout_2"), Some(("timeout", Some(2))));
        assert_eq!(read("rate_limit"), Some(("rate_limit", None)));
        for none in ["timeout_0", "timeout_02", "timeout_", "timeout_x", "timeouts", "", "_1"] {
            assert_eq!(read(none), None, "{none}");
        }
    }

    #[test]
    fn only_a_similar_name_is_suggested() {
        let names = ["max", "backoff", "base", "give_up_after"];
        assert_eq!(nearest("backof", names.into_iter()), Some("backoff"));
        assert_eq!(nearest("giveup_after", names.into_iter()), Some("give_up_after"));
        assert_eq!(nearest("threshold", names.into_iter()), None);
        assert_eq!(nearest(&"x".repeat(1_000_000), names.into_iter()), None);
        assert_eq!([distance("", "abc"), distance("abc", "abc"), distance("kitten", "sitting")], [3, 0, 3]);
    }
}
