//! A disk that forgets what was not synced, that fills up, that fails and that may not be written to.
//!
//! The disk is `disk.c`, loaded into a child process before the C library. SIGKILL alone cannot show a
//! missing sync, since the kernel keeps what was written; this disk does.

use crate::common::{Error, Random, Scratch, child, given_dir};
use crate::shim::compiled;
use resilience::durable::{CheckpointError, SqliteStore, Status, StoreError, use_store};
use resilience::testing::isolate;
use resilience::{checkpoint, checkpoints, job, jobs};
use std::cell::Cell;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

/// The disk, compiled once.
fn disk() -> &'static Path {
    static DISK: OnceLock<PathBuf> = OnceLock::new();
    DISK.get_or_init(|| compiled("tests/store/disk.c").unwrap_or_else(|problem| panic!("{problem}")))
}

/// The child `name`, whose files under `<dir>/state` stand on the disk with the image `<dir>/image`.
pub(crate) fn on_disk(name: &str, dir: &Path) -> Command {
    fs::create_dir_all(dir.join("image")).expect("the image");
    let mut command = child(name, dir);
    command.env("LD_PRELOAD", disk()).env("DISK_DIR", dir.join("state")).env("DISK_IMAGE", dir.join("image"));
    command
}

thread_local! {
    static RUNS: Cell<u32> = const { Cell::new(0) };
}

fn runs() -> u32 {
    RUNS.with(|runs| runs.replace(0))
}

#[checkpoint("step:{n}")]
fn step(n: u32) -> Result<u64, Error> {
    RUNS.with(|runs| runs.set(runs.get() + 1));
    // Another run of the body would give another value.
    Ok(std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), n))
}

/// Not a test of its own: does steps and says so until it is killed.
#[test]
#[ignore = "run by the others, in a process of its own"]
fn steps_until_killed() {
    let Some(dir) = given_dir() else { return };
    use_store(Arc::new(SqliteStore::open(dir.join("state")).expect("a store")));
    for n in 0.. {
        let value = step(n).expect("its value");
        println!("ack {n} {value}");
        std::io::stdout().flush().expect("the pipe");
    }
}

/// Lets a child acknowledge `count` steps, cuts the power, and returns what was acknowledged.
fn cut_after(dir: &Path, count: usize) -> Vec<(u32, u64)> {
    let mut child = on_disk("disk::steps_until_killed", dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a child");
    let lines = BufReader::new(child.stdout.take().expect("its output")).lines().map_while(Result::ok);
    let acknowledged = |line: String| {
        let mut words = line.strip_prefix("ack ")?.split(' ');
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    };
    let acknowledged = lines.filter_map(acknowledged).take(count).collect();
    child.kill().expect("the power cut");
    child.wait().expect("the child");
    acknowledged
}

/// What the power cut left: the files as they were last synced.
pub(crate) fn left(dir: &Path) -> PathBuf {
    let left = dir.join("left");
    let _ = fs::remove_dir_all(&left);
    fs::create_dir(&left).expect("a directory");
    for entry in fs::read_dir(dir.join("image")).expect("the image").map(|entry| entry.expect("an entry")) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("store.sqlite") && !name.ends_with(".part") {
            fs::copy(entry.path(), left.join(entry.file_name())).expect("a file");
        }
    }
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&left, fs::Permissions::from_mode(0o700)).expect("its mode");
    left
}

/// How many of the acknowledged steps are not recorded with their value.
fn lost(dir: &Path, acknowledged: &[(u32, u64)]) -> usize {
    let _world = isolate();
    use_store(Arc::new(SqliteStore::open(left(dir)).expect("a store")));
    let is_lost = |(n, value): &&(u32, u64)| {
        checkpoints::blocking::load::<u64>(&format!("step:{n}")) != Ok(Some(*value))
    };
    acknowledged.iter().filter(is_lost).count()
}

#[test]
fn acknowledged_results_survive_a_power_cut() {
    let mut random = Random::seeded(1);
    for round in 0..12 {
        let scratch = Scratch::new();
        let acknowledged = cut_after(&scratch.path("disk"), 1 + random.below(60));
        assert!(!acknowledged.is_empty());
        assert_eq!(lost(&scratch.path("disk"), &acknowledged), 0, "round {round}: {acknowledged:?}");
    }
}

