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

use super::block_on::Mode;
use crate::base::guarded::wake;
use crate::base::of_process::OfProcess;
use crate::base::stopping;
use crate::base::sync::locked;
use crate::durable::store::Store;
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::thread::{self, ThreadId};

/// Which store, and which key in it.
type Key = (String, String);

/// The keys that are taken.
static TAKEN: OfProcess<Mutex<Option<HashMap<Key, Taken>>>> =
    OfProcess::new(Mutex::new(None), |_| Mutex::default());

/// Who has a key, and who waits for it.
#[derive(Debug)]
struct Taken {
    /// The thread on which an async caller took it: its task may need that thread to go on.
    task_of: Option<ThreadId>,
    waiting: Vec<Waker>,
}

/// The lock is held for a look-up or an entry; wakers are called after it, as they are code of an executor.
fn taken() -> MutexGuard<'static, Option<HashMap<Key, Taken>>> {
    locked(&TAKEN)
}

/// The right to work on a key, until it and its clones are dropped.
///
/// A clone is given to the claim that is under way and to the lease, so that the key stays taken until the last of
/// them has ended.
#[derive(Clone, Debug)]
pub(crate) struct KeyLock {
    _held: Arc<HeldKeyLock>,
}

/// The lock itself; the key is free when the last clone of its [`KeyLock`] is dropped.
#[derive(Debug)]
struct HeldKeyLock {
    key: Key,
    /// A fork's child has a copy, and its own keys.
    process: u32,
}

/// Waits for the lock of `key` in `store`; `None` if the process shuts down before it is free.
///
/// Keys of different handles are the same if their stores have the same identity.
pub(crate) fn lock_key(mode: Mode, store: &Arc<dyn Store>, key: &str) -> KeyLockWait {
    KeyLockWait { mode, key: (store.identity(), key.to_owned()) }
}

/// Whether a sync caller would wait here for a task that needs this very thread to go on.
pub(crate) fn would_wait_for_itself(store: &Arc<dyn Store>, key: &str) -> bool {
    let key = (store.identity(), key.to_owned());
    let here = thread::current().id();
    let is_here =
        taken().as_ref().and_then(|taken| taken.get(&key)).is_some_and(|by| by.task_of == Some(here));
    is_here && !others_drive()
}

/// Whether other threads drive the tasks of the runtime here.
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

/// Holds nothing before it is ready. Dropped while it waits, it leaves a waker behind, which is called once for
/// nothing.
#[derive(Debug)]
pub(crate) struct KeyLockWait {
    mode: Mode,
    key: Key,
}

impl Future for KeyLockWait {
    type Output = Option<KeyLock>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut taken = taken();
        let taken = taken.get_or_insert_default();
        match taken.get_mut(&self.key) {
            None => {
                let task_of = (self.mode == Mode::Async).then(|| thread::current().id());
                taken.insert(self.key.clone(), Taken { task_of, waiting: Vec::new() });
                Poll::Ready(Some(KeyLock {
                    _held: Arc::new(HeldKeyLock { key: self.key.clone(), process: std::process::id() }),
                }))
            }
            // Looked at under the lock that `wake_all` takes afterwards.
            Some(_) if stopping::has_begun() => Poll::Ready(None),
            Some(Taken { waiting, .. }) => {
                if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                    waiting.push(cx.waker().clone());
                }
                Poll::Pending
            }
        }
    }
}

impl Drop for HeldKeyLock {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            return;
        }
        let taken = taken().as_mut().and_then(|taken| taken.remove(&self.key));
        taken.into_iter().flat_map(|taken| taken.waiting).for_each(Waker::wake);
    }
}

/// Wakes all who wait for a key: the process shuts down.
pub(crate) fn wake_all() {
    let waiting: Vec<_> = {
        let mut taken = taken();
        taken
            .iter_mut()
            .flat_map(HashMap::values_mut)
            .flat_map(|by| std::mem::take(&mut by.waiting))
            .collect()
    };
    waiting.into_iter().for_each(wake);
}

/// Whether a caller in this process works on `key` of `store` right now.
pub(crate) fn is_taken(store: &Arc<dyn Store>, key: &str) -> bool {
    let key = (store.identity(), key.to_owned());
    taken().as_ref().is_some_and(|taken| taken.contains_key(&key))
}
