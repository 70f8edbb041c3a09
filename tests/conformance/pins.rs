//! What is pinned: the verdict on every scenario of `tests/scenarios`, and the tables of `docs/conformance.md`.
//!
//! `cargo xtask accept conformance` writes both anew; read the difference before it is committed.

use std::path::Path;

fn overwrites() -> bool {
    std::env::var_os("SNAPSHOTS").is_some_and(|value| value == "overwrite")
}

/// Holds `verdicts` against the checked-in ones, so that nothing passes less, or otherwise, unnoticed.
pub(crate) fn verdicts(verdicts: &str) {
    hold("tests/conformance/verdicts.txt", |_| verdicts.to_owned());
}

/// Holds the part `name` of the page about this runner against `table`.
pub(crate) fn page(name: &str, table: &str) {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    hold("docs/conformance.md", |text| {
        let (before, rest) = text.split_once(&begin).expect("the page has the marks of the table");
        let (_, after) = rest.split_once(&end).expect("the page has the marks of the table");
        format!("{before}{begin}\n{table}\n{end}{after}")
    });
}

fn hold(file: &str, change: impl FnOnce(&str) -> String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let before = std::fs::read_to_string(&path).unwrap_or_default();
    let after = change(&before);
    if overwrites() {
        std::fs::write(&path, after).unwrap();
        return;
    }
    let differences: Vec<_> = differences(&before, &after);
    assert!(
        differences.is_empty(),
        "{file} is not what was found; `cargo xtask accept conformance` accepts it:\n{}",
        differences.join("\n")
    );
}

/// The lines that only one of both texts has.
fn differences(before: &str, after: &str) -> Vec<String> {
    let only = |of: &str, sign: &str, other: &str| {
        let lines = of.lines().filter(|line| !other.lines().any(|its| its == *line));
        lines.map(|line| format!("{sign}{line}")).collect::<Vec<_>>()
    };
    [only(before, "-", after), only(after, "+", before)].concat()
}
