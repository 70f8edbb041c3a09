#![doc = include_str!("../README.md")]
//!
//! # Where things are
//!
//! `run` is in [`run`]; the commands that read a state directory are in [`alerts`], [`jobs`], [`checkpoints`],
//! [`locks`] and [`doctor`]; [`state`] finds that directory; [`backups`] are beside their files. All output goes
//! through [`print`].

#![forbid(unsafe_code)]
// They panic where the stream cannot be written.
#![deny(clippy::print_stderr, clippy::print_stdout)]
#[cfg(not(target_os = "linux"))]
compile_error!("the command `resilience` runs on Linux: it finds processes, terminals and locks there");

mod alerts;
#[allow(clippy::doc_markdown, reason = "these texts are shown in a terminal")]
mod args;
mod backups;
mod checkpoints;
mod doctor;
mod jobs;
mod locks;
mod print;
mod run;
mod state;

use args::{Cli, Command};
use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory as _, Parser as _};
use std::ffi::{OsStr, OsString};
use std::io::{ErrorKind, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;

/// The exit code of a command of this program that could not do its work.
const FAILED: u8 = 125;

/// The reason why a command could not do its work: a sentence for people.
type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(error),
    };
    caught(|| command(cli)).unwrap_or_else(|error| {
        print::say(&error.to_string());
        ExitCode::from(FAILED)
    })
}

/// Runs a command, and returns its exit code.
fn command(cli: Cli) -> Result<ExitCode, Failure> {
    match cli.command {
        Command::Run(args) => Ok(run::run(args, &cli.place)),
        Command::Jobs(command) => jobs::command(command, &cli.place, cli.json),
        Command::Checkpoints(command) => checkpoints::command(command, &cli.place, cli.json),
        Command::Locks(command) => locks::command(command, &cli.place, cli.json),
        Command::Backups(command) => backups::command(command, cli.json),
        Command::Alerts(args) => alerts::command(&args, &cli.place, cli.json),
        Command::Doctor(args) => doctor::command(&args, &cli.place, cli.json),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "resilience", &mut text);
            print::bytes(&text)
        }
        Command::Man { dir } => man(dir.as_deref()),
    }
}

/// Returns the result of `work`. A panic in it is an error, so that the exit code is one of ours.
fn caught<R>(work: impl FnOnce() -> Result<R, Failure>) -> Result<R, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        Err(format!("this is a fault of `resilience` itself: {text}").into())
    })
}

/// Shows clap's own text. Wrong usage of `run` ends with a code that no command is likely to use itself.
fn usage(mut error: clap::Error) -> ExitCode {
    let is_retry = |arg: &ContextValue| matches!(arg, ContextValue::String(arg) if arg == "--retry");
    if error.get(ContextKind::InvalidArg).is_some_and(is_retry) {
        // By its letters `--retry-on` is nearer, so clap suggests it and shows its usage.
        error.remove(ContextKind::Usage);
        error.insert(ContextKind::SuggestedArg, ContextValue::String("--retries".to_owned()));
    }
    let printed = error.print();
    match error.use_stderr() {
        false => match printed {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                print::say(&print::not_written(&error));
                ExitCode::from(FAILED)
            }
            _ => ExitCode::SUCCESS,
        },
        true if is_run(std::env::args_os().skip(1)) => {
            if let Some(file) = status_file(std::env::args_os()) {
                let text = error.to_string();
                let first = text.lines().next().unwrap_or_default();
                run::report::misused(&file, first.strip_prefix("error: ").unwrap_or(first));
            }
            ExitCode::from(FAILED)
        }
        true => ExitCode::from(2),
    }
}

/// Returns whether the first word that is not an option is `run`.
fn is_run(mut args: impl Iterator<Item = OsString>) -> bool {
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--state" | "--app") => drop(args.next()),
            Some(option) if option.starts_with('-') => {}
            word => return word == Some("run"),
        }
    }
    false
}

/// Returns the value of `--status-file`.
fn status_file(args: impl Iterator<Item = OsString>) -> Option<PathBuf> {
    let mut args = args.take_while(|arg| arg != "--");
    let value = |arg: &OsStr| arg.as_bytes().strip_prefix(b"--status-file=").map(<[u8]>::to_owned);
    let option = args.find(|arg| arg == "--status-file" || value(arg).is_some())?;
    match value(&option) {
        Some(file) => Some(OsString::from_vec(file).into()),
        None => args.next().filter(|file| !file.as_bytes().starts_with(b"-")).map(PathBuf::from),
    }
}

/// Prints the manual page, or writes one for each command into `dir`.
fn man(dir: Option<&std::path::Path>) -> Result<ExitCode, Failure> {
    if let Some(dir) = dir {
        clap_mangen::generate_to(Cli::command(), dir)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut text)?;
    text.flush()?;
    print::bytes(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_panic_is_an_error() {
        let caught = |text: &str| caught::<()>(|| panic!("{text}")).unwrap_err().to_string();
        assert_eq!(caught("index 3"), "this is a fault of `resilience` itself: index 3");
        assert_eq!(super::caught(|| Ok(3)).unwrap(), 3);
    }

    #[test]
    fn run_is_recognized_after_options() {
        let is_run = |words: &[&str]| is_run(words.iter().map(OsString::from));
        assert!(is_run(&["run", "--nonsense"]));
        assert!(is_run(&["--json", "--state", "jobs", "run"]));
        assert!(!is_run(&["jobs", "run"]) && !is_run(&[]));
    }
}
