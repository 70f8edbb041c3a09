//! Leases that this process holds: kept by the heartbeat, released when they are dropped.
//!
//! A `Lease` ends exactly once: as completed, as released, or by its drop. A drop must not wait for a store, so it
//! hands the end to a thread of chores, one for each store, which ends when no chores are left. [`settled`] lets a
//! caller wait for that: recovery reads a record only after the leases of this process on it have been released.
//!
//! The end of a lease has three ways through this file:
//!
//! | the caller | the end is written by |
//! |---|---|
//! | awaits `complete`, `release` or `give_back` | the caller; dropped in the middle, by the drop of the lease |
//! | calls `complete_later` or `release_later` | the drop of the lease |
//! | drops the lease, or panics | the drop of the lease, with the status that it was created with |
//!
//! A drop polls the end once, on the thread that drops. The store in memory answers at once, and so does an idle SQLite
//! store on a thread that may block: the next caller finds the key free. What is then still pending goes to the thread
//! of chores. If no thread can be started, the chore waits in its queue for the next one.

use super::end::{LeaseEnd, completed, settle};
use super::heartbeat;
use super::key_lock::KeyLock;
use super::state::LeaseState;
use crate::base::block_on::{Mode, block_on};
use crate::base::guarded::contained;
use crate::base::of_process::OfProcess;
use crate::base::promise::Promise;
use crate::base::sync::locked;
use crate::durable::record::{Record, Status};
use crate::durable::store::{Completion, Release, Store, StoreError};
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

/// A lease of this process on one key.
///
/// While it exists, the heartbeat keeps it; `state` is how a running body learns that it was lost all the same. Code
/// that must not end the lease twice calls [`ended`](Self::ended) after it has written the end in its own way.
#[derive(Debug)]
pub(crate) struct Lease {
    state: Arc<LeaseState>,
    /// Kept until the lease has ended in the store.
    lock: Option<Arc<KeyLock>>,
    /// The end of the lease if it is dropped; `None` once it has ended.
    on_drop: Option<LeaseEnd>,
}

impl Lease {
    /// Takes over a lease that the store has granted, under this fence, and makes the heartbeat keep it.
    ///
    /// `on_drop` is the status of the record if the lease is dropped with no other end.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        key: String,
        fence: u64,
        length: Duration,
        lock: Option<Arc<KeyLock>>,
        on_drop: Status,
    ) -> Self {
        let state = Arc::new(LeaseState {
            store,
            key,
            fence,
            length,
            process: std::process::id(),
            loss: Arc::default(),
        });
        heartbeat::keep(&state);
        Self { state, lock, on_drop: Some(LeaseEnd::Dropped(on_drop, None)) }
    }

    /// Returns the lease, whose record gets this note if it is dropped.
    pub(crate) fn with_note(mut self, note_of: fn(&Record) -> Vec<u8>) -> Self {
        if let Some(LeaseEnd::Dropped(_, note)) = &mut self.on_drop {
            *note = Some(note_of);
        }
        self
    }

    /// Returns the part of the lease that the heartbeat and the running body see.
    pub(crate) fn state(&self) -> &Arc<LeaseState> {
        &self.state
    }

    /// Notes that the lease has ended in the store.
    pub(crate) fn ended(mut self) {
        self.on_drop = None;
    }

    /// Ends the lease with `completion`. If the store is out of order, or the caller is dropped before the store has
    /// answered, the lease ends so as soon as the store takes it: finished work is not forgotten.
    ///
    /// `Fenced` ends it, too: the key has another holder. After any other error that is not an outage, such as a value that
    /// is too large, the lease is unchanged, and the caller may end it in another way. A completion that keeps the
    /// record held, for the undoing of a job, keeps the lease.
    pub(crate) async fn complete(
        &mut self,
        mode: Mode,
        completion: &Arc<Completion>,
    ) -> Result<Record, StoreError> {
        let before = self.on_drop.replace(LeaseEnd::Completed(completion.clone()));
        let done = completed(mode, &self.state.store, completion).await;
        match &done {
            Ok(_) if completion.status.is_held() => self.on_drop = before,
            Ok(_) | Err(StoreError::Fenced { .. }) => self.on_drop = None,
            Err(error) if error.is_outage() => {}
            Err(_) => self.on_drop = before,
        }
        done
    }

    /// Ends the lease as `completion` says, as soon as the store takes it, without the caller.
    pub(crate) fn complete_later(mut self, completion: Completion) {
        self.on_drop = Some(LeaseEnd::Completed(Arc::new(completion)));
    }

    /// Ends the lease without a result; as [`complete`](Self::complete) where the store does not answer.
    pub(crate) async fn release(&mut self, release: Release) -> Result<(), StoreError> {
        self.on_drop = Some(LeaseEnd::Released(Box::new(release.clone())));
        let released = self.state.store.release(release).await;
        if matches!(released, Ok(()) | Err(StoreError::Fenced { .. })) {
            self.on_drop = None;
        }
        released
    }

    /// Ends the lease without a result, as soon as the store takes that, without the caller.
    pub(crate) fn release_later(mut self, release: Release) {
        self.on_drop = Some(LeaseEnd::Released(Box::new(release)));
    }

    /// Releases the lease, and waits until the store has answered. Dropped before that, it continues without the
    /// caller.
    pub(crate) async fn give_back(mut self) {
        let Some(end) = self.on_drop.clone() else { return };
        let ended = end.clone().reach(&self.state, &self.state.store).await;
        self.on_drop = None;
        settle(ended, self.state.clone(), end, self.lock.take());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(end) = self.on_drop.take().filter(|_| self.state.process == std::process::id()) {
            let (state, lock) = (self.state.clone(), self.lock.take());
            finish(&self.state.store, async move {
                let ended = end.clone().reach(&state, &state.store).await;
                settle(ended, state, end, lock);
            });
        }
    }
}

