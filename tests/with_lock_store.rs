//! `#[with_lock(.., store = ..)]`: one holder of a lease among all who share a store.

use futures::FutureExt as _;
use futures::executor::block_on;
use resilience::durable::{MemoryStore, SqliteStore, Store, lock_lease};
use resilience::{
    Category, Classify, Event, Rejected, in_scope, in_scope_blocking, lock, point, testing, timeout,
    with_lock, with_retry,
};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, mpsc};
use std::time::Duration;

#[path = "fs/common.rs"]
#[allow(dead_code, reason = "the tests of files use all of it")]
mod common;

use common::{Scratch, Speaking, child, given_dir, listen, say};

const SECOND: Duration = Duration::from_secs(1);

type Outcome = Result<u64, Rejected>;

/// The lease of the innermost lock, as its fence; zero outside of one.
fn fence() -> u64 {
    lock_lease().map_or(0, |lease| lease.fence())
}

/// A function with a lock in the store that it is given, sync and async.
#[with_lock("task:{id}", store = store, wait = 0s, name = "leased_sync")]
fn sync(store: &Arc<MemoryStore>, id: u32) -> Outcome {
    Ok(fence())
}

#[with_lock("task:{id}", store = store, wait = 0s, name = "leased_later")]
async fn later(store: &Arc<MemoryStore>, id: u32) -> Outcome {
    tokio::task::yield_now().await;
    Ok(fence())
}

#[with_lock("task:{id}", store = store, name = "leased_holder")]
async fn holder(store: &Arc<MemoryStore>, id: u32) -> Outcome {
    std::future::pending().await
}

type Call<'a> = &'a dyn Fn(&Arc<MemoryStore>, u32) -> Outcome;

/// Plays a scene for the sync and for the async function.
fn both(scene: impl Fn(&testing::World, &'static str, Call<'_>)) {
    scene(&testing::isolate(), "leased_sync", &sync);
    scene(&testing::isolate(), "leased_later", &|store, id| block_on(later(store, id)));
}

#[test]
fn each_call_gets_a_lease_with_a_higher_fence() {
    both(|world, name, call| {
        let store = Arc::new(MemoryStore::new());
        let first = call(&store, 7).expect("free");
        assert!(first >= 1 && call(&store, 7).expect("free again") > first);
        assert_eq!(fence(), 0, "outside of the body");
        let mut held = Box::pin(holder(&store, 8));
        assert!(held.as_mut().now_or_never().is_none());
        let rejected = call(&store, 8).expect_err("it is held");
        assert!(matches!(rejected, Rejected::LockTimeout { .. }));
        assert_eq!((rejected.point(), rejected.key()), (name, Some("task:8")));
        assert_eq!(rejected.classify().category, Category::Transient);
        let words = rejected.to_string();
        assert!(words.contains("\"task:8\"") && words.contains("this process has a lease"), "{words}");
        assert!(call(&store, 7).is_ok() && call(&Arc::new(MemoryStore::new()), 8).is_ok());
        drop(held);
        assert!(call(&store, 8).is_ok());
        let counters = point(name).expect("a point").snapshot().policies[0].counters.clone();
        let count = |of: &str| counters.iter().find(|(name, _)| *name == of).expect("a counter").1;
        assert_eq!((count("locked"), count("rejected"), count("lost"), count("waited")), (5, 1, 0, 0));
        assert!(world.events().iter().all(|event| !matches!(event, Event::Lost { .. })));
        let left = block_on(store.list(resilience::durable::store::Query::new(""))).expect("a listing");
        assert!(left.records.is_empty(), "a free lock has no record: {left:?}");
    });
}

#[test]
fn the_inventory_shows_the_lease() {
    #[with_lock("x", store = Arc::new(MemoryStore::new()), lease = 9s, name = "leased_shown")]
    fn shown() -> Outcome {
        Ok(1)
    }
    let _ = shown;
    let info = point("leased_shown").expect("a point").info();
    let shown: Vec<_> = info.stack[0].settings.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["lock = x", "store = true", "wait = 30s", "lease = 9s"]);
}

