//! Compares what the compiler says of mistakes: `tests/ui/<stem>/fail/<the mistake>.rs` with the text
//! beside it; and checks that `tests/ui/<stem>/pass/*.rs` compile without a word.
//!
//! Each case is one call of `rustc` against the library as cargo has built it for the other tests. Mistakes
//! that the macros report by themselves are in `tests/messages/`, which needs no compiler.
//!
//! - `cargo xtask accept ui` accepts what has changed.
//! - `cargo test --test ui -- ui no_unit` runs the cases with `no_unit` in their path.
//!
//! The compiler's texts change with its version, so they are compared on one version only.

#[path = "shared/cargo.rs"]
mod cargo;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The compiler whose texts are kept.
const RUSTC: &str = "1.95";
/// The crates that a case can name.
const CRATES: [&str; 5] = ["resilience", "thiserror", "tokio", "tracing", "futures"];
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn ui() {
    let version = output(rustc().arg("--version"));
    let is_known = version.starts_with(&format!("rustc {RUSTC}."));
    if !is_known {
        eprintln!("SKIPPED: the texts in tests/ui are those of rustc {RUSTC}, this is {version}");
    }
    let kinds: &[&str] = if is_known { &["fail", "pass"] } else { &["pass"] };
    let cases = cases(kinds);
    let options = options();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut failures = String::new();
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            failures += &check(case, &options).err().unwrap_or_default();
        }
        failures
    };
    let failures: String = std::thread::scope(|scope| {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().expect("a worker")).collect()
    });
    assert!(failures.is_empty(), "{failures}");
}

/// The cases, by path below the root: those that the words behind `--` select, or all.
fn cases(kinds: &[&str]) -> Vec<PathBuf> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let words = words.iter().map(|word| word.trim_start_matches("trybuild="));
    let words: Vec<&str> = words.filter(|word| *word != "ui").collect();
    let is_selected = |path: &PathBuf| {
        let path = path.to_string_lossy();
        words.is_empty() || words.iter().any(|word| path.contains(word))
    };
    let stems = files(Path::new("tests/ui"));
    let folders = stems.iter().flat_map(|stem| kinds.iter().map(|kind| stem.join(kind)));
    let all = folders.flat_map(|folder| files(&folder));
    all.filter(|path| path.extension().is_some_and(|end| end == "rs")).filter(is_selected).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(found) = std::fs::read_dir(Path::new(ROOT).join(folder)) else { return Vec::new() };
    let mut paths: Vec<_> = found.map(|file| folder.join(file.expect("a file").file_name())).collect();
    paths.sort();
    paths
}

fn rustc() -> Command {
    Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
}

fn output(command: &mut Command) -> String {
    let output = command.current_dir(ROOT).output().expect("a program that runs");
    String::from_utf8(output.stdout).expect("text")
}

