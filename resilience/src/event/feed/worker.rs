//! A handler and its thread.
//!
//! Calls wait until the handler has handled their event: [`budget`](super::budget) says how long. An event on its way
//! owns its [`HandlingEnd`], which is reached when the event is dropped: after the handler has returned or panicked,
//! and also when the event is skipped or the handler is removed. So no call can wait for an event that will never be
//! handled.

use super::queue::MOST;
use super::record::EventRecord;
use crate::base::clock::{self, later};
use crate::base::guarded::{discard, wake};
use crate::base::handling;
use crate::base::own_thread::OwnThread;
use crate::base::sync::locked;
use crate::event::kind::{Kind, Kinds};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// The number of overruns in a row after which no call waits for the handler.
const OVERRUNS: u32 = 3;
/// The time for which no call waits then.
const APART: Duration = Duration::from_secs(60);

/// A handler with its queue.
#[derive(Debug)]
pub(super) struct Worker {
    kinds: Kinds,
    thread: Arc<OwnThread<Item>>,
    waits: Mutex<Waits>,
}

/// The results of the calls that have waited for a handler.
#[derive(Debug, Default)]
struct Waits {
    overruns: u64,
    overruns_in_row: u32,
    /// The time until which no call waits.
    apart_until: Option<Instant>,
}

/// An event for the handler. Dropped, it is handled, or never will be.
#[derive(Debug)]
struct Item {
    record: Arc<EventRecord>,
    end: Arc<HandlingEnd>,
}

impl Drop for Item {
    fn drop(&mut self) {
        self.end.reached();
    }
}

/// The end of the handling of an event.
#[derive(Debug, Default)]
struct HandlingEnd {
    /// Whether the end is reached, and the task that waits for it.
    state: Mutex<(bool, Option<Waker>)>,
}

impl HandlingEnd {
    fn reached(&self) {
        let mut state = locked(&self.state);
        state.0 = true;
        let waker = state.1.take();
        drop(state);
        if let Some(waker) = waker {
            wake(waker);
        }
    }

    fn poll(&self, waker: &Waker) -> bool {
        let waker = waker.clone();
        let mut state = locked(&self.state);
        let before = if state.0 { None } else { state.1.replace(waker) };
        let is_reached = state.0;
        drop(state);
        discard(before);
        is_reached
    }
}

/// An event that a call waits for until its handler has done with it.
pub(super) struct HandlingWait {
    worker: Arc<Worker>,
    end: Arc<HandlingEnd>,
}

impl HandlingWait {
    /// Returns whether the handler has handled the event.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        if self.end.poll(cx.waker()) { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Counts whether the handler was in time, once the call goes on.
    pub(super) fn count(&self) {
        self.worker.count(locked(&self.end.state).0);
    }
}

impl Worker {
    pub(super) fn new(kinds: Kinds, mut handler: impl FnMut(&EventRecord) + Send + 'static) -> Self {
        let thread =
            OwnThread::new("resilience-events", MOST, |_| true, move |item: &Item| handler(&item.record));
        Self { kinds, thread: Arc::new(thread), waits: Mutex::default() }
    }

    /// Passes the event to the handler, unless it does not want it or has caused it. The call waits for what this
    /// returns.
    pub(super) fn push(self: &Arc<Self>, record: &Arc<EventRecord>) -> Option<HandlingWait> {
        if !self.kinds.contain(Kind::of(&record.event)) {
            return None;
        }
        let (now, inside) = (clock::now(), handling::here());
        // Two handlers that raise events would wait for each other.
        let is_inside = !inside.is_empty();
        let end = Arc::new(HandlingEnd::default());
        let is_apart = locked(&self.waits).apart_until.is_some_and(|until| now < until);
        let is_passed = self.thread.push(Item { record: record.clone(), end: end.clone() }, inside);
        (is_passed && !is_apart && !is_inside).then(|| HandlingWait { worker: self.clone(), end })
    }

    /// Counts a wait of a call for this handler.
    fn count(&self, is_in_time: bool) {
        let now = clock::now();
        let mut waits = locked(&self.waits);
        if is_in_time {
            waits.overruns_in_row = 0;
            return;
        }
        waits.overruns += 1;
        waits.overruns_in_row += 1;
        if waits.overruns_in_row < OVERRUNS {
            return;
        }
        waits.overruns_in_row = 0;
        waits.apart_until = Some(later(now, APART));
        drop(waits);
        #[cfg(feature = "tracing")]
        crate::base::guarded::guarded(crate::event::trace::handler_is_slow);
    }

    /// Waits until the handler has done with its events, at most until `end`; whether it has. A handler does not wait
    /// for itself: `callers` are the handlers that the waiting code is part of.
    pub(super) fn flush(&self, end: Instant, callers: &[u64]) -> bool {
        self.thread.flush(end, callers)
    }

    /// Returns when the handler began the event that it handles now.
    pub(super) fn handling(&self) -> Option<Instant> {
        self.thread.busy_since()
    }

    /// Ends it: what it handles now goes on, and nothing begins after it.
    pub(super) fn remove(&self) {
        self.thread.remove();
    }

    pub(super) fn skipped(&self) -> u64 {
        self.thread.skipped()
    }

    pub(super) fn overruns(&self) -> u64 {
        locked(&self.waits).overruns
    }
}
