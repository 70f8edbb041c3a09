//! The command line.

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Retries, timeouts and recorded steps for shell scripts, and the state of programs that use the library `resilience`.
#[derive(Debug, Parser)]
#[command(name = "resilience", version, arg_required_else_help = true, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) place: StateOptions,
    /// Prints one JSON object a line, with the version of its form as `schema`
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The state that a command reads or changes.
#[derive(Args, Debug)]
pub(crate) struct StateOptions {
    /// The state directory, as RESILIENCE_STATE names it for a program
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// The application whose state it is; without it listings cover all of this user's
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "state", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) app: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs a command with retries, timeouts, a lock, backups, a recorded result and a fallback
    #[command(after_help = EXIT_CODES)]
    Run(Box<RunArgs>),
    /// Lists and changes durable jobs
    #[command(subcommand)]
    Jobs(JobsCommand),
    /// Lists and removes recorded steps that belong to no job
    #[command(subcommand)]
    Checkpoints(CheckpointsCommand),
    /// Lists locks with their holders, and removes the files of those that are not in use
    #[command(subcommand)]
    Locks(LocksCommand),
    /// Lists the backups of files, and restores them
    #[command(subcommand)]
    Backups(BackupsCommand),
    /// Shows the alerts that programs have raised, oldest first
    Alerts(AlertsArgs),
    /// Checks the state directory, its store, the disk and the clock, and says what to do
    Doctor(DoctorArgs),
    /// Prints a script that completes this command in a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Prints the manual page
    Man {
        /// Writes the page of each command into this directory instead
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

const EXIT_CODES: &str = "\
Exit status:
  that of the last attempt, or of the fallback
   75  a lock was held by others, and the command did not run
   76  the command failed, and its files were put back
   77  the command failed, and its files could not be put back
  124  the last attempt ran out of time
  125  resilience itself failed, or was used wrongly
  126  the command cannot be executed
  127  the command was not found
  137  the last attempt ran out of time and had to be killed
  128+N  the command died of signal N";

#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// How many more attempts follow one that failed
    #[arg(long, value_name = "N")]
    pub(crate) retries: Option<u32>,
    /// By how much each wait is longer than the one before
    #[arg(long, value_name = "FACTOR", default_value_t = 2.0, requires = "retries")]
    pub(crate) backoff: f64,
    /// The first wait, before it is spread at random
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = time, requires = "retries")]
    pub(crate) base: Duration,
    /// The longest wait
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time, requires = "retries")]
    pub(crate) cap: Duration,
    /// Waits exactly as long as `--base` and `--backoff` say, in place of a random time up to that
    #[arg(long, requires = "retries")]
    pub(crate) no_jitter: bool,
    /// The exit codes that are repeated; without it all but 0, 125, 126, 127 and death by SIGHUP, SIGINT, SIGQUIT or
    /// SIGTERM
    #[arg(long, value_name = "CODE,..", value_delimiter = ',', value_parser = clap::value_parser!(u8).range(1..), requires = "retries")]
    pub(crate) retry_on: Vec<u8>,
    /// How long one attempt may take
    #[arg(long, value_name = "TIME", value_parser = limit)]
    pub(crate) timeout: Option<Duration>,
    /// How long all attempts may take, with the waits between them
    #[arg(long, value_name = "TIME", value_parser = limit)]
    pub(crate) total_timeout: Option<Duration>,
    /// How long a command that was asked to end may take for it before it is killed
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = time)]
    pub(crate) kill_after: Duration,
    #[command(flatten)]
    pub(crate) hold: HoldArgs,
    /// Records success with its output under this key, and does not run the command again
    #[arg(long, value_name = "KEY")]
    pub(crate) checkpoint: Option<String>,
    /// What is recorded
    #[arg(long, value_name = "WHAT", default_value = "stdout", requires = "checkpoint")]
    pub(crate) checkpoint_output: Recorded,
    /// A shell command that runs when all attempts have failed; its exit code is the result
    #[arg(long, value_name = "COMMAND", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) fallback: Option<String>,
    /// How much output of an attempt is held back at most; one with more is not repeated
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = size)]
    pub(crate) max_output: u64,
    /// Writes how it ended into this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) status_file: Option<PathBuf>,
    /// Says each step on standard error; so does RESILIENCE_DEBUG=1
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

/// The locks and backups that a run holds while its command works.
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("held").args(["lock", "backup"]).multiple(true)))]
pub(crate) struct HoldArgs {
    /// Holds this lock: a name that all programs of this user share (with --state or --app, those of that state), or
    /// the path of a file or directory, with a `/` in it
    #[arg(long, value_name = "NAME|PATH", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) lock: Option<String>,
    /// Holds a reader's lock: others with this option hold it at the same time
    #[arg(long, requires = "lock")]
    pub(crate) shared: bool,
    /// How long locks are waited for; without it a lock that is held ends the run at once, with 75
    #[arg(long, value_name = "TIME", value_parser = time, requires = "held")]
    pub(crate) wait: Option<Duration>,
    /// Keeps a backup of each of these files beside it
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub(crate) backup: Vec<PathBuf>,
    /// How many backups of each file are kept
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..), requires = "backup")]
    pub(crate) keep: u32,
    /// Puts the files back before each further attempt and after the last one that failed, and holds their locks
    #[arg(long, requires = "backup")]
    pub(crate) rollback: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Recorded {
    /// Success and standard output, which is printed again: up to 750 KiB, or 1 MB of plain text
    Stdout,
    /// Success alone
    None,
}

