//! The files of a store: how large they get, what is in them at rest, and where they may not be written to.

use crate::common::{Scratch, Warnings, block_on, child, given_dir};
use futures::FutureExt;
use resilience::durable::store::{Claim, Claimed, Completion, Release};
use resilience::durable::{SqliteStore, Status, Store, StoreError};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::Duration;

/// Waits until `is_so`, for as long as a loaded machine may need.
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..30_000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("{what} was waited for in vain");
}

fn size(dir: &Path, name: &str) -> u64 {
    fs::metadata(dir.join(name)).map_or(0, |file| file.len())
}

fn record(store: &SqliteStore, key: &str, bytes: usize) {
    let claimed = block_on(store.claim(Claim::new(key, store.owner(), "f"))).expect("a store");
    let Claimed::Held(held) = claimed else { panic!("{claimed:?}") };
    let value = format!("\"{}\"", "x".repeat(bytes)).into_bytes();
    block_on(store.complete(Completion::done(key, held.fence, value))).expect("a store");
}

#[test]
fn an_idle_store_truncates_its_log_and_returns_free_pages() {
    let scratch = Scratch::new();
    let dir = scratch.path("state");
    let store = SqliteStore::open(&dir).expect("a store");
    for n in 0..40 {
        record(&store, &format!("c/{n}"), 50_000);
    }
    let log = || size(&dir, "store.sqlite-wal");
    wait_until("an empty log", || log() == 0);
    let full = size(&dir, "store.sqlite");
    assert!(full > 40 * 50_000, "{full}");
    // Another process copies it: closing the file here would drop SQLite's locks.
    fs::create_dir(scratch.path("copy")).expect("a directory");
    fs::set_permissions(scratch.path("copy"), fs::Permissions::from_mode(0o700)).expect("its mode");
    let copy =
        std::process::Command::new("cp").arg(dir.join("store.sqlite")).arg(scratch.path("copy")).status();
    assert!(copy.expect("cp").success());
    let copy = SqliteStore::open(scratch.path("copy")).expect("a store");
    for n in 0..40 {
        let found = block_on(copy.get(&format!("c/{n}"))).expect("a store").expect("a record");
        assert_eq!((found.status, found.value.len()), (Status::Done, 50_002));
    }
    for n in 0..40 {
        assert!(block_on(store.remove(format!("c/{n}"), Vec::new())).expect("a store"));
    }
    wait_until("a small file", || log() == 0 && size(&dir, "store.sqlite") < full / 10);
}

#[test]
#[ignore = "run by others, in a process of its own"]
fn writes_much() {
    let Some(dir) = given_dir() else { return };
    let store = SqliteStore::open(dir.join("state")).expect("a store");
    let own = std::process::id();
    for n in 0..50 {
        record(&store, &format!("c/{own}:{n}"), 250_000);
        let log = size(&dir, "state/store.sqlite-wal");
        assert!(log < 18 << 20, "after {n} records the log has {log} bytes");
    }
}

/// On a slow disk, too, where another process nearly always moves a part of the log while one wants to shorten it.
#[test]
fn the_log_stays_small_under_concurrent_writes() {
    let slow = crate::shim::compiled("tests/store/slow.c").unwrap_or_else(|problem| panic!("{problem}"));
    for milliseconds in ["0", "20"] {
        let scratch = Scratch::new();
        drop(SqliteStore::open(scratch.path("state")).expect("a store"));
        let start = |_| {
            let mut writer = child("upkeep::writes_much", &scratch.path(""));
            writer.env("LD_PRELOAD", &slow).env("SLOW_MS", milliseconds);
            writer.stdout(std::process::Stdio::null()).spawn().expect("a process")
        };
        let writers: Vec<_> = (0..3).map(start).collect();
        let ends: Vec<_> = writers.into_iter().map(|mut writer| writer.wait().expect("its end")).collect();
        assert!(ends.iter().all(std::process::ExitStatus::success), "{milliseconds} ms more: {ends:?}");
    }
}

