//! `docs/shapes.md`: every row that was executed, and every row that cannot be.

use crate::kit::Row;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

const HEAD: &str = "\
# Shapes

Every shape of function under every policy, as `tests/shapes` has executed it: how often the body ran and what came
back. `3: value; 4: error` is one call whose body ran three times and whose caller got a value, and one whose body ran
four times and whose caller got the error. All rows of a column are the same experiment, so almost all rows are equal:
this page shows the usual row, the shapes that have it, and how the others differ. `cargo xtask accept shapes` rewrites
it; the test fails when it is out of date.

| column | attribute | calls |
|---|---|---|
| with_retry | `#[with_retry(max = 3)]` | one whose body fails twice; one whose body always fails |
| circuit_breaker | `#[circuit_breaker(threshold = 2)]` | three whose body always fails: it runs twice, the third is refused |
| timeout | `#[timeout(50ms)]` | one whose body hangs; one whose body does not |
| with_fallback | `#[with_fallback(..)]` | one whose body fails; one whose body does not |
| load | `#[bulkhead(4, wait = 1s)]` over `#[rate_limit(3, per = 1h)]` | four: the body fails, then succeeds twice, then does not run |
| checkpoint | `#[checkpoint(\"row\", inputs(), store = ..)]` | three: the body fails, then succeeds, then does not run: its value was recorded |
| all four | fallback, `timeout(10s)`, retry, breaker, `timeout(2s)`; sync without the timeouts | one whose body fails, then hangs (sync: fails again), then succeeds; one whose body always fails |

A policy is missing where it cannot be: a sync body cannot be stopped from outside, so `timeout` is for async functions
(`tests/timeout.rs` tests its form `thread`); a value that borrows or is not `Serialize` cannot be recorded; a recursive
function needs a key that differs from call to call.
";

/// The experiments of a row, in the order of its cells.
const COLUMNS: [&str; 7] =
    ["with_retry", "circuit_breaker", "timeout", "with_fallback", "load", "checkpoint", "all four"];