/// Runs `chore`, something to do in `store`, to its end, without the caller. It has to end by itself: a store answers,
/// or says that it is out of order.
///
/// The chore is polled once before this returns; the rest of it is done on the thread for the chores of the
/// store.
pub(crate) fn finish(store: &Arc<dyn Store>, chore: impl Future<Output = ()> + Send + 'static) {
    let mut chore = Box::pin(chore);
    // A store that answers at once leaves nothing to wait for: the next caller finds the key free. A panic of its code
    // must not come out of a drop.
    let mut first = || chore.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending();
    if contained(&mut first) == Some(true) {
        spawn_chore(store, chore);
    }
}

/// The chores of one store, in order.
///
/// Whether a thread works on them, and the remaining ones; the thread is the one that removes the entry.
#[derive(Default)]
struct StoreChores {
    queue: VecDeque<Pin<Box<dyn Future<Output = ()> + Send>>>,
    has_thread: bool,
}

/// The chores of each handle of a store, by its identity and owner, as long as there are any: a store that does not
/// answer keeps no other waiting.
///
/// The key has the owner, too: a store that was closed by a fault and opened again has the same identity, and its
/// chores do not wait for those of the handle before.
static CHORES: OfProcess<Mutex<BTreeMap<(String, String), StoreChores>>> = OfProcess::locked(BTreeMap::new());

/// Runs `chore` on the thread for the chores of `store`: a drop must not wait for a store.
///
/// Returns whether there is such a thread: without one, the chore waits for the next call of this function.
fn spawn_chore(store: &Arc<dyn Store>, chore: Pin<Box<dyn Future<Output = ()> + Send>>) -> bool {
    // In a test world everything happens on the test's own thread, in order.
    if crate::base::clock::is_manual() {
        contained(|| block_on(chore));
        return true;
    }
    let of = (store.identity(), store.owner());
    let mut all = locked(&CHORES);
    let chores = all.entry(of.clone()).or_default();
    chores.queue.push_back(chore);
    if !chores.has_thread {
        let thread = std::thread::Builder::new().name("resilience-leases".into());
        chores.has_thread = thread.spawn(move || do_chores(&of)).is_ok();
    }
    chores.has_thread
}

/// Does one chore after the other in a store, until none is left.
fn do_chores(of: &(String, String)) {
    let next = || {
        let mut all = locked(&CHORES);
        let chore = all.get_mut(of).and_then(|chores| chores.queue.pop_front());
        if chore.is_none() {
            all.remove(of);
        }
        chore
    };
    while let Some(chore) = next() {
        // A store of the program's own may panic: the other chores are done all the same.
        contained(|| block_on(chore));
    }
}

/// Waits until every lease of `store` that was dropped so far has been released.
///
/// It queues a chore that does nothing and waits for that one: chores of one store are done in order. Where there are
/// none, and where no thread can be started for them, it returns at once.
pub(crate) async fn settled(store: &Arc<dyn Store>) {
    let of = (store.identity(), store.owner());
    if !locked(&CHORES).contains_key(&of) {
        return;
    }
    let done = Arc::new(Promise::new());
    let given = done.clone();
    if spawn_chore(store, Box::pin(async move { given.give(()) })) {
        done.taken().await;
    }
}

/// Waits as [`settled`] does, for a second at most: a store that does not answer would keep the caller waiting for as
/// many attempts as there are leases.
pub(crate) async fn settled_soon(store: &Arc<dyn Store>) {
    let _ = Mode::Async.within(Duration::from_secs(1), Box::pin(settled(store))).await;
}

#[cfg(all(test, feature = "testing", not(loom)))]
mod tests {
    use super::*;
    use crate::base::block_on::block_for;
    use crate::base::guarded::DropPanics;
    use crate::durable::MemoryStore;
    use std::future::poll_fn;
    use std::panic::panic_any;
    use std::task::Poll;

    /// Returns a chore that panics in the poll of this number.
    async fn panics_at(poll: u32) {
        let mut polls = 0;
        poll_fn(|cx| {
            polls += 1;
            if polls == poll {
                panic_any(DropPanics);
            }
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        })
        .await;
    }

    #[test]
    fn background_work_survives_a_panic_payload_that_panics_on_drop() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        finish(&store, panics_at(1));
        finish(&store, panics_at(2));
        assert_eq!(block_for(Duration::from_secs(60), Box::pin(settled(&store))), Some(()));
        let _world = crate::testing::isolate();
        finish(&store, panics_at(2));
    }

    #[test]
    fn a_release_that_hangs_delays_listings_only_briefly() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        finish(&store, std::future::pending());
        assert_eq!(block_for(Duration::from_secs(60), Box::pin(settled_soon(&store))), Some(()));
    }
}