#[test]
#[ignore = "run by others, in a process of its own"]
fn is_read_all_the_time() {
    let Some(dir) = given_dir() else { return };
    let warnings = Warnings::of("resilience::store");
    tracing::subscriber::set_global_default(warnings.clone()).expect("the only one");
    let store = SqliteStore::open(dir.join("state")).expect("a store");
    record(&store, "c/first", 10);
    let reader = rusqlite::Connection::open(dir.join("state/store.sqlite")).expect("another program");
    reader.execute_batch("BEGIN; SELECT count(*) FROM records").expect("a reader");
    let log = || size(&dir, "state/store.sqlite-wal");
    let reports = || warnings.count();
    let mut written = 0;
    // Without a rest in between: it is reported while it is written to.
    while log() <= 66 << 20 {
        record(&store, &format!("c/{written}"), 1_000_000);
        written += 1;
    }
    assert_eq!(reports(), 1, "once, and while it grows");
    reader.execute_batch("COMMIT").expect("its end");
    wait_until("an empty log", || log() == 0);
    assert_eq!(reports(), 1);
    println!("all seen");
}

#[test]
fn a_reader_that_blocks_log_truncation_is_reported_once() {
    let scratch = Scratch::new();
    let output = child("upkeep::is_read_all_the_time", &scratch.path("")).output().expect("a process");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("all seen"), "{text}\n{output:?}");
}

/// What a process without the rights of root sees, which reads the directory of another user's store, and one that it
/// owns and may not write to.
#[test]
#[ignore = "run by others, in a process of its own"]
fn has_few_rights() {
    let Some(dir) = given_dir() else { return };
    let error = SqliteStore::open(dir.join("own")).expect_err("it may not be written to");
    assert!(error.is_outage() && error.to_string().contains("own"), "{error}");
    let own = fs::metadata("/proc/self").expect("this process").uid();
    // Which directory refuses to have another one made in it, below it or at any depth.
    for (new, above, owner) in [
        ("own/new", "own", &*format!("{own} (mode 0500)")),
        ("foreign/new", "foreign", "0 (mode 0755)"),
        ("foreign/new/deep/state", "foreign", "0 (mode 0755)"),
        ("closed/there/state", "closed", "0 (mode 0700)"),
    ] {
        let error = SqliteStore::open(dir.join(new)).expect_err("it may not be written to");
        let above = dir.join(above).display().to_string();
        let told = [
            format!("in {above}: "),
            format!(
                ". {above} belongs to user {owner}, and this process is of user {own}; set RESILIENCE_STATE"
            ),
        ];
        let text = error.to_string();
        assert!(error.is_outage() && told.iter().all(|told| text.contains(told)), "{text}");
    }
    let error = SqliteStore::open(dir.join("program/state")).expect_err("a file is in the way");
    let refused = format!("state cannot be made in {}: Not a directory", dir.join("program").display());
    assert!(error.to_string().contains(&refused), "{error}");
    assert!(matches!(SqliteStore::open(dir.join("foreign")), Err(StoreError::Refused(_))));
    for name in ["own", "foreign"] {
        let store = SqliteStore::inspect(dir.join(name)).expect("it may be read");
        let found = block_on(store.get("c/a")).expect("a store").expect("a record");
        assert_eq!(found.status, Status::Done, "{name}");
        let written = block_on(store.claim(Claim::new("c/b", store.owner(), "f")));
        assert_eq!(written.expect_err("it is only looked at"), StoreError::ReadOnly);
    }
    println!("all seen");
}

