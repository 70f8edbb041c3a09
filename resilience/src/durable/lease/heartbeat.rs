//! The heartbeat: one thread for each open store raises the counter of this process while it holds leases there.
//!
//! The counter is raised every third of the shortest lease that is held. Three things can go wrong, and each has its
//! answer:
//!
//! - The write fails, or is never answered: a second thread, which asks no store for anything, notices that no beat has
//!   begun and succeeded for a lease, and the steps that run learn that their lease is lost.
//! - The write succeeds, and the store says that this process was treated as dead: it has joined again, and every lease
//!   that it holds is compared with the record. Those whose fence is still there go on.
//! - No thread can be had: the claim is refused, before any body runs.
//!
//! The heart belongs to the store's identity and this owner, not to a handle: closing one of two handles stops nothing.
//!
//! # Timing
//!
//! With a lease of length *L*, all measured on the process's monotonic clock:
//!
//! | after the last beat | what happens |
//! |---|---|
//! | *L*/3 | the next beat begins |
//! | *L*/9 after a beat that failed | it is tried again |
//! | *L* | the watch reports every lease of that store as lost; other processes may take over |
//!
//! A beat counts from the moment at which it *began*, since others may have seen the counter change as early as that.
//! So the limit of this process is never later than that of an observer.
//!
//! The counter is one for all leases of a store. A process with a lease of 10 s and one of an hour beats for the
//! shorter one, and is late for both when it is late for that: a process that takes over one record buries the owner of
//! all.
//!
//! In a test world there is no heartbeat: its clock moves only when the test moves it.

use super::end;
use super::state::{LeaseLoss, LeaseState};
use crate::base::block_on::block_on;
use crate::base::clock;
use crate::base::guarded::contained;
use crate::base::of_process::OfProcess;
use crate::base::sync::locked;
use crate::durable::store::{Store, StoreError};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// The stores in which this process holds or held leases.
static HEARTS: OfProcess<Mutex<Vec<Arc<Heartbeat>>>> = OfProcess::locked(Vec::new());

/// The heartbeat of one store: its thread, and the leases that depend on it.
///
/// The store stays open only while a lease is held: the thread looks once a second whether the last handle was dropped,
/// and ends.
#[derive(Debug)]
struct Heartbeat {
    store: Weak<dyn Store>,
    /// The store's identity, and the owner whose counter is raised: a store that was closed by a fault and opened again
    /// has the same identity and another owner.
    name: (String, String),
    state: Mutex<State>,
    changed: Condvar,
}

/// The state that a beat changes and the watch reads. `beaten` is `None` before the first beat, and there is no claim
/// before that.
#[derive(Debug, Default)]
struct State {
    has_thread: bool,
    leases: Vec<KeptLease>,
    /// When the counter was last raised.
    beaten: Option<Instant>,
    /// Whether others may have treated this process as dead, and not every lease has been checked since.
    is_unsure: bool,
}

/// A lease that is kept, as long as it is held.
#[derive(Debug)]
struct KeptLease {
    lease: Weak<LeaseState>,
    loss: Arc<LeaseLoss>,
    length: Duration,
}

/// Makes sure that this process has a heartbeat in `store` before it claims anything there for `lease`.
///
/// # Errors
///
/// [`StoreError::Unavailable`] if the thread cannot be started; what the store says if the counter cannot be raised: a
/// claim that is not kept must not be made.
pub(crate) async fn ready(store: &Arc<dyn Store>, lease: Duration) -> Result<(), StoreError> {
    // A manual clock stands still.
    if clock::is_manual() {
        return Ok(());
    }
    let heart = Heartbeat::of(store);
    heart.start()?;
    start_watch()?;
    // Others see the counter change before they see a claim.
    if heart.is_due(lease) { heart.beat(store, lease).await } else { Ok(()) }
}

/// Keeps `lease` for as long as it is held.
pub(crate) fn keep(lease: &Arc<LeaseState>) {
    if clock::is_manual() {
        return;
    }
    let heart = Heartbeat::of(&lease.store);
    let mut state = locked(&heart.state);
    let is_shorter = state.shortest().is_none_or(|shortest| lease.length < shortest);
    state.leases.push(KeptLease {
        lease: Arc::downgrade(lease),
        loss: lease.loss.clone(),
        length: lease.length,
    });
    drop(state);
    // Another one than `ready` has started, if the handle that it was of was the last and closed during the claim.
    if heart.start().is_err() {
        lease.loss.lose();
    }
    if is_shorter {
        heart.changed.notify_one();
        if let Some(watch) = &*locked(&WATCH) {
            watch.unpark();
        }
    }
}

