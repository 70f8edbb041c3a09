//! The arrows between the modules of both crates: no cycles, no arrow up, no policy that names another. Names that are
//! the same everywhere, and the first words of documentation.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, OnceLock};

use graph::{Graph, Modules, child_of};

#[path = "structure/graph.rs"]
mod graph;
#[path = "structure/verbs.rs"]
mod verbs;

/// What a test knows of one crate.
struct House {
    modules: Modules,
    /// The folders whose modules have an order, each from the bottom up. The folder's own file is above them all.
    floors: &'static [(&'static str, &'static [&'static str])],
    /// The folders whose modules do not name each other: those of attributes and policies.
    apart: &'static [&'static str],
    /// What is wrong with the modules as they are.
    wrong: OnceLock<Wrong>,
}

/// The modules of the runtime, from the bottom up.
const FLOORS: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "base",
            "failure",
            "point",
            "alerts",
            "event",
            "deadline",
            "keyed",
            "policy",
            "tower",
            "fs",
            "durable",
            "outgoing",
            "health",
            "metrics",
            "webhook",
            "shutdown",
            "supervisor",
            "config",
            "testing",
            "__private",
            "classify",
            "events",
            "guide",
        ],
    ),
    (
        "durable",
        &[
            "record",
            "store",
            "default_store",
            "lease",
            "seat",
            "scope",
            "under_way",
            "call",
            "with_lock",
            "step",
            "job",
            "recovery",
            "admin",
            "ending",
            "in_use",
            "__private",
        ],
    ),
];