#[test]
fn a_store_with_read_only_permissions_can_be_inspected() {
    let scratch = Scratch::new();
    for name in ["own", "foreign"] {
        let dir = scratch.path(name);
        record(&SqliteStore::open(&dir).expect("a store"), "c/a", 10);
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).expect("its mode");
        fs::set_permissions(dir.join("store.sqlite"), fs::Permissions::from_mode(0o644)).expect("its mode");
        if name == "own" {
            for path in [dir.clone(), dir.join("store.sqlite"), dir.join("owners"), dir.join("acknowledged")]
            {
                if let Err(error) = chown(&path, Some(OTHER), None) {
                    eprintln!("SKIPPED: only root can give files away ({error})");
                    return;
                }
            }
            fs::set_permissions(dir.join("owners"), fs::Permissions::from_mode(0o500)).expect("its mode");
            fs::set_permissions(&dir, fs::Permissions::from_mode(0o500)).expect("its mode");
        }
    }
    assert_ne!(fs::metadata(scratch.path("foreign")).expect("it").uid(), OTHER);
    fs::create_dir_all(scratch.path("closed/there")).expect("a directory");
    fs::set_permissions(scratch.path("closed"), fs::Permissions::from_mode(0o700)).expect("its mode");
    run_as_another_user(&scratch, "upkeep::has_few_rights");
}

/// A user that is not this one.
const OTHER: u32 = 12_345;

/// Runs the ignored test `name` as the user [`OTHER`], and checks that it has seen all.
fn run_as_another_user(scratch: &Scratch, name: &str) {
    // The program itself may be where that user may not go. It is copied by another process: a file that this one has
    // open for writing, as a process that another test starts just now has, too, cannot be run.
    let program = scratch.path("program");
    let own = std::env::current_exe().expect("this program");
    let copied = std::process::Command::new("cp").arg(own).arg(&program).status().expect("cp");
    assert!(copied.success());
    let mut looker = std::process::Command::new(&program);
    looker.args(["--exact", name, "--ignored", "--quiet", "--nocapture", "--test-threads=1"]);
    looker.env("TEST_DIR", scratch.path("")).current_dir("/").uid(OTHER);
    let output = looker.output().expect("a process");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("all seen"), "{text}\n{output:?}");
}

/// Uses a store in a directory that it may not enter for a while.
#[test]
#[ignore = "run by others, in a process of its own"]
fn is_locked_out() {
    let Some(dir) = given_dir() else { return };
    let above = dir.join("above");
    let store = SqliteStore::open(above.join("state")).expect("a store");
    record(&store, "c/a", 10);
    let allow = |mode| fs::set_permissions(&above, fs::Permissions::from_mode(mode)).expect("its mode");
    allow(0o000);
    let read = block_on(store.get("c/a")).expect_err("it may not be looked at");
    let written = block_on(store.claim(Claim::new("c/b", store.owner(), "f"))).expect_err("neither");
    allow(0o700);
    for error in [read, written] {
        let text = error.to_string();
        assert!(matches!(error, StoreError::Unavailable(_)) && text.contains("Permission denied"), "{text}");
        assert!(text.contains("store.sqlite") && !text.contains("removed"), "{text}");
    }
    assert!(block_on(store.get("c/a")).expect("a store").is_some());
    println!("all seen");
}

/// Opens stores of which one file or directory does not allow its own user what is needed.
#[test]
#[ignore = "run by others, in a process of its own"]
fn has_files_of_no_use() {
    let Some(dir) = given_dir() else { return };
    let state = dir.join("above/state");
    for (name, mode) in [("store.sqlite", 0o000), ("acknowledged", 0o400), ("owners", 0o500)] {
        drop(SqliteStore::open(&state).expect("a store"));
        let path = state.join(name);
        let before = fs::metadata(&path).expect("it").permissions();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode");
        let text = SqliteStore::open(&state).expect_err("a right is missing").to_string();
        for part in [
            path.display().to_string(),
            format!("user {OTHER}"),
            format!("mode {mode:04o}"),
            "chmod u+".into(),
        ] {
            assert!(text.contains(&part), "{name} {part}: {text}");
        }
        fs::set_permissions(&path, before).expect("its mode");
    }
    println!("all seen");
}

