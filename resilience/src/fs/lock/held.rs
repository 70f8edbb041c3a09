//! The locks that this process holds, and those that the running code holds.
//!
//! Code holds a lock while it runs inside of a guarded call. Which those are travels in `base/scope.rs` as numbers:
//! with the code, not with its thread or task, so that two branches of one `join!` wait for each other.

use crate::base::files::Inode;
use crate::base::of_process::OfProcess;
use crate::base::scope;
use crate::base::site::Site;
use crate::base::sync::locked;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A lock that is held, and where the code is that has taken it.
///
/// The inode identifies it, since two paths may lead to one file; `None` where the system has no inodes, and then
/// neither re-entry nor order is checked.
#[derive(Clone, Debug)]
pub(crate) struct HeldLock {
    pub(crate) inode: Option<Inode>,
    pub(crate) label: String,
    pub(crate) taken_at: String,
}

static HELD: OfProcess<Mutex<BTreeMap<usize, HeldLock>>> = OfProcess::locked(BTreeMap::new());

/// Notes that a lock is held; its number. Odd, as no address of what a bulkhead holds is.
pub(crate) fn enter(lock: HeldLock) -> usize {
    static LAST: AtomicUsize = AtomicUsize::new(1);
    let number = LAST.fetch_add(2, Ordering::Relaxed);
    locked(&HELD).insert(number, lock);
    number
}

/// Notes that it is not held any more.
pub(crate) fn leave(number: usize) {
    let left = locked(&HELD).remove(&number);
    drop(left);
}

/// Returns the locks that the running code holds.
pub(crate) fn here() -> Vec<HeldLock> {
    held_in(&HELD)
}

/// Returns the entries of `table` that the running code holds, the innermost last.
pub(crate) fn held_in<T: Clone>(table: &Mutex<BTreeMap<usize, T>>) -> Vec<T> {
    let numbers = scope::held();
    if numbers.is_empty() {
        return Vec::new();
    }
    let held = locked(table);
    numbers.iter().filter_map(|number| held.get(number).cloned()).collect()
}

/// Returns the locks of the running code, for errors.
pub(crate) fn here_quoted() -> Vec<String> {
    here().iter().map(|held| format!("{:?}", held.label)).collect()
}

/// Warns once for two places that take two locks against the order of `lock_all`.
///
/// The order is that of the inodes. It is a warning and no error: whether two calls ever do so at the same time is not
/// known here. Each pair of places is named once in the life of the process or of a test world, and only with the
/// feature `tracing`.
pub(super) fn warn_of_order(held: &[HeldLock], wanted: &HeldLock) {
    static SAID: Site<Mutex<BTreeSet<(String, String)>>> =
        Site::new(Mutex::new(BTreeSet::new()), Mutex::default);
    for outer in held.iter().filter(|outer| outer.inode > wanted.inode && wanted.inode.is_some()) {
        let is_new = locked(&SAID).insert((outer.taken_at.clone(), wanted.taken_at.clone()));
        #[cfg(feature = "tracing")]
        if is_new {
            crate::base::guarded::guarded(|| {
                tracing::warn!(
                    target: "resilience::lock",
                    held_at = &*outer.taken_at, taken_at = &*wanted.taken_at,
                    "a lock is taken inside of another one against the order of `lock_all`: two such calls can wait for each other"
                );
            });
        }
        #[cfg(not(feature = "tracing"))]
        let _ = is_new;
    }
}
