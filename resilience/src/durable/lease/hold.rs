//! Leases that this process holds: kept by the heartbeat, released when they are dropped.

use super::block_on::block_on;
use super::heartbeat;
use super::turn::Turn;
use crate::durable::of_process::OfProcess;
use crate::durable::record::{Record, Status};
use crate::durable::store::{self, Completion, Release, Store, StoreError};
use crate::policy::InvalidPolicy;
use crate::sync::locked;
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// `length`, if a lease can be that short: a third of it has to be a time to wait.
pub(crate) const fn judged(length: Duration) -> Result<Duration, InvalidPolicy> {
    if length.as_millis() < 3 {
        return Err(InvalidPolicy::new("a lease is at least 3ms long: it is renewed every third of it"));
    }
    Ok(length)
}

/// What the heartbeat and the holder share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) key: String,
    pub(crate) fence: u64,
    pub(crate) length: Duration,
    /// The process that holds it: a fork's child has a copy, and ends nothing.
    process: u32,
    pub(crate) loss: Arc<Loss>,
}

/// Whether a lease is lost, for all who want to know.
#[derive(Debug, Default)]
pub(crate) struct Loss {
    lost: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
}

impl Loss {
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
    /// Kept until the lease has ended in the store.
    turn: Option<Turn>,
    /// How it ends if it is dropped; `None` once it has ended.
    on_drop: Option<End>,
}

/// How a lease ends in the store.
#[derive(Clone, Debug)]
enum End {
    /// Dropped, as this status; the note is made of the record.
    Dropped(Status, Option<NoteOf>),
    /// Without a result.
    Released(Box<Release>),
    /// With one.
    Completed(Box<Completion>),
}

/// The note of a record whose lease was dropped.
pub(crate) type NoteOf = fn(&Record) -> Vec<u8>;

impl End {
    async fn reach(self, shared: &Shared, store: &Arc<dyn Store>) -> Result<(), StoreError> {
        let (status, note_of) = match self {
            Self::Completed(completion) => return store.complete(*completion).await.map(drop),
            Self::Released(release) => return store.release(*release).await,
            Self::Dropped(status, note_of) => (status, note_of),
        };
        let release = Release::new(shared.key.clone(), shared.fence, status);
        let Some(note_of) = note_of else { return store.release(release).await };
        let record = store.get(&shared.key).await?;
        let is_ours = |record: &Record| record.status.is_held() && record.fence == shared.fence;
        match record.filter(is_ours) {
            Some(record) => store.release(release.note(note_of(&record))).await,
            None => Ok(()),
        }
    }
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
            Arc::new(Shared { store, key, fence, length, process: std::process::id(), loss: Arc::default() });
        heartbeat::keep(&shared);
        Self { shared, turn, on_drop: Some(End::Dropped(on_drop, None)) }
    }

    /// The same, whose record gets this note if it is dropped.
    pub(crate) fn noted(mut self, note_of: NoteOf) -> Self {
        if let Some(End::Dropped(_, note)) = &mut self.on_drop {
            *note = Some(note_of);
        }
        self
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The lease has ended in the store.
    pub(crate) fn ended(mut self) {
        self.on_drop = None;
    }

    /// Ends the lease as `completion` says, as soon as the store takes it, without the caller.
    pub(crate) fn complete_later(mut self, completion: Completion) {
        self.on_drop = Some(End::Completed(Box::new(completion)));
    }

    /// As [`complete_later`](Self::complete_later), without a result.
    pub(crate) fn release_later(mut self, release: Release) {
        self.on_drop = Some(End::Released(Box::new(release)));
    }

    /// Gives the lease back, and waits until the store has answered. Dropped before that, it goes on without the caller.
    pub(crate) async fn give_back(mut self) {
        let Some(end) = self.on_drop.clone() else { return };
        let ended = end.clone().reach(&self.shared, &self.shared.store).await;
        self.on_drop = None;
        settle(ended, self.shared.clone(), end, self.turn.take());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(end) = self.on_drop.take().filter(|_| self.shared.process == std::process::id()) {
            let (shared, turn) = (self.shared.clone(), self.turn.take());
            finish(
                &self.shared.store,
                Box::pin(async move {
                    let ended = end.clone().reach(&shared, &shared.store).await;
                    settle(ended, shared, end, turn);
                }),
            );
        }
    }
}

