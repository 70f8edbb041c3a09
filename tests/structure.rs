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

/// The rooms of `durable`, from the top down: a room may name those after it, never those before it.
const ROOMS: [&str; 9] =
    ["admin", "recovery", "job", "step", "scope", "lease", "default_store", "store", "record"];

/// Rooms that reach up, each with its reason.
const UPWARD: [(&str, &str); 2] = [
    // The errors of jobs and steps carry that of their store.
    ("record::error", "store"),
    // A caller that blocks anyway does the store's work.
    ("store::sqlite::commit", "lease::block_on"),
];

/// What `source`, the module `from` below `durable`, names of rooms above its own.
fn upward(from: &str, source: &str) -> Vec<String> {
    let room = |module: &str| {
        let first = module.split("::").next().unwrap_or(module);
        ROOMS.iter().position(|room| *room == first)
    };
    let Some(own) = room(from) else { return Vec::new() };
    let parent = |levels: usize| {
        let mut parts: Vec<_> = from.split("::").collect();
        parts.truncate(parts.len().saturating_sub(levels));
        parts.join("::")
    };
    let code = source.split("#[cfg(test)]").next().unwrap_or(source);
    // `super::super::x` is a way to another room, too.
    let relative = code.split("super::super::").skip(1).map(|rest| {
        let name = rest.chars().take_while(|c| c.is_alphanumeric() || "_:".contains(*c)).collect::<String>();
        format!("{}::{name}", parent(2)).trim_start_matches("::").to_owned()
    });
    let absolute =
        named(source).into_iter().filter_map(|name| name.strip_prefix("durable::").map(str::to_owned));
    absolute
        .chain(relative)
        .filter(|to| room(to).is_some_and(|other| other < own))
        .filter(|to| !UPWARD.iter().any(|(a, b)| from == *a && to.starts_with(b)))
        .map(|to| format!("{from} names {to}"))
        .collect()
}

#[test]
fn rooms_of_durable_name_only_those_below() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("resilience/src/durable");
    let files = sources(&root);
    let read = |path: &PathBuf| fs::read_to_string(path).expect("a source");
    let wrong: Vec<_> = files.iter().flat_map(|path| upward(&module(path, &root), &read(path))).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    for room in ROOMS {
        assert!(files.iter().any(|path| module(path, &root).starts_with(room)), "there is no room {room}");
    }
    for (from, to) in UPWARD {
        let path = files.iter().find(|path| module(path, &root) == from).expect("the room that reaches up");
        assert!(read(path).contains(&format!("crate::durable::{to}")), "{from} no longer names {to}");
    }
}

#[test]
fn a_room_that_names_one_above_is_found() {
    let planted = [
        ("scope", "use crate::durable::recovery::pool;", "recovery::pool"),
        ("job::run", "fn f() { crate::durable::recovery::remind() }", "recovery::remind"),
        ("record::key", "use crate::durable::job::args::Args;", "job::args::Args"),
        ("step::site", "use super::super::job::site::JobSite;", "job::site::JobSite"),
        ("store::memory", "use crate::{durable::lease::hold, clock};", "lease::hold"),
    ];
    for (from, line, to) in planted {
        assert_eq!(upward(from, line), [format!("{from} names {to}")]);
    }
    for (from, line) in [
        ("recovery::scan", "use crate::durable::job::site::JobSite;"),
        ("job::run", "/// See crate::durable::recovery."),
        ("lease::hold", "#[cfg(test)] mod tests { use crate::durable::job::run; }"),
        ("record::error", "use crate::durable::store::StoreError;"),
    ] {
        assert!(upward(from, line).is_empty(), "{line}");
    }
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
