//! Locks for file systems without locks.

use crate::common::Scratch;
use resilience::fs::{LockError, MarkerLock};
use std::fs;
use std::time::Duration;

#[test]
fn a_marker_is_free_again_after_its_guard() {
    let scratch = Scratch::new();
    let lock = MarkerLock::at(scratch.path("x"));
    for fence in 1..4 {
        let guard = lock.acquire().expect("a lock");
        assert!(guard.still_ours() && guard.fence() == fence);
        let busy = lock.clone().wait(Duration::ZERO).acquire().expect_err("it is held");
        assert!(matches!(busy, LockError::Timeout { .. }), "{busy}");
        guard.unlock();
        let left: Vec<_> = fs::read_dir(scratch.path("")).expect("a directory").collect();
        assert_eq!(left.len(), 1, "the fence only: {left:?}");
    }
}

#[test]
fn a_stale_marker_is_taken_over_and_its_holder_notices() {
    let scratch = Scratch::new();
    let lock =
        MarkerLock::at(scratch.path("x")).lease(Duration::from_millis(100)).wait(Duration::from_secs(60));
    // As a process leaves it that was killed: at every step of taking it.
    for owner in [None, Some("dead 1 7\n")] {
        fs::create_dir(scratch.path("x")).expect("a marker");
        if let Some(owner) = owner {
            fs::write(scratch.path("x/owner"), owner).expect("an owner");
        }
        lock.acquire().expect("a lock").unlock();
    }
    let robbed = lock.acquire().expect("a lock");
    fs::rename(scratch.path("x"), scratch.path("elsewhere")).expect("a rename");
    let next = lock.acquire().expect("a lock");
    assert!(!robbed.still_ours() && next.still_ours() && next.fence() > robbed.fence());
    drop(robbed);
    assert!(next.still_ours(), "the marker of another holder is left alone");
}

#[test]
fn a_holder_with_a_heartbeat_keeps_its_marker() {
    let scratch = Scratch::new();
    let lease = Duration::from_secs(1);
    let lock = MarkerLock::at(scratch.path("x")).lease(lease);
    let guard = lock.acquire().expect("a lock");
    let busy = lock.clone().wait(2 * lease).acquire();
    assert!(busy.is_err() && guard.still_ours(), "waited for longer than a lease");
}

#[test]
fn a_path_that_is_no_marker_is_refused_and_kept() {
    let scratch = Scratch::new();
    let short = |name: &str| {
        MarkerLock::at(scratch.path(name)).lease(Duration::from_millis(100)).wait(Duration::from_secs(60))
    };
    fs::create_dir(scratch.path("data")).expect("a directory");
    fs::write(scratch.path("data/rows"), "7").expect("a file");
    fs::create_dir(scratch.path("notes")).expect("a directory");
    fs::write(scratch.path("notes/owner"), "who owns what\n").expect("a file");
    fs::write(scratch.path("file"), "8").expect("a file");
    for name in ["data", "notes", "file"] {
        let refused = short(name).acquire().expect_err("it is no marker");
        assert!(matches!(refused, LockError::Refused { .. }), "{name}: {refused}");
        assert!(refused.to_string().contains(&*scratch.path(name).to_string_lossy()), "{refused}");
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(scratch.path("data"), scratch.path("link")).expect("a link");
        let refused = short("link").acquire().expect_err("it is no marker");
        assert!(matches!(refused, LockError::Refused { .. }), "{refused}");
        assert!(scratch.path("link").is_symlink());
    }
    assert_eq!(fs::read_to_string(scratch.path("data/rows")).expect("a file"), "7");
    assert_eq!(fs::read_to_string(scratch.path("notes/owner")).expect("a file"), "who owns what\n");
    assert_eq!(fs::read_to_string(scratch.path("file")).expect("a file"), "8");
}

#[test]
fn a_file_put_into_a_marker_is_not_deleted_with_it() {
    let scratch = Scratch::new();
    let guard = MarkerLock::at(scratch.path("x")).acquire().expect("a lock");
    fs::write(scratch.path("x/rows"), "7").expect("a file");
    guard.unlock();
    assert!(!scratch.path("x").exists(), "it is free");
    let left =
        fs::read_dir(scratch.path("")).expect("a directory").map(|entry| entry.expect("an entry").path());
    let kept: Vec<_> = left.filter_map(|dir| fs::read_to_string(dir.join("rows")).ok()).collect();
    assert_eq!(kept, ["7"]);
}

#[test]
fn a_marker_that_cannot_be_read_is_not_taken_over() {
    let scratch = Scratch::new();
    let lease = Duration::from_millis(100);
    // What cannot be read never changes, also while its holder lives.
    fs::create_dir_all(scratch.path("x/owner")).expect("a directory in place of the file");
    let lock = MarkerLock::at(scratch.path("x")).lease(lease).wait(3 * lease);
    let busy = lock.acquire().expect_err("nobody knows whether it is held");
    assert!(matches!(busy, LockError::Timeout { .. }), "{busy}");
    assert!(scratch.path("x/owner").is_dir());
}

