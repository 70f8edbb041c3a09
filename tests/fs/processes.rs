//! Locks between processes that are killed, stopped, busy, forked and that spawn others.

use crate::common::{Scratch, Speaking, child, given_dir, listen, say};
use crate::shim::compiled;
use resilience::fs::{FileLock, LockError, Rollback, Transaction};
use resilience::lock;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

fn x(dir: &Path) -> FileLock {
    lock::in_dir(dir.join("locks"), "x").wait(LONG)
}

/// Not a test of its own: holds the lock until it may go on.
#[test]
#[ignore = "run by others, in a process of its own"]
fn holds() {
    let Some(dir) = given_dir() else { return };
    let guard = x(&dir).acquire().expect("a lock");
    say("held");
    listen();
    guard.unlock();
}

#[test]
fn a_killed_holder_frees_its_lock_and_a_stopped_one_keeps_it() {
    let scratch = Scratch::new();
    let dir = scratch.path("");
    let mut holder = Speaking::start(&mut child("processes::holds", &dir));
    holder.wait_for("held");
    let seen = lock::list_in(dir.join("locks")).expect("a listing").remove(0);
    assert!(seen.is_held && seen.holders[0].pid == holder.pid(), "{seen}");
    assert!(!seen.holders[0].program.is_empty() && !seen.holders[0].is_stopped);
    holder.signal("STOP");
    while !fs::read_to_string(format!("/proc/{}/stat", holder.pid())).expect("a state").contains(") T ") {
        std::thread::yield_now();
    }
    let busy = x(&dir).wait(Duration::ZERO).acquire().expect_err("it is held");
    let words = busy.to_string();
    assert!(words.contains("stopped") && words.contains(&format!("kill -CONT {}", holder.pid())), "{words}");
    let LockError::Timeout { holders, .. } = busy else { panic!("{words}") };
    assert!(holders[0].is_stopped);
    let waits = x(&dir);
    let mut waits = Box::pin(waits.acquire_async());
    assert!(futures::FutureExt::now_or_never(waits.as_mut()).is_none());
    let seen = lock::list_in(dir.join("locks")).expect("a listing").remove(0);
    assert_eq!(seen.waiter.expect("this process").pid, std::process::id());
    holder.kill();
    drop(futures::executor::block_on(waits).expect("the kernel has freed it"));
}

/// How often the lock is taken by all processes together; `LOCK_ACQUISITIONS` changes that.
fn acquisitions() -> u32 {
    std::env::var("LOCK_ACQUISITIONS").map_or(1_000, |number| number.parse().expect("a number"))
}

const PROCESSES: u32 = 4;

/// Not a test of its own: raises a number in a file many times, each time under the lock.
#[test]
#[ignore = "run by others, in a process of its own"]
fn counts() {
    let Some(dir) = given_dir() else { return };
    say("ready");
    listen();
    for _ in 0..acquisitions() / PROCESSES {
        let guard = x(&dir).acquire().expect("a lock");
        let path = dir.join("number");
        let number: u32 = fs::read_to_string(&path).expect("a number").parse().expect("a number");
        fs::write(&path, (number + 1).to_string()).expect("a number");
        assert!(guard.still_ours());
    }
}

#[test]
fn pruning_and_listing_do_not_break_mutual_exclusion() {
    let scratch = Scratch::new();
    let dir = scratch.path("");
    fs::write(dir.join("number"), "0").expect("a number");
    let mut all: Vec<_> =
        (0..PROCESSES).map(|_| Speaking::start(&mut child("processes::counts", &dir))).collect();
    all.iter_mut().for_each(|one| one.wait_for("ready"));
    all.iter_mut().for_each(Speaking::go);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let cleaner = scope.spawn(|| {
            let mut rounds = 0;
            while !is_over.load(Ordering::Relaxed) {
                lock::prune_in(dir.join("locks")).expect("a look");
                lock::list_in(dir.join("locks")).expect("a listing");
                rounds += 1;
                std::thread::yield_now();
            }
            rounds
        });
        all.into_iter().for_each(Speaking::end);
        is_over.store(true, Ordering::Relaxed);
        assert!(cleaner.join().expect("no panic") > 0);
    });
    let expected = acquisitions() / PROCESSES * PROCESSES;
    let number = fs::read_to_string(dir.join("number")).expect("a number");
    assert_eq!(number, expected.to_string(), "no update was lost");
}

