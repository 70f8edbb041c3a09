//! Which processes are taken for dead: real processes whose lock files are left behind, removed and replaced.

use crate::common::{Error, Scratch, child, given_dir};
use resilience::durable::{JobError, SqliteStore, Store, use_store};
use resilience::testing::isolate;
use resilience::{Rejected, job};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;

/// Waits for the end of its input, where it runs in a child.
#[job("held:{id}", name = "owners::held", wait = 1ms)]
fn held(id: u32) -> Result<u32, Error> {
    if given_dir().is_some() {
        println!("\nit runs");
        let mut end = Vec::new();
        std::io::stdin().read_to_end(&mut end).expect("its input");
    }
    Ok(id)
}

/// Not a test of its own: holds a job until its input ends.
#[test]
#[ignore = "run by the others, in a process of its own"]
fn holds_a_job() {
    let Some(dir) = given_dir() else { return };
    use_store(Arc::new(SqliteStore::open(dir).expect("a store")));
    assert_eq!(held(1), Ok(1));
    println!("\nit ended");
}

/// A process that holds the job.
struct Holder {
    process: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Holder {
    fn start(dir: &Path) -> Self {
        let mut process = child("owners::holds_a_job", dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let output = BufReader::new(process.stdout.take().expect("its output"));
        let mut holder = Self { process, output };
        assert!(holder.says("it runs"));
        holder
    }

    fn says(&mut self, line: &str) -> bool {
        self.output.by_ref().lines().map_while(Result::ok).any(|said| said == line)
    }

    fn kill(mut self) {
        self.process.kill().expect("a process");
        self.process.wait().expect("a process");
    }

    /// Lets it come to its end; whether that is the right one.
    fn ends(mut self) -> bool {
        drop(self.process.stdin.take());
        self.says("it ended") & self.process.wait().expect("a process").success()
    }
}

fn lock_files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join("owners")).expect("the owners");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

fn is_busy(result: &Result<u32, Error>) -> bool {
    matches!(result, Err(Error::Rejected(Rejected::Job(error))) if matches!(**error, JobError::Busy { .. }))
}

/// In a world of its own with a new handle of the store, as in a process that has just started.
fn called(dir: &Path) -> Result<u32, Error> {
    let _world = isolate();
    use_store(Arc::new(SqliteStore::open(dir).expect("a store")));
    held(1)
}

#[test]
fn a_restarted_process_takes_over_the_job_at_once() {
    let scratch = Scratch::new();
    let dir = scratch.path("store");
    Holder::start(&dir).kill();
    // Others that have nothing to do with the job leave alone what it is judged by.
    drop(SqliteStore::open(&dir).expect("a store"));
    assert_eq!(called(&dir), Ok(1), "without waiting for a lease");
}

#[test]
fn a_live_process_without_its_lock_file_counts_as_alive() {
    let scratch = Scratch::new();
    let dir = scratch.path("store");
    let holder = Holder::start(&dir);
    lock_files(&dir).iter().for_each(|file| fs::remove_file(file).expect("a lock file"));
    let result = called(&dir);
    assert!(is_busy(&result), "{result:?}");
    assert!(holder.ends(), "it lost its job");
}

#[test]
fn a_live_process_with_a_replaced_lock_file_counts_as_alive() {
    let scratch = Scratch::new();
    let dir = scratch.path("store");
    let holder = Holder::start(&dir);
    for file in lock_files(&dir) {
        let other = file.with_extension("copy");
        fs::write(&other, "").expect("a file");
        fs::rename(&other, &file).expect("a lock file");
    }
    let result = called(&dir);
    assert!(is_busy(&result), "{result:?}");
    assert!(holder.ends(), "it lost its job");
}

#[test]
fn the_file_of_a_dead_owner_is_removed_once_unreferenced() {
    let scratch = Scratch::new();
    let dir = scratch.path("store");
    Holder::start(&dir).kill();
    let left = lock_files(&dir);
    assert_eq!(called(&dir), Ok(1));
    // As recovery does at each of its sweeps.
    let store = SqliteStore::open(&dir).expect("a store");
    futures::executor::block_on(store.delete_expired(100)).expect("a store");
    assert!(left.iter().all(|file| !file.exists()), "{left:?}");
}

#[test]
fn the_records_are_scanned_once_per_dead_owner() {
    let scratch = Scratch::new();
    let dir = scratch.path("store");
    Holder::start(&dir).kill();
    let left = lock_files(&dir);
    let store = SqliteStore::open(&dir).expect("a store");
    let sweep =
        |store: &SqliteStore| futures::executor::block_on(store.delete_expired(100)).expect("a store");
    sweep(&store);
    assert!(left.iter().all(|file| file.exists()), "its job names it");
    let other = rusqlite::Connection::open(dir.join("store.sqlite")).expect("the tables");
    other.execute("DELETE FROM records", []).expect("its lock");
    drop(other);
    sweep(&store);
    assert!(
        left.iter().all(|file| file.exists()),
        "the job was changed by no one that this process knows of"
    );
    drop(store);
    sweep(&SqliteStore::open(&dir).expect("a store"));
    assert!(left.iter().all(|file| !file.exists()), "it looks again");
}
