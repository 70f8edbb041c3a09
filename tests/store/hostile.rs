//! What happens around a process that has a store open: it is opened again, its directory changes, its files go, it
//! forks, it is stopped, its lock is removed, it gets no thread.

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

#[test]
#[ignore = "run by others, in a process of its own"]
fn forks() {
    let Some(dir) = given_dir() else { return };
    let store = Arc::new(SqliteStore::open(dir.join("state")).expect("a store"));
    use_store(store.clone());
    assert_eq!(step(1), Ok(1));
    if fs::remove_file(dir.join("fork-now")).is_ok() {
        // The child: its copy has no threads, and shares its parent's locks.
        let refused = step(2).expect_err("opened before the fork").checkpoint();
        assert!(refused.to_string().contains("before a fork"), "{refused}");
        let claim = Claim::new("c/refused", store.owner(), "child");
        let refused = store.claim(claim).now_or_never().expect("nobody would answer later");
        assert!(matches!(&refused, Err(StoreError::Refused(_))), "{refused:?}");
        let own = SqliteStore::open(dir.join("state")).expect("a store of the child");
        assert_ne!(own.owner(), store.owner());
        let claim = Claim::new("c/child", own.owner(), "child");
        assert!(matches!(block_on(own.claim(claim)).expect("a store"), Claimed::Held(_)));
        drop(own);
        // Without running what else the parent would do.
        std::process::exit(0);
    }
    let failed = fs::remove_file(dir.join("fork-now")).expect_err("the parent");
    assert_eq!(failed.raw_os_error(), Some(16), "the child succeeded");
    assert_eq!(step(2), Ok(2), "the parent goes on");
    assert_eq!(SqliteStore::open(dir.join("state")).expect("a store").owner(), store.owner());
}

#[test]
fn a_forked_child_rejects_the_parents_store_and_opens_its_own() {
    let scratch = Scratch::new();
    let mut command = child("hostile::forks", &scratch.path(""));
    command.env("LD_PRELOAD", compiled("tests/store/hostile.c").expect("a compiler"));
    run_all(vec![command]);
    let store = SqliteStore::open(scratch.path("state")).expect("a store");
    for key in ["c/step:1", "c/step:2", "c/child"] {
        assert!(block_on(store.get(key)).expect("a store").is_some(), "{key}");
    }
}

/// Not a test of its own: forks while another thread opens the default store.
#[test]
#[ignore = "run by others, in a process of its own"]
fn forks_while_a_store_is_opened() {
    let Some(dir) = given_dir() else { return };
    let opens = std::thread::spawn(|| step(1));
    wait_until("the thread that opens a store", || dir.join("open.here").exists());
    if fs::remove_file(dir.join("fork-now")).is_ok() {
        // That thread is not in the child, and what it has locked is never unlocked there.
        let own = Arc::new(SqliteStore::open(dir.join("of-child")).expect("a store of the child"));
        use_store(own.clone());
        assert_eq!(
            (step(2), block_on(own.list(Query::new("c/"))).expect("a listing").records.len()),
            (Ok(2), 1)
        );
        std::process::exit(0);
    }
    let failed = fs::remove_file(dir.join("fork-now")).expect_err("the parent");
    assert_eq!(failed.raw_os_error(), Some(16), "the child succeeded");
    fs::write(dir.join("open.go"), "").expect("a file");
    assert_eq!(opens.join().expect("no panic"), Ok(1));
}

thread_local! {
    static IS_CHILD: Cell<bool> = const { Cell::new(false) };
}

/// Forks; the child says so, and ends the body with another value.
fn fork_here() -> u32 {
    let file = given_dir().expect("a directory").join("fork-now");
    match fs::remove_file(file) {
        Ok(()) => {
            IS_CHILD.set(true);
            2
        }
        Err(error) => {
            assert_eq!(error.raw_os_error(), Some(16), "the child succeeded");
            1
        }
    }
}

#[checkpoint("forked:{id}", wait = 1ms)]
fn forked(id: &str) -> Result<u32, Error> {
    Ok(fork_here() + u32::from(id.is_empty()))
}

#[checkpoint("forked:{id}", wait = 1ms)]
async fn forked_async(id: &str) -> Result<u32, Error> {
    Ok(fork_here() + u32::from(id.is_empty()))
}

