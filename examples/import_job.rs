//! A CSV file of 10,000 rows is imported by a job that is killed in the middle and finishes on the second run.
//!
//! Run it twice: `cargo run --example import_job`. The first run kills itself with SIGKILL after 6,000 rows;
//! the second finds the interrupted job, goes on behind the last row that was saved, and shows that every
//! row was imported. A third run is given the recorded result. `-- --again` starts over.

use resilience::durable::{SqliteStore, Status};
use resilience::{Classify, Progress, Rejected, checkpoint, job, jobs, recover};
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

const ROWS: usize = 10_000;
const KILLED_AT: usize = 6_000;

#[derive(Debug, thiserror::Error, Classify)]
enum ImportError {
    #[error(transparent)]
    #[classify(transparent)]
    Io(#[from] std::io::Error),
    #[error("row {0} has no comma")]
    #[classify(invalid)]
    Row(usize),
    #[error(transparent)]
    #[classify(transparent)]
    Rejected(#[from] Rejected),
}

/// The whole import: recorded with its arguments, so that `recover` can call it again.
#[job("import:{id}")]
fn import(id: u64, source: &Path, table: &Path) -> Result<usize, ImportError> {
    let expected = count(&source.display().to_string())?;
    let mut progress = Progress::<usize>::open("rows").every(100);
    let start = progress.restore_blocking()?.unwrap_or(0);
    println!("job import:{id}: {expected} rows, from row {start} on");
    let mut table = OpenOptions::new().create(true).append(true).open(table)?;
    for (row, line) in BufReader::new(File::open(source)?).lines().enumerate().skip(start) {
        let line = line?;
        let (key, value) = line.split_once(',').ok_or(ImportError::Row(row))?;
        // The same row twice is the same row: what was done since the last save is done again.
        writeln!(table, "{key}={value}")?;
        progress.save_blocking(&(row + 1))?;
        crash_once(row);
    }
    progress.flush_blocking()?;
    Ok(expected)
}

/// A step: counted once, and known from then on.
#[checkpoint("count:{source}")]
fn count(source: &str) -> Result<usize, ImportError> {
    Ok(BufReader::new(File::open(source)?).lines().count())
}

/// Kills this very process, as a crash would: nothing is flushed, nothing is dropped.
fn crash_once(row: usize) {
    if row == KILLED_AT {
        let marker = state().join("crashed");
        if !marker.exists() {
            let _ = fs::write(&marker, "");
            println!("killing myself after row {row}: run me again");
            let pid = std::process::id().to_string();
            let _ = std::process::Command::new("kill").args(["-9", &pid]).status();
            std::thread::sleep(std::time::Duration::from_secs(60));
        }
    }
}

/// Everything of this example stands in one directory.
fn state() -> PathBuf {
    let target = std::env::var_os("IMPORT_JOB_STATE").map(PathBuf::from);
    target.unwrap_or_else(|| std::env::temp_dir().join("resilience-import-job"))
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), ImportError> {
    let state = state();
    if std::env::args().any(|argument| argument == "--again") && state.exists() {
        fs::remove_dir_all(&state)?;
    }
    let store = SqliteStore::open(&state).map_err(std::io::Error::other)?;
    resilience::durable::use_store(Arc::new(store));
    let (source, table) = (state.join("source.csv"), state.join("table.txt"));
    if !source.exists() {
        let rows: String = (0..ROWS).map(|row| format!("key{row},{}\n", row * row)).collect();
        fs::write(&source, rows)?;
    }

    // Before anything else: what a crash interrupted is found and finished.
    let recovered = recover().until_done().blocking()?;
    println!("recovered: {recovered}");

    let imported = import(7, &source, &table)?;
    let keys: BTreeSet<String> = fs::read_to_string(&table)?
        .lines()
        .filter_map(|line| Some(line.split_once('=')?.0.to_owned()))
        .collect();
    let info = jobs::blocking::get("import:7")?;
    let info = info.ok_or_else(|| std::io::Error::other("the job is not recorded"))?;
    println!(
        "{imported} rows imported, {} in the table; begun {} times, {}",
        keys.len(),
        info.attempts,
        info.status
    );
    if keys.len() != ROWS || imported != ROWS || info.status != Status::Done {
        return Err(std::io::Error::other("rows are missing").into());
    }
    Ok(())
}
