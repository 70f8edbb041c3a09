//! Looking for interrupted jobs again and again, for as long as the process lives.
//!
//! There is one sweep for each store, on a thread that lives as long as the process. A second `recover()` of the store
//! replaces its pass and its interval. A look that fails is reported once and tried again at the next turn: a
//! store that is down for a day costs one WARN.
//!
//! The thread waits on a condition variable, not on a timer of the runtime, so that sweeping does not depend on a
//! runtime that may end or be blocked.

use crate::base::block_on::block_on;
use crate::base::guarded::contained;
use crate::base::of_process::OfProcess;
use crate::base::stopping;
use crate::base::sync::locked;
use crate::durable::default_store::default_store;
use crate::durable::job::call::Provided;
use crate::durable::record::alert::warning;
use crate::durable::recovery::pass::RecoveryPass;
use crate::durable::recovery::retention::forget_old;
use crate::durable::recovery::runtime::JobRuntime;
use crate::durable::store::{self, Store};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The sweeps of this process, one for each store.
static SWEEPS: OfProcess<Mutex<Vec<Arc<Sweep>>>> = OfProcess::locked(Vec::new());

/// The sweep that starts once the default store can be opened.
static LATER: OfProcess<Mutex<Option<(Provided, JobRuntime, Duration)>>> = OfProcess::locked(None);

/// The sweep of one store.
#[derive(Debug)]
struct Sweep {
    state: Mutex<State>,
    woken: Condvar,
}

#[derive(Debug)]
struct State {
    /// The pass of the last recovery of this store.
    pass: Arc<RecoveryPass>,
    every: Duration,
    is_woken: bool,
}

fn sweep_of<'a>(sweeps: &'a [Arc<Sweep>], store: &Arc<dyn Store>) -> Option<&'a Arc<Sweep>> {
    sweeps.iter().find(|sweep| store::same(&locked(&sweep.state).pass.store, store))
}

/// Looks as `pass` does, every so often, on a thread of its own. A further recovery of the same store takes
/// the place of the first.
///
/// Where no thread can be started, there is one WARN, and the next `recover()` tries again.
pub(crate) fn start(pass: Arc<RecoveryPass>, every: Duration) {
    // A test's clock stands still, and its thread has no other.
    if crate::base::clock::is_manual() {
        return;
    }
    let mut sweeps = locked(&SWEEPS);
    if let Some(sweep) = sweep_of(&sweeps, &pass.store).cloned() {
        drop(sweeps);
        // The values of the earlier pass are the program's: they are dropped outside of the locks.
        let _earlier = {
            let mut state = locked(&sweep.state);
            state.every = every;
            // It may have come while `pass` looked.
            pass.inherit(&state.pass.provided());
            std::mem::replace(&mut state.pass, pass)
        };
        return sweep.woken.notify_one();
    }
    let state = Mutex::new(State { pass, every, is_woken: false });
    let sweep = Arc::new(Sweep { state, woken: Condvar::new() });
    let of_thread = sweep.clone();
    let thread = std::thread::Builder::new().name("resilience-sweep".to_owned());
    match thread.spawn(move || of_thread.run()) {
        Ok(_) => sweeps.push(sweep),
        Err(error) => warning("no thread for the sweep could be started", &error.to_string()),
    }
}

/// Looks in the default store, which cannot be opened now, as soon as it can be, and sweeps it from then on.
///
/// A further recovery that cannot open it either takes the place of the first.
pub(crate) fn start_later(mut provided: Provided, runtime: JobRuntime, every: Duration) {
    if crate::base::clock::is_manual() {
        return;
    }
    let mut later = locked(&LATER);
    let earlier = later.take();
    if let Some((earlier, ..)) = &earlier {
        provided.inherit(earlier);
    }
    *later = Some((provided, runtime, every));
    // Provided values are the program's: they are dropped outside of the lock.
    drop(later);
    if earlier.is_some() {
        return;
    }
    let thread = std::thread::Builder::new().name("resilience-sweep".to_owned());
    if let Err(error) = thread.spawn(wait_for_store) {
        let _lost = locked(&LATER).take();
        warning("no thread for the sweep could be started", &error.to_string());
    }
}

