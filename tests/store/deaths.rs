//! Jobs whose process dies, again and again or before it has recorded how the body ended.

use crate::common::{Scratch, block_on, child, given_dir};
use resilience::durable::{JobInfo, SqliteStore, Status, use_store};
use resilience::{Classify, Progress, Rejected, checkpoint, job, jobs, recover, with_recovery};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

#[derive(Debug, Classify)]
enum Error {
    #[classify(corrupt)]
    Own,
    #[classify(transparent)]
    Rejected(Rejected),
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

/// What this run of a job records before its process dies.
fn records(what: &str) -> bool {
    std::env::var("DEATHS_RECORDS").is_ok_and(|records| records == what)
}

/// The number of the run.
fn run() -> u32 {
    std::env::var("DEATHS_RUN").ok().and_then(|run| run.parse().ok()).expect("a number")
}

#[checkpoint("page:{n}")]
fn page(n: u32) -> Result<u32, Error> {
    Ok(n)
}

#[checkpoint("page:{n}")]
async fn page_async(n: u32) -> Result<u32, Error> {
    Ok(n)
}

#[checkpoint("again", inputs(n), on_mismatch = rerun)]
fn again(n: u32) -> Result<u32, Error> {
    Ok(n)
}

#[checkpoint("again", inputs(n), on_mismatch = rerun)]
async fn again_async(n: u32) -> Result<u32, Error> {
    Ok(n)
}

#[job("sync:{id}", max_recoveries = 1)]
fn dies(id: u32) -> Result<u32, Error> {
    if records("a step") {
        page(run())?;
    }
    if records("a step again") {
        again(run())?;
    }
    if records("the same cursors") {
        Progress::open("rows").save_blocking(&0)?;
        Progress::open("rows").save_blocking(&id)?;
    }
    if records("a cursor") {
        Progress::open("rows").save_blocking(&(run() + id))?;
    }
    std::process::abort()
}

#[job("async:{id}", max_recoveries = 1)]
async fn dies_async(id: u32) -> Result<u32, Error> {
    if records("a step") {
        page_async(run()).await?;
    }
    if records("a step again") {
        again_async(run()).await?;
    }
    if records("the same cursors") {
        Progress::open("rows").save(&0).await?;
        Progress::open("rows").save(&id).await?;
    }
    if records("a cursor") {
        Progress::open("rows").save(&(run() + id)).await?;
    }
    std::process::abort()
}

#[test]
#[ignore = "run by others, in a process of its own"]
fn runs_a_job_until_it_dies() {
    let Some(dir) = given_dir() else { return };
    use_store(Arc::new(SqliteStore::open(dir).expect("a store")));
    if run() == 1 {
        let job = std::env::var("DEATHS_JOB").expect("a job");
        let ended = if job == "sync:1" { dies(1) } else { block_on(dies_async(1)) };
        panic!("it has ended: {ended:?}");
    }
    let recovered = recover().once().until_done().blocking().expect("a recovery");
    assert_eq!(recovered.count(Status::Dead), 1, "{recovered}");
    println!("given up");
}

/// Starts a process for each of `runs`, which dies after it has recorded that, and one more; returns the number of
/// the one that gave the job up.
fn given_up_by(job: &str, runs: &[&str]) -> Option<usize> {
    let scratch = Scratch::new();
    let dir = scratch.path("state");
    let number = (1..).zip(runs.iter().chain([&"nothing"])).find_map(|(number, records)| {
        let mut process = child("deaths::runs_a_job_until_it_dies", &dir);
        process.env("DEATHS_JOB", job).env("DEATHS_RECORDS", records).env("DEATHS_RUN", number.to_string());
        let output = process.output().expect("a process");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!text.contains("panicked"), "{text}");
        let is_given_up = output.status.success() && text.contains("given up");
        is_given_up.then_some(number)
    });
    assert_eq!(info(&dir, job).status == Status::Dead, number.is_some());
    number
}

fn info(dir: &Path, job: &str) -> JobInfo {
    let store = Arc::new(SqliteStore::open(dir).expect("a store"));
    jobs::blocking::of(store).get(job).expect("a store").expect("the job")
}

