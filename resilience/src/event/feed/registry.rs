//! The listeners, and passing an event to them.

use super::budget::WaitBudget;
use super::queue::Queue;
use super::recent;
use super::record::{EventRecord, job_of};
use super::worker::Worker;
use crate::base::clock;
use crate::base::site::Site;
use crate::base::sync::locked;
use crate::event::Event;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// The number of listeners, those of all test worlds together: while it is zero nothing looks for one.
static LISTENERS: AtomicUsize = AtomicUsize::new(0);

/// The listeners of this process, or of a test world.
static ALL: Site<Mutex<Listeners>> = Site::new(Mutex::new(Listeners::NONE), Mutex::default);

#[derive(Debug, Default)]
struct Listeners {
    all: Vec<Listener>,
    /// The events that were lost by listeners which were removed.
    lost: LostCounts,
}

impl Listeners {
    const NONE: Self = Self { all: Vec::new(), lost: LostCounts { lagged: 0, skipped: 0 } };
}

/// The numbers of events that listeners did not get.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LostCounts {
    /// By subscriptions that were read too slowly.
    pub(crate) lagged: u64,
    /// By handlers that were too slow, or had no thread.
    pub(crate) skipped: u64,
}

impl LostCounts {
    fn add(self, listener: &Listener) -> Self {
        match listener {
            Listener::Queue(queue) => Self { lagged: self.lagged + queue.dropped(), ..self },
            Listener::Handler(worker) => Self { skipped: self.skipped + worker.skipped(), ..self },
        }
    }
}

/// Returns how many events were lost so far, also by listeners that were removed.
pub(crate) fn lost() -> LostCounts {
    let listeners = locked(&ALL);
    listeners.all.iter().fold(listeners.lost, LostCounts::add)
}

#[derive(Clone, Debug)]
pub(super) enum Listener {
    Queue(Arc<Queue>),
    Handler(Arc<Worker>),
}

impl Listener {
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Queue(one), Self::Queue(other)) => Arc::ptr_eq(one, other),
            (Self::Handler(one), Self::Handler(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

/// A listener gets events until this is dropped.
#[derive(Debug)]
pub(super) struct ListenerGuard {
    /// The list that it is in: that of the world in which it began.
    list: &'static Mutex<Listeners>,
    listener: Listener,
}

impl ListenerGuard {
    pub(super) fn begin(listener: Listener) -> Self {
        let list: &'static Mutex<_> = &ALL;
        locked(list).all.push(listener.clone());
        LISTENERS.fetch_add(1, Ordering::Relaxed);
        Self { list, listener }
    }
}

impl Drop for ListenerGuard {
    fn drop(&mut self) {
        LISTENERS.fetch_sub(1, Ordering::Relaxed);
        // The listener itself is dropped after the lock: a handler that goes may run code of the program.
        let mut listeners = locked(self.list);
        listeners.lost = listeners.lost.add(&self.listener);
        listeners.all.retain(|listener| !listener.is_same(&self.listener));
    }
}

/// Returns whether there are listeners, in whichever world.
#[inline]
pub(crate) fn has_listeners() -> bool {
    LISTENERS.load(Ordering::Relaxed) > 0
}

/// Keeps `event` in the ring of its point, and passes it to all who listen.
#[inline]
pub(crate) fn feed(event: &Event) {
    recent::keep(event);
    if has_listeners() {
        deliver(event);
    }
}

#[cold]
#[inline(never)]
fn deliver(event: &Event) {
    let listeners = locked(&ALL).all.clone();
    if listeners.is_empty() {
        return;
    }
    let record = Arc::new(EventRecord { event: event.clone(), at: clock::time_of_day(), job: job_of(event) });
    let must_wait = listeners.iter().any(|listener| matches!(listener, Listener::Handler(_)));
    let wait = must_wait.then(WaitBudget::here);
    let mut handled = Vec::new();
    for listener in &listeners {
        match listener {
            Listener::Queue(queue) => queue.push(Arc::clone(&record)),
            Listener::Handler(worker) => handled.extend(worker.push(&record)),
        }
    }
    if let Some(wait) = wait {
        wait.wait_for(event, &handled);
    }
}

/// Waits until the handlers have handled their events, at most until `end`; returns whether all have. The handlers in
/// `callers` are not waited for.
pub(crate) fn flush(end: Instant, callers: &[u64]) -> bool {
    // Every worker is waited for, also after one that was late.
    let are_done: Vec<_> = workers().iter().map(|worker| worker.flush(end, callers)).collect();
    are_done.into_iter().all(|is_done| is_done)
}

/// Returns the times at which the handlers that handle an event now began it.
pub(crate) fn handling() -> Vec<Instant> {
    workers().iter().filter_map(|worker| worker.handling()).collect()
}

fn workers() -> Vec<Arc<Worker>> {
    let listeners = locked(&ALL).all.clone();
    let workers = listeners.into_iter().filter_map(|listener| match listener {
        Listener::Handler(worker) => Some(worker),
        Listener::Queue(_) => None,
    });
    workers.collect()
}