/// Keeps the end of a lease that the store did not take because it is out of order.
fn settle(ended: Result<(), StoreError>, shared: Arc<Shared>, end: End, turn: Option<Turn>) {
    let is_own = shared.process == std::process::id();
    if is_own && ended.is_err_and(|error| error.is_outage()) {
        locked(&OWED).push(Owed { shared, end, _turn: turn });
    }
}

/// The ends that the stores did not take yet. Their leases are kept until then: nobody else may take them for those
/// of a process that is gone.
static OWED: OfProcess<Mutex<Vec<Owed>>> = OfProcess::new(Mutex::new(Vec::new()), |_| Mutex::default());

#[derive(Debug)]
struct Owed {
    shared: Arc<Shared>,
    end: End,
    _turn: Option<Turn>,
}

/// Ends the leases whose end `store` did not take before, by this handle: the one before may have failed for good.
pub(crate) async fn pay(store: &Arc<dyn Store>) {
    /// Those that are not paid, also because the caller was dropped, are owed again.
    struct Unpaid(Vec<Owed>);
    impl Drop for Unpaid {
        fn drop(&mut self) {
            locked(&OWED).append(&mut self.0);
        }
    }
    let mut unpaid = {
        let mut owed = locked(&OWED);
        if owed.is_empty() {
            return;
        }
        Unpaid(owed.extract_if(.., |owed| store::same(&owed.shared.store, store)).collect())
    };
    while let Some(owed) = unpaid.0.last() {
        match owed.end.clone().reach(&owed.shared, store).await {
            Err(error) if error.is_outage() => break,
            _ => drop(unpaid.0.pop()),
        }
    }
}

/// Runs `chore`, something to do in `store`, to its end, without the caller.
pub(crate) fn finish(store: &Arc<dyn Store>, mut chore: Chore) {
    // A store that answers at once leaves nothing to wait for: the next caller finds the key free.
    if chore.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
        beside(store, chore);
    }
}

pub(crate) type Chore = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What is to be done in one store, in order.
#[derive(Default)]
struct Chores {
    queue: VecDeque<Chore>,
    has_thread: bool,
}

/// The chores of each handle of a store, by its identity and owner, as long as there are any: a store that does not
/// answer keeps no other waiting.
static CHORES: OfProcess<Mutex<ChoresByStore>> =
    OfProcess::new(Mutex::new(BTreeMap::new()), |_| Mutex::default());

type ChoresByStore = BTreeMap<(String, String), Chores>;

impl std::fmt::Debug for Chores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chores").field("waiting", &self.queue.len()).finish_non_exhaustive()
    }
}

/// Runs `chore` on the thread for the chores of `store`: a drop must not wait for a store.
fn beside(store: &Arc<dyn Store>, chore: Chore) {
    // In a test world everything happens on the test's own thread, in order.
    #[cfg(feature = "testing")]
    if crate::testing::current().is_some() {
        return block_on(chore);
    }
    let of = (store.identity(), store.owner());
    let mut all = locked(&CHORES);
    let chores = all.entry(of.clone()).or_default();
    chores.queue.push_back(chore);
    if !chores.has_thread {
        let thread = std::thread::Builder::new().name("resilience-leases".into());
        // Where no thread can be had, the next chore tries again.
        chores.has_thread = thread.spawn(move || do_chores(&of)).is_ok();
    }
}

/// Does one after the other of what is to be done in a store, until nothing is left.
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
        drop(catch_unwind(AssertUnwindSafe(|| block_on::<Chore>(chore))));
    }
}

/// Ready when every lease of `store` that was dropped so far has been given back.
pub(crate) async fn settled(store: &Arc<dyn Store>) {
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
    beside(store, Box::pin(async move { drop(last) }));
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
