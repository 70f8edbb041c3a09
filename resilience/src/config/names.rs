//! The names of the program: its functions and their modules, and what a configuration may mean by a name.

use super::entry::{POLICIES, Selector, Target, nearest, shortened};
use crate::point::{POINTS_0_1, PointSite};
use std::collections::{BTreeMap, BTreeSet};

/// The functions and modules of the program.
///
/// The names of functions, unique in the program: `name#2` where several functions share one.
pub(super) struct Names {
    /// By the name that is unique in the program.
    points: BTreeMap<String, &'static PointSite>,
    modules: BTreeSet<String>,
    /// Each name as a variable spells it, and the name itself.
    spelled: Vec<(String, String)>,
}

impl Names {
    pub(super) fn read() -> Self {
        let points: BTreeMap<_, _> = POINTS_0_1.iter().map(|site| (site.name().to_string(), site)).collect();
        let mut modules = BTreeSet::new();
        for name in points.keys() {
            let mut rest = name.as_str();
            while let Some((module, _)) = rest.rsplit_once("::") {
                modules.insert(module.to_owned());
                rest = module;
            }
        }
        let each = |name: &String| (as_variable(name), name.clone());
        let spelled = points.keys().chain(&modules).map(each).collect();
        Self { points, modules, spelled }
    }

    pub(super) fn points(&self) -> impl Iterator<Item = (&str, &'static PointSite)> {
        self.points.iter().map(|(name, site)| (name.as_str(), *site))
    }

    pub(super) fn point(&self, name: &str) -> Option<&'static PointSite> {
        self.points.get(name).copied()
    }

    /// Returns whether a function or a module has this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.points.contains_key(name) || self.modules.contains(name)
    }

    /// Returns every name that a configuration may use, spelled as in a variable and as it is.
    pub(super) fn spelled(&self) -> impl Iterator<Item = (&str, &str)> {
        self.spelled.iter().map(|(spelled, name)| (spelled.as_str(), name.as_str()))
    }

    /// Returns the target that `name` means in a configuration; an unknown name is treated as a function's.
    ///
    /// # Errors
    ///
    /// If the name does not say which of several functions is meant.
    pub(super) fn target(&self, name: &str) -> Result<Target, String> {
        let shown = shortened(name);
        let is_numbered = name.rsplit_once('#').is_some_and(|(_, number)| number.parse::<usize>().is_ok());
        let point = self.points.get(name);
        if is_numbered || point.is_some_and(|site| site.is_ambiguous()) {
            let written = name.rsplit_once('#').map_or(name, |(written, _)| written);
            let function = written.rsplit("::").next().unwrap_or(written);
            return Err(format!(
                "several functions are called `{}`, and their numbers move with their lines: write `name = \"Type::{}\"` \
                 in their attributes",
                shortened(written),
                shortened(function),
            ));
        }
        match (point.is_some(), self.modules.contains(name)) {
            (true, true) => {
                Err(format!("`{shown}` is a function and also a module: give the function another `name`"))
            }
            (_, true) => Ok(Target::Module(name.to_owned())),
            (false, false) if crate::point::registry::point(name).is_some() => Err(format!(
                "`{shown}` is a policy that the program owns: a configuration reaches those of attributes"
            )),
            (_, false) => Ok(Target::Point(name.to_owned())),
        }
    }

    /// Returns the message about a name that nothing in the program has, which may be spelled as in a variable.
    pub(super) fn unknown(&self, name: &str) -> String {
        let in_variable = || {
            let found = nearest(name, self.spelled().map(|(spelled, _)| spelled))?;
            let (spelled, known) = self.spelled().find(|(spelled, _)| *spelled == found)?;
            Some(format!("did you mean `{spelled}`, for `{known}`?"))
        };
        let help = nearest(name, self.spelled().map(|(_, known)| known))
            .map(|known| format!("did you mean `{known}`?"))
            .or_else(in_variable)
            .or_else(|| self.without_its_module(name));
        let help = help.unwrap_or_else(|| "it may be linked into another version of the program".to_owned());
        format!("no function is called `{}`: {help}", shortened(name))
    }

    /// Returns the help for a name that lacks its module: `fetch` for `shop::fetch`.
    fn without_its_module(&self, name: &str) -> Option<String> {
        let is_end = |whole: &str, separator: &str| {
            whole.strip_suffix(name).is_some_and(|module| module.ends_with(separator))
        };
        if let Some((_, known)) = self.spelled().find(|(_, known)| is_end(known, "::")) {
            return Some(format!("did you mean `{known}`?"));
        }
        let (spelled, known) = self.spelled().find(|(spelled, _)| is_end(spelled, "_"))?;
        Some(format!("did you mean `{spelled}`, for `{known}`?"))
    }

    /// Returns the message about a table `name` of a policy in the table of `target`, of a policy that there is not.
    pub(super) fn no_policy_of(&self, target: &Target, name: &str) -> String {
        if let Target::Module(module) | Target::Point(module) = target {
            let whole = format!("{module}::{name}");
            if self.has(&whole) {
                let help = format!("a name with `::` is one text in quotes, `[\"{}\"..]`", shortened(&whole));
                return format!("there is no policy `{}`: {help}", shortened(name));
            }
        }
        no_policy(name)
    }

    /// Lets the policies of the functions at these places in the table act on other settings.
    pub(super) fn apply_changes(&self, places: &BTreeSet<usize>) {
        for (_, site) in self.points() {
            if site.place_in_table().is_some_and(|place| places.contains(&place)) {
                site.layers().iter().for_each(|layer| layer.settings_changed());
                #[cfg(feature = "ops")]
                site.follow_settings();
            }
        }
    }
}

