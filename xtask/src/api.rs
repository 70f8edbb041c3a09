//! `docs/public-api.txt`: what users of the crate can name, so that each change of it shows in review.

use crate::{Result, cargo, replace, root, run};
use public_api::{Builder, MINIMUM_NIGHTLY_RUST_VERSION, PublicApi};
use std::collections::HashSet;
use std::path::PathBuf;
use std::{env, fs};

pub(crate) fn write() -> Result<()> {
    replace(&path(), &listing()?)
}

pub(crate) fn check() -> Result<()> {
    let (written, now) = (fs::read_to_string(path())?, listing()?);
    let differences = differences(&written, &now);
    if differences.is_empty() {
        return Ok(());
    }
    let help = "help: `cargo xtask api` rewrites it; name the change in CHANGELOG.md";
    Err(format!("docs/public-api.txt does not agree with the code:\n{differences}{help}").into())
}

fn path() -> PathBuf {
    root().join("docs/public-api.txt")
}

/// Returns the lines that only one of two listings has.
fn differences(written: &str, now: &str) -> String {
    let only = |sign, these: &str, those: &str| -> String {
        let those: Vec<&str> = those.lines().collect();
        let lines = these.lines().filter(|line| !those.contains(line));
        lines.flat_map(|line| [sign, line, "\n"]).collect()
    };
    only("- ", written, now) + &only("+ ", now, written)
}

/// Returns one line for each public item of all features: those in the documentation, without those that compilers
/// implement.
fn listing() -> Result<String> {
    let mut rustdoc = cargo();
    rustdoc.args(["rustdoc", "--quiet", "--package", "resilience", "--lib", "--all-features"]);
    rustdoc.args(["--", "-Z", "unstable-options", "--output-format", "json", "--cap-lints", "allow"]);
    // The JSON is unstable, so a stable rustdoc has to be allowed to write it: rustdoc alone, for what rustc has
    // built without that permission would be built again with it.
    run(rustdoc.env("RUSTDOC", root().join(".ci/rustdoc")))?;
    let target = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let json = root().join(target).join("doc/resilience.json");
    let api: PublicApi = Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()
        .map_err(|error| format!("{error}\nnote: made for the rustdoc of {MINIMUM_NIGHTLY_RUST_VERSION}"))?;
    Ok(once_each(api.items().map(ToString::to_string)))
}

/// Returns the lines in their order, each where it is first: the methods of a type come once for each of its paths.
fn once_each(lines: impl Iterator<Item = String>) -> String {
    let mut seen = HashSet::new();
    lines.filter(|line| seen.insert(line.clone())).flat_map(|line| [line, "\n".to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::{differences, once_each};

    #[test]
    fn a_difference_lists_each_changed_line() {
        assert_eq!(differences("a\nb\n", "a\nb\n"), "");
        assert_eq!(differences("a\nb\n", "b\nc\n"), "- a\n+ c\n");
    }

    #[test]
    fn a_repeated_line_stays_where_it_is_first() {
        let lines = ["Retry", "Retry::max", "policy::Retry", "Retry::max"].map(str::to_owned);
        assert_eq!(once_each(lines.into_iter()), "Retry\nRetry::max\npolicy::Retry\n");
    }
}
