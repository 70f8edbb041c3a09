//! Leases that this process holds: kept by the heartbeat, released when they are dropped.

use super::block_on::block_on;
use super::heartbeat;
use super::turn::Turn;
use crate::durable::record::Status;
use crate::durable::store::{Release, Store};
use crate::policy::InvalidPolicy;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// `length`, if a lease can be that short: a third of it has to be a time to wait.
pub(crate) const fn judged(length: Duration) -> Result<Duration, InvalidPolicy> {
    if length.as_millis() < 3 {
        return Err(InvalidPolicy::new("a lease is at least 3ms long: it is renewed every third of it"));
    }
    Ok(length)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the heartbeat and the holder share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) key: String,
    pub(crate) fence: u64,
    pub(crate) length: Duration,
    lost: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
}

impl Shared {
    /// The lease is lost, or has to be taken for lost.
    pub(crate) fn lose(&self) {
        self.lost.store(true, Ordering::Release);
        std::mem::take(&mut *locked(&self.waiting)).into_iter().for_each(Waker::wake);
    }

    /// The heartbeat found the lease again.
    pub(crate) fn keep(&self) {
        self.lost.store(false, Ordering::Release);
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// Ready once the lease is known to be lost.
    pub(crate) fn poll_lost(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_lost() {
            return Poll::Ready(());
        }
        {
            let mut waiting = locked(&self.waiting);
            // Polled in a loop, it leaves one waker behind, not one for each poll.
            if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                waiting.push(cx.waker().clone());
            }
        }
        if self.is_lost() { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// A lease of this process on one key.
#[derive(Debug)]
pub(crate) struct Lease {
    shared: Arc<Shared>,
    /// Kept until the lease has been given back.
    turn: Option<Turn>,
    /// What it becomes if it is dropped without an end; `None` once it has ended.
    on_drop: Option<Status>,
}

impl Lease {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        key: String,
        fence: u64,
        length: Duration,
        turn: Option<Turn>,
        on_drop: Status,
    ) -> Self {
        let shared =
            Shared { store, key, fence, length, lost: AtomicBool::new(false), waiting: Mutex::default() };
        let shared = Arc::new(shared);
        heartbeat::keep(&shared);
        Self { shared, turn, on_drop: Some(on_drop) }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The lease has ended in the store.
    pub(crate) fn ended(mut self) {
        self.on_drop = None;
    }

    /// Gives the lease back, and waits until the store has it.
    pub(crate) async fn give_back(mut self) {
        if let Some(status) = self.on_drop.take() {
            // Where the store cannot be reached, the lease stays until this process ends.
            let release = Release::new(self.shared.key.clone(), self.shared.fence, status);
            let _ = self.shared.store.release(release).await;
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(status) = self.on_drop.take() else { return };
        let (shared, turn) = (self.shared.clone(), self.turn.take());
        finish(Box::pin(async move {
            let release = Release::new(shared.key.clone(), shared.fence, status);
            let _ = shared.store.release(release).await;
            drop(turn);
        }));
    }
}

/// Sees to it that `chore` is done, without the caller.
pub(crate) fn finish(mut chore: Chore) {
    // A store that answers at once leaves nothing to wait for: the next caller finds the key free.
    if chore.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
        beside(chore);
    }
}

pub(crate) type Chore = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs `chore` on a thread of its own kind, in order: a drop must not wait for a store.
fn beside(chore: Chore) {
    static CHORES: OnceLock<Option<Mutex<Sender<Chore>>>> = OnceLock::new();
    // In a test world everything happens on the test's own thread, in order.
    #[cfg(feature = "testing")]
    if crate::testing::current().is_some() {
        return block_on(chore);
    }
    let chores = CHORES.get_or_init(|| {
        let (send, receive) = channel::<Chore>();
        let thread = std::thread::Builder::new().name("resilience-leases".into());
        thread.spawn(move || receive.into_iter().for_each(block_on)).ok()?;
        Some(Mutex::new(send))
    });
    if let Some(chores) = chores {
        let _ = locked(chores).send(chore);
    }
}

/// Ready when every lease that was dropped so far has been given back.
pub(crate) async fn settled() {
    /// Dropped, done or not, it lets the waiting one go on.
    struct Last(Arc<Mutex<(bool, Option<Waker>)>>);
    impl Drop for Last {
        fn drop(&mut self) {
            let mut state = locked(&self.0);
            state.0 = true;
            if let Some(waiting) = state.1.take() {
                waiting.wake();
            }
        }
    }
    let state = Arc::new(Mutex::new((false, None)));
    let last = Last(state.clone());
    beside(Box::pin(async move { drop(last) }));
    std::future::poll_fn(|cx| {
        let mut state = locked(&state);
        if state.0 {
            return Poll::Ready(());
        }
        state.1 = Some(cx.waker().clone());
        Poll::Pending
    })
    .await;
}