/// What does not compile, with the case that shows its error.
const REFUSED: [(&str, &str); 18] = [
    ("`timeout` on a sync function", "timeout/sync_function"),
    ("`timeout(.., thread)` with a borrowed argument", "timeout/thread_with_borrow"),
    ("`timeout(.., thread)` on an async function", "timeout/thread_on_async"),
    ("`const fn`", "with_retry/const_fn"),
    ("a method that a trait only declares", "with_retry/trait_without_body"),
    ("a struct, an `impl`, a module", "with_retry/on_a_struct"),
    ("`&mut self` that lends from it, under `with_retry`", "with_retry/borrow_of_mut_self"),
    ("an argument that the body moves, without `clone(..)`", "with_retry/moved_argument"),
    ("`mut` argument that is not `Copy`, without `clone(..)`", "with_retry/mut_not_copy"),
    ("an argument that the body moves and the fallback takes", "with_fallback/moved_argument"),
    ("a pattern argument and a fallback that takes all", "with_fallback/pattern_argument"),
    ("`mut self` by value, under `with_retry`", "with_retry/mut_self"),
    ("a setting that names `Self`", "with_retry/names_self"),
    ("a return type that is no outcome", "with_retry/no_outcome"),
    ("an error that cannot hold a rejection", "circuit_breaker/no_room_for_rejected"),
    ("`#[tracing::instrument]` between two of ours", "composition/foreign_macro_between"),
    ("a misspelt key (other libraries ignore it)", "with_retry/unknown_key"),
    ("`with_fallback` below `with_retry`", "composition/fallback_below_retry"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The first line of the error of a case, and the file that has the case: one in `tests/ui` where the compiler
/// reports it, a part of `tests/messages/<stem>.rs` where the macro does.
fn refusal(case: &str) -> (String, String) {
    let read = |path: &str| std::fs::read_to_string(root().join(path));
    let (stem, name) = case.split_once('/').unwrap_or_default();
    let compiled = format!("tests/ui/{stem}/fail/{name}.stderr");
    if let Ok(text) = read(&compiled) {
        return (text.lines().next().unwrap_or_default().replace('|', "\\|"), compiled);
    }
    let source = format!("tests/messages/{stem}.rs");
    let lines = read(&source).unwrap_or_else(|error| panic!("{source}: {error}"));
    let begins = |line: &&str| line.strip_prefix("// ").is_some_and(|word| !word.contains(' '));
    let first = lines.lines().position(|line| line == format!("// {name}"));
    let first = first.unwrap_or_else(|| panic!("no case `{name}` in {source}"));
    let length = lines.lines().skip(first + 1).position(|line| begins(&line)).unwrap_or(usize::MAX);
    let errors = read(&format!("tests/messages/{stem}.stderr")).unwrap_or_default();
    let place = |error: &&str| {
        let at = error.split_once(&format!("--> {source}:"))?.1.split(':').next()?;
        at.parse::<usize>().ok().filter(|line| (first..first.saturating_add(length) + 2).contains(line))
    };
    let error = errors.split("\n\n").find(|error| place(error).is_some());
    let error = error.unwrap_or_else(|| panic!("no error for `{name}` in {source}"));
    (error.lines().next().unwrap_or_default().replace('|', "\\|"), source)
}

/// What the cells of a row say, in the order of [`COLUMNS`].
fn texts(row: &Row) -> [&str; COLUMNS.len()] {
    row.cells.each_ref().map(|cell| match cell {
        Some(Ok(seen) | Err(seen)) => seen.as_str(),
        None => "-",
    })
}

/// The most frequent text of each column, among the rows of one kind that have one.
fn usual<'a>(rows: &'a [Row], kind: &str) -> [&'a str; COLUMNS.len()] {
    std::array::from_fn(|column| {
        let mut counts = BTreeMap::new();
        for row in rows.iter().filter(|row| row.kind == kind) {
            *counts.entry(texts(row)[column]).or_insert(0) += usize::from(row.cells[column].is_some());
        }
        counts.into_iter().max_by_key(|(_, count)| *count).map_or("-", |(text, _)| text)
    })
}

/// How a row differs from the usual one of its kind; empty if it does not.
fn differences(row: &Row, usual: &[&str; COLUMNS.len()]) -> String {
    let cells = COLUMNS.iter().zip(texts(row)).zip(usual);
    let differing = cells.filter(|((_, seen), usual)| seen != *usual);
    let words = differing.map(|((column, seen), _)| match seen {
        "-" => format!("no {column}"),
        seen => format!("{column}: {seen}"),
    });
    words.collect::<Vec<_>>().join("<br>")
}

fn page(rows: &[Row]) -> String {
    let mut page = HEAD.to_owned();
    let cells = rows.iter().flat_map(|row| &row.cells).flatten().count();
    _ = writeln!(page, "\n{} rows, {cells} cells executed.\n", rows.len());
    let kinds = ["sync", "async"].map(|kind| (kind, usual(rows, kind)));
    _ = writeln!(page, "| usual row | {} |\n|---|{}", COLUMNS.join(" | "), "---|".repeat(COLUMNS.len()));
    for (kind, usual) in &kinds {
        _ = writeln!(page, "| {kind} | {} |", usual.join(" | "));
    }
    for group in rows.chunk_by(|one, next| one.group == next.group) {
        _ = writeln!(page, "\n## {}\n", group[0].group);
        let (mut same, mut other) = (Vec::<(String, Vec<&str>)>::new(), String::new());
        for row in group {
            let shape = row.shape.replace('|', "\\|");
            let usual = kinds
                .iter()
                .find(|(kind, _)| *kind == row.kind)
                .map_or([""; COLUMNS.len()], |(_, usual)| *usual);
            let differs = differences(row, &usual);
            if !differs.is_empty() {
                _ = writeln!(other, "| {shape} | {} | {differs} |", row.kind);
            } else if let Some((_, kinds)) = same.iter_mut().find(|(known, _)| *known == shape) {
                kinds.push(row.kind);
            } else {
                same.push((shape, vec![row.kind]));
            }
        }
        let named = same.iter().map(|(shape, kinds)| match kinds.as_slice() {
            [kind] => format!("{shape} ({kind})"),
            _ => shape.clone(),
        });
        let named = named.collect::<Vec<_>>().join("; ");
        if !named.is_empty() {
            _ = writeln!(page, "As usual: {named}.");
        }
        if !other.is_empty() {
            _ = write!(page, "\n| shape | | differs |\n|---|---|---|\n{other}");
        }
    }
    page.push_str("\n## What does not compile\n\n| shape | what the compiler says | case |\n|---|---|---|\n");
    for (shape, case) in REFUSED {
        let (error, file) = refusal(case);
        _ = writeln!(page, "| {shape} | {error} | [`{case}`](../{file}) |");
    }
    page
}

/// Fails with every cell that is not as it should be, or when the page is out of date.
pub fn check(rows: &[Row]) {
    let mut wrong = Vec::new();
    for row in rows {
        for (cell, column) in row.cells.iter().zip(COLUMNS) {
            if let Some(Err(seen)) = cell {
                wrong.push(format!("{}: {} ({}), {column}: {seen}", row.group, row.shape, row.kind));
            }
        }
    }
    assert!(wrong.is_empty(), "{} cells are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(rows.len() >= 120, "{} rows", rows.len());
    let (path, page) = (root().join("docs/shapes.md"), page(rows));
    if std::env::var_os("SNAPSHOTS").is_some_and(|value| value == "overwrite") {
        std::fs::write(&path, page).expect("docs/shapes.md is written");
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == page, "docs/shapes.md is out of date: `cargo xtask accept shapes` rewrites it");
}
