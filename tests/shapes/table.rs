//! `docs/shapes.md`: every row that was executed, and every row that cannot be.

use crate::kit::Row;
use std::fmt::Write;
use std::path::Path;

const HEAD: &str = "\
# Shapes

Every shape of function under every policy, as `tests/shapes` has executed it: how often the body ran and
what came back. `SNAPSHOTS=overwrite cargo test --test shapes` rewrites this page; the test fails when it is
out of date. A cell counts the runs of the body and names what came back: `3: value; 4: error` is one call
whose body ran three times and gave a value, and one whose body ran four times and whose caller got its error.
The columns are always the same experiment, so a row that differs from its neighbours would be a defect:

| column | attribute | calls |
|---|---|---|
| with_retry | `#[with_retry(max = 3)]` | one whose body fails twice; one whose body always fails |
| circuit_breaker | `#[circuit_breaker(threshold = 2)]` | three whose body always fails: it runs twice, the third is refused |
| timeout | `#[timeout(50ms)]` | one whose body hangs; one whose body does not |
| with_fallback | `#[with_fallback(..)]` | one whose body fails; one whose body does not |
| checkpoint | `#[checkpoint(\"row\", inputs(), store = ..)]` | three: the body fails, then succeeds, then does not run: its value was recorded |
| all four | fallback, `timeout(10s)`, retry, breaker, `timeout(2s)`; sync without the timeouts | one whose body fails, then hangs (sync: fails again), then succeeds; one whose body always fails |

A dash: a sync body cannot be stopped from outside, so `timeout` stands on async functions (its `thread` form
is tested in `tests/timeout.rs`), a value that borrows or is not `Serialize` cannot be recorded, a recursive function
needs a key that differs from call to call, or the row is among those that do not compile, below.
";

/// What does not compile, with the case in `tests/ui` whose text says so.
const REFUSED: [(&str, &str); 18] = [
    ("`timeout` on a sync function", "timeout/fail/sync_function"),
    ("`timeout(.., thread)` with a borrowed argument", "timeout/fail/thread_with_borrow"),
    ("`timeout(.., thread)` on an async function", "timeout/fail/thread_on_async"),
    ("`const fn`", "with_retry/fail/const_fn"),
    ("a method that a trait only declares", "with_retry/fail/trait_without_body"),
    ("a struct, an `impl`, a module", "with_retry/fail/on_a_struct"),
    ("`&mut self` that lends from it, under `with_retry`", "with_retry/fail/borrow_of_mut_self"),
    ("an argument that the body moves, without `clone(..)`", "with_retry/fail/moved_argument"),
    ("`mut` argument that is not `Copy`, without `clone(..)`", "with_retry/fail/mut_not_copy"),
    ("an argument that the body moves and the fallback takes", "with_fallback/fail/moved_argument"),
    ("a pattern argument and a fallback that takes all", "with_fallback/fail/pattern_argument"),
    ("`mut self` by value, under `with_retry`", "with_retry/fail/mut_self"),
    ("a setting that names `Self`", "with_retry/fail/names_self"),
    ("a return type that is no outcome", "with_retry/fail/no_outcome"),
    ("an error without room for a rejection", "circuit_breaker/fail/no_room_for_rejected"),
    ("`#[tracing::instrument]` between two of ours", "composition/fail/foreign_macro_between"),
    ("a misspelt key (ignored in silence elsewhere)", "with_retry/fail/unknown_key"),
    ("`with_fallback` below `with_retry`", "composition/fail/fallback_below_retry"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The first sentence of the text of a case in `tests/ui`.
fn refusal(case: &str) -> String {
    let path = root().join("tests/ui").join(case).with_extension("stderr");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let first = text.lines().next().unwrap_or_default();
    first.replace('|', "\\|")
}

fn page(rows: &[Row]) -> String {
    let mut page = HEAD.to_owned();
    let cells = rows.iter().flat_map(|row| &row.cells).flatten().count();
    _ = writeln!(page, "\n{} rows, {cells} cells executed.", rows.len());
    let mut group = "";
    for row in rows {
        if row.group != group {
            group = row.group;
            _ = writeln!(page, "\n## {group}\n");
            _ = writeln!(
                page,
                "| shape | | with_retry | circuit_breaker | timeout | with_fallback | checkpoint | all four |"
            );
            _ = writeln!(page, "|---|---|---|---|---|---|---|---|");
        }
        _ = write!(page, "| {} | {} |", row.shape.replace('|', "\\|"), row.kind);
        for cell in &row.cells {
            let text = match cell {
                Some(Ok(seen) | Err(seen)) => seen.as_str(),
                None => "-",
            };
            _ = write!(page, " {text} |");
        }
        page.push('\n');
    }
    page.push_str("\n## What does not compile\n\n| shape | what the compiler says | case |\n|---|---|---|\n");
    for (shape, case) in REFUSED {
        _ = writeln!(page, "| {shape} | {} | [`{case}`](../tests/ui/{case}.stderr) |", refusal(case));
    }
    page
}

/// Fails with every cell that is not as it should be, or when the page is out of date.
pub fn check(rows: &[Row]) {
    const COLUMNS: [&str; 6] =
        ["with_retry", "circuit_breaker", "timeout", "with_fallback", "checkpoint", "all four"];
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
    assert!(
        committed == page,
        "docs/shapes.md is out of date: `SNAPSHOTS=overwrite cargo test --test shapes` rewrites it"
    );
}
