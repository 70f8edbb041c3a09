//! What happens around a process that has a store open: it is opened again, its directory changes, its files go, it
//! forks, it is stopped, its lock is removed, it gets no thread.

mod creation;
mod forks;
mod heartbeat;

use crate::common::{Error, Scratch, block_on, child, given_dir};
use crate::shim::compiled;
use futures::FutureExt;
use resilience::durable::store::{Claim, Claimed, Completion, Liveness, Query};
use resilience::durable::{CheckpointError, JobError, SqliteStore, Status, Store, StoreError, use_store};
use resilience::testing::isolate;
use resilience::{Rejected, checkpoint, job, jobs};
use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

#[checkpoint("step:{n}")]
fn step(n: u32) -> Result<u32, Error> {
    Ok(n)
}

/// Another test of this program, in a process of its own, which has to succeed.
fn run(name: &str, dir: &Path) {
    run_all(vec![child(name, dir)]);
}

fn run_all(commands: Vec<Command>) {
    let start = |mut command: Command| command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let started: Vec<_> = commands.into_iter().map(|command| start(command).expect("a process")).collect();
    for process in started {
        let output = process.wait_with_output().expect("its end");
        let text = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&text));
    }
}

/// A process that is killed when the test ends.
struct Killed(Child);

impl Killed {
    fn start(mut command: Command) -> Self {
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a process"))
    }

    fn signal(&self, signal: &str) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().expect("kill").success());
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

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

#[test]
#[ignore = "run by others, in a process of its own"]
fn another_program_reads() {
    let Some(dir) = given_dir() else { return };
    // As an operator's shell does: the last connection to close moves the log into the tables and deletes it.
    let tables = rusqlite::Connection::open(dir.join("state/store.sqlite")).expect("the tables");
    let count: i64 = tables.query_row("SELECT count(*) FROM records", [], |row| row.get(0)).expect("a count");
    assert_eq!(count, 10);
}

#[test]
#[ignore = "run by others, in a process of its own"]
fn counts_twenty() {
    let Some(dir) = given_dir() else { return };
    let store = SqliteStore::open(dir.join("state")).expect("a store");
    for n in 0..20 {
        assert!(block_on(store.get(&format!("c/step:{n}"))).expect("a store").is_some(), "step {n} is lost");
    }
}

#[test]
fn reopening_a_store_yields_the_same_store_and_records() {
    let scratch = Scratch::new();
    let _world = isolate();
    let dir = scratch.path("state");
    let store = Arc::new(SqliteStore::open(&dir).expect("a store"));
    use_store(store.clone());
    assert_eq!(store.kind(), "sqlite");
    assert!((0..10).all(|n| step(n).is_ok()));
    std::os::unix::fs::symlink(scratch.path("."), scratch.path("link")).expect("a link");
    for path in [dir.join("."), dir.join("../state"), scratch.path("link/state")] {
        let again = SqliteStore::open(&path).expect("a store");
        assert_eq!(
            (again.owner(), again.identity()),
            (store.owner(), store.identity()),
            "{}",
            path.display()
        );
    }
    run("hostile::another_program_reads", &scratch.path(""));
    assert!((10..20).all(|n| step(n).is_ok()));
    run("hostile::counts_twenty", &scratch.path(""));
}

#[test]
#[ignore = "run by others, in a process of its own"]
fn moves_away() {
    let Some(dir) = given_dir() else { return };
    std::env::set_current_dir(&dir).expect("a directory");
    let store = SqliteStore::open("state").expect("a store");
    std::env::set_current_dir("/").expect("a directory");
    let owner = fs::read_to_string(dir.join("owner")).expect("the owner");
    assert_eq!(store.liveness(&owner), Liveness::Alive);
    let held = block_on(store.claim(Claim::new("c/held", store.owner(), "other"))).expect("a store");
    assert!(matches!(held, Claimed::Mismatch { .. } | Claimed::Busy { .. }), "{held:?}");
    assert!(store.dir().is_absolute());
    let claimed = block_on(store.claim(Claim::new("c/away", store.owner(), "away"))).expect("a store");
    assert!(matches!(claimed, Claimed::Held(_)));
    // Opened again, it is found from here, too.
    assert_eq!(SqliteStore::open(dir.join("state")).expect("a store").owner(), store.owner());
}

#[test]
fn a_process_that_changes_directory_still_detects_owners() {
    let scratch = Scratch::new();
    let store = SqliteStore::open(scratch.path("state")).expect("a store");
    fs::write(scratch.path("owner"), store.owner()).expect("a file");
    let held = block_on(store.claim(Claim::new("c/held", store.owner(), "held"))).expect("a store");
    assert!(matches!(held, Claimed::Held(_)));
    run("hostile::moves_away", &scratch.path(""));
    assert_eq!(
        block_on(store.get("c/away")).expect("a store").map(|record| record.status),
        Some(Status::Running)
    );
}

