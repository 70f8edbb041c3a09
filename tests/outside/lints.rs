//! What the attributes add fires no lint, however strict the crate: `tests/lints` denies nearly all there are.
//!
//! That the user's own lints still fire inside the body is shown by
//! `tests/ui/with_retry/fail/lints_of_the_body_still_fire.rs`.

use crate::{cargo, root};

#[test]
fn a_crate_that_denies_every_lint_has_no_warnings() {
    if !cargo().args(["clippy", "--version"]).output().is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: `rustup component add clippy`");
        return;
    }
    let mut clippy = cargo();
    clippy.args(["clippy", "--quiet", "--offline", "-p", "resilience-lints", "--", "-D", "warnings"]);
    let output = clippy.current_dir(root()).output().expect("clippy");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
