//! Looking at a store: nothing is written, nobody is joined.

use crate::common::{Error, Scratch, block_on, child, given_dir};
use resilience::durable::store::{Claim, Claimed, Completion, Liveness};
use resilience::durable::{SqliteStore, Status, Store, StoreError, use_store};
use resilience::jobs::{self, Filter};
use resilience::testing::isolate;
use resilience::{checkpoint, checkpoints, job};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

#[checkpoint("part:{n}")]
fn part(n: u32) -> Result<u32, Error> {
    Ok(n)
}

#[job("import:{id}")]
fn import(id: u32) -> Result<u32, Error> {
    part(1)?;
    println!("the job runs");
    std::io::stdout().flush().expect("the pipe");
    // Until it is killed.
    let mut line = String::new();
    let _ = std::io::stdin().read_line(&mut line);
    Ok(id)
}

/// Not a test of its own: runs a job until it is killed.
#[test]
#[ignore = "run by the others, in a process of its own"]
fn runs_a_job() {
    let Some(dir) = given_dir() else { return };
    use_store(Arc::new(SqliteStore::open(dir.join("state")).expect("a store")));
    import(7).expect("its result");
}

/// A process that runs the job import:7.
fn running(dir: &Path) -> Child {
    let mut command: Command = child("inspect::runs_a_job", dir);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("a child");
    let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.contains("the job runs")), "it runs the job");
    child
}

/// All files below `dir` with their bytes, without the index of a log.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.insert(path.clone(), Vec::new());
            found.extend(files(&path));
        } else if !path.to_string_lossy().ends_with("-shm") {
            let bytes = fs::read(&path).expect("a file");
            found.insert(path, bytes);
        }
    }
    found
}

/// Records a step in `store`.
fn record(store: &SqliteStore, key: &str) {
    let claim = Claim::new(key, store.owner(), "f");
    let Ok(Claimed::Held(held)) = block_on(store.claim(claim)) else { panic!("it is free") };
    block_on(store.complete(Completion::done(key, held.fence, b"1".to_vec()))).expect("a record");
}

/// A store with one step that nobody has open.
fn rest(dir: &Path) {
    record(&SqliteStore::open(dir).expect("a store"), "c/part:1");
    assert!(!dir.join("store.sqlite-wal").exists(), "it is at rest");
}

fn steps_of(store: &SqliteStore) -> usize {
    checkpoints::blocking::of(Arc::new(store.clone())).list("").expect("its steps").len()
}

#[test]
fn a_store_in_use_is_inspected_without_becoming_an_owner() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("disk")).expect("a directory");
    let mut owner = running(&scratch.path("disk"));
    let dir = scratch.path("disk/state");
    let before = files(&dir);
    let store = Arc::new(SqliteStore::inspect(&dir).expect("a store"));
    let jobs = jobs::blocking::of(store.clone());
    let look = || jobs.get("import:7").expect("a store").expect("the job");
    assert_eq!(
        (look().status, look().owner_state, look().steps),
        (Status::Running, Liveness::Alive, Some(1))
    );
    assert_eq!(look().input.as_deref(), Some(r#"{"id":7}"#));
    let dead = Filter::new().owner(&[Liveness::Dead]);
    assert_eq!(jobs.list(dead.clone()).expect("a store").len(), 0);
    for error in [jobs.cancel("import:7"), jobs.remove("import:7").map(drop), jobs.resume("import:7")] {
        assert!(error.is_err());
    }
    let claim = Claim::new("c/new", "an owner", "f");
    assert_eq!(block_on(store.claim(claim)), Err(StoreError::ReadOnly));
    assert!(files(&dir) == before, "nothing is written");
    owner.kill().expect("a kill");
    owner.wait().expect("the child");
    assert_eq!((look().status, look().owner_state), (Status::Running, Liveness::Dead));
    assert_eq!(jobs.list(dead).expect("a store")[0].id, "import:7");
    assert!(files(&dir) == before, "nothing is written");
}

#[test]
fn a_running_job_can_be_resumed_once_its_owner_is_dead() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("disk")).expect("a directory");
    let mut owner = running(&scratch.path("disk"));
    let store = Arc::new(SqliteStore::open(scratch.path("disk/state")).expect("a store"));
    let jobs = jobs::blocking::of(store.clone());
    let refused = jobs.resume("import:7").expect_err("its owner lives");
    assert!(refused.to_string().contains("is running"), "{refused}");
    owner.kill().expect("a kill");
    owner.wait().expect("the child");
    jobs.cancel("import:7").expect("a request that resuming takes back");
    jobs.resume("import:7").expect("nobody runs it");
    let job = jobs.get("import:7").expect("a store").expect("the job");
    assert_eq!((job.status, job.recoveries, job.cancelled), (Status::Interrupted, 0, false));
    let history: Vec<_> = job.events.iter().map(|event| (&*event.result, &*event.reason)).collect();
    let [_, (interrupted, gone), asked] = history[..] else { panic!("three events: {history:?}") };
    assert_eq!((interrupted, asked), ("interrupted", ("ok", "asked for")));
    assert!(gone.starts_with("its owner ") && gone.ends_with(" is gone"), "{gone}");
}

