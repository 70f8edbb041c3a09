//! The settings of the policies: their tables agree with the keys of the attributes and with the pages.

#![allow(dead_code, unused_imports, reason = "the macro crate's sources are compiled here a second time")]

include!("macros/modules.rs");

use resilience::circuit_breaker;
use resilience::policy::{AdaptiveTimeoutConfig, BudgetConfig};
use resilience::settings::{Kind, Setting as Row};
use std::collections::HashSet;
use syntax::keys::{Key, Setting, Spec, entries};

struct Policy {
    spec: &'static Spec,
    page: String,
    table: &'static [Row],
}

/// The page of an attribute.
fn page(attr: &str) -> String {
    text(&format!("resilience-macros/src/docs/{attr}.md"))
}

/// The policies that have a table.
fn policies() -> Vec<Policy> {
    let policy = |(attr, table)| {
        let definition = attr::ATTRIBUTES.iter().find(|definition| definition.spec.attr == attr);
        Policy { spec: definition.expect("an attribute").spec, page: page(attr), table }
    };
    resilience::config::tables().map(policy).collect()
}

/// Returns the policy of `attr`.
fn policy(attr: &str) -> Policy {
    let found = policies().into_iter().find(|policy| policy.spec.attr == attr);
    found.expect("a policy")
}

/// Returns the text of a file of the repository.
fn text(path: &str) -> String {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(root.join(path)).expect("a file of the repository")
}

#[test]
fn the_tables_that_introduce_attributes_name_those_that_exist() {
    for (path, before) in [("README.md", "| `#["), ("resilience/src/lib.rs", "| [`")] {
        let text = text(path);
        let rows = text.lines().filter_map(|line| line.split(before).nth(1));
        let named: Vec<_> = rows.map(|row| row.split(['`', '(', ']']).next().unwrap_or(row)).collect();
        assert!(named.len() > 8, "{path}: {named:?}");
        for name in named {
            let is_attribute = attr::ATTRIBUTES.iter().any(|definition| definition.spec.attr == name);
            assert!(is_attribute || name == "health_check", "{path}: there is no attribute `{name}`");
        }
    }
}

#[test]
fn each_attribute_is_compared_with_its_table() {
    for definition in attr::ATTRIBUTES {
        let spec = definition.spec;
        let has_settings = spec.settings().any(|(_, setting)| setting != Setting::Hook);
        let has_table = policies().iter().any(|policy| policy.spec.attr == spec.attr);
        assert_eq!(has_settings, has_table, "`{}`: the `settings` of its `DEFINITION`", spec.attr);
    }
}

impl Policy {
    /// The keys that set a row of the table.
    fn keys(&self) -> impl Iterator<Item = (&'static Key, Setting)> {
        self.spec.settings().filter(|(_, setting)| *setting != Setting::Hook)
    }

    /// The cells of the page's row for `name`, which is a key or else comes first without one: its type and its
    /// default.
    fn documented(&self, name: &str) -> (&str, String) {
        let has_key = self.spec.names().contains(&name);
        let first = if has_key { format!("| `{name}` |") } else { format!("| the {name} |") };
        let row = self.page.lines().find(|line| line.starts_with(&first));
        let row = row.unwrap_or_else(|| panic!("the page of {} has no row {first}", self.spec.attr));
        let cells: Vec<_> = row.split(" | ").collect();
        (cells[1], cells[2].replace('`', ""))
    }
}

#[test]
fn the_keys_of_an_attribute_are_the_rows_of_its_table() {
    for policy in policies() {
        let keys: Vec<_> = policy.keys().map(|(key, _)| key.name).collect();
        let rows = policy.table.iter().filter(|row| row.default != "required").map(|row| row.name);
        assert_eq!(keys, rows.collect::<Vec<_>>(), "{}", policy.spec.attr);
    }
}

#[test]
fn ranges_checked_by_the_macro_match_the_table() {
    for policy in policies() {
        for (key, setting) in policy.keys() {
            let row = policy.table.iter().find(|row| row.name == key.name).expect("a row");
            let (kind, least) = match setting {
                Setting::Count(0) => (Kind::Count, String::new()),
                Setting::Count(least) => (Kind::Count, format!("from `{least}`")),
                Setting::Factor => (Kind::Factor, "from `1.0`".to_owned()),
                Setting::Ratio => (Kind::Ratio, "above `0.0`".to_owned()),
                Setting::Time => (Kind::Time, String::new()),
                Setting::Lasting => (Kind::Time, "above `0s`".to_owned()),
                Setting::TimeFrom(least) => (Kind::Time, format!("from `{least}`")),
                // No size is judged before the compiler.
                Setting::Size => (Kind::Bytes, row.range.to_owned()),
                Setting::Switch | Setting::Flag => (Kind::Switch, String::new()),
                Setting::Own | Setting::Hook => (row.kind, String::new()),
            };
            assert_eq!(row.kind, kind, "{row}");
            let range = row.range.split(" to ").next().expect("a range");
            assert_eq!(range, least, "{row}");
        }
    }
}