/// Not a test of its own: forks in the body of a step, whose lease stays its parent's.
fn forks_in_a_step(call: impl Fn() -> Result<u32, Error>) {
    let Some(dir) = given_dir() else { return };
    let open = || Arc::new(SqliteStore::open(dir.join("state")).expect("a store"));
    let store = open();
    use_store(store.clone());
    let result = call();
    if !IS_CHILD.get() {
        assert_eq!(result, Ok(1), "the parent kept its lease, and its value counts");
        return;
    }
    let refused = result.expect_err("opened before the fork").checkpoint();
    assert!(refused.to_string().contains("before a fork"), "{refused}");
    let own = open();
    use_store(own.clone());
    // What the store of the parent refused is not written by way of that of the child.
    assert_eq!(step(9), Ok(9));
    let record = block_on(own.get("c/forked:it")).expect("a store").expect("a record");
    assert_eq!((record.status, record.owner), (Status::Running, store.owner()));
    match call().expect_err("its parent has it").checkpoint() {
        CheckpointError::Busy { owner, .. } => assert_eq!(owner, store.owner(), "no caller of the child"),
        other => panic!("{other:?}"),
    }
    std::process::exit(0);
}

#[test]
#[ignore = "run by others, in a process of its own"]
fn forks_in_a_sync_step() {
    forks_in_a_step(|| forked("it"));
}

#[test]
#[ignore = "run by others, in a process of its own"]
fn forks_in_an_async_step() {
    forks_in_a_step(|| block_on(forked_async("it")));
}

#[test]
fn a_forked_child_neither_waits_for_nor_ends_parent_work() {
    let library = compiled("tests/store/hostile.c").expect("a compiler");
    for name in ["forks_while_a_store_is_opened", "forks_in_a_sync_step", "forks_in_an_async_step"] {
        let scratch = Scratch::new();
        let mut command = child(&format!("hostile::{name}"), &scratch.path(""));
        command.env("LD_PRELOAD", &library);
        if name == "forks_while_a_store_is_opened" {
            command.env("HOSTILE_LOCKS", scratch.path("open"));
            command.env("RESILIENCE_STATE", scratch.path("of-parent"));
        }
        run_all(vec![command]);
    }
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
    let scratch = Scratch::new();
    let world = isolate();
    let store = SqliteStore::open(scratch.path("state")).expect("a store");
    let job = |owner: &str| Claim::new("j/dead", owner, "f");
    assert!(matches!(block_on(store.claim(job("1-dead"))), Ok(Claimed::Held(_))));
    assert!(matches!(block_on(store.claim(job(&store.owner()))), Ok(Claimed::Busy { .. })));
    world.advance(Duration::from_secs(3_600));
    let tables = kept_waiting(&store);
    tables.execute("INSERT INTO meta VALUES (?1, x'00')", ["n/dead/"]).expect("a row");
    let (damaged, sound) =
        (store.claim(job(&store.owner())), store.claim(Claim::new("c/sound", store.owner(), "f")));
    tables.execute_batch("COMMIT").expect("its end");
    let damaged = block_on(damaged);
    assert!(matches!(damaged, Err(StoreError::Corrupt { .. })), "{damaged:?}");
    let sound = block_on(sound);
    assert!(matches!(sound, Ok(Claimed::Held(_))), "{sound:?}");
}

#[test]
#[ignore = "run by others, in a process of its own"]
fn opens_and_records() {
    let Some(dir) = given_dir() else { return };
    let _world = isolate();
    use_store(Arc::new(SqliteStore::open(dir.join("new/state")).expect("a store")));
    let own = std::process::id();
    assert_eq!(step(own), Ok(own));
}

#[test]
fn thirty_processes_open_a_new_store_at_once() {
    let scratch = Scratch::new();
    let dir = scratch.path("");
    run_all((0..30).map(|_| child("hostile::opens_and_records", &dir)).collect());
    let store = SqliteStore::open(scratch.path("new/state")).expect("a store");
    let steps = block_on(store.list(Query::new("c/"))).expect("a listing");
    assert_eq!(steps.records.len(), 30);
    let left: Vec<_> =
        fs::read_dir(store.dir()).expect("a directory").map(|entry| entry.expect("it").file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("new-")), "{left:?}");
}

/// The names of what is in `dir`; none if it is not there.
fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// How many drafts of stores and locks of owners are in `dir`.
fn drafts_and_locks(dir: &Path) -> (usize, usize) {
    let drafts = names(dir).iter().filter(|name| name.contains("new-")).count();
    (drafts, names(&dir.join("owners")).len())
}

/// The child `name`, which waits before it puts what it made in its place.
fn waits_to_link(name: &str, scratch: &Scratch, link: &Path) -> Killed {
    let mut maker = child(name, &scratch.path(""));
    maker.env("HOSTILE_LINK", link).env("LD_PRELOAD", compiled("tests/store/hostile.c").expect("a compiler"));
    let maker = Killed::start(maker);
    wait_until("the process about to link", || link.with_extension("here").exists());
    maker
}