/// Returns the open stores in which this process holds or held leases.
pub(crate) fn stores() -> Vec<Arc<dyn Store>> {
    let hearts = locked(&HEARTS);
    hearts.iter().filter_map(|heart| heart.store.upgrade()).collect()
}

/// The thread that reports leases as lost which were not renewed in time. It makes no requests to a store: a store that
/// does not answer would keep it from that, as it does its own heartbeat.
static WATCH: OfProcess<Mutex<Option<Thread>>> = OfProcess::locked(None);

/// Starts the watch, if it does not run.
fn start_watch() -> Result<(), StoreError> {
    let mut watch = locked(&WATCH);
    if watch.is_none() {
        *watch = Some(started("resilience-lease-watch", watch_for_losses)?);
    }
    Ok(())
}

/// Reports late leases, and sleeps until the next lease may be late, or a shorter one is taken. It takes the lock of
/// one heart at a time, and holds none while it reports.
fn watch_for_losses() {
    loop {
        let hearts = || locked(&HEARTS).clone();
        for heart in hearts() {
            heart.lose_if_late(Instant::now());
        }
        // After the reports, whose foreign code may have taken the token of `unpark`: all leases are looked at again.
        let next = hearts().iter().filter_map(|heart| heart.next_look(Instant::now())).min();
        next.map_or_else(thread::park, thread::park_timeout);
    }
}

/// Starts a thread called `name`.
///
/// # Errors
///
/// The system has no thread for it: a lease that no thread keeps must not be taken.
fn started(name: &str, run: impl FnOnce() + Send + 'static) -> Result<Thread, StoreError> {
    let started = thread::Builder::new().name(name.into()).spawn(run);
    started
        .map(|handle| handle.thread().clone())
        .map_err(|error| StoreError::Unavailable(format!("its heartbeat cannot be started: {error}")))
}

impl State {
    /// Returns the length of the shortest lease that is held.
    fn shortest(&mut self) -> Option<Duration> {
        self.leases.retain(|kept| kept.lease.strong_count() > 0);
        self.leases.iter().map(|kept| kept.length).min()
    }

    /// Returns how long the shortest lease still counts without another beat, and its length; `None` without a lease.
    fn left(&mut self, now: Instant) -> Option<(Duration, Duration)> {
        let shortest = self.shortest()?;
        // Before the first beat there is no claim.
        let since = self.beaten.map_or(Duration::ZERO, |beaten| now.saturating_duration_since(beaten));
        Some((shortest.saturating_sub(since), shortest))
    }

    /// Returns whether others may have treated this process as dead by now: the shortest lease has passed since the
    /// last beat.
    fn is_late(&mut self, now: Instant) -> bool {
        self.left(now).is_some_and(|(left, _)| left.is_zero())
    }

    /// Returns the losses of the leases that are held, without their store: closing it may take long.
    fn losses(&self) -> Vec<Arc<LeaseLoss>> {
        let held = self.leases.iter().filter(|kept| kept.lease.strong_count() > 0);
        held.map(|kept| kept.loss.clone()).collect()
    }

    /// Returns the leases that are held with their stores, which dropping them may close.
    fn held(&self) -> Vec<Arc<LeaseState>> {
        self.leases.iter().filter_map(|kept| kept.lease.upgrade()).collect()
    }
}