/// Where the libraries are: cargo names what it has built for an example, which is what the tests use.
fn options() -> Vec<String> {
    let mut cargo = cargo::cargo();
    cargo.args(["build", "--quiet", "--example", "timeout", "--message-format=json"]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let mut libraries = BTreeMap::new();
    for line in output(&mut cargo).lines() {
        let message: serde_json::Value = serde_json::from_str(line).expect("a message of cargo");
        let name = message["target"]["name"].as_str().unwrap_or_default();
        let library = message["filenames"].as_array().into_iter().flatten().filter_map(|file| file.as_str());
        if let (Some(name), Some(library)) = (
            CRATES.iter().find(|known| **known == name),
            library.into_iter().find(|file| file.ends_with(".rlib")),
        ) {
            libraries.insert(*name, library.to_owned());
        }
    }
    let library = libraries.get("resilience").expect("the library is built");
    let folder = Path::new(library).parent().expect("a folder").display();
    let mut options = vec![format!("-Ldependency={folder}")];
    options.extend(libraries.iter().map(|(name, library)| format!("--extern={name}={library}")));
    options
}

/// Compiles one case; `Err` is what is wrong with the answer.
fn check(case: &Path, options: &[String]) -> Result<(), String> {
    let passes = case.components().any(|part| part.as_os_str() == "pass");
    let mut rustc = rustc();
    let name = case.with_extension("").to_string_lossy().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    // A case may begin with `// edition: 2018`.
    let source = std::fs::read_to_string(Path::new(ROOT).join(case)).expect("a source");
    let edition = source.lines().next().and_then(|line| line.strip_prefix("// edition: ")).unwrap_or("2024");
    rustc.args(["--crate-type=bin", "--error-format=json"]).arg(format!("--edition={edition}"));
    rustc.arg(format!("--crate-name={name}")).args(["--out-dir", env!("CARGO_TARGET_TMPDIR")]);
    // What `cargo check` shows of a mistake has to be enough; what is right has to compile to the end.
    rustc.arg(if passes { "--emit=obj" } else { "--emit=metadata" });
    if passes {
        rustc.arg("-Adead-code");
    }
    let output = rustc.args(options).arg(case).current_dir(ROOT).output().expect("rustc");
    let said = said(&String::from_utf8_lossy(&output.stderr));
    if passes {
        return if said.is_empty() && output.status.success() {
            Ok(())
        } else {
            Err(format!("{} does not compile without a word:\n{said}\n", case.display()))
        };
    }
    if output.status.success() {
        return Err(format!("{} compiles\n", case.display()));
    }
    let kept = Path::new(ROOT).join(case.with_extension("stderr"));
    let expected = std::fs::read_to_string(&kept).unwrap_or_default();
    if expected == said {
        return Ok(());
    }
    if std::env::var_os("SNAPSHOTS").is_some_and(|value| value == "overwrite") {
        return std::fs::write(&kept, said).map_err(|error| format!("{}: {error}\n", kept.display()));
    }
    Err(format!("{}:\nexpected:\n{expected}\nfound:\n{said}\n", case.display()))
}

/// The diagnostics as a person reads them, without what differs between machines and with each change of
/// the library's sources.
fn said(messages: &str) -> String {
    let mut texts = Vec::new();
    for line in messages.lines() {
        let Ok(message) = serde_json::from_str::<serde_json::Value>(line) else {
            texts.push(line.to_owned());
            continue;
        };
        // How many there were, and where more is explained.
        let has_place = message["spans"].as_array().is_some_and(|spans| !spans.is_empty());
        if let (true, Some(text)) = (has_place, message["rendered"].as_str()) {
            texts.push(normalised(text));
        }
    }
    texts.join("\n")
}

fn normalised(text: &str) -> String {
    let width = |line: &str| line.find("--> ").filter(|at| line[..*at].trim().is_empty());
    let Some(width) = text.lines().find_map(width) else { return text.to_owned() };
    let mut lines = Vec::new();
    // Of other files only the path is kept: the compiler leaves their lines out where it cannot read them.
    let mut is_case = true;
    for line in text.trim_end().lines() {
        let (gutter, rest) = line.split_at_checked(width).unwrap_or((line, ""));
        let arrow = ["--> ", "::: "].into_iter().find(|arrow| rest.starts_with(arrow));
        if let Some(arrow) = arrow.filter(|_| gutter.trim().is_empty()) {
            let place = rest[arrow.len()..].replace(&format!("{ROOT}/"), "");
            is_case = place.starts_with("tests/");
            let place = if is_case { place } else { stable(&place) };
            lines.push((String::new(), format!("{arrow}{place}")));
        } else if is_gutter(gutter, rest) {
            if is_case || rest.starts_with(" = ") {
                lines.push((gutter.trim().to_owned(), rest.to_owned()));
            }
        } else if is_case || line != "..." {
            // A suggestion has no path: it is about the case.
            is_case |= line.starts_with("help: ");
            lines.push((String::new(), format!("\0{}", counted(line))));
        }
    }
    let narrow = lines.iter().map(|(number, _)| number.len()).max().unwrap_or(0).max(1);
    let cut = " ".repeat(width - narrow);
    let mut out = String::new();
    for (number, rest) in lines {
        match rest.strip_prefix('\0') {
            Some(line) => out += line.strip_prefix(&cut).unwrap_or(line),
            None => _ = write!(out, "{number:>narrow$}{rest}"),
        }
        out.push('\n');
    }
    out
}

/// Whether a line begins with the column of line numbers.
fn is_gutter(gutter: &str, rest: &str) -> bool {
    let number = gutter.trim();
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    is_number && ([" | ", " = ", " + ", " - ", " ~ "].iter().any(|bar| rest.starts_with(bar)) || rest == " |")
}

/// A path outside of the cases without line, column, versions and what is above it.
fn stable(place: &str) -> String {
    let place = place.split(':').next().unwrap_or(place);
    let library = place.split_once("/library/").map(|(_, path)| format!("$RUST/{path}"));
    let registry = place.split_once("/registry/src/").and_then(|(_, path)| path.split_once('/'));
    library.or_else(|| registry.map(|(_, path)| format!("$CARGO/{path}"))).unwrap_or_else(|| place.to_owned())
}

/// How many other types there are changes with every crate that is linked.
fn counted(line: &str) -> String {
    match line.trim().strip_prefix("and ").and_then(|rest| rest.strip_suffix(" others")) {
        Some(number) if number.bytes().all(|byte| byte.is_ascii_digit()) => line.replace(number, "$N"),
        _ => line.to_owned(),
    }
}