/// Runs the ignored test `name` as the user [`OTHER`], who owns the directory `above`.
fn run_as_owner_of_above(name: &str) {
    let scratch = Scratch::new();
    let above = scratch.path("above");
    fs::create_dir(&above).expect("a directory");
    fs::set_permissions(&above, fs::Permissions::from_mode(0o700)).expect("its mode");
    if let Err(error) = chown(&above, Some(OTHER), None) {
        eprintln!("SKIPPED: only root can give files away ({error})");
        return;
    }
    run_as_another_user(&scratch, name);
}

#[test]
fn a_store_whose_files_cannot_be_used_names_them_their_owner_and_mode() {
    run_as_owner_of_above("upkeep::has_files_of_no_use");
}

#[test]
fn a_store_in_a_directory_that_may_not_be_entered_is_not_lost() {
    run_as_owner_of_above("upkeep::is_locked_out");
}

#[test]
fn many_large_records_do_not_make_one_long_transaction() {
    const RECORDS: u32 = 40;
    const BYTES: usize = 900_000;
    let scratch = Scratch::new();
    let dir = scratch.path("state");
    let store = SqliteStore::open(&dir).expect("a store");
    let claims = (0..RECORDS).map(|n| {
        // A release writes the whole record again, without having a byte of it.
        let mut claim = Claim::new(format!("c/{n}"), store.owner(), "f");
        claim.input = vec![b'1'; BYTES];
        match block_on(store.claim(claim)).expect("a store") {
            Claimed::Held(held) => held,
            other => panic!("{other:?}"),
        }
    });
    let held: Vec<_> = claims.collect();
    let other = rusqlite::Connection::open(dir.join("store.sqlite")).expect("the tables");
    other.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); BEGIN IMMEDIATE").expect("its lock");
    let (values, releases) = held.split_at(held.len() / 2);
    let completed = values.iter().map(|held| {
        let value = Completion::done(held.key.clone(), held.fence, vec![b'1'; BYTES]);
        store.complete(value).map(|done| done.map(drop)).boxed()
    });
    let released = releases
        .iter()
        .map(|held| store.release(Release::new(held.key.clone(), held.fence, Status::Free)).boxed());
    let mut asked: Vec<_> = completed.chain(released).collect();
    assert!(asked.iter_mut().all(|answer| answer.now_or_never().is_none()), "all wait for the other");
    other.execute_batch("ROLLBACK").expect("its end");
    // The log is moved into the tables between two transactions: it gets longer than one of them by what it may have.
    let longest = asked.into_iter().map(|answer| {
        block_on(answer).expect("a store");
        size(&dir, "store.sqlite-wal")
    });
    let longest = longest.max().expect("some");
    assert!(longest > 4 << 20, "the log has {longest} bytes");
    assert!(longest < 24 << 20, "the log had {longest} bytes");
}

#[test]
fn a_closing_store_answers_all_pending_requests() {
    let scratch = Scratch::new();
    let dir = scratch.path("state");
    let store = SqliteStore::open(&dir).expect("a store");
    let tables = rusqlite::Connection::open(dir.join("store.sqlite")).expect("the tables");
    tables.execute_batch("BEGIN IMMEDIATE").expect("its lock");
    let (send, answers) = channel();
    let asked: Vec<_> = (0..20)
        .map(|n| {
            let store = store.clone();
            let send = send.clone();
            let owner = store.owner();
            std::thread::spawn(move || {
                let claimed = store.claim(Claim::new(format!("c/{n}"), owner, "f"));
                send.send(()).expect("the test");
                block_on(claimed)
            })
        })
        .collect();
    assert_eq!(answers.iter().take(20).count(), 20);
    drop(store);
    tables.execute_batch("ROLLBACK").expect("its end");
    for asked in asked {
        let claimed = asked.join().expect("a thread");
        assert!(matches!(claimed, Ok(Claimed::Held(_))), "{claimed:?}");
    }
    let again = SqliteStore::open(&dir).expect("a store");
    assert!((0..20).all(|n| matches!(block_on(again.get(&format!("c/{n}"))), Ok(Some(_)))));
}