#[test]
fn a_crash_while_creating_a_store_is_cleaned_up() {
    let scratch = Scratch::new();
    let dir = scratch.path("new/state");
    drop(waits_to_link("hostile::opens_and_records", &scratch, &scratch.path("link")));
    assert_eq!(drafts_and_locks(&dir), (1, 1));
    // What SQLite makes beside a draft, and something of the user's own.
    let draft = names(&dir).into_iter().find(|name| name.contains("new-")).expect("the draft");
    fs::write(dir.join(format!("{draft}-journal")), "").expect("a file");
    fs::write(dir.join("store.txt"), "mine").expect("a file");
    let store = SqliteStore::open(&dir).expect("a store");
    assert_eq!(drafts_and_locks(&dir), (0, 1), "its own lock is left");
    assert!(dir.join("store.txt").exists());
    drop(store);
    assert_eq!(drafts_and_locks(&dir), (0, 0));
}

#[test]
fn every_directory_with_a_new_entry_is_synced() {
    let scratch = Scratch::new();
    let (dir, log) = (scratch.path(""), scratch.path("syncs"));
    let dir = fs::canonicalize(dir).expect("a directory");
    let mut opener = child("hostile::opens_and_records", &dir);
    opener.env("HOSTILE_SYNCS", &log);
    opener.env("LD_PRELOAD", compiled("tests/store/hostile.c").expect("a compiler"));
    assert!(opener.output().expect("a process").status.success());
    let log = fs::read_to_string(log).expect("what was synced");
    let synced = |path: &Path| log.lines().any(|line| Path::new(line) == path);
    // The names of `new`, of `state`, and of the store's file and the directory of the owners.
    for path in [dir.clone(), dir.join("new"), dir.join("new/state")] {
        assert!(synced(&path), "{} is not in\n{log}", path.display());
    }
}

#[test]
fn a_store_created_concurrently_is_found() {
    let scratch = Scratch::new();
    let looked = scratch.path("looked");
    let mut looker = child("hostile::opens_and_records", &scratch.path(""));
    looker.env("HOSTILE_MISSING", &looked);
    looker.env("LD_PRELOAD", compiled("tests/store/hostile.c").expect("a compiler"));
    let mut looker = Killed::start(looker);
    wait_until("the process that has found no store", || looked.with_extension("here").exists());
    let store = SqliteStore::open(scratch.path("new/state")).expect("a store");
    let claimed = block_on(store.claim(Claim::new("c/first", store.owner(), "first"))).expect("a store");
    assert!(matches!(claimed, Claimed::Held(_)), "{claimed:?}");
    fs::write(looked.with_extension("go"), "").expect("a file");
    assert!(looker.0.wait().expect("its end").success());
    let own = format!("c/step:{}", looker.0.id());
    assert!(block_on(store.get(&own)).expect("a store").is_some(), "it is in the same store");
}

#[test]
fn a_store_being_created_elsewhere_is_not_disturbed() {
    let scratch = Scratch::new();
    let dir = scratch.path("new/state");
    let mut makers: Vec<_> = ["a", "b"]
        .map(|link| waits_to_link("hostile::opens_and_records", &scratch, &scratch.path(link)))
        .into_iter()
        .collect();
    let store = SqliteStore::open(&dir).expect("a store");
    assert_eq!(drafts_and_locks(&dir), (2, 3));
    for link in ["a", "b"] {
        fs::write(scratch.path(link).with_extension("go"), "").expect("a file");
    }
    for maker in &mut makers {
        assert!(maker.0.wait().expect("its end").success());
        let own = format!("c/step:{}", maker.0.id());
        assert!(block_on(store.get(&own)).expect("a store").is_some(), "it is in the one store");
    }
    assert_eq!(drafts_and_locks(&dir).0, 0);
}

#[test]
#[ignore = "run by others, in a process of its own"]
fn makes_a_backup() {
    let Some(dir) = given_dir() else { return };
    let store = SqliteStore::inspect(dir.join("state")).expect("a store");
    store.backup_blocking(dir.join("copy")).expect("a copy");
}