/// Not a test of its own: takes the lock again as soon as it has released it.
#[test]
#[ignore = "run by others, in a process of its own"]
fn is_busy() {
    let Some(dir) = given_dir() else { return };
    let mut guard = x(&dir).acquire().expect("a lock");
    say("held");
    while !dir.join("over").exists() {
        guard.unlock();
        guard = x(&dir).acquire().expect("a lock");
    }
}

#[test]
fn a_busy_process_does_not_starve_another_one() {
    let scratch = Scratch::new();
    let dir = scratch.path("");
    let mut busy = Speaking::start(&mut child("processes::is_busy", &dir));
    busy.wait_for("held");
    for _ in 0..20 {
        drop(x(&dir).acquire().expect("its turn comes"));
    }
    fs::write(dir.join("over"), "").expect("a file");
    busy.end();
}

#[test]
fn spawning_children_does_not_affect_locks() {
    let scratch = Scratch::new();
    let dir = scratch.path("");
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let _ = Command::new("true").status();
            }
        });
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                lock::list_in(dir.join("locks")).expect("a listing");
            }
        });
        for round in 0..1_000 {
            let taken = x(&dir).wait(Duration::ZERO).acquire();
            drop(taken.unwrap_or_else(|error| panic!("round {round}: {error}")));
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

/// Not a test of its own: forks while it holds the lock.
#[test]
#[ignore = "run by others, in a process of its own"]
fn forks() {
    let Some(dir) = given_dir() else { return };
    let guard = x(&dir).acquire().expect("a lock");
    fs::write(dir.join("fork-now"), "").expect("a file");
    let Err(failed) = fs::remove_file(dir.join("fork-now")) else {
        // The child: its copy of the guard frees nothing, and its own locks work.
        assert!(!guard.still_ours());
        drop(guard);
        let busy = x(&dir).wait(Duration::ZERO).acquire();
        assert!(matches!(busy, Err(LockError::Timeout { .. })), "{busy:?}");
        drop(lock::in_dir(dir.join("locks"), "y").acquire().expect("another lock"));
        std::process::exit(0);
    };
    assert_eq!(failed.raw_os_error(), Some(16), "the child succeeded");
    assert!(guard.still_ours());
    let busy = FileLock::at(guard.path()).wait(Duration::ZERO).acquire();
    assert!(matches!(busy, Err(LockError::Timeout { .. })), "{busy:?}");
}

#[test]
fn a_forked_child_that_drops_the_guard_does_not_free_the_lock() {
    let scratch = Scratch::new();
    let mut command = child("processes::forks", &scratch.path(""));
    command.env("LD_PRELOAD", compiled("tests/store/hostile.c").expect("a compiler"));
    assert!(command.status().expect("a child").success());
}

/// Not a test of its own: forks within a transaction, and while files are backed up.
#[test]
#[ignore = "run by others, in a process of its own"]
fn forks_within_transactions() {
    let Some(dir) = given_dir() else { return };
    let (path, other) = (dir.join("a"), dir.join("b"));
    let forks = || {
        fs::write(dir.join("fork-now"), "").expect("a file");
        let Err(failed) = fs::remove_file(dir.join("fork-now")) else { return true };
        assert_eq!(failed.raw_os_error(), Some(16), "the child succeeded");
        false
    };
    for child_succeeds in [true, false] {
        fs::write(&path, "old").expect("a file");
        let mut is_child = false;
        let outcome = Transaction::many([&path, &other]).run(|files| {
            files.iter_mut().try_for_each(|file| file.write("new"))?;
            is_child = forks();
            if is_child && !child_succeeds { Err(io::Error::other("the child gives up")) } else { Ok(()) }
        });
        if is_child {
            assert!(outcome.is_err(), "its parent commits");
            std::process::exit(0);
        }
        outcome.expect("a commit");
        assert_eq!([&path, &other].map(|path| fs::read_to_string(path).expect("a file")), ["new", "new"]);
        fs::remove_file(&other).expect("a file");
    }
    for end in
        [drop, |rollback: Rollback| _ = rollback.accept(), |rollback: Rollback| _ = rollback.roll_back()]
    {
        fs::write(&path, "old").expect("a file");
        let rollback = Transaction::of(&path).back_up().expect("a copy");
        fs::write(&path, "changed").expect("a file");
        if forks() {
            assert!(rollback.restore().is_err(), "its parent puts the file back");
            end(rollback);
            std::process::exit(0);
        }
        assert_eq!(fs::read_to_string(&path).expect("a file"), "changed");
        rollback.roll_back().expect("a file that is put back");
        assert_eq!(fs::read_to_string(&path).expect("a file"), "old");
    }
}

#[test]
fn a_forked_child_leaves_transactions_to_its_parent() {
    let scratch = Scratch::new();
    let mut command = child("processes::forks_within_transactions", &scratch.path(""));
    command.env("LD_PRELOAD", compiled("tests/store/hostile.c").expect("a compiler"));
    assert!(command.status().expect("a child").success());
}

#[test]
fn a_waiter_that_does_not_run_does_not_keep_a_free_lock_from_others() {
    let scratch = Scratch::new();
    let lock = x(&scratch.path("")).wait(Duration::from_secs(10));
    let turn = lock.acquire().expect("a lock").path().with_extension("turn");
    // As a process of another container has it that is frozen: nothing shows here that it does not run.
    let turn = fs::File::open(turn).expect("the turn");
    turn.lock().expect("the turn");
    drop(lock.acquire().expect("nobody holds it"));
    drop(futures::executor::block_on(lock.acquire_async()).expect("nobody holds it"));
    let reads = lock.shared(true);
    let reader = reads.acquire().expect("nobody holds it");
    drop(futures::executor::block_on(reads.acquire_async()).expect("only a reader holds it"));
    drop(reader);
    drop(turn);
}

#[test]
fn a_reader_waits_behind_a_writer_that_runs() {
    let scratch = Scratch::new();
    let dir = scratch.path("");
    let reads = x(&dir).shared(true);
    let held = reads.acquire().expect("a lock");
    let mut writer = Speaking::start(&mut child("processes::holds", &dir));
    let waiter = || lock::list_in(dir.join("locks")).expect("a listing").remove(0).waiter;
    while waiter().is_none_or(|waiter| waiter.pid != writer.pid()) {
        std::thread::yield_now();
    }
    let late = reads.wait(Duration::from_millis(1500)).acquire();
    assert!(matches!(late, Err(LockError::Timeout { .. })), "{late:?}");
    drop(held);
    writer.wait_for("held");
    writer.end();
}

#[test]
fn stopped_and_unpolled_waiters_are_overtaken() {
    let scratch = Scratch::new();
    let dir = scratch.path("");
    let lock = x(&dir);
    let held = lock.acquire().expect("a lock");
    let mut stopped = Speaking::start(&mut child("processes::holds", &dir));
    let waits = || lock::list_in(dir.join("locks")).expect("a listing").remove(0).waiter;
    while waits().is_none_or(|waiter| waiter.pid != stopped.pid()) {
        std::thread::yield_now();
    }
    stopped.signal("STOP");
    while waits().is_none_or(|waiter| !waiter.is_stopped) {
        std::thread::yield_now();
    }
    drop(held);
    let held = x(&dir).acquire().expect("the turn of a stopped process is passed by");
    stopped.signal("CONT");
    drop(held);
    stopped.wait_for("held");
    // The future is the only waiter of this process, and has the turn of all.
    let mut unpolled = Box::pin(lock.acquire_async());
    while waits().is_none_or(|waiter| waiter.pid != std::process::id()) {
        assert!(futures::FutureExt::now_or_never(unpolled.as_mut()).is_none());
    }
    let mut other = Speaking::start(&mut child("processes::holds", &dir));
    stopped.end();
    other.wait_for("held");
    other.end();
    drop(futures::executor::block_on(unpolled).expect("it is polled again"));
}