#[test]
fn a_running_job_can_be_forked_once_its_owner_is_dead() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("disk")).expect("a directory");
    let mut owner = running(&scratch.path("disk"));
    let store = Arc::new(SqliteStore::open(scratch.path("disk/state")).expect("a store"));
    let jobs = jobs::blocking::of(store.clone());
    let refused = jobs.fork_from("import:7", "part:1").expect_err("its owner lives");
    assert!(refused.to_string().contains("is running"), "{refused}");
    owner.kill().expect("a kill");
    owner.wait().expect("the child");
    jobs.fork_from("import:7", "part:1").expect("nobody runs it");
    let job = jobs.get("import:7").expect("a store").expect("the job");
    assert_eq!((job.status, job.steps), (Status::Interrupted, Some(0)));
}

#[test]
fn inspecting_a_closed_store_changes_no_byte() {
    let scratch = Scratch::new();
    let dir = scratch.path("state");
    rest(&dir);
    let before = files(&dir);
    let names = |dir: &Path| fs::read_dir(dir).expect("it").count();
    let count = names(&dir);
    let store = SqliteStore::inspect(&dir).expect("a store");
    assert_eq!((steps_of(&store), store.dir()), (1, fs::canonicalize(&dir).expect("it").as_path()));
    assert_eq!(store.integrity_blocking().expect("a check"), [""; 0]);
    assert!(store.size_blocking().expect("its size").tables > 0);
    assert!(files(&dir) == before && names(&dir) == count, "not even an index of a log");
    // Another process writes, and goes away again: what it wrote is seen.
    let other = SqliteStore::open(&dir).expect("a store");
    record(&other, "c/part:2");
    assert_eq!(steps_of(&store), 2, "while it is open");
    drop(other);
    assert_eq!(steps_of(&store), 2, "and after that");
}

#[test]
fn inspecting_writes_nothing_even_in_the_owners_process() {
    let scratch = Scratch::new();
    let _world = isolate();
    let dir = scratch.path("state");
    let open = SqliteStore::open(&dir).expect("a store");
    use_store(Arc::new(open.clone()));
    part(1).expect("its value");
    let looked = SqliteStore::inspect(&dir).expect("a store");
    assert_eq!((steps_of(&looked), looked.identity()), (1, open.identity()));
    let cleared = checkpoints::blocking::of(Arc::new(looked.clone())).clear();
    assert!(cleared.expect_err("it may only look").to_string().contains("may not be written to"));
    drop(looked);
    part(2).expect("the store goes on");
    assert_eq!(steps_of(&open), 2);
}