/// The modules of the macro crate, from the bottom up.
const MACROS_FLOORS: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "errors",
            "syntax",
            "function",
            "value",
            "options",
            "context",
            "layer",
            "attr",
            "emit",
            "stack",
            "derive_classify",
        ],
    ),
    ("syntax", &["units", "tokens", "suggest", "entries", "keys"]),
    ("function", &["types", "uses", "async_kind", "item"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

static RUNTIME: LazyLock<House> = LazyLock::new(|| House {
    modules: Modules::read(&root().join("resilience/src")),
    floors: FLOORS,
    apart: &["policy"],
    wrong: OnceLock::new(),
});

static MACROS: LazyLock<House> = LazyLock::new(|| House {
    modules: Modules::read(&root().join("resilience-macros/src")),
    floors: MACROS_FLOORS,
    apart: &["attr"],
    wrong: OnceLock::new(),
});

/// The names of the attributes: the files of `attr` that have a page. The others are common to several.
fn stems() -> Vec<String> {
    let src = root().join("resilience-macros/src");
    let files = fs::read_dir(src.join("attr")).expect("a folder");
    let stem = |path: PathBuf| path.file_stem().expect("a name").to_string_lossy().into_owned();
    let stems = files.map(|file| stem(file.expect("an entry").path()));
    stems.filter(|stem| src.join(format!("docs/{stem}.md")).exists()).collect()
}

/// Arrows that must not be, as (from, to), and the cycles.
type Wrong = (BTreeSet<(String, String)>, BTreeSet<BTreeSet<String>>);

impl House {
    fn wrong(&self) -> &Wrong {
        self.wrong.get_or_init(|| self.judge(&self.modules))
    }

    /// What is wrong once `line` is at the end of the file of `module`.
    fn planted(&self, module: &str, line: &str) -> Wrong {
        self.judge(&self.modules.planted(module, line))
    }

    fn judge(&self, modules: &Modules) -> Wrong {
        let graph = Graph::of(modules);
        let stems = stems();
        let is_wrong = |from: &str, to: &str| {
            let upward = self.floors.iter().any(|(folder, floors)| is_upward(folder, floors, from, to));
            let beside = self.apart.iter().any(|folder| {
                let stem = |module| {
                    let child = child_of(folder, module)?;
                    stems.iter().find(|stem| child == format!("{folder}::{stem}"))
                };
                matches!((stem(from), stem(to)), (Some(from), Some(to)) if from != to)
            });
            upward || beside
        };
        let arrows = graph.edges().filter(|(from, to, _)| is_wrong(from, to));
        (arrows.map(|(from, to, _)| (from.to_owned(), to.to_owned())).collect(), graph.cycles())
    }
}

/// Whether, of the modules of `folder`, that of `to` is above that of `from`.
fn is_upward(folder: &str, floors: &[&str], from: &str, to: &str) -> bool {
    let Some(from) = child_of(folder, from) else { return false };
    let floor = |module: &str| {
        let name = module.rsplit("::").next().expect("a name");
        let found = floors.iter().position(|floor| *floor == name);
        found.unwrap_or_else(|| panic!("{module} has no place in the order of modules"))
    };
    match child_of(folder, to) {
        Some(to) => floor(&to) > floor(&from),
        None => to == folder,
    }
}

/// Checks that nothing is wrong.
fn hold(house: &House) {
    let (upward, cycles) = house.wrong();
    assert!(upward.is_empty(), "arrows up: {upward:#?}");
    assert!(cycles.is_empty(), "cycles: {cycles:#?}");
}

#[test]
fn imports_of_the_runtime_point_down() {
    hold(&RUNTIME);
}

#[test]
fn imports_of_the_macros_point_down() {
    hold(&MACROS);
}

#[test]
fn the_other_crates_have_no_cycles() {
    for src in ["extras/resilience-cli/src", "benches/src"] {
        let graph = Graph::of(&Modules::read(&root().join(src)));
        assert!(graph.edges().count() > 2, "no imports in {src}");
        let cycles = graph.cycles();
        assert!(cycles.is_empty(), "cycles in {src}: {cycles:#?}");
    }
}

/// A planted import is an arrow that was not there.
#[track_caller]
fn finds(house: &House, module: &str, line: &str, from: &str, to: &str) {
    let arrow = (from.to_owned(), to.to_owned());
    assert!(!house.wrong().0.contains(&arrow), "{from} -> {to} is there already");
    assert!(house.planted(module, line).0.contains(&arrow), "not found: {line}");
}

#[test]
fn a_wrong_import_is_detected() {
    let timeout = "policy::timeout";
    finds(&RUNTIME, timeout, "use super::CircuitBreaker;", timeout, "policy::circuit_breaker");
    finds(
        &RUNTIME,
        "base::clock",
        "use crate::{base::sync::locked, event as events};",
        "base::clock",
        "event",
    );
    finds(&RUNTIME, "base::rng", "use crate::durable::Job as Work;", "base::rng", "durable::job::policy");
    finds(&RUNTIME, "base::text", "pub use crate::Rejected;", "base::text", "failure::rejected");
    finds(
        &RUNTIME,
        "base::site",
        "fn planted() { crate::point::registry::points(); }",
        "base::site",
        "point::registry",
    );
    finds(
        &RUNTIME,
        "base::sync",
        "fn planted(_: Option<&crate::event::Event>) {}",
        "base::sync",
        "event::kinds",
    );
    finds(
        &RUNTIME,
        "base::scope",
        "fn planted() { vec![crate::policy::Retry::new()]; }",
        "base::scope",
        RETRY,
    );
    finds(
        &RUNTIME,
        "base::scope",
        "macro_rules! planted { () => { $crate::Retry::new() } }",
        "base::scope",
        RETRY,
    );
    finds(&RUNTIME, "base::timer", "use super::super::point::registry;", "base::timer", "point::registry");
    finds(
        &RUNTIME,
        "base::template",
        "use crate::policy; fn planted() { policy::Retry::new(); }",
        "base::template",
        RETRY,
    );
    finds(
        &RUNTIME,
        "base::template",
        "use crate::policy::*; fn planted() -> Retry { Retry::new() }",
        "base::template",
        RETRY,
    );
    finds(
        &RUNTIME,
        "base::text",
        "mod planted { use super::super::super::point::Layer; }",
        "base::text",
        "point::layer",
    );
    finds(
        &RUNTIME,
        "base::text",
        "#[cfg(feature = \"testing\")] use crate::point::Layer;",
        "base::text",
        "point::layer",
    );
    finds(&RUNTIME, "durable::scope", "use super::job::site;", "durable::scope", "durable::job::site");
    finds(&MACROS, "attr::timeout", "use super::job::SPEC as KEYS;", "attr::timeout", "attr::job");
}

const RETRY: &str = "policy::with_retry::config";

#[test]
fn a_new_cycle_is_detected() {
    for (house, module, line, members) in [
        (&MACROS, "syntax::suggest", "use super::keys::Spec as Keys;", ["syntax::keys", "syntax::suggest"]),
        (&MACROS, "function::item", "use crate::stack;", ["function", "stack"]),
        (
            &RUNTIME,
            "policy::with_retry::backoff",
            "use super::run;",
            ["policy::with_retry::backoff", "policy::with_retry::run"],
        ),
    ] {
        let (before, after) = (&house.wrong().1, house.planted(module, line).1);
        let has_all = |cycle: &&BTreeSet<String>| members.iter().all(|member| cycle.contains(*member));
        assert!(after.difference(before).any(|cycle| has_all(&cycle)), "not found: {line}");
    }
}

#[test]
fn allowed_imports_are_not_reported() {
    for (module, line) in [
        ("durable::recovery::scan", "use crate::durable::job::site::JobSite;"),
        ("base::text", "/// See crate::durable::recovery.\nfn planted() {}"),
        ("base::text", "const PLANTED: &str = \"crate::durable::recovery\";"),
        ("base::text", "#[cfg(test)] mod planted { use crate::durable::job::run; }"),
        ("base::text", "#[cfg(all(test, feature = \"tokio\"))] use crate::{durable::job, policy};"),
        ("base::text", "use std::scope; fn planted() { ::rejected::new(); }"),
        ("policy", "pub use timeout::Timeout as Planted;"),
    ] {
        assert_eq!(RUNTIME.planted(module, line), *RUNTIME.wrong(), "{line}");
    }
}

#[test]
fn an_attribute_has_the_same_name_everywhere() {
    let stems = stems();
    assert!(stems.len() >= 7, "{stems:?}");
    let missing = |stem: &String| {
        let files = [
            format!("examples/{stem}.rs"),
            format!("tests/{stem}.rs"),
            format!("tests/expand/{stem}.rs"),
            format!("tests/messages/{stem}.rs"),
            format!("tests/ui/{stem}"),
        ];
        files.into_iter().filter(|file| !root().join(file).exists()).collect::<Vec<_>>()
    };
    let missing: Vec<_> = stems.iter().flat_map(missing).collect();
    assert!(
        missing.is_empty(),
        "add these files; the table in CONTRIBUTING.md says what each is for: {missing:#?}"
    );
}

/// The examples of a crate's documentation are one program when they are tested, in which points that share a name are
/// numbered.
#[test]
fn points_in_documentation_examples_have_unique_names() {
    for (folder, ending, mark) in [("resilience/src", "rs", "//"), ("resilience-macros/src/docs", "md", "")] {
        let mut names = BTreeMap::<String, Vec<String>>::new();
        for path in files_below(&root().join(folder)) {
            if path.extension().is_none_or(|found| found != ending) {
                continue;
            }
            let text = fs::read_to_string(&path).expect("a file");
            for line in text.lines().filter(|line| line.trim_start().starts_with(mark)) {
                let Some((_, rest)) = line.split_once("name = \"") else { continue };
                let name = rest.split('"').next().unwrap_or_default().to_owned();
                names.entry(name).or_default().push(path.display().to_string());
            }
        }
        names.retain(|_, places| places.len() > 1);
        assert!(names.is_empty(), "{names:#?}");
    }
}

#[test]
fn function_documentation_begins_with_a_verb() {
    let wrong = verbs::without_verb(root());
    assert!(
        wrong.is_empty(),
        "begin with a verb in the third person, as in \"Returns the name\": {wrong:#?}"
    );
}

#[test]
fn documentation_without_a_verb_is_detected() {
    let source = "
        /// Its name.
        pub(crate) const fn first() {}
        wrapped! { impl A { /// Returns the name.
            #[inline] fn second() {} /** The name. */ extern \"C\" fn third() {} } }
        /// The name.
        type Name = fn() -> u8;
        fn undocumented() {}
        /// A name is a name.
        #[test]
        fn a_name_is_a_name() {}
    ";
    let functions = verbs::functions(source);
    let wrong: Vec<_> = functions.iter().filter(|function| !function.begins_with_verb()).collect();
    assert_eq!(functions.len(), 3);
    assert_eq!(wrong.iter().map(|function| function.name.as_str()).collect::<Vec<_>>(), ["first", "third"]);
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}