impl Heartbeat {
    /// Returns the heart of this store and owner, made now if there is none; those of closed stores are forgotten.
    fn of(store: &Arc<dyn Store>) -> Arc<Self> {
        let name = (store.identity(), store.owner());
        let mut hearts = locked(&HEARTS);
        hearts.retain(|heart| heart.is_used());
        if let Some(heart) = hearts.iter().find(|heart| heart.name == name) {
            return heart.clone();
        }
        let heart = Arc::new(Self {
            store: Arc::downgrade(store),
            name,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        hearts.push(heart.clone());
        heart
    }

    /// Returns whether its store is open, by this handle or by that of a lease.
    fn is_used(&self) -> bool {
        self.store.strong_count() > 0 || locked(&self.state).shortest().is_some()
    }

    /// Returns whether the counter has to be raised before a claim for `lease`.
    fn is_due(&self, lease: Duration) -> bool {
        let mut state = locked(&self.state);
        let is_old = state.beaten.is_none_or(|beaten| beaten.elapsed() >= lease / 3);
        is_old || state.is_late(Instant::now())
    }

    /// Starts the thread, if it does not run.
    fn start(self: &Arc<Self>) -> Result<(), StoreError> {
        let mut state = locked(&self.state);
        if state.has_thread {
            return Ok(());
        }
        let heart = self.clone();
        started("resilience-heartbeat", move || heart.run())?;
        state.has_thread = true;
        Ok(())
    }

    /// Renews the leases until the last handle of the store is dropped, and writes the ends that the store did not take
    /// yet after each renewal.
    fn run(&self) {
        let mut wait = Duration::ZERO;
        while let Some((store, lease)) = self.next(wait) {
            // A store of the program's own may panic: the others are kept all the same.
            let beaten = contained(|| {
                block_on(async {
                    self.beat(&store, lease).await?;
                    end::write_owed_ends(&store).await;
                    Ok::<_, StoreError>(())
                })
            });
            // A failed beat is tried again soon; the watch decides what it means for the leases.
            wait = if let Some(Ok(())) = beaten { Duration::ZERO } else { lease / 9 };
        }
    }

    /// Waits until the next beat is due; `None` once the store is closed.
    fn next(&self, wait: Duration) -> Option<(Arc<dyn Store>, Duration)> {
        // A store that is no longer used is not kept open by its heartbeat: this often it looks.
        const IDLE: Duration = Duration::from_secs(1);
        let due = Instant::now().checked_add(wait);
        let mut state = locked(&self.state);
        loop {
            let shortest = state.shortest();
            if shortest.is_none() && self.store.strong_count() == 0 {
                state.has_thread = false;
                return None;
            }
            let left = match (shortest, due) {
                (None, _) => IDLE,
                (Some(shortest), due) => {
                    let since = state.beaten.map_or(shortest, |beaten| beaten.elapsed());
                    let left = (shortest / 3).saturating_sub(since);
                    let not_before =
                        due.map_or(Duration::ZERO, |due| due.saturating_duration_since(Instant::now()));
                    let left = if wait.is_zero() { left } else { left.min(shortest / 3).max(not_before) };
                    if left.is_zero() {
                        // Another handle of the store may have been dropped, and the leases go on.
                        let of_lease = || Some(state.held().first()?.store.clone());
                        match self.store.upgrade().or_else(of_lease) {
                            Some(store) => return Some((store, shortest)),
                            None => continue,
                        }
                    }
                    left
                }
            };
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Raises the counter. If the counter is gone, or is raised too late, others may have treated this process as
    /// dead: the leases that they took over are lost.
    ///
    /// Leases that were reported as lost are looked at, too: one whose fence is unchanged is found again. While a
    /// record cannot be read, the heart stays unsure, and the next beat looks again.
    async fn beat(&self, store: &Arc<dyn Store>, lease: Duration) -> Result<(), StoreError> {
        // Others may see the counter change as early as this.
        let begun = Instant::now();
        let was_buried = match store.renew(lease).await {
            Ok(()) => false,
            Err(StoreError::Fenced { .. }) => true,
            Err(error) => return Err(error),
        };
        let (held, is_unsure) = {
            let mut state = locked(&self.state);
            state.is_unsure |= was_buried || state.is_late(Instant::now());
            state.beaten = state.beaten.max(Some(begun));
            (state.held(), state.is_unsure)
        };
        let mut is_known = true;
        for held in held.into_iter().filter(|held| is_unsure || held.loss.is_lost()) {
            match store.get(&held.key).await {
                Ok(Some(record)) if record.fence == held.fence && record.status.is_held() => held.loss.keep(),
                Ok(_) => held.loss.lose(),
                Err(_) => is_known = false,
            }
        }
        if is_unsure {
            locked(&self.state).is_unsure = !is_known;
        }
        Ok(())
    }

    /// Reports the leases as lost, if the counter was not raised for so long that others may have treated this process
    /// as dead.
    fn lose_if_late(&self, now: Instant) {
        let late = {
            let mut state = locked(&self.state);
            if state.is_late(now) { state.losses() } else { Vec::new() }
        };
        for lost in late {
            lost.lose();
        }
    }

    /// Returns when to look again; `None` if no lease is held.
    fn next_look(&self, now: Instant) -> Option<Duration> {
        let (left, shortest) = locked(&self.state).left(now)?;
        Some(if left.is_zero() { shortest / 3 } else { left })
    }
}
