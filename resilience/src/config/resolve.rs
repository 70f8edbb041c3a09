//! From values with targets to the settings of each policy: narrower targets come first, then the environment, and the
//! settings of each stack are judged together.
//!
//! # The order of the checks
//!
//! 1. Names that no function has (`unknown_points`), and switches that are too wide (`wide_switches`).
//! 2. Each value alone (`alone`): its form and its range, for whichever function.
//! 3. For each function, the values for it alone that do not fit (`mismatch`): a policy that it does not have, one
//!    of several that is not named, a setting that is part of the code. They take no part in the next steps.
//! 4. For each policy, the values that apply, from the widest target to the narrowest and within one target from the
//!    file to the environment, so that the last one wins; the policy's own check judges them.
//! 5. For each function, the settings together: the contradictions that the compiler reports of those in the code.
//!
//! Every step adds to one list of mistakes, which begins with what could not be read. Values are not compared with each
//! other (steps 4 and 5) where one that was not read, or does not fit, may be what they contradict. A value for all
//! functions is skipped where one of them has no such setting, and with a warning where it is part of that function's
//! code; a value for one function is an error in both cases.

use super::entry::{ENABLED, Entry, Policy, PossibleMeaning, Selector, Target, UnreadEntry};
use super::names::Names;
use super::report::ConfigError;
use crate::point::changed::{LayerOverride, PointOverrides, address};
use crate::point::{Cause, Change, Facts, Layer, Mistake, Override};
use crate::policy::contradictions::{contradiction, total};
use crate::settings::Source;
use std::collections::{BTreeMap, HashMap, HashSet};

/// The settings of all points that a configuration changes, by their places in the table, and the warnings.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    pub(super) points: HashMap<usize, PointOverrides>,
    pub(super) warnings: Vec<ConfigError>,
}

/// The values of one setting of one layer; the last one applies.
type Values<'a> = BTreeMap<&'a str, &'a Entry>;

/// Returns the settings that result from `entries`, or everything that is wrong with them and with `unread`.
pub(super) fn resolve(
    entries: &[Entry],
    unread: Vec<UnreadEntry>,
    names: &Names,
    is_strict: bool,
) -> Result<Resolved, Vec<ConfigError>> {
    let mut resolved = Resolved::default();
    let mut errors = unknown_points(entries, names, is_strict, &mut resolved.warnings);
    errors.extend(wide_switches(entries));
    errors.extend(entries.iter().flat_map(alone));
    let mut skipped = BTreeMap::new();
    for (name, site) in names.points() {
        let fitting: Vec<_> = entries.iter().filter(|entry| fits(&entry.target, name)).collect();
        if fitting.is_empty() {
            continue;
        }
        let stack = Stack { name, layers: site.layers() };
        let meant = unread.iter().filter_map(|unread| unread.may_mean.as_ref());
        let missing = meant.filter(|meant| stack.may_lack(meant)).map(|meant| meant.kind).collect();
        match stack.resolve(&fitting, missing, &mut skipped) {
            Ok(overrides) if overrides.layers.is_empty() && overrides.timed.is_none() => {}
            Ok(overrides) => {
                drop(site.place_in_table().map(|place| resolved.points.insert(place, overrides)));
            }
            Err(mistakes) => errors.extend(mistakes),
        }
    }
    resolved.warnings.extend(skipped.into_values().map(SkippedSetting::warning));
    errors.extend(unread.into_iter().map(|unread| unread.error));
    if errors.is_empty() { Ok(resolved) } else { Err(in_order(errors)) }
}

/// Sorts mistakes by their places; each is reported once.
fn in_order(mut errors: Vec<ConfigError>) -> Vec<ConfigError> {
    let mut seen = HashSet::new();
    errors.retain(|error| seen.insert(error.to_string()));
    errors.sort_by_key(|error| place(&error.source));
    errors
}

