//! One at a time: callers of one key in one process take turns, so that one body runs and the others
//! find its result.
//!
//! Without it, two calls of one key in one process would both ask the store, and the second would wait for its own
//! process by polling. With it the second waits for the first in memory, and finds the result.
//!
//! A sync caller that would wait for a task which needs the very thread that waits is refused at once
//! ([`would_wait_for_itself`]): on a current-thread runtime it would wait for ever. On a runtime of several threads the
//! task can go on elsewhere, and the wait is allowed.
//!
//! The lock is not fair. All waiting callers are woken when it is free, and the first that polls takes it; with a
//! recorded result each of them holds it only for one look into the store.

use crate::base::block_on::Mode;
use crate::base::guarded::wake;
use crate::base::of_process::OfProcess;
use crate::base::sync::locked;
use crate::base::{stopping, wakers};
use crate::durable::store::Store;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread::{self, ThreadId};

/// The keys that are taken: each with its store.
static TAKEN: OfProcess<Mutex<BTreeMap<(String, String), LockEntry>>> = OfProcess::locked(BTreeMap::new());

/// The holder of a key, and the callers that wait for it.
#[derive(Debug)]
struct LockEntry {
    /// The thread on which an async caller took it: its task may need that thread to go on.
    task_of: Option<ThreadId>,
    waiting: Vec<Waker>,
}

/// The right to work on a key: it is free when the last reference to this is dropped.
///
/// One is given to the claim that is under way and to the lease, so that the key stays taken until the last of them has
/// ended.
#[derive(Debug)]
pub(crate) struct KeyLock {
    key: (String, String),
    /// A fork's child has a copy, and its own keys.
    process: u32,
}

/// Waits for the lock of `key` in `store`; `None` if the process shuts down before it is free.
///
/// Keys of different handles are the same if their stores have the same identity. Nothing is held before it is ready.
/// Dropped while it waits, it leaves a waker behind, which is called once for nothing.
pub(crate) fn lock_key(
    mode: Mode,
    store: &Arc<dyn Store>,
    key: &str,
) -> impl Future<Output = Option<Arc<KeyLock>>> + use<> {
    let key = (store.identity(), key.to_owned());
    poll_fn(move |cx| {
        let waker = cx.waker().clone();
        let mut taken = locked(&TAKEN);
        match taken.get_mut(&key) {
            None => {
                let task_of = (mode == Mode::Async).then(|| thread::current().id());
                taken.insert(key.clone(), LockEntry { task_of, waiting: Vec::new() });
                Poll::Ready(Some(Arc::new(KeyLock { key: key.clone(), process: std::process::id() })))
            }
            // Looked at under the lock that `wake_all` takes afterwards.
            Some(_) if stopping::has_begun() => Poll::Ready(None),
            Some(LockEntry { waiting, .. }) => {
                wakers::add(waiting, waker);
                Poll::Pending
            }
        }
    })
}

/// Returns whether a sync caller would wait here for a task that needs this very thread to continue.
pub(crate) fn would_wait_for_itself(store: &Arc<dyn Store>, key: &str) -> bool {
    let key = (store.identity(), key.to_owned());
    let here = thread::current().id();
    let is_here = locked(&TAKEN).get(&key).is_some_and(|by| by.task_of == Some(here));
    is_here && !others_drive()
}

/// Returns whether other threads drive the tasks of the runtime here.
///
/// A current-thread runtime and one with a single worker have only the thread that waits here.
fn others_drive() -> bool {
    #[cfg(feature = "tokio")]
    if let Ok(handle) = tokio::runtime::Handle::try_current() {
        use tokio::runtime::RuntimeFlavor::MultiThread;
        return handle.runtime_flavor() == MultiThread && handle.metrics().num_workers() > 1;
    }
    false
}

impl Drop for KeyLock {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            return;
        }
        // Wakers are code of an executor: they are called without the lock.
        let taken = locked(&TAKEN).remove(&self.key);
        taken.into_iter().flat_map(|taken| taken.waiting).for_each(wake);
    }
}

/// Wakes all who wait for a key: the process shuts down.
pub(crate) fn wake_all() {
    let waiting: Vec<_> =
        locked(&TAKEN).values_mut().flat_map(|by| std::mem::take(&mut by.waiting)).collect();
    waiting.into_iter().for_each(wake);
}

/// Returns whether a caller in this process works on `key` of `store` right now.
pub(crate) fn is_taken(store: &Arc<dyn Store>, key: &str) -> bool {
    locked(&TAKEN).contains_key(&(store.identity(), key.to_owned()))
}