/// What an attribute compares with where it is not written, too.
#[test]
fn the_example_of_a_key_is_its_default() {
    let is_value = |row: &&Row| row.default.starts_with(|c: char| c.is_ascii_digit());
    for policy in policies() {
        for row in policy.table.iter().filter(is_value) {
            let (key, _) = policy.keys().find(|(key, _)| key.name == row.name).expect("a key");
            // A factor of 1 and a ratio of 0 change nothing, which is no example.
            let does_nothing =
                matches!((row.kind, row.default), (Kind::Factor, "1.0") | (Kind::Ratio, "0.0"));
            let example = key.example;
            assert_eq!(
                example == row.default,
                !does_nothing,
                "the example `{example}` in `SPEC` has to be the default, unless that does nothing: {row}"
            );
        }
    }
}

#[test]
fn a_page_has_every_setting_with_its_kind_and_default() {
    for policy in policies() {
        for row in policy.table {
            let (kind, default) = policy.documented(row.name);
            assert_eq!(default, row.default, "{}: {row}", policy.spec.attr);
            let is_word = row.kind == Kind::Word;
            assert!(is_word || kind.starts_with(&row.kind.to_string()), "{kind} of {row}");
        }
    }
}

#[test]
fn each_setting_of_an_adaptive_timeout_is_a_key_and_has_a_row() {
    let timeout = policy("timeout");
    for row in AdaptiveTimeoutConfig::TABLE {
        assert!(timeout.spec.keys.iter().any(|key| key.name == row.name), "{row}");
        let (kind, default) = timeout.documented(row.name);
        assert!(kind.starts_with(&row.kind.to_string()), "{kind} of {row}");
        // The page has the default of a fixed limit's `cap`.
        assert!(default.starts_with(row.default) || row.name == "cap", "{default} of {row}");
    }
}

#[test]
fn the_page_of_the_retry_has_the_numbers_of_a_budget() {
    let default = |name| {
        let row = BudgetConfig::TABLE.iter().find(|row| row.name == name);
        row.expect("a row of the budget").default
    };
    let [capacity, cost, timeout_cost, deposit, refill] =
        ["capacity", "cost", "timeout_cost", "deposit", "refill"].map(default);
    let sentence = format!(
        "A budget holds {capacity} tokens; a retry costs {cost} ({timeout_cost} after a timeout), a success \
         returns {deposit}, and {refill} flow back each second."
    );
    assert!(policy("with_retry").page.contains(&sentence), "{sentence}");
}

#[circuit_breaker(key = host)]
fn keyed(host: &str) -> Option<usize> {
    Some(host.len())
}

#[test]
fn the_page_of_the_breaker_has_the_default_number_of_keys() {
    let info = resilience::point("settings::keyed").expect("a point").info();
    let settings = &info.stack[0].settings;
    let max_keys = settings.iter().find(|setting| setting.name == "max_keys").expect("the number of keys");
    assert!(max_keys.is_default);
    let breaker = policy("circuit_breaker");
    assert_eq!(breaker.documented("max_keys").1, max_keys.value.to_string());
    let key = breaker.spec.keys.iter().find(|key| key.name == "max_keys").expect("a key");
    assert_eq!(key.example, max_keys.value.to_string());
    assert_eq!(keyed("a"), Some(1));
}

/// The arguments of each attribute `stem` in `source`.
fn arguments<'a>(source: &'a str, stem: &str) -> impl Iterator<Item = &'a str> {
    let opening = format!("{stem}(");
    let starts: Vec<_> = source.match_indices(&opening).map(|(at, _)| at + opening.len()).collect();
    starts.into_iter().map(|start| {
        let mut depth = 1_i32;
        let end = source[start..].find(|c| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            depth == 0
        });
        &source[start..end.map_or(source.len(), |end| start + end)]
    })
}

/// The keys in the arguments of each attribute `stem` in `source`, not the words in their values.
fn written(source: &str, stem: &str) -> impl Iterator<Item = String> {
    let parsed = arguments(source, stem).filter_map(|text| text.parse().ok());
    parsed.flat_map(entries).filter_map(|entry| entry.key).map(|key| key.to_string())
}

/// The sources under `folder` that are written for people, not to be expanded or refused.
fn sources(folder: &str) -> String {
    let mut all = String::new();
    let mut folders = vec![std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path())
        {
            let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let is_other = ["ui", "expand", "lints", "messages", "editor", "fuzz", "fuzz.rs", "hygiene.rs"];
            if entry.is_dir() && !is_other.contains(&&*name) {
                folders.push(entry);
            } else if name.ends_with(".rs") && !is_other.contains(&&*name) {
                all += &std::fs::read_to_string(entry).expect("a source");
            }
        }
    }
    all
}

/// A reader finds out how a key is written, and a maintainer what it does, by searching for it.
#[test]
fn every_key_has_an_example_and_a_test() {
    let (examples, tests) = (sources("examples"), sources("tests"));
    let mut missing = Vec::new();
    for definition in attr::ATTRIBUTES {
        let spec = definition.spec;
        let page = page(spec.attr);
        let blocks: String = page.split("```").skip(1).step_by(2).collect();
        let exemplified =
            written(&examples, spec.attr).chain(written(&blocks, spec.attr)).collect::<HashSet<_>>();
        let tested = written(&tests, spec.attr).collect::<HashSet<_>>();
        for key in spec.keys {
            if !exemplified.contains(key.name) {
                missing.push(format!("{}: no example of `{}`", spec.attr, key.name));
            }
            if !tested.contains(key.name) {
                missing.push(format!("{}: no test of `{}`", spec.attr, key.name));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
