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
    let lease = Duration::from_millis(300);
    let lock = MarkerLock::at(scratch.path("x")).lease(lease);
    let guard = lock.acquire().expect("a lock");
    let busy = lock.clone().wait(3 * lease).acquire();
    assert!(busy.is_err() && guard.still_ours(), "waited for longer than a lease");
}