#[test]
fn the_power_cut_test_detects_a_missing_sync() {
    let scratch = Scratch::new();
    let dir = scratch.path("disk");
    cut_after(&dir, 1);
    fs::write(dir.join("image/sync-ignored"), "").expect("the fault");
    fs::remove_dir_all(dir.join("state")).expect("another store");
    let acknowledged = cut_after(&dir, 20);
    assert_eq!(lost(&dir, &acknowledged), 20, "without syncs there is only what the first run left");
}

/// Turns a fault of this process's disk on or off.
fn fault(name: &str, on: bool) {
    let file = given_dir().expect("a directory").join("image").join(name);
    if on {
        fs::write(file, "").expect("the fault");
    } else {
        fs::remove_file(file).expect("the fault");
    }
}

fn store_error(result: Result<u64, Error>) -> StoreError {
    match result.expect_err("the disk does not take it").checkpoint() {
        CheckpointError::Store { store, .. } | CheckpointError::NotRecorded { store, .. } => *store,
        other => panic!("{other:?}"),
    }
}

/// A step that turns the fault on while its body runs.
#[checkpoint("breaking:{name}")]
fn breaking(name: &str) -> Result<u64, Error> {
    fault(name, true);
    Ok(7)
}

#[test]
#[ignore = "run by the others, in a process of its own"]
fn full() {
    let Some(dir) = given_dir() else { return };
    use_store(Arc::new(SqliteStore::open(dir.join("state")).expect("a store")));
    let first = step(1).expect("room");
    fault("full", true);
    runs();
    assert_eq!(store_error(step(2)), StoreError::Full);
    assert_eq!(runs(), 0, "the body does not run");
    assert_eq!(checkpoints::blocking::load("step:1"), Ok(Some(first)), "what is recorded is still read");
    fault("full", false);
    let second = step(2).expect("room again");
    assert_eq!(step(1), Ok(first));
    let Err(Error::Rejected(rejected)) = breaking("full") else { panic!("no room for its value") };
    assert_eq!(rejected.not_recorded::<u64>(), Some(7), "{rejected}");
    fault("full", false);
    drop(rejected);
    assert_eq!((step(1), step(2)), (Ok(first), Ok(second)));
    println!("all seen");
}

/// A job whose first run breaks the disk, so that its end is not recorded.
#[job("held")]
fn held_job() -> Result<u64, Error> {
    if RUNS.with(|runs| runs.replace(runs.get() + 1)) == 0 {
        fault("sync-fails", true);
    }
    Ok(8)
}

#[test]
#[ignore = "run by the others, in a process of its own"]
fn failing() {
    let Some(dir) = given_dir() else { return };
    let open = || SqliteStore::open(dir.join("state")).expect("a store");
    use_store(Arc::new(open()));
    let first = step(1).expect("a disk");
    runs();
    assert!(held_job().is_err(), "it cannot be synced");
    fault("sync-fails", false);
    runs();
    // After a failed sync the kernel may have dropped what was written: a later one proves nothing.
    for _ in 0..2 {
        assert_eq!(store_error(step(2)), StoreError::Poisoned);
    }
    assert_eq!(runs(), 0);
    {
        let _world = isolate();
        use_store(Arc::new(open()));
        assert_eq!(step(1), Ok(first), "opened again, it is as good as its files");
        assert!(step(2).is_ok());
        // What was held by the handle that failed has ended: its value could not be recorded.
        assert!(held_job().is_err());
        let held = jobs::blocking::get("held").expect("a store").expect("the job");
        assert_eq!(held.status, Status::Failed);
    }
    println!("all seen");
}

#[test]
#[ignore = "run by the others, in a process of its own"]
fn read_only() {
    let Some(dir) = given_dir() else { return };
    drop(SqliteStore::open(dir.join("state")).expect("a store"));
    fault("read-only", true);
    let error = SqliteStore::open(dir.join("state")).expect_err("it cannot be written to");
    assert_eq!(error, StoreError::ReadOnly);
    let error = SqliteStore::open(dir.join("state/new")).expect_err("it cannot be made");
    assert!(error.is_outage(), "{error}");
    println!("all seen");
}