/// Returns the message about a name that no policy has.
pub(super) fn no_policy(name: &str) -> String {
    let kinds = || POLICIES.iter().map(|policy| policy.kind);
    // `retry` for `with_retry`, `breaker` for `circuit_breaker`.
    let is_end = |kind: &str| kind.strip_suffix(name).is_some_and(|start| start.ends_with('_'));
    let help = match nearest(name, kinds()).or_else(|| kinds().find(|kind| is_end(kind))) {
        Some(kind) => format!("write `{kind}`"),
        None => format!("the policies are {}", kinds().collect::<Vec<_>>().join(", ")),
    };
    format!("there is no policy `{}`: {help}", shortened(name))
}

/// Returns the message about a value `name` in the table of `target`, where only tables of policies are expected.
pub(super) fn not_a_table(target: &Target, name: &str) -> String {
    let shown = shortened(name);
    if Selector::read(name).is_some() {
        return format!("`{shown}` is a policy: write `{}` above its settings", table_of(target, name));
    }
    let (what, kind) = match POLICIES.iter().find(|policy| policy.complaint(name).is_none()) {
        Some(policy) => ("a setting of a policy: write it in", policy.kind),
        None => ("neither a policy nor a setting: write settings in a table such as", "with_retry"),
    };
    let table = table_of(target, kind);
    let help = match target {
        Target::All => {
            let function = table_of(&Target::Point("shop::fetch".to_owned()), kind);
            format!("`{table}`, or in `{function}` for one function")
        }
        _ => format!("`{table}`"),
    };
    format!("`{shown}` is {what} {help}")
}

/// Returns the header of the table of a policy: `["shop::fetch".with_retry]`.
fn table_of(target: &Target, policy: &str) -> String {
    match target {
        Target::All => format!("[{policy}]"),
        Target::Module(name) | Target::Point(name) => format!("[\"{}\".{policy}]", shortened(name)),
        Target::Key(point, key) => format!("[\"{}\".key.\"{}\".{policy}]", shortened(point), shortened(key)),
    }
}

/// Returns a name as a variable spells it: in upper case, with `_` for `::` and every other character not allowed
/// there.
fn as_variable(name: &str) -> String {
    let each = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    name.replace("::", "_").chars().map(each).collect()
}
