//! How much time rustc takes for one crate.
//!
//! Cargo is told to run this binary in place of rustc for the crate at hand, and only for it; what rustc
//! then takes is written to a file, so that neither cargo nor the dependencies are in the figures.

use super::generate;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;
use std::{env, fs, io};

/// Names the file that the time goes to.
const LOG: &str = "RESILIENCE_BENCHES_RUSTC_LOG";

/// Runs rustc and writes down its time, if cargo has started this binary for that.
pub(crate) fn stand_in(arguments: &[String]) -> Option<ExitCode> {
    let log = env::var_os(LOG)?;
    let (rustc, rest) = arguments.split_first()?;
    let done = Command::new(rustc).args(rest).status().ok()?;
    if rest.iter().any(|argument| argument == "--crate-name")
        && rest.iter().any(|argument| argument == "many")
    {
        fs::write(log, user_time().as_secs_f64().to_string()).ok()?;
    }
    Some(if done.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// User time of the children that have ended so far.
fn user_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN);
    usage.map_or(Duration::ZERO, |usage| microseconds(usage.user_time().num_microseconds()))
}

fn all_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN);
    usage.map_or(Duration::ZERO, |usage| {
        microseconds(usage.user_time().num_microseconds() + usage.system_time().num_microseconds())
    })
}

fn microseconds(time: i64) -> Duration {
    Duration::from_micros(u64::try_from(time).unwrap_or(0))
}

fn cargo(directory: &Path, what: &str) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([what, "--quiet"]).current_dir(directory);
    // One directory for all crates, so that the dependencies are built once.
    cargo.env("CARGO_TARGET_DIR", directory.with_file_name("target"));
    cargo
}

fn run(command: &mut Command) -> io::Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
}

fn check(directory: &Path, is_incremental: bool) -> io::Result<f64> {
    let log = directory.join("rustc.log");
    let mut cargo = cargo(directory, "check");
    cargo.env("RUSTC_WORKSPACE_WRAPPER", env::current_exe()?).env(LOG, &log);
    cargo.env("CARGO_INCREMENTAL", if is_incremental { "1" } else { "0" });
    run(&mut cargo)?;
    fs::read_to_string(log)?.parse().map_err(io::Error::other)
}

/// Seconds for the whole crate, the least of several.
pub(super) fn full(directory: &Path, times: u32) -> io::Result<f64> {
    check(directory, false)?;
    least((0..times).map(|_| {
        let source = generate::source(directory);
        fs::write(&source, fs::read(&source)?)?;
        check(directory, false)
    }))
}

/// Seconds after one body has changed, the least of several.
pub(super) fn edit(directory: &Path, times: u32) -> io::Result<f64> {
    check(directory, true)?;
    least((1..=times).map(|edit| {
        generate::change(directory, edit)?;
        check(directory, true)
    }))
}

fn least(mut seconds: impl Iterator<Item = io::Result<f64>>) -> io::Result<f64> {
    seconds.try_fold(f64::INFINITY, |least, seconds| Ok(least.min(seconds?)))
}

/// Seconds for building the crate's dependencies from nothing.
pub(super) fn cold(directory: &Path) -> io::Result<f64> {
    let before = all_time();
    run(cargo(directory, "build").env("CARGO_TARGET_DIR", directory.join("cold")))?;
    Ok(all_time().saturating_sub(before).as_secs_f64())
}

/// How many crates the core has, itself included.
pub(super) fn crates() -> io::Result<usize> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "-p", "resilience", "-e", "normal", "--prefix", "none"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut names: Vec<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    names.sort_unstable();
    names.dedup();
    Ok(names.len())
}
