//! Tasks of the repository: `cargo xtask api [--check]`, `cargo xtask accept [KIND]..` and
//! `cargo xtask find ATTRIBUTE KEY`.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

mod api;
#[path = "../../tests/shared/cargo.rs"]
mod cargo;
mod find;

use cargo::cargo;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const USAGE: &str = "\
usage: cargo xtask TASK

  api             writes docs/public-api.txt: what users can name, one item a line
  api --check     fails if that file does not agree with the code
  accept [KIND].. [-- WORD..]
                  accepts what the code produces now as expected: expand, messages, ui, conformance,
                  shapes, golden (only where the stored format changed); without a KIND all but golden;
                  with words only the cases of `ui` with them in their path
  find ATTR [KEY] shows where a key is read, declared, used, documented, shown and tested; without
                  a KEY the keys that an attribute has";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        ["api"] => api::write(),
        ["api", "--check"] => api::check(),
        ["accept", kinds @ ..] => accept(kinds),
        ["find", attr] => find::print_keys(attr),
        ["find", attr, key] => find::print(attr, key),
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The test files that compare generated text with the checked in one.
const SNAPSHOTS: [&str; 5] = ["expand", "messages", "ui", "conformance", "shapes"];

fn accept(kinds: &[&str]) -> Result<()> {
    let (kinds, words) = match kinds.iter().position(|word| *word == "--") {
        Some(end) => (&kinds[..end], &kinds[end + 1..]),
        None => (kinds, &[][..]),
    };
    if !words.is_empty() && kinds != ["ui"] {
        return Err(format!("only `accept ui` takes words\n\n{USAGE}").into());
    }
    for &kind in if kinds.is_empty() { &SNAPSHOTS } else { kinds } {
        let mut test = cargo();
        test.args(["test", "--quiet", "--test"]);
        match kind {
            "golden" => test.args(["store", "released"]).env("GOLDEN", "write"),
            kind if SNAPSHOTS.contains(&kind) => test.arg(kind).env("SNAPSHOTS", "overwrite"),
            kind => return Err(format!("`{kind}` is not a kind of snapshot\n\n{USAGE}").into()),
        };
        if !words.is_empty() {
            test.args(["--", "ui"]).args(words);
        }
        run(&mut test)?;
    }
    Ok(())
}

/// Runs `command` in the root of the repository.
fn run(command: &mut Command) -> Result<()> {
    let status = command.current_dir(root()).status()?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Writes `text` to `path` of the repository, if its content differs.
fn replace(path: &Path, text: &str) -> Result<()> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    Ok(fs::write(path, text)?)
}
