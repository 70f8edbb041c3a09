//! The time that rustc takes for one crate.
//!
//! Cargo is told to run this binary in place of rustc for the crate at hand, and only for it; what rustc
//! then takes is written to a file, so that neither cargo nor the dependencies are in the figures.

use super::generate;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;
use std::{env, fs, io};

/// Names the file that the time goes to.
const LOG: &str = "RESILIENCE_BENCHES_RUSTC_LOG";
/// Set where instructions are counted in place of time.
const COUNT: &str = "RESILIENCE_BENCHES_RUSTC_COUNT";

/// Runs rustc and writes down its time, if cargo has started this binary for that.
pub(crate) fn stand_in(arguments: &[String]) -> Option<ExitCode> {
    let log = env::var_os(LOG)?;
    let (rustc, rest) = arguments.split_first()?;
    let is_measured = rest.iter().any(|argument| argument.starts_with(generate::PREFIX));
    if is_measured && env::var_os(COUNT).is_some() {
        return match counting(rustc, rest, Path::new(&log)) {
            Ok(true) => Some(ExitCode::SUCCESS),
            _ => Some(ExitCode::FAILURE),
        };
    }
    let done = Command::new(rustc).args(rest).status().ok()?;
    if is_measured {
        fs::write(log, cpu_time().as_secs_f64().to_string()).ok()?;
    }
    Some(if done.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs the compiler itself, not what picks a version of it, under callgrind; its total in millions goes
/// to `log`.
fn counting(rustc: &str, arguments: &[String], log: &Path) -> io::Result<bool> {
    let sysroot = Command::new(rustc).args(["--print", "sysroot"]).output()?.stdout;
    let sysroot = PathBuf::from(String::from_utf8_lossy(&sysroot).trim());
    let profile = log.with_extension("callgrind");
    let done = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind"])
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(sysroot.join("bin/rustc"))
        .args(arguments)
        .env("LD_LIBRARY_PATH", sysroot.join("lib"))
        .status()?;
    let text = fs::read_to_string(&profile)?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse::<f64>().ok());
    fs::remove_file(profile)?;
    let total = total.ok_or_else(|| io::Error::other("callgrind gave no total"))?;
    fs::write(log, (total / 1e6).to_string())?;
    Ok(done.success())
}

/// Returns the processor time of the children that have ended so far, user and system time together: the kernel
/// knows their sum, and guesses the parts from samples.
fn cpu_time() -> Duration {
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

/// The measure of the compiler.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Seconds,
    MillionInstructions,
}

/// Returns the time of the compiler for this crate, without that of cargo.
fn check(directory: &Path, is_incremental: bool, unit: Unit) -> io::Result<f64> {
    let log = directory.join("rustc.log");
    let mut cargo = cargo(directory, "check");
    cargo.env("RUSTC_WORKSPACE_WRAPPER", env::current_exe()?).env(LOG, &log);
    cargo.env("CARGO_INCREMENTAL", if is_incremental { "1" } else { "0" });
    if unit == Unit::MillionInstructions {
        cargo.env(COUNT, "1");
    }
    run(&mut cargo)?;
    fs::read_to_string(log)?.parse().map_err(io::Error::other)
}

/// Seconds for each whole crate, the least of several rounds.
pub(super) fn full(directories: &[PathBuf], rounds: u32) -> io::Result<Vec<f64>> {
    least(directories, rounds, |directory, round| {
        let source = generate::source(directory);
        fs::write(&source, fs::read(&source)?)?;
        let seconds = check(directory, false, Unit::Seconds)?;
        Ok((round > 0).then_some(seconds))
    })
}

/// Millions of instructions for the whole crate.
pub(super) fn count_full(directory: &Path) -> io::Result<f64> {
    check(directory, false, Unit::MillionInstructions)
}

/// Millions of instructions after one of its bodies has changed.
pub(super) fn count_edit(directory: &Path) -> io::Result<f64> {
    check(directory, true, Unit::Seconds)?;
    generate::change(directory, 1)?;
    check(directory, true, Unit::MillionInstructions)
}

/// Seconds for each crate after one of its bodies has changed, the least of several rounds.
pub(super) fn edit(directories: &[PathBuf], rounds: u32) -> io::Result<Vec<f64>> {
    least(directories, rounds, |directory, round| {
        if round > 0 {
            generate::change(directory, round)?;
        }
        let seconds = check(directory, true, Unit::Seconds)?;
        Ok((round > 0).then_some(seconds))
    })
}

/// Returns the least time of each crate. All crates are measured in each round, so that a busy moment of the machine
/// does not meet one of them alone; round 0 is for warming up.
fn least(
    directories: &[PathBuf],
    rounds: u32,
    measure: impl Fn(&Path, u32) -> io::Result<Option<f64>>,
) -> io::Result<Vec<f64>> {
    let mut least = vec![f64::INFINITY; directories.len()];
    for round in 0..=rounds {
        for (least, directory) in least.iter_mut().zip(directories) {
            *least = least.min(measure(directory, round)?.unwrap_or(f64::INFINITY));
        }
    }
    Ok(least)
}

/// Seconds for building the crate's dependencies from nothing.
pub(super) fn cold(directory: &Path) -> io::Result<f64> {
    let before = cpu_time();
    // As a dependency from a registry is built: without what only later edits are faster for.
    run(cargo(directory, "build")
        .env("CARGO_TARGET_DIR", directory.join("cold"))
        .env("CARGO_INCREMENTAL", "0"))?;
    Ok(cpu_time().saturating_sub(before).as_secs_f64())
}

/// Returns the number of crates of the core, itself included.
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
