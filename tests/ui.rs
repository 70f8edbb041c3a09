//! The compiler's answers to mistakes: `tests/ui/<stem>/fail/<the mistake>.rs` with its text beside it.
//!
//! Texts of the compiler change with its version, so they are compared on one version only.
//! `TRYBUILD=overwrite cargo test --test ui` accepts what has changed.

use std::process::Command;

/// The compiler whose texts are kept.
const RUSTC: &str = "1.95";

#[test]
fn ui() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output().expect("rustc");
    let version = String::from_utf8_lossy(&output.stdout);
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/*/pass/*.rs");
    if version.starts_with(&format!("rustc {RUSTC}.")) {
        cases.compile_fail("tests/ui/*/fail/*.rs");
    } else {
        eprintln!("SKIPPED: the texts in tests/ui are those of rustc {RUSTC}, this is {version}");
    }
}