/// Tries to open the default store at the interval of the sweep, and begins to sweep it.
fn wait_for_store() {
    loop {
        let every = locked(&LATER).as_ref().map(|(.., every)| *every);
        let Some(every) = every else { return };
        std::thread::sleep(every);
        if stopping::has_begun() {
            return;
        }
        let Ok(store) = default_store() else { continue };
        let Some((provided, runtime, every)) = locked(&LATER).take() else { return };
        let sweep = sweep_of(&locked(&SWEEPS), &store).cloned();
        if let Some(sweep) = sweep {
            // A recovery that came since has begun it.
            let pass = locked(&sweep.state).pass.clone();
            pass.inherit(&provided);
        } else {
            let pass = Arc::new(RecoveryPass::new(provided, store, runtime));
            pass.report_look(block_on(pass.look(None, None)));
            start(pass, every);
        }
    }
}

/// Returns the values that were provided for the sweep of `store`.
///
/// A further recovery inherits it: a part of the program that only looks again need not know what the jobs of others
/// use.
pub(crate) fn provided_for(store: &Arc<dyn Store>) -> Provided {
    let sweeps = locked(&SWEEPS);
    let pass = sweep_of(&sweeps, store).map(|sweep| locked(&sweep.state).pass.clone());
    pass.map_or_else(Provided::default, |pass| pass.provided())
}

/// Returns the values that were provided while the default store could not be opened.
pub(crate) fn provided_for_later() -> Provided {
    locked(&LATER).as_ref().map_or_else(Provided::default, |(provided, ..)| provided.clone())
}

/// Makes the sweep of `store`, if this process has one, look at once.
pub(crate) fn wake(store: &Arc<dyn Store>) {
    if let Some(sweep) = sweep_of(&locked(&SWEEPS), store) {
        locked(&sweep.state).is_woken = true;
        sweep.woken.notify_one();
    }
}

/// Ends the sweeps: the process shuts down.
pub(crate) fn stop() {
    for sweep in &*locked(&SWEEPS) {
        locked(&sweep.state).is_woken = true;
        sweep.woken.notify_one();
    }
}

impl Sweep {
    /// Looks at the store at each interval and on request, until the sweep ends.
    ///
    /// Retention runs only when a look is due, and not for each requested look: `jobs::resume` in a loop
    /// deletes nothing.
    fn run(&self) {
        let mut is_due = true;
        loop {
            let pass = locked(&self.state).pass.clone();
            if is_due {
                // The store's code is foreign.
                contained(|| block_on(forget_old(&pass.store)));
            }
            is_due = self.wait();
            if stopping::has_begun() {
                return;
            }
            let pass = locked(&self.state).pass.clone();
            pass.report_look(block_on(pass.look(None, None)));
        }
    }

    /// Waits until the next look is due, or asked for; returns whether it is due.
    fn wait(&self) -> bool {
        let began = Instant::now();
        let mut state = locked(&self.state);
        loop {
            let left = state.every.saturating_sub(began.elapsed());
            if state.is_woken || left.is_zero() {
                state.is_woken = false;
                return left.is_zero();
            }
            state = self.woken.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::durable::MemoryStore;
    use std::sync::atomic::{AtomicBool, Ordering};

    static IS_FREE: AtomicBool = AtomicBool::new(false);

    #[derive(Debug)]
    struct Client;

    impl Drop for Client {
        fn drop(&mut self) {
            IS_FREE.store(SWEEPS.try_lock().is_ok() && LATER.try_lock().is_ok(), Ordering::Relaxed);
        }
    }

    #[test]
    fn provided_values_are_dropped_outside_the_locks() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let pass = |provided| Arc::new(RecoveryPass::new(provided, store.clone(), JobRuntime::default()));
        let provided = || {
            let mut provided = Provided::default();
            provided.insert(Arc::new(Client));
            provided
        };
        let state = State { pass: pass(provided()), every: Duration::MAX, is_woken: false };
        let sweep = Arc::new(Sweep { state: Mutex::new(state), woken: Condvar::new() });
        locked(&SWEEPS).push(sweep);
        start(pass(provided()), Duration::MAX);
        assert!(IS_FREE.swap(false, Ordering::Relaxed));

        // As if a thread waited for the store.
        *locked(&LATER) = Some((provided(), JobRuntime::default(), Duration::MAX));
        start_later(provided(), JobRuntime::default(), Duration::MAX);
        assert!(IS_FREE.swap(false, Ordering::Relaxed));
        assert!(locked(&LATER).take().is_some());
    }
}