#[test]
fn only_recoveries_without_progress_count() {
    for job in ["sync:1", "async:1"] {
        assert_eq!(given_up_by(job, &["nothing", "nothing"]), Some(3), "{job}: one recovery is allowed");
        assert_eq!(
            given_up_by(job, &["nothing", "a step", "nothing"]),
            Some(4),
            "{job}: it got further once"
        );
        assert_eq!(
            given_up_by(job, &["a step", "a step", "a cursor", "a cursor"]),
            None,
            "{job}: it gets further"
        );
        assert_eq!(
            given_up_by(job, &["a step", "a cursor", "nothing"]),
            Some(4),
            "{job}: it gets no further"
        );
        for again in ["a step again", "the same cursors"] {
            assert_eq!(given_up_by(job, &[again; 3]), Some(3), "{job}: it records {again}");
        }
    }
}

/// Notes in the log of the test's directory that `what` was done.
fn log(what: &str) {
    let file = given_dir().expect("a directory").join("log");
    let log = OpenOptions::new().create(true).append(true).open(file);
    log.and_then(|mut log| writeln!(log, "{what}")).expect("the log");
}

#[checkpoint("book", rollback = unbook)]
fn book() -> Result<u32, Error> {
    log("book");
    Ok(1)
}

#[checkpoint("book", rollback = unbook)]
async fn book_async() -> Result<u32, Error> {
    log("book");
    Ok(1)
}

fn unbook(_: u32) {
    log("unbook");
}

#[with_recovery(on(corrupt, rollback))]
#[job("undone:{id}")]
fn undone(id: u32) -> Result<u32, Error> {
    log("body");
    book()?;
    let _ = id;
    Err(Error::Own)
}

#[with_recovery(on(corrupt, rollback))]
#[job("undone-async:{id}")]
async fn undone_async(id: u32) -> Result<u32, Error> {
    log("body");
    book_async().await?;
    let _ = id;
    Err(Error::Own)
}

/// Kills this process when it is about to record that the body has failed: the step was recorded before.
fn kill_before_the_end(moment: &'static str) {
    static RECORDED: AtomicU32 = AtomicU32::new(0);
    if moment == "before complete" && RECORDED.fetch_add(1, Ordering::SeqCst) == 1 {
        let own = std::process::id().to_string();
        Command::new("kill").args(["-KILL", &own]).status().expect("kill");
        loop {
            std::thread::park();
        }
    }
}

#[test]
#[ignore = "run by others, in a process of its own"]
fn fails_and_dies() {
    let Some(dir) = given_dir() else { return };
    use_store(Arc::new(SqliteStore::open(dir.join("state")).expect("a store")));
    if run() == 1 {
        resilience::testing::on_moment(kill_before_the_end);
        let ended = match std::env::var("DEATHS_JOB").as_deref() {
            Ok("sync") => undone(1),
            _ => block_on(undone_async(1)),
        };
        panic!("it has ended: {ended:?}");
    }
    let recovered = recover().once().until_done().blocking().expect("a recovery");
    assert_eq!(recovered.count(Status::RolledBack), 1, "{recovered}");
    println!("undone");
}

#[test]
fn an_unrecorded_failure_of_a_dead_process_does_not_count() {
    for kind in ["sync", "async"] {
        let scratch = Scratch::new();
        let run = |number: &str| {
            let mut process = child("deaths::fails_and_dies", &scratch.path(""));
            process.env("DEATHS_JOB", kind).env("DEATHS_RUN", number).output().expect("a process")
        };
        let logged = || fs::read_to_string(scratch.path("log")).expect("the log");
        let died = run("1");
        assert_eq!(died.status.signal(), Some(9), "{died:?}");
        assert_eq!(logged(), "body\nbook\n");
        let recovered = run("2");
        assert!(recovered.status.success(), "{recovered:?}");
        assert_eq!(logged(), "body\nbook\nbody\nunbook\n", "{kind}: its recorded step is not done again");
    }
}
