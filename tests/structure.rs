//! The arrows between the modules of the runtime point one way, and policies do not know each other.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    files.into_iter().chain(folders.iter().flat_map(|folder| sources(folder))).collect()
}

/// The module path of a source file below `src`: `policy/with_retry/run.rs` is `policy::with_retry::run`.
fn module(path: &Path, root: &Path) -> String {
    let path = path.strip_prefix(root).expect("below src").with_extension("");
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    parts.join("::").trim_end_matches("::mod").to_owned()
}

/// What `use crate::..` and `crate::..` in a file name, test modules left out.
fn named(source: &str) -> Vec<String> {
    let code = source.split("#[cfg(test)]").next().unwrap_or(source);
    let code =
        code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let word = |text: &str| {
        text.chars().take_while(|c| c.is_alphanumeric() || "_:".contains(*c)).collect::<String>()
    };
    let mut found: Vec<_> = code.split("crate::").skip(1).map(word).collect();
    for list in code.split("use crate::{").skip(1) {
        let list = list.split('}').next().unwrap_or("");
        found.extend(list.split(',').map(|part| word(part.trim())));
    }
    found
}

/// The floors of the house: a file may name its own floor and those below, never one above.
const FLOORS: [&[&str]; 7] = [
    &[
        "text", "sync", "defaults", "clock", "rng", "classify", "rejected", "outcome", "point", "testing",
        "site", "scope",
    ],
    &["event"],
    &["registry"],
    &["policy"],
    &["durable"],
    &["__private"],
    &[],
];

fn floor(module: &str) -> Option<usize> {
    let first = module.split("::").next().unwrap_or(module);
    FLOORS.iter().position(|names| names.contains(&first))
}

/// Seams that reach up on purpose, each with its reason.
const REACHES: [(&str, &str); 4] = [
    // A rejection carries the error of the job or step that made it.
    ("rejected", "durable"),
    // The suite of stores stands with everything else that is for tests.
    ("testing", "durable"),
    // A test world keeps the events of its threads.
    ("testing", "event"),
    // Handles are methods of a point, written where the policy is.
    ("registry", "policy"),
];

#[test]
fn arrows_point_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("resilience/src");
    let mut wrong = Vec::new();
    for path in sources(&root).into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs")) {
        let from = module(&path, &root);
        let Some(own) = floor(&from) else { continue };
        for to in named(&fs::read_to_string(&path).expect("a source")) {
            let reaches = REACHES.iter().any(|(a, b)| from.starts_with(a) && to.starts_with(b));
            if floor(&to).is_some_and(|other| other > own) && !reaches {
                wrong.push(format!("{from} names {to}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_policy_names_another() {
    const POLICIES: [&str; 4] = ["with_retry", "circuit_breaker", "timeout", "with_fallback"];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("resilience/src");
    for policy in POLICIES {
        let own = |path: &PathBuf| module(path, &root).starts_with(&format!("policy::{policy}"));
        for path in sources(&root).into_iter().filter(own) {
            for to in named(&fs::read_to_string(&path).expect("a source")) {
                let other = POLICIES
                    .iter()
                    .find(|other| **other != policy && to.starts_with(&format!("policy::{other}")));
                assert_eq!(other, None, "{} names {to}", path.display());
            }
        }
    }
}
