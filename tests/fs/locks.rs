//! Locks in one process: names, places, order, cancellation, re-entry.

#[path = "locks/files.rs"]
mod files;

use crate::common::{Scratch, Warnings, pipe};
use futures::FutureExt as _;
use futures::executor::block_on;
use resilience::fs::{
    DirLock, FileLock, LockError, MarkerLock, Transaction, TransactionError, lock_all, lock_all_async,
};
use resilience::{Category, Classify as _, Rejected, in_scope, lock, testing};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn is_busy(taken: &Result<resilience::fs::LockGuard, LockError>) -> bool {
    matches!(taken, Err(LockError::Timeout { .. }))
}

fn now(lock: &FileLock) -> Result<resilience::fs::LockGuard, LockError> {
    lock.clone().wait(Duration::ZERO).acquire()
}

#[test]
fn names_are_distinguished_by_a_hash_of_their_bytes() {
    let _world = testing::isolate();
    let long = "n".repeat(1024);
    let names = [
        "task",
        "TASK",
        "tásk",
        "ta\u{301}sk",
        "../../etc/passwd",
        "a/b",
        "a.b",
        "nul\0",
        " ",
        "",
        &long,
        "a\nb",
    ];
    let mut held = Vec::new();
    for name in names.into_iter().filter(|name| !name.is_empty()) {
        let guard = lock::named(name).acquire().expect(name);
        let file = guard.path().file_name().expect("a file").to_str().expect("text").to_owned();
        let (prefix, hash) = file.strip_suffix(".lock").expect("its end").rsplit_once('-').expect("a hash");
        assert!(prefix.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)), "{file}");
        assert!(hash.len() == 32 && hash.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c)));
        held.push(guard);
    }
    let mut paths: Vec<_> =
        held.iter().map(|guard| guard.path().to_str().expect("text").to_lowercase()).collect();
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), names.len() - 1, "no two names have one file, whatever the case of letters");
    assert_eq!(lock::list().expect("a listing").len(), names.len() - 1);
    for name in [String::new(), "n".repeat(1025)] {
        let refused = lock::named(name).acquire().expect_err("a name of 1 to 1,024 bytes");
        assert_eq!(refused.classify().category, Category::Invalid);
        assert!(refused.to_string().contains("1 to 1024 bytes"), "{refused}");
    }
}

#[test]
fn a_lock_directory_belongs_to_one_user() {
    let (_world, scratch) = (testing::isolate(), Scratch::new());
    let open = scratch.path("open");
    fs::create_dir(&open).expect("a directory");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).expect("its mode");
    let refused = lock::in_dir(&open, "x").acquire().expect_err("others may write to it").to_string();
    assert!(refused.contains("chmod go-w") && refused.contains("between users, lock a path"), "{refused}");
    let foreign = scratch.path("foreign");
    fs::create_dir(&foreign).expect("a directory");
    if std::os::unix::fs::chown(&foreign, Some(12_345), None).is_ok() {
        let refused = lock::in_dir(&foreign, "x").acquire().expect_err("it is another user's").to_string();
        let parts = ["belongs to user 12345", "between users, lock a path"];
        assert!(parts.iter().all(|part| refused.contains(part)), "{refused}");
    } else {
        eprintln!("skipped: this user may not give a directory to another one");
    }
    symlink(scratch.path("nowhere"), scratch.path("link")).expect("a link");
    assert!(lock::in_dir(scratch.path("link"), "x").acquire().is_err());
    let own = scratch.path("a/b");
    drop(lock::in_dir(&own, "x").acquire().expect("a lock"));
    assert_eq!(fs::metadata(&own).expect("a directory").permissions().mode() & 0o777, 0o700);
    assert!(fs::read_to_string(own.join("README")).expect("a text").contains("resilience::lock::prune"));
    assert_eq!(fs::metadata(own.join("README")).expect("a file").permissions().mode() & 0o777, 0o600);
    // A directory that is cleaned while in use is made again.
    let held = lock::in_dir(&own, "x").acquire().expect("a lock");
    fs::remove_dir_all(&own).expect("a directory");
    assert!(!held.still_ours());
    assert!(now(&lock::in_dir(&own, "x")).expect("another lock").still_ours());
}