/// Holds a key with a short lease, until it is killed.
#[test]
#[ignore = "run by others, in a process of its own"]
fn holds() {
    let Some(dir) = given_dir() else { return };
    let store = Arc::new(SqliteStore::open(dir.join("state")).expect("a store"));
    use_store(store.clone());
    let held: Result<(), Error> = HOLD.call("held", || {
        fs::write(dir.join("owner.part"), store.owner()).expect("a file");
        fs::rename(dir.join("owner.part"), dir.join("owner")).expect("a file");
        loop {
            std::thread::park();
        }
    });
    held.expect("it is killed before");
}

const HOLD: resilience::Checkpoint =
    resilience::Checkpoint::new("store::hold").lease(Duration::from_millis(60)).wait(Duration::ZERO);

#[test]
fn a_stopped_or_unlocked_but_active_process_counts_as_alive() {
    let scratch = Scratch::new();
    let dir = scratch.path("");
    let options = SqliteStore::options().busy_timeout(Duration::from_millis(300));
    let store = options.open(scratch.path("state")).expect("a store");
    let holder = Killed::start(child("hostile::holds", &dir));
    wait_until("the holder", || dir.join("owner").exists());
    let owner = fs::read_to_string(dir.join("owner")).expect("the owner");
    let try_claim = || block_on(store.claim(Claim::new("c/held", store.owner(), "store::hold")));
    let claim = || try_claim().expect("a store");
    // Stopped in the middle of a commit, it would keep all others from the store.
    let stop = || {
        wait_until("a moment between two commits", || {
            holder.signal("-STOP");
            let is_between = try_claim().is_ok();
            if !is_between {
                holder.signal("-CONT");
            }
            is_between
        });
    };
    let is_busy = |claimed: &Claimed| matches!(claimed, Claimed::Busy { owner: busy, .. } if *busy == owner);
    stop();
    for _ in 0..20 {
        assert!(is_busy(&claim()), "its lock is held");
        std::thread::sleep(Duration::from_millis(10));
    }
    holder.signal("-CONT");
    let lock = scratch.path("state/owners").join(format!("{owner}.lock"));
    for _ in 0..3 {
        fs::remove_file(&lock).expect("its lock");
        assert!(is_busy(&claim()), "nothing is known of it: it has to be watched");
        wait_until("another lock of the same owner", || {
            lock.exists() && store.liveness(&owner) == Liveness::Alive
        });
    }
    // As one of another host that has crashed: nothing but its counter tells of it.
    stop();
    fs::remove_file(&lock).expect("its lock");
    let mut taken = claim();
    wait_until("the end of its lease", || {
        taken = claim();
        matches!(taken, Claimed::Held(_))
    });
    let Claimed::Held(taken) = taken else { panic!("{taken:?}") };
    assert_eq!((taken.recoveries, taken.attempts), (1, 2));
}

#[test]
fn a_killed_process_is_dead_at_once() {
    let scratch = Scratch::new();
    let dir = scratch.path("");
    let store = SqliteStore::open(scratch.path("state")).expect("a store");
    let mut holder = Killed::start(child("hostile::holds", &dir));
    wait_until("the holder", || dir.join("owner").exists());
    let owner = fs::read_to_string(dir.join("owner")).expect("the owner");
    assert_eq!(store.liveness(&owner), Liveness::Alive);
    holder.0.kill().expect("a process");
    holder.0.wait().expect("its end");
    assert_eq!(store.liveness(&owner), Liveness::Dead);
    let claimed = block_on(store.claim(Claim::new("c/held", store.owner(), "store::hold"))).expect("a store");
    assert!(matches!(claimed, Claimed::Held(_)), "{claimed:?}");
}

#[test]
fn a_lock_file_removed_before_locking_is_recreated() {
    let scratch = Scratch::new();
    let dir = scratch.path("");
    drop(SqliteStore::open(scratch.path("state")).expect("a store"));
    let locks = scratch.path("locks");
    let mut holder = child("hostile::holds", &dir);
    holder
        .env("HOSTILE_LOCKS", &locks)
        .env("LD_PRELOAD", compiled("tests/store/hostile.c").expect("a compiler"));
    let _holder = Killed::start(holder);
    wait_until("the process about to lock", || locks.with_extension("here").exists());
    // Who opens the store now takes the file for that of a dead process, and removes it.
    let store = SqliteStore::open(scratch.path("state")).expect("a store");
    fs::write(locks.with_extension("go"), "").expect("a file");
    wait_until("the holder", || dir.join("owner").exists());
    let owner = fs::read_to_string(dir.join("owner")).expect("the owner");
    assert_eq!(store.liveness(&owner), Liveness::Alive);
}

