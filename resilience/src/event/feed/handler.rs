//! Closures that are called with events.

use super::record::EventRecord;
use super::registry::{Listener, ListenerGuard};
use super::worker::Worker;
use crate::event::kind::Kind;
use std::mem::ManuallyDrop;
use std::sync::Arc;

/// Calls `handler` with every event of one of `kinds` from now on; the call that raised the event waits for it.
///
/// What the handler has written is there when that call returns. The handler has a thread of its own, on which
/// it gets one event after the other, so its state needs no lock. It continues when the call is dropped.
///
/// # Limits
///
/// - A call waits for all handlers together for at most one second, whatever the number of its events. In
///   async code the wait blocks the thread of the executor, as a hook does: hand long work on.
/// - A call whose second is over goes on, and the handler has an overrun. After three overruns in a row no
///   call waits for the handler during 60 s; it gets the events, and `tracing` one WARN.
/// - At most 1,000 events wait for a handler; then the oldest is skipped, and counted. So is every event for
///   which the system has no thread.
/// - An event that is raised inside the handler is not delivered to it, and the handler waits for no other.
/// - A panic in the handler ends neither the call nor the handler; [`hook_panics`](crate::event::hook_panics)
///   counts it.
///
/// # Examples
///
/// ```
/// use resilience::CircuitBreaker;
/// use resilience::events::{self, Kind};
/// use std::sync::mpsc;
///
/// let (sender, opened) = mpsc::channel();
/// let mut count = 0;
/// let handler = events::on([Kind::Opened], move |record| {
///     count += 1;
///     let _ = sender.send((record.event.point().to_owned(), count));
/// });
///
/// CircuitBreaker::new("handled").force_open();
/// assert!(opened.try_iter().any(|(point, _)| point == "handled"));
/// handler.remove();
/// ```
pub fn on(
    kinds: impl IntoIterator<Item = Kind>,
    handler: impl FnMut(&EventRecord) + Send + 'static,
) -> Handler {
    let worker = Arc::new(Worker::new(kinds.into_iter().collect(), handler));
    let listening = ManuallyDrop::new(ListenerGuard::begin(Listener::Handler(worker.clone())));
    Handler { worker, listening }
}

/// A handle to a handler that [`on`] has added.
///
/// The handler stays when this is dropped; [`remove`](Self::remove) takes it away.
///
/// # Examples
///
/// ```
/// use resilience::events::{self, Kind};
///
/// let handler = events::on(Kind::ALL.iter().copied(), |record| println!("{record}"));
/// assert_eq!((handler.skipped(), handler.overruns()), (0, 0));
/// handler.remove();
/// ```
#[derive(Debug)]
pub struct Handler {
    worker: Arc<Worker>,
    listening: ManuallyDrop<ListenerGuard>,
}

impl Handler {
    /// Removes the handler. It gets no further event; one that it handles now is not cut off.
    ///
    /// Events that wait for it are dropped. What the handler owns is dropped when the thread has ended, on any thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::CircuitBreaker;
    /// use resilience::events::{self, Kind};
    /// use std::sync::mpsc;
    ///
    /// # let _world = resilience::testing::isolate();
    /// let (sender, opened) = mpsc::channel();
    /// let handler = events::on([Kind::Opened], move |record| drop(sender.send(record.event.point().to_owned())));
    /// CircuitBreaker::new("before").force_open();
    /// handler.remove();
    /// CircuitBreaker::new("after").force_open();
    /// assert_eq!(opened.iter().collect::<Vec<_>>(), ["before"]);
    /// ```
    pub fn remove(self) {
        self.worker.remove();
        drop(ManuallyDrop::into_inner(self.listening));
    }

    /// Returns how many events the handler did not get, because 1,000 waited or no thread could be started; in a forked
    /// child whose parent was in the handler at the fork, all of them.
    ///
    /// Above zero, the handler is too slow for its events: choose fewer kinds, or hand the work on.
    pub fn skipped(&self) -> u64 {
        self.worker.skipped()
    }

    /// Returns how many times a call continued before the handler had handled its event.
    ///
    /// Three in a row let no call wait for the handler during 60 s; the number itself is never reset.
    pub fn overruns(&self) -> u64 {
        self.worker.overruns()
    }
}