#[test]
fn a_crash_while_writing_a_backup_is_cleaned_up() {
    let scratch = Scratch::new();
    let (dir, copy) = (scratch.path("state"), scratch.path("copy"));
    let store = SqliteStore::open(&dir).expect("a store");
    drop(waits_to_link("hostile::makes_a_backup", &scratch, &scratch.path("a")));
    assert_eq!(drafts_and_locks(&copy), (1, 1));
    store.backup_blocking(&copy).expect("nothing but what is left of a copy is there");
    assert_eq!(names(&copy), ["store.sqlite"]);
    fs::remove_file(copy.join("store.sqlite")).expect("the copy");
    // One that is being made is not what is left of one, and keeps its place from others.
    let mut maker = waits_to_link("hostile::makes_a_backup", &scratch, &scratch.path("b"));
    store.backup_blocking(&copy).expect("the other one is not complete");
    assert_eq!(drafts_and_locks(&copy).0, 1);
    fs::write(scratch.path("b").with_extension("go"), "").expect("a file");
    assert!(!maker.0.wait().expect("its end").success(), "another copy is there");
    assert_eq!(names(&copy), ["store.sqlite"]);
    // A directory of the user's own is not taken for one of locks.
    let own = scratch.path("own");
    fs::create_dir_all(own.join("owners")).expect("a directory");
    fs::write(own.join("owners/people.txt"), "").expect("a file");
    assert!(matches!(store.backup_blocking(&own), Err(StoreError::Refused(_))));
    assert_eq!(names(&own), ["owners"]);
}

#[job("needs-a-thread:{id}")]
fn needs_a_thread(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[test]
#[ignore = "run by others, in a process of its own"]
fn gets_no_thread() {
    let Some(dir) = given_dir() else { return };
    use_store(Arc::new(SqliteStore::open(dir.join("state")).expect("a store")));
    fs::write(dir.join("no-threads"), "").expect("a file");
    let Err(Error::Rejected(Rejected::Job(error))) = needs_a_thread(1) else { panic!("it ran") };
    assert!(matches!(*error, JobError::Store { .. }), "{error}");
    assert!(error.to_string().contains("heartbeat cannot be started"), "{error}");
    assert!(jobs::blocking::get("needs-a-thread:1").expect("a store").is_none(), "nothing was claimed");
    fs::remove_file(dir.join("no-threads")).expect("a file");
    assert_eq!(needs_a_thread(1), Ok(1), "the next claim tries again");
}

#[test]
fn a_claim_without_a_heartbeat_thread_is_rejected() {
    let scratch = Scratch::new();
    let mut command = child("hostile::gets_no_thread", &scratch.path(""));
    command.env("LD_PRELOAD", compiled("tests/store/hostile.c").expect("a compiler"));
    command.env("HOSTILE_THREADS", scratch.path("no-threads"));
    run_all(vec![command]);
}

/// Many short leases: one write keeps them all.
#[test]
#[ignore = "run by others, in a process of its own"]
fn holds_a_thousand() {
    let Some(dir) = given_dir() else { return };
    use_store(Arc::new(SqliteStore::open(dir.join("state")).expect("a store")));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (end, ended) = tokio::sync::watch::channel(false);
    runtime.block_on(async {
        let jobs: Vec<_> = (0..1_000u32)
            .map(|n| {
                let mut ended = ended.clone();
                tokio::spawn(async move {
                    let held: Result<u32, Error> = SHORT
                        .call_async(n, async || {
                            ended.wait_for(|ended| *ended).await.expect("the end");
                            Ok(n)
                        })
                        .await;
                    held
                })
            })
            .collect();
        let keeps = |n: u32| std::fs::write(dir.join(format!("round-{n}")), "").expect("a file");
        for n in 0..20 {
            tokio::time::sleep(Duration::from_millis(400)).await;
            keeps(n);
        }
        end.send(true).expect("the jobs");
        for job in jobs {
            job.await.expect("no panic").expect("its lease was kept");
        }
    });
}

const SHORT: resilience::Checkpoint =
    resilience::Checkpoint::new("store::short").lease(Duration::from_secs(6)).wait(Duration::ZERO);

#[test]
fn a_thousand_short_leases_are_kept_under_observation() {
    let scratch = Scratch::new();
    let dir = scratch.path("");
    let store = SqliteStore::open(scratch.path("state")).expect("a store");
    let mut holder = child("hostile::holds_a_thousand", &dir).spawn().expect("a process");
    let mut looks = 0;
    let status = loop {
        if let Some(status) = holder.try_wait().expect("a process") {
            break status;
        }
        // Its lock tells nothing: only its counter says that it lives.
        for entry in fs::read_dir(scratch.path("state/owners")).expect("the owners").flatten() {
            if !entry.file_name().to_string_lossy().starts_with(&std::process::id().to_string()) {
                let _ = fs::remove_file(entry.path());
            }
        }
        if let Claimed::Held(record) = {
            let key = format!("c/{}", looks % 1_000);
            let known = block_on(store.get(&key)).expect("a store").is_some();
            if !known {
                std::thread::sleep(Duration::from_millis(5));
                continue;
            }
            block_on(store.claim(Claim::new(key, store.owner(), "store::short"))).expect("a store")
        } {
            panic!("taken from a living owner: {record:?}");
        }
        looks += 1;
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(status.success() && looks > 0, "{status}, {looks} looks");
}
