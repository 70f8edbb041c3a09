//! Instructions and allocations per call, as callgrind counts them.

use std::path::Path;
use std::process::Command;
use std::{env, fs, io};

/// The calls of the two runs of a row, whose difference is the cost of the calls. There are enough of them
/// that a hash seeded anew in each run does not show in the preparation.
const FEW: u64 = 1_000;
const MANY: u64 = 41_000;

/// The way in which a row is called.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Sync,
    Future,
}

/// The cost of one call.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) instructions: u64,
    pub(crate) allocations: u64,
}

/// Returns whether valgrind is installed.
pub(crate) fn is_there() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Runs this binary under callgrind, twice.
pub(crate) fn measure(name: &str, kind: Kind) -> io::Result<Cost> {
    let few = run(name, kind, FEW)?;
    let many = run(name, kind, MANY)?;
    let per_call = |few: u64, many: u64| (many.saturating_sub(few) + (MANY - FEW) / 2) / (MANY - FEW);
    Ok(Cost {
        instructions: per_call(few.instructions, many.instructions),
        allocations: per_call(few.allocations, many.allocations),
    })
}

/// The words that make this binary run one row; see [`asked`].
const ROW: &str = "--row";

fn run(name: &str, kind: Kind, calls: u64) -> io::Result<Cost> {
    let out = env::temp_dir().join(format!("resilience-benches-{}.callgrind", std::process::id()));
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--compress-strings=no", "--compress-pos=no"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(env::current_exe()?)
        .args([ROW, name, kind.as_str(), &calls.to_string()])
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let cost = read(&out);
    fs::remove_file(out)?;
    cost
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Future => "async",
        }
    }
}

/// Reads a profile: its total, and the calls of the C library's allocating functions.
fn read(profile: &Path) -> io::Result<Cost> {
    const ALLOCATING: [&str; 5] = ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc"];
    let text = fs::read_to_string(profile)?;
    let (mut instructions, mut allocations, mut called) = (0, 0, "");
    for line in text.lines() {
        if let Some(function) = line.strip_prefix("cfn=") {
            called = function;
        } else if let Some(calls) = line.strip_prefix("calls=") {
            let count = calls.split(' ').next().and_then(|count| count.parse::<u64>().ok());
            if ALLOCATING.contains(&called) {
                allocations += count.unwrap_or(0);
            }
        } else if let Some(total) = line.strip_prefix("totals: ").or_else(|| line.strip_prefix("summary: ")) {
            instructions = total.trim().parse().map_err(io::Error::other)?;
        }
    }
    Ok(Cost { instructions, allocations })
}

/// Runs a row if that is what the arguments ask for; says whether it was.
pub(crate) fn asked(arguments: &[String]) -> bool {
    let [word, name, kind, calls] = arguments else { return false };
    if word != ROW {
        return false;
    }
    let row = crate::rows::find(name);
    let run = row.and_then(|row| if kind == Kind::Sync.as_str() { row.sync } else { row.future });
    if let (Some(run), Ok(calls)) = (run, calls.parse()) {
        run(calls);
    }
    true
}
