//! What the attributes add fires no lint, however strict the crate: `tests/lints` denies nearly all there are.
//!
//! That the user's own lints still fire inside the body is shown by
//! `tests/ui/with_retry/fail/lints_of_the_body_still_fire.rs`.

#[path = "shared/cargo.rs"]
mod cargo;

use cargo::cargo;
use std::path::Path;

#[test]
fn a_crate_that_denies_every_lint_has_no_warnings() {
    if !cargo().args(["clippy", "--version"]).output().is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: `rustup component add clippy`");
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lints");
    let mut clippy = cargo();
    clippy.args(["clippy", "--quiet", "--offline", "-p", "resilience-lints", "--", "-D", "warnings"]);
    clippy.current_dir(root).env("CARGO_TARGET_DIR", folder);
    let output = clippy.output().expect("clippy");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