/// Returns what is wrong with a value whichever functions it is for, even if there are none.
fn alone(entry: &Entry) -> Vec<ConfigError> {
    let policy = entry.policy.as_ref().and_then(|policy| Policy::find(policy.kind));
    if entry.setting == ENABLED || entry.is_timed() {
        return entry.no_switch().map(|reason| ConfigError::new(&entry.source, reason)).into_iter().collect();
    }
    let mistakes = policy.map(|policy| policy.judge(&change(entry))).unwrap_or_default();
    mistakes.into_iter().map(|Mistake { source, reason, .. }| ConfigError { source, reason }).collect()
}

fn change(entry: &Entry) -> Change {
    Change { name: entry.setting.clone(), raw: entry.raw.clone(), source: entry.source.clone() }
}

/// Returns a key that sorts by file and line, then by variable.
fn place(source: &Source) -> (bool, u32, String) {
    match source {
        Source::File { line, .. } => (false, *line, String::new()),
        Source::Environment { variable } => (true, 0, variable.to_string()),
    }
}

/// Returns whether a value for `target` applies to the function called `name`.
fn fits(target: &Target, name: &str) -> bool {
    match target {
        Target::All => true,
        Target::Module(module) => {
            name.strip_prefix(module.as_str()).is_some_and(|function| function.starts_with("::"))
        }
        Target::Point(point) | Target::Key(point, _) => point == name,
    }
}

/// Returns which of the values that switch the measuring of one function's calls applies.
fn timed(entries: &[&Entry]) -> Option<(bool, Source)> {
    let narrowest = entries.iter().filter(|entry| entry.is_timed()).max_by_key(|entry| entry.precedence())?;
    Some((narrowest.raw.switch()?, narrowest.source.clone()))
}

/// Returns whether a value for several policies applies to this one.
fn takes(layer: &dyn Layer, entry: &Entry) -> bool {
    if entry.setting == ENABLED {
        return !layer.table().is_empty() && layer.stays_on().is_none();
    }
    layer.table().iter().any(|row| row.name == entry.setting)
}

/// Names that nothing has: errors where that is asked for, else warnings.
fn unknown_points(
    entries: &[Entry],
    names: &Names,
    is_strict: bool,
    warnings: &mut Vec<ConfigError>,
) -> Vec<ConfigError> {
    let mut seen = HashSet::new();
    let unknown = entries.iter().filter_map(|entry| {
        let (Target::Point(name) | Target::Key(name, _)) = &entry.target else { return None };
        let is_first = names.point(name).is_none() && seen.insert(name);
        is_first.then(|| ConfigError::new(&entry.source, names.unknown(name)))
    });
    if is_strict {
        return unknown.collect();
    }
    warnings.extend(unknown);
    Vec::new()
}

/// Returns errors for entries that switch off policies which only single functions can be without.
fn wide_switches(entries: &[Entry]) -> Vec<ConfigError> {
    let is_refused = |entry: &&Entry| {
        let is_wide = matches!(entry.target, Target::All | Target::Module(_)) && entry.setting == ENABLED;
        let policy = entry.policy.as_ref().and_then(|policy| Policy::find(policy.kind));
        is_wide && entry.raw.switch() != Some(true) && !policy.is_some_and(Policy::is_optional)
    };
    let refuse = |entry: &Entry| {
        let kind = entry.policy.as_ref().map_or("", |policy| policy.kind);
        let reason =
            format!("`{kind}` cannot be switched off for many functions at once: write the name of one");
        ConfigError::new(&entry.source, reason)
    };
    entries.iter().filter(is_refused).map(refuse).collect()
}

/// A setting for many functions that some of them cannot take.
struct SkippedSetting {
    source: Source,
    setting: String,
    reason: &'static str,
    first: String,
    others: usize,
}

impl SkippedSetting {
    fn warning(self) -> ConfigError {
        let Self { setting, reason, first, others, .. } = &self;
        let and = match others {
            0 => String::new(),
            1 => " and 1 other function".to_owned(),
            more => format!(" and {more} other functions"),
        };
        ConfigError::new(&self.source, format!("`{setting}` does not change at `{first}`{and}: {reason}"))
    }
}