static SHARED: LazyLock<Arc<MemoryStore>> = LazyLock::new(|| Arc::new(MemoryStore::new()));

#[with_lock("task:{name}", store = &*SHARED, wait = 5s, name = "leased_waits")]
async fn waits(name: &str) -> Outcome {
    Ok(fence())
}

#[test]
fn a_call_waits_for_its_lease_unless_dropped() {
    let world = testing::isolate();
    let mut held = Box::pin(holder(&SHARED, 1));
    assert!(held.as_mut().now_or_never().is_none());
    let mut call = Box::pin(waits("1"));
    assert!(call.as_mut().now_or_never().is_none());
    drop(held);
    assert!(block_on(call).is_ok());
    assert_eq!(world.events().iter().filter(|event| matches!(event, Event::Locked { .. })).count(), 2);
    let mut held = Box::pin(holder(&SHARED, 1));
    assert!(held.as_mut().now_or_never().is_none());
    let mut call = Box::pin(waits("1"));
    assert!(call.as_mut().now_or_never().is_none());
    drop(call);
    drop(held);
    assert!(sync(&SHARED, 1).is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_wait_and_an_outer_timeout_limit_the_call() {
    #[timeout(2s)]
    #[with_lock("task:2", store = &*SHARED, wait = 60s, name = "leased_limited")]
    async fn limited() -> Outcome {
        Ok(1)
    }
    let held = tokio::spawn(async { holder(&SHARED, 2).await });
    tokio::task::yield_now().await;
    let began = tokio::time::Instant::now();
    let words = waits("2").await.expect_err("it is held").to_string();
    assert!(words.contains("not free within 5"), "{words}");
    assert!(began.elapsed() >= 5 * SECOND && began.elapsed() < 6 * SECOND, "{:?}", began.elapsed());
    let began = tokio::time::Instant::now();
    let rejected = limited().await.expect_err("it is held");
    assert!(matches!(rejected, Rejected::LockTimeout { .. }), "the error that names the holder: {rejected}");
    assert!(began.elapsed() <= 2 * SECOND, "{:?}", began.elapsed());
    held.abort();
}

#[with_lock("outer", store = &*SHARED, wait = 60s, name = "leased_outer")]
fn outer() -> Outcome {
    inner()
}

#[with_lock("outer", store = &*SHARED, wait = 60s, name = "leased_inner")]
fn inner() -> Outcome {
    Ok(fence())
}

#[with_lock("outer later", store = &*SHARED, wait = 60s, name = "leased_outer_later")]
async fn outer_later(in_a_task: bool) -> Outcome {
    tokio::task::yield_now().await;
    if in_a_task {
        return tokio::spawn(in_scope(inner_later())).await.expect("no panic");
    }
    inner_later().await
}

#[with_lock("outer later", store = &*SHARED, wait = 60s, name = "leased_inner_later")]
async fn inner_later() -> Outcome {
    tokio::task::yield_now().await;
    Ok(fence())
}

#[tokio::test]
async fn a_reentrant_call_is_rejected_at_once() {
    let _world = testing::isolate();
    for outcome in [outer(), outer_later(false).await, outer_later(true).await] {
        let error = outcome.expect_err("its own lock");
        assert!(error.to_string().contains("held by the call that asks for it"), "{error}");
        assert!(!error.classify().is_retryable(), "it would wait for itself each time");
    }
    let (one, other) = futures::join!(inner_later(), inner_later());
    assert_ne!(one.expect("a lock"), other.expect("a lock"), "two branches of one task wait for each other");
    // Inside of a lock that is a file, too: they are two locks.
    let both: Outcome = lock::named("outer").call(inner);
    assert!(both.is_ok());
}

#[test]
fn a_thread_of_the_body_sees_the_lease() {
    #[with_lock("threads", store = &*SHARED, name = "leased_threads")]
    fn threads() -> Outcome {
        let seen = std::thread::spawn(in_scope_blocking(fence)).join().expect("no panic");
        assert_eq!((seen, std::thread::spawn(fence).join().expect("no panic")), (fence(), 0));
        Ok(seen)
    }
    assert!(threads().expect("a lock") > 0);
}

#[test]
fn a_panic_frees_the_lock_and_each_attempt_acquires_it() {
    static FENCES: Mutex<Vec<u64>> = Mutex::new(Vec::new());
    #[with_lock("panics", store = &*SHARED, wait = 0s, name = "leased_panics")]
    fn panics() -> Outcome {
        panic!("on purpose")
    }
    #[with_retry(max = 2, base = 1s, jitter = none)]
    #[with_lock("panics", store = &*SHARED, wait = 0s, name = "leased_retried")]
    fn retried() -> std::io::Result<u64> {
        FENCES.lock().expect("no panic").push(fence());
        Err(std::io::ErrorKind::ConnectionReset.into())
    }
    let _world = testing::isolate();
    assert!(std::panic::catch_unwind(panics).is_err());
    assert!(retried().is_err());
    let fences = FENCES.lock().expect("no panic");
    assert!(fences.len() == 3 && fences.is_sorted() && fences[0] < fences[2], "{fences:?}");
}

#[test]
fn an_abandoned_body_keeps_the_lease_until_it_ends() {
    #[with_lock("task:abandoned", store = &*SHARED, name = "leased_abandoned")]
    #[timeout(1ms, thread)]
    fn abandoned(begun: mpsc::Sender<u64>, gate: mpsc::Receiver<()>) -> Outcome {
        let _ = begun.send(fence());
        let _ = gate.recv();
        Ok(1)
    }
    #[with_lock("task:abandoned", store = &*SHARED, wait = 60s, name = "leased_next")]
    fn next() -> Outcome {
        Ok(fence())
    }
    let _world = testing::isolate();
    let ((begun, has_begun), (go, gate)) = (mpsc::channel(), mpsc::channel());
    let outcome = abandoned(begun, gate);
    assert!(matches!(outcome, Err(Rejected::TimedOut { .. })), "{outcome:?}");
    let fence = has_begun.recv().expect("the helper thread knows the lease");
    assert!(fence > 0 && waits("abandoned").now_or_never().is_none());
    drop(go);
    assert!(next().expect("free at the end") > fence);
}

#[test]
fn an_invalid_name_is_rejected() {
    #[with_lock(of, store = &*SHARED, name = "leased_names")]
    fn named(of: String) -> Outcome {
        Ok(1)
    }
    for (name, is_fine) in
        [("", false), ("a\n\"b\"\0", true), (&"x".repeat(1_024), true), (&"x".repeat(1_025), false)]
    {
        assert_eq!(named(name.to_owned()).is_ok(), is_fine, "{name:?}");
    }
}

fn open(dir: &Path) -> Arc<SqliteStore> {
    Arc::new(SqliteStore::open(dir.join("state")).expect("a store"))
}

#[with_lock("x", store = store, wait = 60s, lease = 1s, name = "leased_process")]
fn in_process(store: &Arc<SqliteStore>, body: impl FnOnce() -> u64) -> Outcome {
    Ok(body())
}

#[with_lock("x", store = store, wait = 0s, lease = 1s, name = "leased_look")]
fn looks(store: &Arc<SqliteStore>) -> Outcome {
    Ok(fence())
}

/// How often the lease of the function called `name` was lost.
fn lost(name: &str) -> u64 {
    let counters = point(name).expect("a point").snapshot().policies[0].counters.clone();
    counters.iter().find(|(name, _)| *name == "lost").expect("a counter").1
}

/// Not a test of its own: holds the lock until it may go on, and says whether it was lost.
#[test]
#[ignore = "run by others, in a process of its own"]
fn holds() {
    let Some(dir) = given_dir() else { return };
    let outcome = in_process(&open(&dir), || {
        let lease = lock_lease().expect("the lock is held");
        std::fs::write(dir.join("fence"), lease.fence().to_string()).expect("a file");
        say("held");
        listen();
        if dir.join("taken").exists() {
            // The heartbeat finds out.
            block_on(lease.lost());
        }
        lease.fence()
    });
    assert!(outcome.is_ok(), "the body's own result");
    say(&format!("lost {}", lost("leased_process")));
}

fn held_by_a_process(dir: &Path) -> (Speaking, u64) {
    let mut holder = Speaking::start(&mut child("holds", dir));
    holder.wait_for("held");
    let fence = std::fs::read_to_string(dir.join("fence")).expect("a fence").parse().expect("a number");
    (holder, fence)
}

#[test]
fn a_killed_holder_frees_its_lease_at_once() {
    let scratch = Scratch::new();
    let dir = scratch.path("");
    let store = open(&dir);
    let (holder, first) = held_by_a_process(&dir);
    let words = looks(&store).expect_err("it is held").to_string();
    assert!(words.contains(&format!("the process {}-", holder.pid())), "{words}");
    holder.kill();
    assert!(looks(&store).expect("the process is gone") > first);
}

#[test]
fn two_processes_never_hold_one_lease() {
    let scratch = Scratch::new();
    let dir = scratch.path("");
    let store = open(&dir);
    std::fs::write(dir.join("number"), "0").expect("a number");
    let mut other = Speaking::start(&mut child("counts", &dir));
    other.wait_for("ready");
    other.go();
    count(&store, &dir);
    other.end();
    let number = std::fs::read_to_string(dir.join("number")).expect("a number");
    assert_eq!(number, (2 * ROUNDS).to_string(), "no update was lost");
}

const ROUNDS: u32 = 100;

fn count(store: &Arc<SqliteStore>, dir: &Path) {
    let (path, highest) = (dir.join("number"), AtomicU64::new(0));
    for _ in 0..ROUNDS {
        let raise = || {
            let number: u32 = std::fs::read_to_string(&path).expect("a number").parse().expect("a number");
            std::fs::write(&path, (number + 1).to_string()).expect("a number");
            fence()
        };
        let fence = in_process(store, raise).expect("its turn comes");
        assert!(highest.swap(fence, Ordering::Relaxed) < fence);
    }
}

/// Not a test of its own: raises a number in a file, each time under the lock.
#[test]
#[ignore = "run by others, in a process of its own"]
fn counts() {
    let Some(dir) = given_dir() else { return };
    let store = open(&dir);
    say("ready");
    listen();
    count(&store, &dir);
}

/// Removes the file by which others judge whether the process `pid` lives: then it is as one of another host.
fn hide(dir: &Path, pid: u32) {
    for entry in std::fs::read_dir(dir.join("state/owners")).expect("the owners") {
        let path = entry.expect("an entry").path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&format!("{pid}-"))) {
            std::fs::remove_file(path).expect("a file");
        }
    }
}

#[test]
fn a_stopped_remote_holder_loses_its_lease_and_reports_it() {
    let scratch = Scratch::new();
    let dir = scratch.path("");
    let store = open(&dir);
    let (mut holder, first) = held_by_a_process(&dir);
    holder.signal("STOP");
    assert!(looks(&store).is_err(), "a stopped process of this host lives");
    hide(&dir, holder.pid());
    let second = in_process(&store, fence).expect("the lease is over");
    assert!(second > first);
    assert_eq!(lost("leased_process"), 0, "in this process");
    std::fs::write(dir.join("taken"), "").expect("a file");
    holder.signal("CONT");
    holder.go();
    holder.wait_for("lost 1");
    holder.end();
    assert!(looks(&store).is_ok());
}

#[test]
fn an_unusable_store_rejects_the_lock() {
    let scratch = Scratch::new();
    let dir = scratch.path("");
    let store = open(&dir);
    std::fs::remove_dir_all(dir.join("state")).expect("the store");
    let rejected = looks(&store).expect_err("there is no store");
    assert!(matches!(rejected, Rejected::LockTimeout { .. }), "{rejected}");
    assert!(rejected.to_string().contains("store.sqlite"), "{rejected}");
}
