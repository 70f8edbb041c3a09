//! What the tests look at.

#[path = "../shared/mod.rs"]
mod shared;

use resilience::config::{Config, ConfigErrors, Report};
use resilience::{PointInfo, points};
pub(crate) use shared::Scratch;

/// Loads `text` as a file of its own.
pub fn load(text: &str) -> Result<Report, ConfigErrors> {
    let scratch = Scratch::new();
    Config::new().file(scratch.write("shop.toml", text)).load()
}

/// Each mistake in `text`: its line, and what is wrong.
pub fn mistakes(text: &str) -> Vec<(u32, String)> {
    let errors = load(text).expect_err("it has mistakes");
    let line = |source: &resilience::settings::Source| match source {
        resilience::settings::Source::File { line, .. } => *line,
        other => panic!("{other} is no line"),
    };
    errors.errors().iter().map(|error| (line(&error.source), error.reason.clone())).collect()
}

pub fn info(name: &str) -> PointInfo {
    let all = points();
    let found = all.into_iter().find(|point| &*point.name == name);
    found.unwrap_or_else(|| panic!("no function is called {name}"))
}

/// The value of a setting in the inventory, with where it is from.
pub fn shown(name: &str, kind: &str, setting: &str) -> String {
    let info = info(name);
    let policy = info.stack.iter().find(|policy| policy.kind == kind).expect("the policy");
    let setting = policy.settings.iter().find(|listed| listed.name == setting);
    setting.map_or_else(|| "nothing".to_owned(), ToString::to_string)
}