#[derive(Debug, Subcommand)]
pub(crate) enum JobsCommand {
    /// Lists jobs
    List {
        /// Only jobs in these states, such as `failed,interrupted`
        #[arg(long, value_name = "STATE,..", value_delimiter = ',')]
        status: Vec<String>,
        /// Only jobs whose id begins with this
        #[arg(long, value_name = "TEXT")]
        prefix: Option<String>,
        /// The largest number that is listed of each application
        #[arg(long, value_name = "N", default_value_t = 1000)]
        limit: usize,
    },
    /// Shows one job with its steps
    Show {
        /// The id of the job
        id: String,
    },
    /// Lets a job run again that failed, was undone, parked or recovered too often; its program runs it
    Resume {
        /// The id of the job
        id: String,
    },
    /// Asks a job to stop; one that runs does so at its next step
    Cancel {
        /// The id of the job
        id: String,
        /// Waits until the job has stopped, no longer than this
        #[arg(long, value_name = "TIME", value_parser = time)]
        wait: Option<Duration>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum CheckpointsCommand {
    /// Lists recorded steps
    List {
        /// Only steps whose key begins with this
        #[arg(long, value_name = "TEXT")]
        prefix: Option<String>,
        /// The largest number that is listed of each application
        #[arg(long, value_name = "N", default_value_t = 1000)]
        limit: usize,
    },
    /// Shows one step with its value
    Show {
        /// The key of the step
        key: String,
    },
    /// Forgets steps that ended long ago, and jobs that were done or undone that long ago
    Clean {
        /// How long ago
        #[arg(long, value_name = "TIME", value_parser = time)]
        older_than: Duration,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum LocksCommand {
    /// Lists the locks that have a name, held or not
    List {
        /// Only locks that are held
        #[arg(long)]
        held: bool,
        /// Only locks whose name begins with this
        #[arg(long, value_name = "TEXT")]
        prefix: Option<String>,
    },
    /// Removes the files of locks that are not in use
    Prune,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BackupsCommand {
    /// Lists the backups of files, the oldest first; puts the files back first after a run that was killed
    List {
        /// The files
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
    /// Makes a file again what its backup is; what it was becomes the newest backup
    Restore {
        /// The file
        path: PathBuf,
        /// The number of the backup
        number: u64,
    },
}

#[derive(Args, Debug)]
pub(crate) struct AlertsArgs {
    /// Goes on with each alert that comes, until it is interrupted
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only alerts that are at least as bad as this
    #[arg(long, value_enum, value_name = "LEVEL", ignore_case = true)]
    pub(crate) level: Option<Level>,
    /// The largest number that is shown of each application, up to 1000
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) count: usize,
    /// What waits for a person: the escalations that are not acknowledged
    #[arg(long, conflicts_with_all = ["follow", "level", "count"])]
    pub(crate) escalations: bool,
    /// Acknowledges an escalation, by the id that `--escalations` shows, in the name of the user
    #[arg(long, value_name = "ID", conflicts_with_all = ["follow", "level", "count", "escalations"])]
    pub(crate) acknowledge: Option<String>,
}

/// The level of an alert.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Level {
    Warning,
    Critical,
}

impl From<Level> for resilience::alerts::AlertLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Warning => Self::Warning,
            Level::Critical => Self::Critical,
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct DoctorArgs {
    /// How long the check of a store may take
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = limit)]
    pub(crate) limit: Duration,
}

/// Parses a time: `30s`, `1m30s`, `250ms`, or seconds without a unit, as `timeout` and `sleep` do.
fn time(text: &str) -> Result<Duration, String> {
    // Beyond this, points in time cannot be counted.
    const LONGEST: Duration = Duration::from_secs(1_000 * 365 * 24 * 60 * 60);
    let time = match text.parse() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string()),
        Err(_) => humantime::parse_duration(text)
            .map_err(|error| format!("{error}; write it like 30s, 1m30s or 250ms")),
    };
    Ok(time?.min(LONGEST))
}

/// Parses a time that is not zero.
fn limit(text: &str) -> Result<Duration, String> {
    match time(text)? {
        Duration::ZERO => Err("no time is left for anything: leave it out for no limit".to_owned()),
        time => Ok(time),
    }
}

/// Parses a size: `64KiB`, `1GiB`, `1000000`.
fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|last: char| last.is_ascii_alphabetic());
    let unit: u64 = match &text[digits.len()..] {
        "" | "B" => 1,
        "K" | "KiB" => 1 << 10,
        "M" | "MiB" => 1 << 20,
        "G" | "GiB" => 1 << 30,
        other => return Err(format!("unknown unit `{other}`: write KiB, MiB or GiB")),
    };
    let number: u64 = digits.trim().parse().map_err(|_| "expected a number, as in 64MiB".to_owned())?;
    number.checked_mul(unit).ok_or_else(|| "that is too much".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_and_without_units() {
        let millis = |text| time(text).map(|time| time.as_millis());
        assert_eq!(millis("1.5"), Ok(1500));
        assert_eq!(millis("1m30s"), Ok(90_000));
        assert_eq!(millis("250ms"), Ok(250));
        assert!(time("-1").is_err() && time("soon").is_err() && time("1e400").is_err());
        assert!(limit("0").is_err() && limit("0s").is_err());
    }

    #[test]
    fn sizes_are_read_with_and_without_units() {
        assert_eq!((size("12"), size("64KiB"), size("1G")), (Ok(12), Ok(65_536), Ok(1 << 30)));
        assert!(size("1kb").is_err() && size("GiB").is_err() && size("99999999999G").is_err());
    }
}