#[test]
fn files_removed_from_an_open_store_stop_it() {
    for name in ["store.sqlite", "store.sqlite-wal", "store.sqlite-shm"] {
        let scratch = Scratch::new();
        let _world = isolate();
        let dir = scratch.path("state");
        use_store(Arc::new(SqliteStore::open(&dir).expect("a store")));
        assert_eq!(step(1), Ok(1));
        let (file, kept) = (dir.join(name), dir.join("kept"));
        fs::rename(&file, &kept).expect("a file");
        for replace in [false, true] {
            if replace {
                fs::write(&file, "").expect("another file");
            }
            let error = step(2).expect_err("the file is gone").checkpoint();
            let CheckpointError::Store { store, .. } = &error else { panic!("{error:?}") };
            assert!(matches!(**store, StoreError::Lost(_)), "{name}: {store}");
            assert!(error.to_string().contains(name), "{error}");
        }
        fs::rename(&kept, &file).expect("a file");
        assert_eq!((step(1), step(2)), (Ok(1), Ok(2)), "{name}: it is back");
    }
}

#[test]
fn a_file_that_is_cut_while_the_store_is_open_is_reported_as_such() {
    let scratch = Scratch::new();
    let _world = isolate();
    let dir = scratch.path("state");
    use_store(Arc::new(SqliteStore::open(&dir).expect("a store")));
    assert_eq!(step(1), Ok(1));
    let whole = fs::read(dir.join("store.sqlite")).expect("a file");
    fs::write(dir.join("store.sqlite"), "").expect("a file");
    for n in [1, 2] {
        let error = step(n).expect_err("the file is empty").checkpoint();
        let CheckpointError::Store { store, .. } = &error else { panic!("{error:?}") };
        assert!(matches!(&**store, StoreError::Lost(words) if words.contains("was emptied")), "{store}");
    }
    fs::write(dir.join("store.sqlite"), whole).expect("a file");
    assert_eq!((step(1), step(2)), (Ok(1), Ok(2)), "it is back");
}

/// The log goes while a process has the store open: its index names pages that are in no file.
#[test]
fn a_log_that_is_missing_is_damage_to_the_next_process() {
    let scratch = Scratch::new();
    let dir = scratch.path("state");
    let store = SqliteStore::open(&dir).expect("a store");
    let Ok(Claimed::Held(held)) = block_on(store.claim(Claim::new("c/a", store.owner(), "a"))) else {
        panic!("free")
    };
    block_on(store.complete(Completion::done("c/a", held.fence, Vec::new()))).expect("a store");
    fs::remove_file(dir.join("store.sqlite-wal")).expect("a log");
    run("hostile::finds_it_damaged", &scratch.path(""));
}

#[test]
#[ignore = "run by others, in a process of its own"]
fn finds_it_damaged() {
    let Some(dir) = given_dir() else { return };
    let Err(StoreError::Unavailable(words)) = SqliteStore::open(dir.join("state")) else {
        panic!("it was opened")
    };
    assert!(words.contains("damaged") && words.contains("shorter"), "{words}");
}

#[test]
fn a_closed_store_is_one_complete_file() {
    let scratch = Scratch::new();
    let dir = scratch.path("state");
    let store = SqliteStore::open(&dir).expect("a store");
    let claim = Claim::new("c/step:1", store.owner(), "step");
    let Ok(Claimed::Held(held)) = block_on(store.claim(claim)) else { panic!("free") };
    block_on(store.complete(Completion::done("c/step:1", held.fence, b"1".to_vec()))).expect("a store");
    drop(store);
    assert!(!dir.join("store.sqlite-wal").exists(), "its log is in the tables");
    fs::create_dir(scratch.path("copy")).expect("a directory");
    fs::copy(dir.join("store.sqlite"), scratch.path("copy/store.sqlite")).expect("a copy");
    let copy = SqliteStore::open(scratch.path("copy")).expect("a store");
    assert!(block_on(copy.get("c/step:1")).expect("a store").is_some());
}

