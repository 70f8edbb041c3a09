//! Crates outside of this workspace, built against the library as their authors would: the README's programs, a strict
//! crate, one with two versions of the library, and one that is open in an editor.
//!
//! Each builds the library again with features of its own, which takes minutes: `cargo test` at the root leaves them
//! out, and `cargo test -p resilience-outside` runs them.

#[path = "../shared/cargo.rs"]
mod cargo;
mod editor;
mod lints;
mod readme;
mod two_versions;

use std::path::{Path, PathBuf};

/// Returns the folder of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace")
}

/// Returns an empty folder for a crate called `name`.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(folder.join("src")).expect("a folder");
    folder
}

/// Returns a call of cargo that finds the dependencies where this test was built.
fn cargo() -> std::process::Command {
    let mut cargo = cargo::cargo();
    cargo.env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join(".."));
    cargo
}