#[test]
fn a_store_of_another_user_can_be_inspected() {
    let scratch = Scratch::new();
    let dir = scratch.path("state");
    rest(&dir);
    for path in [dir.clone(), dir.join("store.sqlite")] {
        if let Err(error) = std::os::unix::fs::chown(&path, Some(12_345), None) {
            eprintln!("SKIPPED: only root can give a file away ({error})");
            return;
        }
    }
    assert!(matches!(SqliteStore::open(&dir), Err(StoreError::Refused(_))));
    let before = files(&dir);
    assert_eq!(steps_of(&SqliteStore::inspect(&dir).expect("a store")), 1);
    assert!(files(&dir) == before);
}

#[test]
fn a_read_only_directory_can_be_inspected() {
    let scratch = Scratch::new();
    let dir = scratch.path("state");
    rest(&dir);
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o500)).expect("its mode");
    let looked = SqliteStore::inspect(&dir).map(|store| steps_of(&store));
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).expect("its mode");
    assert_eq!(looked, Ok(1));
}

#[test]
fn a_directory_without_a_store_is_reported_and_unchanged() {
    let scratch = Scratch::new();
    let error = |dir: &Path| SqliteStore::inspect(dir).expect_err("no store").to_string();
    assert!(error(&scratch.path("nothing")).contains("there is no store: "));
    assert!(!scratch.path("nothing").exists(), "it is not made");
    let dir = scratch.path("state");
    rest(&dir);
    let tables = |version: i64| {
        let tables = rusqlite::Connection::open(dir.join("store.sqlite")).expect("the tables");
        tables.pragma_update(None, "user_version", version).expect("the version");
    };
    tables(99);
    let before = files(&dir);
    assert!(error(&dir).contains("of version 99, and this release reads version"), "{}", error(&dir));
    assert!(error(&dir).contains("use the release that made it, or a later one"), "{}", error(&dir));
    assert!(files(&dir) == before);
    tables(1);
    assert!(error(&dir).contains("open it with a program of this release first"), "{}", error(&dir));
    fs::write(dir.join("store.sqlite"), "").expect("an empty file");
    assert!(error(&dir).contains("is empty"), "{}", error(&dir));
    fs::write(dir.join("store.sqlite"), "notes\n".repeat(1_000)).expect("a file");
    assert!(error(&dir).contains("damaged"), "{}", error(&dir));
}

/// Turns a fault of this process's disk on or off.
#[cfg(target_os = "linux")]
fn fault(name: &str, on: bool) {
    let file = given_dir().expect("a directory").join("image").join(name);
    if on { fs::write(file, "") } else { fs::remove_file(file) }.expect("the fault");
}

/// Not a test of its own: looks at a store on a disk that takes nothing.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "run by the others, in a process of its own"]
fn inspects_on_a_failing_disk() {
    let Some(dir) = given_dir() else { return };
    let state = dir.join("state");
    rest(&state);
    for name in ["full", "read-only"] {
        fault(name, true);
        assert_eq!(SqliteStore::inspect(&state).map(|store| steps_of(&store)), Ok(1), "{name}, at rest");
        fault(name, false);
        let open = SqliteStore::open(&state).expect("a store");
        block_on(open.cas(None, resilience::durable::Record::new(format!("x/{name}")))).expect("room");
        fault(name, true);
        assert_eq!(SqliteStore::inspect(&state).map(|store| steps_of(&store)), Ok(1), "{name}, in use");
        fault(name, false);
        drop(open);
    }
    println!("all seen");
}

#[cfg(target_os = "linux")]
#[test]
fn a_store_on_a_full_or_read_only_disk_can_be_inspected() {
    let disk = crate::shim::compiled("tests/store/disk.c").unwrap_or_else(|problem| panic!("{problem}"));
    let scratch = Scratch::new();
    let dir = scratch.path("disk");
    fs::create_dir_all(dir.join("image")).expect("the image");
    let mut command = child("inspect::inspects_on_a_failing_disk", &dir);
    command.env("LD_PRELOAD", disk).env("DISK_DIR", dir.join("state")).env("DISK_IMAGE", dir.join("image"));
    let output = command.output().expect("a child");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(String::from_utf8_lossy(&output.stdout).contains("all seen"), "{words}");
}