#[test]
fn an_incomplete_store_is_not_replaced_by_a_new_one() {
    let scratch = Scratch::new();
    let dir = scratch.path("state");
    drop(SqliteStore::open(&dir).expect("a store"));
    let file = dir.join("store.sqlite");
    let lost = |what: &str| match SqliteStore::open(&dir) {
        Err(StoreError::Lost(words)) => assert!(words.contains("store.sqlite"), "{what}: {words}"),
        other => panic!("{what}: {other:?}"),
    };
    let whole = fs::read(&file).expect("a file");
    fs::write(&file, "").expect("a file");
    lost("an empty file");
    fs::remove_file(&file).expect("a file");
    fs::write(dir.join("store.sqlite-wal"), "a log").expect("a file");
    lost("a log without its tables");
    fs::remove_file(dir.join("store.sqlite-wal")).expect("a file");
    fs::write(&file, whole).expect("a file");
    SqliteStore::open(&dir).expect("it is back");
}

#[test]
fn a_store_replaced_by_an_older_copy_is_rejected() {
    let scratch = Scratch::new();
    let _world = isolate();
    let dir = scratch.path("state");
    drop(SqliteStore::open(&dir).expect("a store"));
    let older = fs::read(dir.join("store.sqlite")).expect("a file");
    {
        let store = SqliteStore::open(&dir).expect("a store");
        let Ok(Claimed::Held(held)) = block_on(store.claim(Claim::new("c/a", store.owner(), "a"))) else {
            panic!("free")
        };
        block_on(store.complete(Completion::done("c/a", held.fence, Vec::new()))).expect("a store");
    }
    fs::write(dir.join("store.sqlite"), &older).expect("a file");
    let Err(StoreError::Lost(words)) = SqliteStore::open(&dir) else { panic!("it was opened") };
    assert!(words.contains("acknowledged work is missing") && words.contains("remove"), "{words}");
    let found = SqliteStore::inspect(&dir).and_then(|looked| looked.integrity_blocking());
    assert_eq!(found.expect("a store to look at"), [words]);
    // As the words say.
    fs::remove_file(dir.join("acknowledged")).expect("the mark");
    SqliteStore::open(&dir).expect("a store");
    // A copy of the file alone is a store.
    fs::create_dir(scratch.path("copy")).expect("a directory");
    fs::write(scratch.path("copy/store.sqlite"), older).expect("a file");
    SqliteStore::open(scratch.path("copy")).expect("a store");
}

/// Keeps everything that is asked for waiting until the end of the transaction.
fn kept_waiting(store: &SqliteStore) -> rusqlite::Connection {
    let tables = rusqlite::Connection::open(store.dir().join("store.sqlite")).expect("the tables");
    tables.execute_batch("BEGIN IMMEDIATE").expect("its lock");
    tables
}

#[test]
fn a_panicking_waker_does_not_block_other_answers() {
    struct Panics;
    impl std::task::Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("the executor's own code");
        }
    }
    let scratch = Scratch::new();
    let store = SqliteStore::open(scratch.path("state")).expect("a store");
    let waits = kept_waiting(&store);
    let claim = |key: &str| Claim::new(key, store.owner(), "f");
    let mut first = store.claim(claim("c/first"));
    let waker = std::task::Waker::from(Arc::new(Panics));
    assert!(first.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
    let second = store.claim(claim("c/second"));
    waits.execute_batch("ROLLBACK").expect("its end");
    for claimed in [block_on(second), block_on(first), block_on(store.claim(claim("c/third")))] {
        assert!(matches!(claimed, Ok(Claimed::Held(_))), "{claimed:?}");
    }
}

#[test]
fn a_damaged_step_count_stops_only_its_own_job() {
    // Too short, and of other types than a record has.
    for count in ["x'00'", "''", "7"] {
        let scratch = Scratch::new();
        let world = isolate();
        let store = SqliteStore::open(scratch.path("state")).expect("a store");
        let job = |owner: &str| Claim::new("j/dead", owner, "f");
        assert!(matches!(block_on(store.claim(job("1-dead"))), Ok(Claimed::Held(_))));
        assert!(matches!(block_on(store.claim(job(&store.owner()))), Ok(Claimed::Busy { .. })));
        world.advance(Duration::from_secs(3_600));
        let tables = kept_waiting(&store);
        let insert = format!("INSERT INTO meta VALUES ('n/dead/', {count})");
        tables.execute(&insert, []).expect("a row");
        let (damaged, sound) =
            (store.claim(job(&store.owner())), store.claim(Claim::new("c/sound", store.owner(), "f")));
        tables.execute_batch("COMMIT").expect("its end");
        let damaged = block_on(damaged);
        assert!(matches!(damaged, Err(StoreError::Corrupt { .. })), "{count}: {damaged:?}");
        let sound = block_on(sound);
        assert!(matches!(sound, Ok(Claimed::Held(_))), "{sound:?}");
    }
}