#[test]
fn equivalent_paths_share_a_lock_and_symlinks_are_rejected() {
    let scratch = Scratch::new();
    let (path, long) = (scratch.path("x.lock"), scratch.path(&"l".repeat(255)));
    for path in [&path, &long] {
        let held = FileLock::at(path).acquire().expect("a lock");
        let other = scratch.path(".").join(path.file_name().expect("a name"));
        assert!(is_busy(&now(&FileLock::at(other))));
        drop(held);
    }
    symlink(&path, scratch.path("link")).expect("a link");
    for (wrong, words) in [
        (scratch.path("link"), "is a link"),
        (scratch.path(""), "is a directory"),
        (Path::new("/").to_owned(), "names no file"),
        (scratch.path("missing/x"), "No such file"),
    ] {
        let refused = FileLock::at(&wrong).acquire().expect_err(words).to_string();
        assert!(refused.contains(words), "{refused}");
    }
    let held = DirLock::at(scratch.path("")).acquire().expect("a lock");
    assert!(is_busy(&now(&FileLock::at(scratch.path(".lock")))));
    drop(held);
    // A file that may only be read can be locked as well.
    let read_only = scratch.path("read-only");
    fs::write(&read_only, "text").expect("a file");
    fs::set_permissions(&read_only, fs::Permissions::from_mode(0o444)).expect("its mode");
    let held = FileLock::at(&read_only).acquire().expect("a lock");
    assert!(is_busy(&now(&FileLock::at(&read_only))));
    drop(held);
}

#[test]
fn a_data_file_used_as_a_lock_keeps_its_content() {
    let scratch = Scratch::new();
    let path = scratch.path("data");
    for content in ["{}", "resilience", "a text that is longer than the first line of a lock\n"] {
        fs::write(&path, content).expect("a file");
        let held = FileLock::at(&path).acquire().expect("a lock");
        let busy = now(&FileLock::at(&path)).expect_err("it is held").to_string();
        assert!(busy.contains(&format!("held by process {}", std::process::id())), "{busy}");
        drop(held);
        assert_eq!(fs::read_to_string(&path).expect("a text"), content);
    }
}

#[test]
fn readers_share_a_lock_and_a_writer_precedes_later_readers() {
    let _world = testing::isolate();
    let (reader, writer) = (lock::named("x").shared(true), lock::named("x"));
    let both = [now(&reader).expect("a reader"), now(&reader).expect("another")];
    assert!(is_busy(&now(&writer)));
    let waits = writer.acquire_async();
    let mut waits = std::pin::pin!(waits);
    assert!(waits.as_mut().now_or_never().is_none());
    assert!(is_busy(&now(&reader)), "a later reader waits for the writer");
    drop(both);
    let held = block_on(waits).expect("the writer");
    assert!(is_busy(&now(&reader)));
    drop(held);
    drop(now(&reader).expect("a reader"));
}

#[test]
fn waiters_of_one_process_are_served_in_order() {
    let _world = testing::isolate();
    let held = lock::named("x").acquire().expect("a lock");
    let served = Mutex::new(Vec::new());
    let locks: Vec<_> = (0..8).map(|_| lock::named("x")).collect();
    let mut waiting: Vec<_> = (0..8)
        .map(|number| {
            let (lock, served) = (&locks[number], &served);
            Box::pin(async move {
                let guard = lock.acquire_async().await.expect("a lock");
                served.lock().expect("a list").push(number);
                guard.unlock();
            })
        })
        .collect();
    for waiter in &mut waiting {
        assert!(waiter.as_mut().now_or_never().is_none());
    }
    // One that is dropped while it waits takes the lock neither now nor later.
    drop(waiting.remove(3));
    drop(held);
    waiting.reverse();
    block_on(futures::future::join_all(waiting));
    assert_eq!(*served.lock().expect("a list"), [0, 1, 2, 4, 5, 6, 7]);
    assert!(now(&lock::named("x")).is_ok());
    let stats = lock::stats();
    assert_eq!((stats.acquired, stats.waited, stats.timed_out), (9, 7, 0));
    assert!(stats.wait_max > Duration::ZERO && stats.wait_total >= stats.wait_max);
}