/// One function with its policies.
struct Stack<'a> {
    name: &'a str,
    layers: &'static [&'static dyn Layer],
}

impl Stack<'_> {
    /// Returns what the entries set at the function, or all errors in them.
    ///
    /// `missing` are the kinds of policies that values are missing for; `None` is any policy.
    fn resolve(
        &self,
        entries: &[&Entry],
        mut missing: Vec<Option<&'static str>>,
        skipped: &mut BTreeMap<(String, String), SkippedSetting>,
    ) -> Result<PointOverrides, Vec<ConfigError>> {
        let mut overrides = PointOverrides { timed: timed(entries), ..PointOverrides::default() };
        let (mut fitting, mut errors) = (Vec::new(), Vec::new());
        for entry in entries.iter().copied().filter(|entry| !entry.is_timed()) {
            if let Some(mismatch) = self.misfit_of_own(entry) {
                errors.push(mismatch);
                missing.push(entry.policy.as_ref().map(|policy| policy.kind));
            } else {
                fitting.push(entry);
            }
        }
        let entries = &*fitting;
        for (at, layer) in self.layers.iter().enumerate() {
            let values = self.values(at, entries, skipped);
            let keys = self.keys(at, entries);
            if values.is_empty() && keys.is_empty() {
                continue;
            }
            let is_whole = !missing.iter().any(|kind| kind.is_none_or(|kind| kind == layer.kind()));
            match self.layer(at, *layer, &values, &keys, is_whole) {
                Ok(layer) => overrides.layers.push(layer),
                Err(mistakes) => errors.extend(mistakes),
            }
        }
        if errors.is_empty() && missing.is_empty() {
            errors.extend(self.contradiction(&overrides, entries));
        }
        if errors.is_empty() { Ok(overrides) } else { Err(errors) }
    }

    /// Returns whether something unreadable may have been meant for this function.
    fn may_lack(&self, PossibleMeaning { target, kind }: &PossibleMeaning) -> bool {
        let is_wide = matches!(target, Target::All | Target::Module(_));
        let has = |kind| self.layers.iter().any(|layer| layer.kind() == kind);
        fits(target, self.name) && (!is_wide || kind.is_none_or(has))
    }

    /// Returns the policies of this kind, by their places from the top.
    fn of_kind(&self, kind: &str) -> Vec<usize> {
        let is_such = |at: &usize| self.layers.get(*at).is_some_and(|layer| layer.kind() == kind);
        (0..self.layers.len()).filter(is_such).collect()
    }

    /// Returns whether `selector` means the policy at this place.
    fn means(&self, selector: &Selector, at: usize) -> bool {
        let places = self.of_kind(selector.kind);
        match selector.number {
            None => places.contains(&at),
            Some(number) => places.get(number - 1) == Some(&at),
        }
    }

    /// Returns what is wrong with a value that is for this function alone: a policy that it does not have, or not in
    /// this number.
    fn misfit_of_own(&self, entry: &Entry) -> Option<ConfigError> {
        let is_own = matches!(entry.target, Target::Point(_) | Target::Key(..));
        let reason = is_own.then(|| self.mismatch(entry))??;
        Some(ConfigError::new(&entry.source, reason))
    }

    fn mismatch(&self, entry: &Entry) -> Option<String> {
        let name = self.name;
        let Some(selector) = &entry.policy else {
            let can_be_off =
                self.layers.iter().any(|layer| !layer.table().is_empty() && layer.stays_on().is_none());
            return match entry.raw.switch() {
                None => entry.no_switch(),
                Some(false) if !can_be_off => Some(format!("no policy of `{name}` can be switched off")),
                Some(_) => None,
            };
        };
        let kind = selector.kind;
        let places = self.of_kind(kind);
        let layer = match (places.as_slice(), selector.number) {
            ([], _) => return Some(format!("`{name}` has no `{kind}`")),
            ([_, _, ..], None) => {
                let each: Vec<_> = (1..=places.len()).map(|number| format!("`{kind}_{number}`")).collect();
                return Some(format!(
                    "`{name}` has {} of `{kind}`: write {}, from the top",
                    places.len(),
                    each.join(" or ")
                ));
            }
            (places, number) => match places.get(number.map_or(0, |number| number - 1)) {
                Some(at) => *self.layers.get(*at)?,
                None => return Some(format!("`{name}` has {} of `{kind}`", places.len())),
            },
        };
        if layer.table().is_empty() {
            let given = layer.settings().iter().any(|setting| setting.name == "instance");
            let reason = if given {
                "the program owns it (`instance = ..`)"
            } else {
                "nothing of it can change while the program runs"
            };
            return Some(format!("`{kind}` of `{name}` takes no settings: {reason}"));
        }
        if matches!(entry.target, Target::Key(..)) && !layer.has_keys() {
            return Some(format!("`{kind}` of `{name}` is the same for all keys"));
        }
        if layer.has_keys() && places.len() > 1 {
            return Some(format!(
                "`{name}` has {} of `{kind}` with keys, which are not told apart",
                places.len()
            ));
        }
        if entry.setting == ENABLED {
            return self.misfit_of_switch(entry, layer);
        }
        if !layer.table().iter().any(|row| row.name == entry.setting) {
            return Some(format!("the `{kind}` of `{name}` has no setting `{}`", entry.setting));
        }
        None
    }

    fn misfit_of_switch(&self, entry: &Entry, layer: &dyn Layer) -> Option<String> {
        match (entry.raw.switch(), layer.stays_on()) {
            (None, _) => entry.no_switch(),
            (Some(false), Some(reason)) => {
                Some(format!("`{}` of `{}` cannot be switched off: {reason}", layer.kind(), self.name))
            }
            _ => None,
        }
    }

    /// Returns the values that apply to the policy at this place, whatever its key.
    fn values<'e>(
        &self,
        at: usize,
        entries: &[&'e Entry],
        skipped: &mut BTreeMap<(String, String), SkippedSetting>,
    ) -> Values<'e> {
        let Some(layer) = self.layers.get(at) else { return Values::new() };
        let mut values = Values::new();
        let mut fitting: Vec<_> =
            entries.iter().filter(|entry| !matches!(entry.target, Target::Key(..))).collect();
        fitting.sort_by_key(|entry| entry.precedence());
        for entry in fitting {
            let is_meant = entry.policy.as_ref().is_none_or(|selector| self.means(selector, at));
            if !is_meant || !takes(*layer, entry) {
                continue;
            }
            let is_wide = matches!(entry.target, Target::All | Target::Module(_));
            if let (true, Some(reason)) = (is_wide, layer.fixed(&entry.setting)) {
                let place = (entry.source.to_string(), entry.setting.clone());
                let one = || SkippedSetting {
                    source: entry.source.clone(),
                    setting: entry.setting.clone(),
                    reason,
                    first: self.name.to_owned(),
                    others: 0,
                };
                skipped.entry(place).and_modify(|skipped| skipped.others += 1).or_insert_with(one);
                continue;
            }
            values.insert(&entry.setting, entry);
        }
        values
    }

    /// Returns the values for single keys of the policy at this place.
    fn keys<'e>(&self, at: usize, entries: &[&'e Entry]) -> BTreeMap<&'e str, Values<'e>> {
        let mut keys: BTreeMap<&str, Values<'_>> = BTreeMap::new();
        for entry in entries {
            let Target::Key(_, key) = &entry.target else { continue };
            let has_keys = self.layers.get(at).is_some_and(|layer| layer.has_keys());
            if has_keys && entry.policy.as_ref().is_none_or(|selector| self.means(selector, at)) {
                keys.entry(key).or_default().insert(&entry.setting, entry);
            }
        }
        keys
    }

    fn layer(
        &self,
        at: usize,
        layer: &'static dyn Layer,
        values: &Values<'_>,
        keys: &BTreeMap<&str, Values<'_>>,
        is_whole: bool,
    ) -> Result<LayerOverride, Vec<ConfigError>> {
        let whole = self.judged(layer, values, is_whole);
        let each = keys.iter().map(|(key, own)| {
            let mut all = values.clone();
            all.extend(own.iter().map(|(setting, entry)| (*setting, *entry)));
            self.judged(layer, &all, is_whole).map(|settings| ((*key).to_owned(), settings))
        });
        let (mut by_key, mut errors) = (HashMap::new(), Vec::new());
        for settings in each {
            match settings {
                Ok((key, settings)) => drop(by_key.insert(key, settings)),
                Err(mistakes) => errors.extend(mistakes),
            }
        }
        let sources =
            values.iter().map(|(setting, entry)| ((*setting).to_owned(), entry.source.clone())).collect();
        let is_only = self.of_kind(layer.kind()) == [at];
        match whole {
            Ok(whole) if errors.is_empty() => Ok(LayerOverride {
                layer: address(layer),
                kind: layer.kind(),
                has_keys: layer.has_keys() && is_only,
                whole,
                keys: by_key,
                sources,
            }),
            Ok(_) => Err(errors),
            Err(mut mistakes) => {
                mistakes.append(&mut errors);
                Err(mistakes)
            }
        }
    }

    /// Returns the settings of `layer` with these values, which are compared with each other only if they are the
    /// whole.
    fn judged(
        &self,
        layer: &dyn Layer,
        values: &Values<'_>,
        is_whole: bool,
    ) -> Result<Override, Vec<ConfigError>> {
        let (switches, settings): (Vec<&Entry>, Vec<&Entry>) =
            values.values().copied().partition(|entry| entry.setting == ENABLED);
        let mut errors = Vec::new();
        let mut is_off = false;
        for switch in switches {
            match switch.raw.switch() {
                Some(is_on) => is_off = !is_on,
                None => errors.extend(
                    self.misfit_of_switch(switch, layer)
                        .map(|reason| ConfigError::new(&switch.source, reason)),
                ),
            }
        }
        let changes: Vec<_> = settings.into_iter().map(change).collect();
        let error = |mistake: Mistake| {
            let at = format!("at `{}`: {}", self.name, mistake.reason);
            let is_alone = mistake.cause == Cause::Value;
            ConfigError { source: mistake.source, reason: if is_alone { mistake.reason } else { at } }
        };
        match layer.changed(&changes) {
            Ok(settings) if errors.is_empty() => return Ok(Override { is_off, settings }),
            Ok(_) => {}
            Err(mistakes) => {
                let certain = mistakes.into_iter().filter(|it| is_whole || it.cause != Cause::OtherValues);
                errors.extend(certain.map(error));
            }
        }
        Err(errors)
    }

    /// Returns what is wrong with the settings together, as the compiler reports it for those in the code.
    fn contradiction(&self, overrides: &PointOverrides, entries: &[&Entry]) -> Option<ConfigError> {
        let changed = |layer: &&dyn Layer| overrides.at(address(*layer)).map(|layer| &layer.whole);
        let on: Vec<_> = self
            .layers
            .iter()
            .filter(|layer| !changed(layer).is_some_and(|changed| changed.is_off))
            .collect();
        let facts: Vec<Facts> = on.iter().map(|layer| layer.facts(changed(layer))).collect();
        let waits = on
            .iter()
            .enumerate()
            .find_map(|(at, layer)| layer.complaint_within(changed(layer), total(&facts, at)?));
        let reason = waits.or_else(|| contradiction(&facts))?;
        // The narrowest value is the likeliest cause.
        let last = entries.iter().max_by_key(|entry| entry.target.rank())?;
        Some(ConfigError::new(&last.source, format!("at `{}`: {reason}", self.name)))
    }
}