#[job("three")]
fn three() -> Result<u64, Error> {
    Ok((1..=3).map(step).collect::<Result<Vec<_>, _>>()?.iter().fold(0, |sum, value| sum ^ value))
}

/// Makes the disk full at its `n`-th write from now on; whether it can be told what the store has while it is full.
fn full_at(dir: &Path, n: u32) -> bool {
    let image = dir.join("image/full-at");
    let state = dir.join("state");
    let _ = fs::remove_dir_all(&state);
    fs::write(&image, n.to_string()).expect("the fault");
    let _world = isolate();
    let opened = SqliteStore::open(&state);
    let ended = opened.clone().map(|store| {
        use_store(Arc::new(store));
        three()
    });
    // Every step that was recorded is found by who only looks, and by the next run.
    let recorded = || {
        let store = SqliteStore::inspect(&state).ok()?;
        let steps = resilience::jobs::blocking::of(Arc::new(store)).steps("three").expect("a listing");
        Some(steps.into_iter().filter(|step| step.status == Status::Done).count())
    };
    let before = recorded();
    if opened.is_ok() {
        assert!(before.is_some(), "write {n}: a full disk can be looked at");
    }
    let ran = runs();
    let is_over = matches!(ended, Ok(Ok(_)));
    if let Err(error) = &opened {
        assert_eq!(*error, StoreError::Full, "write {n}");
    }
    fs::remove_file(&image).expect("room");
    let store = opened.map_or_else(|_| SqliteStore::open(&state), Ok).expect("a store, where there is room");
    use_store(Arc::new(store));
    // A value that was there and could not be recorded ends the job, until it is resumed.
    let is_failed = |job: resilience::durable::JobInfo| job.status == Status::Failed;
    let again = match three() {
        Err(_) if jobs::blocking::get("three").expect("a store").is_some_and(is_failed) => {
            jobs::blocking::resume("three").expect("a store");
            three()
        }
        again => again,
    };
    let again = again.expect("room");
    if let Ok(Ok(value)) = ended {
        assert_eq!(again, value, "write {n}");
    }
    let kept = before.unwrap_or(0);
    assert!(runs() as usize <= 3 - kept, "write {n}: {kept} steps were recorded, {ran} ran");
    let job = jobs::blocking::get("three").expect("a store").expect("the job");
    assert_eq!((job.status, job.recoveries), (Status::Done, 0), "write {n}");
    let files: Vec<_> =
        fs::read_dir(&state).expect("its files").flatten().map(|file| file.file_name()).collect();
    assert!(files.iter().all(|file| !file.to_string_lossy().contains("new-")), "write {n}: {files:?}");
    is_over
}

#[test]
#[ignore = "run by the others, in a process of its own"]
fn full_at_every_write() {
    let Some(dir) = given_dir() else { return };
    let last = (1..).find(|n| full_at(&dir, *n)).expect("an end");
    assert!(last > 30, "{last} writes are too few to be true");
    println!("all seen");
}

/// The number of the error of a quota that is used up.
const QUOTA: &str = "122";

#[test]
fn a_disk_that_fills_up_at_any_write_loses_nothing() {
    sees_it_all("disk::full_at_every_write", &[]);
    sees_it_all("disk::full_at_every_write", &[("DISK_ERROR", QUOTA)]);
}

fn sees_it_all(name: &str, variables: &[(&str, &str)]) {
    let scratch = Scratch::new();
    let mut child = on_disk(name, &scratch.path("disk"));
    let output = child.envs(variables.iter().copied()).output().expect("a child");
    let text = String::from_utf8_lossy(&output.stdout);
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("all seen"), "{text}\n{words}");
}

#[test]
fn a_full_disk_stops_steps_before_their_bodies() {
    sees_it_all("disk::full", &[]);
    sees_it_all("disk::full", &[("DISK_ERROR", QUOTA)]);
}

#[test]
fn a_failed_sync_stops_the_store_until_it_is_reopened() {
    sees_it_all("disk::failing", &[]);
}

#[test]
fn a_read_only_disk_is_reported() {
    sees_it_all("disk::read_only", &[]);
}