#[test]
fn a_dropped_future_does_not_take_the_lock_later() {
    let _world = testing::isolate();
    let held = lock::named("x").acquire().expect("a lock");
    let waiter = lock::named("x");
    let mut waits = Box::pin(waiter.acquire_async());
    assert!(waits.as_mut().now_or_never().is_none());
    drop(waits);
    drop(held);
    let all = lock::list().expect("a listing");
    assert!(!all[0].is_held && all[0].waiter.is_none(), "{}", all[0]);
    assert!(now(&lock::named("x")).is_ok());
}

#[test]
fn a_reentrant_lock_is_rejected_at_once() {
    let _world = testing::isolate();
    let x = || lock::named("x").wait(60 * SECOND);
    let words = |outcome: Result<(), Rejected>| outcome.expect_err("its own lock").to_string();
    assert!(words(x().call(|| x().call(|| Ok(())))).contains("would wait for itself"));
    let inner = x().call(|| {
        x().acquire().map(drop).map_err(|error| {
            assert!(matches!(error, LockError::Reentered { .. }), "{error}");
            assert_eq!(error.classify().category, Category::Invalid);
            std::io::Error::other(error)
        })
    });
    assert!(inner.is_err());
    block_on(async {
        let inner = x().call_async(async || x().call_async(async || Ok::<(), Rejected>(())).await).await;
        assert!(words(inner).contains("would wait for itself"));
        // Two branches of one task are two calls: the second waits for the first.
        let running = Mutex::new(0);
        let branch = async || {
            x().call_async(async || {
                *running.lock().expect("a number") += 1;
                tokio::task::yield_now().await;
                *running.lock().expect("a number") -= 1;
                assert_eq!(*running.lock().expect("a number"), 0, "alone");
                Ok::<(), Rejected>(())
            })
            .await
        };
        let both = futures::join!(branch(), branch());
        assert_eq!(both, (Ok(()), Ok(())));
    });
    // The guard is gone, and so is the mark of what was carried along.
    drop(now(&x()).expect("a free lock"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reentrancy_is_detected_across_threads_and_scopes() {
    let scratch = Scratch::new();
    let x = FileLock::at(scratch.path("x")).wait(60 * SECOND);
    let outcome = x
        .call_async(async || {
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
            let inner: Result<(), Rejected> = x.call_async(async || Ok(())).await;
            inner.expect_err("its own lock");
            let (a, b) = (x.clone(), x.clone());
            let spawned = tokio::spawn(in_scope(async move { a.acquire_async().await.map(drop) }));
            assert!(matches!(spawned.await.expect("no panic"), Err(LockError::Reentered { .. })));
            let thread = resilience::in_scope_blocking(move || b.acquire().map(drop));
            assert!(matches!(
                std::thread::spawn(thread).join().expect("no panic"),
                Err(LockError::Reentered { .. })
            ));
            // Without the scope it is another call.
            let c = x.clone().wait(Duration::ZERO);
            let spawned = tokio::spawn(async move { c.acquire_async().await.map(drop) });
            assert!(matches!(spawned.await.expect("no panic"), Err(LockError::Timeout { .. })));
            Ok::<(), Rejected>(())
        })
        .await;
    outcome.expect("the lock");
}

#[test]
fn several_locks_are_taken_in_a_fixed_order_or_not_at_all() {
    let world = testing::isolate();
    let all = |names: &[&str]| names.iter().map(|name| lock::named(*name)).collect::<Vec<_>>();
    let world = world.handle();
    std::thread::scope(|scope| {
        for names in [["a", "b", "c"], ["c", "b", "a"]] {
            let (world, all) = (&world, &all);
            scope.spawn(move || {
                world.run(|| {
                    for _ in 0..100 {
                        let guards = lock_all(all(&names), 60 * SECOND).expect("all");
                        assert_eq!(guards.len(), 3);
                    }
                });
            });
        }
    });
    let held = lock_all(all(&["a", "b", "a"]), SECOND).expect("two");
    assert_eq!(held.len(), 2);
    let inodes: Vec<_> = held.iter().map(|guard| inode(guard.path())).collect();
    assert!(inodes.is_sorted());
    let refused = lock_all(all(&["c", "b"]), Duration::ZERO).expect_err("one is held");
    assert!(refused.to_string().contains(&format!("held by process {}", std::process::id())), "{refused}");
    drop(now(&lock::named("c")).expect("none is held"));
    let refused = block_on(lock_all_async(all(&["c", "b"]), Duration::ZERO)).expect_err("one is held");
    assert!(matches!(refused, LockError::Timeout { .. }));
    drop(held);
    // A reader's lock and a writer's of one name are a writer's.
    let mixed = [lock::named("a").shared(true), lock::named("a")];
    let held = block_on(lock_all_async(mixed, SECOND)).expect("one");
    assert!(held.len() == 1 && is_busy(&now(&lock::named("a").shared(true))));
}

fn inode(path: &Path) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    let found = fs::metadata(path).expect("a file");
    (found.dev(), found.ino())
}

#[test]
fn a_nested_lock_against_the_order_warns_once() {
    let (_world, warnings) = (testing::isolate(), Warnings::of("resilience::lock"));
    let mut names = ["a", "b"];
    drop(lock_all(names.map(lock::named), SECOND).expect("both"));
    let inode = |name| inode(lock::named(name).acquire().expect("a lock").path());
    names.sort_by_key(|name| inode(*name));
    let [first, second] = names;
    let nested = |outer, inner| -> Result<(), Rejected> {
        lock::named(outer).call(|| lock::named(inner).call(|| Ok(())))
    };
    tracing::subscriber::with_default(warnings.clone(), || {
        nested(first, second).expect("the order of `lock_all`");
        assert_eq!(warnings.count(), 0);
        for _ in 0..3 {
            nested(second, first).expect("no other process");
        }
    });
    assert_eq!(warnings.count(), 1);
}

#[test]
fn lock_and_transaction_futures_are_send() {
    fn moves<F: Future + Send>(_: F) {}
    let x = lock::named("x");
    moves(x.acquire_async());
    moves(x.call_async(async || Ok::<(), Rejected>(())));
    moves(lock_all_async([x.clone()], SECOND));
    moves(resilience::fs::Transaction::of("x").run_async(|_| Ok::<(), std::io::Error>(())));
}

#[test]
fn a_timeout_names_what_the_call_holds_and_waits_for() {
    let _world = testing::isolate();
    let held = lock::named("wanted").acquire().expect("a lock");
    let words: Result<(), Rejected> =
        lock::named("own").call(|| lock::named("wanted").wait(Duration::ZERO).call(|| Ok(())));
    let words = words.expect_err("it is held").to_string();
    for part in ["\"wanted\" was not free within", "this call holds \"own\"", "held by process"] {
        assert!(words.contains(part), "{words}");
    }
    drop(held);
}

#[test]
fn an_unpolled_future_does_not_block_other_waiters() {
    let scratch = Scratch::new();
    let name = || lock::in_dir(scratch.path("locks"), "x").wait(60 * SECOND);
    let held = name().acquire().expect("a lock");
    let (first, second) = (name(), name());
    let (mut first, mut second) = (Box::pin(first.acquire_async()), Box::pin(second.acquire_async()));
    assert!(first.as_mut().now_or_never().is_none());
    assert!(second.as_mut().now_or_never().is_none());
    let third = std::thread::scope(|scope| {
        let third = scope.spawn(|| name().acquire());
        drop(held);
        // Neither of the two futures is polled.
        third.join().expect("no panic").expect("the lock")
    });
    // Polled again, the first is the first again.
    assert!(second.as_mut().now_or_never().is_none());
    assert!(first.as_mut().now_or_never().is_none());
    drop(third);
    let first = block_on(first).expect("its turn");
    assert!(second.as_mut().now_or_never().is_none());
    drop(first);
    drop(block_on(second).expect("its turn"));
}