#[test]
fn a_heartbeat_outlasts_a_failed_read() {
    let scratch = Scratch::new();
    let lease = Duration::from_secs(1);
    let lock = MarkerLock::at(scratch.path("x")).lease(lease);
    let guard = lock.acquire().expect("a lock");
    fs::rename(scratch.path("x"), scratch.path("away")).expect("a rename");
    fs::write(scratch.path("x"), "").expect("a file in place of the marker");
    // A beat fails meanwhile, which comes three times in a lease.
    let other = MarkerLock::at(scratch.path("y"));
    let held = other.acquire().expect("a lock");
    assert!(other.wait(lease / 2).acquire().is_err());
    fs::remove_file(scratch.path("x")).expect("the file");
    fs::rename(scratch.path("away"), scratch.path("x")).expect("a rename");
    let busy = lock.wait(2 * lease).acquire();
    assert!(busy.is_err() && guard.still_ours(), "waited for longer than a lease");
    drop(held);
}

#[cfg(unix)]
#[test]
fn a_heartbeat_is_written_into_its_own_marker_only() {
    let scratch = Scratch::new();
    let guard =
        MarkerLock::at(scratch.path("x")).lease(Duration::from_millis(100)).acquire().expect("a lock");
    let read = |name: &str| fs::read_to_string(scratch.path(name)).expect("an owner");
    // Another marker takes the place. It looks like the old one, as that did when the heartbeat read it.
    fs::rename(scratch.path("x"), scratch.path("away")).expect("a rename");
    let own = read("away/owner");
    let id = own.split_whitespace().next().expect("an id");
    let foreign = format!("{id} 7 7\n");
    fs::create_dir(scratch.path("x")).expect("a marker");
    fs::write(scratch.path("x/owner"), &foreign).expect("an owner");
    while read("away/owner") == own {
        assert_eq!(read("x/owner"), foreign, "it is not of this holder");
    }
    assert_eq!(read("x/owner"), foreign);
    drop(guard);
}

#[test]
fn a_lock_that_no_marker_can_hold_leaves_nothing_behind() {
    let scratch = Scratch::new();
    // A directory in place of the file that keeps the fence: nothing can be renamed over it.
    fs::create_dir(scratch.path("x.fence")).expect("a directory");
    let refused = MarkerLock::at(scratch.path("x")).acquire();
    assert!(matches!(refused, Err(LockError::Failed { .. })), "{refused:?}");
    let left: Vec<_> = fs::read_dir(scratch.path(""))
        .expect("a directory")
        .map(|it| it.expect("an entry").file_name())
        .collect();
    assert_eq!(left, ["x.fence"]);
}

#[test]
fn a_fence_that_cannot_be_read_is_not_begun_anew() {
    let scratch = Scratch::new();
    let fence = scratch.path("x.fence");
    // What a power cut, another program and the last fence of all leave.
    for text in ["", "seven", "18446744073709551615"] {
        fs::write(&fence, text).expect("a fence");
        let refused = MarkerLock::at(scratch.path("x")).acquire().expect_err("no higher fence is known");
        assert!(matches!(refused, LockError::Failed { .. }), "{text:?}: {refused}");
        assert!(refused.to_string().contains("x.fence"), "{text:?}: {refused}");
        assert_eq!(fs::read_to_string(&fence).expect("a fence"), text);
        assert!(!scratch.path("x").exists(), "{text:?}");
    }
}

/// Not a test of its own: takes the lock once.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "run by others, in a process of its own"]
fn takes_a_marker() {
    let Some(dir) = crate::common::given_dir() else { return };
    assert_eq!(MarkerLock::at(dir.join("x")).acquire().expect("a lock").fence(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn a_fence_survives_a_power_cut() {
    let scratch = Scratch::new();
    let dir = fs::canonicalize(scratch.path("")).expect("a directory");
    let mut taker = crate::common::child("marker::takes_a_marker", &dir);
    let log = scratch.path("syncs");
    taker.env("HOSTILE_SYNCS", &log);
    taker.env("LD_PRELOAD", crate::shim::compiled("tests/store/hostile.c").expect("a compiler"));
    assert!(taker.output().expect("a process").status.success());
    let log = fs::read_to_string(log).unwrap_or_default();
    let synced: Vec<_> = log.lines().map(std::path::Path::new).collect();
    // The text before it gets its name, and the name.
    assert!(synced.len() == 2 && synced[0].parent() == Some(&*dir) && synced[1] == dir, "{log}");
}
