//! The health check of the stores that jobs and steps use.

use crate::common::{Error, Scratch, child, given_dir};
use crate::disk::on_disk;
use resilience::checkpoint;
use resilience::checkpoints::blocking;
use resilience::durable::{MemoryStore, SqliteStore, Store, use_store};
use resilience::health::{self, Check, Status};
use resilience::testing::isolate;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

#[checkpoint("price:{id}")]
fn price(id: u32) -> Result<u32, Error> {
    Ok(id)
}

static OTHER: LazyLock<Arc<dyn Store>> = LazyLock::new(|| Arc::new(MemoryStore::new()));

#[checkpoint("elsewhere:{id}", store = &*OTHER)]
fn elsewhere(id: u32) -> Result<u32, Error> {
    Ok(id)
}

/// A look that is not shared, and waits for as long as the store takes.
#[track_caller]
fn look() -> Status {
    Check::store().timeout(Duration::from_secs(3_600)).register();
    health::check("store").expect("the check")
}

fn text() -> String {
    look().to_string()
}

const PASSES: &str = "store: pass: the store takes writes";

#[test]
fn an_unused_store_is_not_opened() {
    let _world = isolate();
    let status = health::check("store").expect("a built-in check");
    assert_eq!(status.to_string(), "store: pass: no job and no step has used a store");
    assert_eq!(price(1), Ok(1));
    assert_eq!(text(), PASSES);
    Check::store().critical().register();
    assert!(health::check("store").expect("the check").critical);
}

/// Not a test of its own: in a test world no lease is kept, so that only the default store is known.
#[test]
#[ignore = "run by the other, in a process of its own"]
fn uses_two_stores() {
    if given_dir().is_none() {
        return;
    }
    use_store(Arc::new(MemoryStore::new()));
    assert_eq!(elsewhere(1), Ok(1));
    assert_eq!(text(), "store: pass: 2 stores take writes");
    use_store(OTHER.clone());
    assert_eq!(text(), PASSES);
    println!("all seen");
}

#[test]
fn every_store_in_use_is_checked() {
    sees_it_all(&mut child("health::uses_two_stores", Path::new("/nowhere")));
}

#[track_caller]
fn sees_it_all(child: &mut Command) {
    let output = child.output().expect("a child");
    let (text, words) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("all seen"), "{text}\n{words}");
}

#[test]
fn a_check_changes_no_records() {
    let (_world, scratch) = (isolate(), Scratch::new());
    use_store(Arc::new(SqliteStore::open(scratch.path("state")).expect("a store")));
    assert_eq!(price(1), Ok(1));
    let before = format!("{:?}", blocking::list("").expect("a listing"));
    assert_eq!(text(), PASSES);
    assert_eq!(format!("{:?}", blocking::list("").expect("a listing")), before);
    assert!(blocking::quarantine(10).expect("a look").is_empty());
}

#[test]
fn removed_files_are_a_failure_until_restored() {
    let (_world, scratch) = (isolate(), Scratch::new());
    let dir = scratch.path("state");
    use_store(Arc::new(SqliteStore::open(&dir).expect("a store")));
    assert_eq!(text(), PASSES);
    fs::rename(dir.join("store.sqlite"), dir.join("away")).expect("its file");
    let status = look();
    assert!(!status.healthy && status.message.contains("was removed or replaced"), "{status}");
    assert_eq!(status.action.as_deref(), Some("look at the files of the store, and restart the program"));
    fs::rename(dir.join("away"), dir.join("store.sqlite")).expect("its file");
    assert_eq!(text(), PASSES);
}

#[test]
fn an_inspected_store_fails_the_check_for_writes() {
    let (_world, scratch) = (isolate(), Scratch::new());
    drop(SqliteStore::open(scratch.path("state")).expect("a store"));
    use_store(Arc::new(SqliteStore::inspect(scratch.path("state")).expect("a store")));
    let status = look();
    assert!(!status.healthy && status.message.contains("may not be written to"), "{status}");
}

/// Not a test of its own: writes to the store until it may go on.
#[test]
#[ignore = "run by the other, in a process of its own"]
fn holds_the_store() {
    let Some(dir) = given_dir() else { return };
    let store = rusqlite::Connection::open(dir.join("state/store.sqlite")).expect("the file");
    store.execute_batch("BEGIN IMMEDIATE").expect("the right to write");
    println!("\nholds");
    std::io::stdout().flush().expect("the pipe");
    let _ = std::io::stdin().read(&mut [0]);
}

#[test]
fn a_store_locked_by_another_process_is_a_failure() {
    let (_world, scratch) = (isolate(), Scratch::new());
    let options = SqliteStore::options().busy_timeout(Duration::from_millis(1));
    use_store(Arc::new(options.open(scratch.path("state")).expect("a store")));
    let mut holder = child("health::holds_the_store", &scratch.path(""));
    let mut holder = holder.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a child");
    let mut lines = BufReader::new(holder.stdout.take().expect("its output")).lines().map_while(Result::ok);
    assert!(lines.by_ref().any(|line| line == "holds"));
    let status = look();
    drop(holder.stdin.take());
    assert!(holder.wait().expect("its end").success());
    assert!(!status.healthy && status.action.expect("an action").contains("are refused"));
    assert_eq!(text(), PASSES);
}

/// Not a test of its own: a store on a disk with faults.
#[test]
#[ignore = "run by the other, in a process of its own"]
fn on_a_bad_disk() {
    let Some(dir) = given_dir() else { return };
    let _world = isolate();
    use_store(Arc::new(SqliteStore::open(dir.join("state")).expect("a store")));
    assert_eq!(text(), PASSES);
    let fault = |name: &str| {
        let path = dir.join("image").join(name);
        fs::write(&path, "").expect("the fault");
        let status = look();
        assert!(!status.healthy, "{name}: {status}");
        fs::remove_file(path).expect("the fault");
        status
    };
    let full = fault("full");
    assert_eq!(full.action.as_deref(), Some("free space on the disk of the store"), "{full}");
    assert_eq!(text(), PASSES, "there is room again");
    let failing = fault("sync-fails");
    assert!(failing.message.contains("restart") || failing.action.is_some(), "{failing}");
    assert_eq!(look().action.as_deref(), Some("look at the files of the store, and restart the program"));
    println!("all seen");
}

#[test]
fn a_disk_that_is_full_or_fails_is_a_failure() {
    let scratch = Scratch::new();
    sees_it_all(&mut on_disk("health::on_a_bad_disk", &scratch.path("disk")));
}

/// Not a test of its own: the default store, which cannot be opened.
#[test]
#[ignore = "run by the other, in a process of its own"]
fn in_a_file() {
    if given_dir().is_none() {
        return;
    }
    let unused = health::check("store").expect("a built-in check");
    assert!(unused.healthy, "{unused}");
    assert!(price(1).is_err());
    Check::store().register();
    let status = health::check("store").expect("the check");
    assert!(!status.healthy && status.action.is_some(), "{status}");
    println!("all seen");
}

#[test]
fn a_store_that_cannot_be_opened_is_a_failure_once_used() {
    let scratch = Scratch::new();
    fs::write(scratch.path("file"), "").expect("a file");
    let mut command = child("health::in_a_file", Path::new("/nowhere"));
    sees_it_all(command.env("RESILIENCE_STATE", scratch.path("file")));
}
