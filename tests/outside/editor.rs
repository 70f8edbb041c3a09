//! What an editor makes of annotated functions: nothing of sound ones, and of broken ones the macros' own words,
//! while their callers keep every type. Needs rust-analyzer and the sources of std.

use crate::{folder, root};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const MANIFEST: &str = r#"[package]
name = "editor"
version = "0.0.0"
edition = "2024"

[dependencies]
resilience = { path = "ROOT/resilience", features = ["durable"] }

[workspace]
"#;

/// Whether both can be had here.
fn is_there() -> bool {
    let analyzer = Command::new("rust-analyzer").arg("--version").output();
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output();
    let has_sources = sysroot.is_ok_and(|output| {
        let root = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        root.join("lib/rustlib/src/rust/library/std").is_dir()
    });
    analyzer.is_ok_and(|output| output.status.success()) && has_sources
}

/// The file, line and text of each error that rust-analyzer finds in the crate.
fn errors(folder: &Path) -> Vec<(String, usize, String)> {
    // Its servers of macros leave what they made in the folder for temporary files.
    let temporary = folder.join("tmp");
    fs::create_dir_all(&temporary).expect("a folder");
    let mut command = Command::new("rust-analyzer");
    command.args(["diagnostics", "."]).current_dir(folder).env("TMPDIR", &temporary);
    command.env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join(".."));
    let output = command.output().expect("rust-analyzer");
    fs::remove_dir_all(temporary).expect("a folder to remove");
    let text = String::from_utf8_lossy(&output.stdout).replace('\r', "\n");
    assert!(text.contains("diagnostic scan complete"), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let error = |line: &str| {
        let (_, rest) = line.split_once("at crate editor, file ")?;
        let (file, rest) = rest.split_once(": Error ")?;
        let (_, place) = rest.split_once("LineCol { line: ")?;
        let (line, _) = place.split_once(',')?;
        let (_, words) = rest.rsplit_once("}: ")?;
        Some((file.rsplit('/').next()?.to_owned(), line.parse::<usize>().ok()? + 1, words.to_owned()))
    };
    text.lines().filter_map(error).collect()
}

#[test]
fn rust_analyzer_keeps_the_types_of_annotated_functions() {
    if !is_there() {
        eprintln!("SKIPPED: `rustup component add rust-analyzer rust-src`");
        return;
    }
    let (root, folder) = (root(), folder("editor"));
    fs::write(folder.join("Cargo.toml"), MANIFEST.replace("ROOT", &root.to_string_lossy()))
        .expect("a manifest");
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).expect("the same versions");
    fs::copy(root.join("tests/outside/editor/broken.rs"), folder.join("src/broken.rs")).expect("a source");
    let sound = fs::read_to_string(root.join("tests/outside/editor/sound.rs")).expect("a source");
    fs::write(folder.join("src/lib.rs"), format!("mod broken;\n{sound}")).expect("a source");
    let found = errors(&folder);
    let said = |words: &str| found.iter().any(|(_, _, text)| text.contains(words));
    assert!(said("`with_retry` has no key `bakoff`, did you mean `backoff`?"), "{found:?}");
    // rust-analyzer prints a message of two lines as two lines; the second one begins with `help:`.
    assert!(said("`threshold` needs a value"), "{found:?}");
    let broken = fs::read_to_string(folder.join("src/broken.rs")).expect("a source");
    let callers = broken.lines().position(|line| line.contains("fn callers")).expect("the callers");
    let wrong = found.iter().filter(|(file, line, _)| file == "lib.rs" || *line > callers);
    assert_eq!(
        wrong.collect::<Vec<_>>(),
        Vec::<&(String, usize, String)>::new(),
        "sound functions have no errors, and the callers of broken ones keep their types"
    );
}
