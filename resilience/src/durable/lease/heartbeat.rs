//! The heartbeat: one thread for each open store raises the counter of this process while it holds leases there.

use super::block_on::block_on;
use super::hold::{self, Shared};
use crate::durable::store::{Store, StoreError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// The stores in which this process holds or held leases.
static HEARTS: Mutex<Vec<Arc<Heart>>> = Mutex::new(Vec::new());

#[derive(Debug)]
struct Heart {
    store: Weak<dyn Store>,
    identity: String,
    /// The process whose thread it is: a fork has none.
    process: u32,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    has_thread: bool,
    leases: Vec<Weak<Shared>>,
    /// When the counter was raised last.
    beaten: Option<Instant>,
    /// The shortest lease since then: others may take this process for dead once it is over.
    shortest: Option<Duration>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_manual() -> bool {
    #[cfg(feature = "testing")]
    return crate::testing::current().is_some();
    #[cfg(not(feature = "testing"))]
    false
}

/// Makes sure that this process has a heartbeat in `store` before it claims anything there for `lease`.
///
/// # Errors
///
/// [`StoreError::Unavailable`] if the thread cannot be started, or if it could not write for a whole lease: a claim
/// that nobody keeps must not be made.
pub(crate) async fn ready(store: &Arc<dyn Store>, lease: Duration) -> Result<(), StoreError> {
    // A manual clock stands still.
    if is_manual() {
        return Ok(());
    }
    let heart = Heart::of(store);
    heart.start()?;
    let is_due = {
        let state = locked(&heart.state);
        if state.is_late(Instant::now()) {
            return Err(StoreError::Unavailable(
                "its heartbeat could not be written for a whole lease".to_owned(),
            ));
        }
        state.beaten.is_none_or(|beaten| beaten.elapsed() >= lease / 3)
    };
    if is_due {
        // Others see the counter change before they see a claim.
        match store.renew(lease).await {
            Ok(()) | Err(StoreError::Fenced { .. }) => locked(&heart.state).beaten = Some(Instant::now()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Keeps `lease` for as long as it is held.
pub(crate) fn keep(lease: &Arc<Shared>) {
    if is_manual() {
        return;
    }
    let heart = Heart::of(&lease.store);
    let mut state = locked(&heart.state);
    state.leases.retain(|lease| lease.strong_count() > 0);
    state.leases.push(Arc::downgrade(lease));
    let is_shorter = state.leases.len() == 1 || state.shortest.is_none_or(|shortest| lease.length < shortest);
    state.shortest = Some(state.shortest.map_or(lease.length, |shortest| shortest.min(lease.length)));
    drop(state);
    if is_shorter {
        heart.changed.notify_one();
    }
}

impl State {
    /// Whether others may have taken this process for dead by now.
    fn is_late(&self, now: Instant) -> bool {
        let has_leases = self.leases.iter().any(|lease| lease.strong_count() > 0);
        let late =
            |(beaten, shortest): (Instant, Duration)| now.saturating_duration_since(beaten) >= shortest;
        has_leases && self.beaten.zip(self.shortest).is_some_and(late)
    }
}

impl Heart {
    fn of(store: &Arc<dyn Store>) -> Arc<Self> {
        let identity = store.identity();
        let process = std::process::id();
        let mut hearts = locked(&HEARTS);
        hearts.retain(|heart| heart.store.strong_count() > 0 && heart.process == process);
        if let Some(heart) = hearts.iter().find(|heart| heart.identity == identity) {
            return heart.clone();
        }
        let heart = Arc::new(Self {
            store: Arc::downgrade(store),
            identity,
            process,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        hearts.push(heart.clone());
        heart
    }

    /// Starts the thread, if it does not run.
    fn start(self: &Arc<Self>) -> Result<(), StoreError> {
        let mut state = locked(&self.state);
        if state.has_thread {
            return Ok(());
        }
        let heart = self.clone();
        let thread = thread::Builder::new().name("resilience-heartbeat".into());
        let started = thread.spawn(move || heart.run());
        started
            .map_err(|error| StoreError::Unavailable(format!("its heartbeat cannot be started: {error}")))?;
        state.has_thread = true;
        Ok(())
    }

    fn run(&self) {
        let mut wait = Duration::ZERO;
        while let Some((store, lease)) = self.next(wait) {
            // A store of the program's own may panic: the others are kept all the same.
            let renewed = catch_unwind(AssertUnwindSafe(|| block_on(store.renew(lease))));
            wait = match renewed {
                Ok(Ok(())) => self.has_beaten(lease, false, &store),
                Ok(Err(StoreError::Fenced { .. })) => self.has_beaten(lease, true, &store),
                _ => self.has_failed(lease),
            };
        }
        locked(&self.state).has_thread = false;
    }

    /// Waits until the next beat is due; `None` once the store is closed.
    fn next(&self, wait: Duration) -> Option<(Arc<dyn Store>, Duration)> {
        // A store that nobody uses any more is not kept open by its heartbeat: this often it looks.
        const IDLE: Duration = Duration::from_secs(1);
        let due = Instant::now().checked_add(wait);
        let mut state = locked(&self.state);
        loop {
            if self.store.strong_count() == 0 {
                return None;
            }
            state.leases.retain(|lease| lease.strong_count() > 0);
            let lengths = state.leases.iter().filter_map(Weak::upgrade).map(|lease| lease.length);
            let shortest = lengths.min();
            let left = match (shortest, due) {
                (None, _) => IDLE,
                (Some(shortest), due) => {
                    let since = state.beaten.map_or(shortest, |beaten| beaten.elapsed());
                    let left = (shortest / 3).saturating_sub(since);
                    let not_before =
                        due.map_or(Duration::ZERO, |due| due.saturating_duration_since(Instant::now()));
                    let left = if wait.is_zero() { left } else { left.min(shortest / 3).max(not_before) };
                    if left.is_zero() {
                        return Some((self.store.upgrade()?, shortest));
                    }
                    left
                }
            };
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The counter was raised. If it was not there any more, others took this process for dead: what they took over
    /// is lost.
    fn has_beaten(&self, lease: Duration, was_buried: bool, store: &Arc<dyn Store>) -> Duration {
        let (held, was_late) = {
            let mut state = locked(&self.state);
            let was_late = state.is_late(Instant::now());
            state.beaten = Some(Instant::now());
            state.shortest = Some(lease);
            (state.leases.iter().filter_map(Weak::upgrade).collect::<Vec<_>>(), was_late)
        };
        for held in held.into_iter().filter(|held| was_buried || was_late || held.is_lost()) {
            match catch_unwind(AssertUnwindSafe(|| block_on(store.get(&held.key)))) {
                Ok(Ok(Some(record))) if record.fence == held.fence && record.status.is_held() => held.keep(),
                Ok(Ok(_)) => held.lose(),
                // Not known: it stays what it was.
                _ => {}
            }
        }
        let _ = catch_unwind(AssertUnwindSafe(|| block_on(hold::pay(store))));
        Duration::ZERO
    }

    /// The counter could not be raised: for now, or for so long that others may have taken this process for dead.
    fn has_failed(&self, lease: Duration) -> Duration {
        let held = {
            let state = locked(&self.state);
            let is_late = state.is_late(Instant::now());
            state.leases.iter().filter_map(Weak::upgrade).filter(|_| is_late).collect::<Vec<_>>()
        };
        for held in held {
            held.lose();
        }
        lease / 9
    }
}
