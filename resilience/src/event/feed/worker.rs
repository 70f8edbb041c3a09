//! The thread of a handler.
//!
//! A handler runs on a thread of its own, which starts with an event and ends when none has come for a while. So it
//! goes on when the call that raised the event is dropped, and holds up nothing but itself. Calls wait until it has
//! handled their event: [`budget`](super::budget) says how long.

use super::queue::MOST;
use super::record::EventRecord;
use crate::base::clock::{self, later};
use crate::base::guarded::{guarded, wake};
use crate::base::handling;
use crate::base::sync::locked;
use crate::base::world::{World, run_in};
use crate::event::kind::{Kind, Kinds};
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// After how many overruns in a row no call waits for the handler.
const OVERRUNS: u32 = 3;
/// How long no call waits then.
const APART: Duration = Duration::from_secs(60);
/// How long the thread stays without an event.
const LINGER: Duration = Duration::from_secs(1);

/// The code of a handler, with its state.
pub(super) type Code = Box<dyn FnMut(&EventRecord) + Send>;

/// A handler with its queue.
pub(super) struct Worker {
    number: u64,
    kinds: Kinds,
    /// Locked by the thread of the handler, for one event at a time; emptied when the handler goes.
    code: Mutex<Option<Code>>,
    state: Mutex<State>,
    arrived: Condvar,
    /// The handler has done with what waited.
    idle: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Item>,
    /// Since when the handler handles an event.
    handling: Option<Instant>,
    /// The process in which the thread runs: a fork's child has the handler, and not the thread.
    running: Option<u32>,
    is_removed: bool,
    skipped: u64,
    overruns: u64,
    overruns_in_row: u32,
    /// Until when no call waits.
    apart_until: Option<Instant>,
}

/// An event for the handler. Dropped, it is handled, or never will be.
struct Item {
    record: Arc<EventRecord>,
    /// The handlers that the code is part of which raised it.
    inside: Vec<u64>,
    world: Option<World>,
    end: Arc<End>,
}

impl Drop for Item {
    fn drop(&mut self) {
        self.end.reached();
    }
}

/// Whether a handler has done with an event.
#[derive(Debug, Default)]
struct End {
    /// Whether it is reached, and who waits for it.
    state: Mutex<(bool, Option<Waker>)>,
}

impl End {
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
        drop(before);
        is_reached
    }
}

/// An event that a call waits for until its handler has done with it.
pub(super) struct Handled {
    worker: Arc<Worker>,
    end: Arc<End>,
}

impl Handled {
    /// Whether the handler has done with the event.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        if self.end.poll(cx.waker()) { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Counts whether the handler was in time, once the call goes on.
    pub(super) fn count(&self) {
        self.worker.count(locked(&self.end.state).0);
    }
}

impl Worker {
    pub(super) fn new(kinds: Kinds, code: Code) -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self {
            number: LAST.fetch_add(1, Ordering::Relaxed) + 1,
            kinds,
            code: Mutex::new(Some(code)),
            state: Mutex::default(),
            arrived: Condvar::new(),
            idle: Condvar::new(),
        }
    }

    /// Passes the event to the handler, unless it does not want it or has caused it. The call waits for what this
    /// returns.
    pub(super) fn push(self: &Arc<Self>, record: &Arc<EventRecord>) -> Option<Handled> {
        let inside = handling::here();
        if !self.kinds.contain(Kind::of(&record.event)) || inside.contains(&self.number) {
            return None;
        }
        let (now, process) = (clock::now(), std::process::id());
        // Two handlers that raise events would wait for each other.
        let is_inside = !inside.is_empty();
        let end = Arc::new(End::default());
        let item = Item { record: record.clone(), inside, world: World::here(), end: end.clone() };
        let mut state = locked(&self.state);
        if state.is_removed {
            return None;
        }
        let is_apart = state.apart_until.is_some_and(|until| now < until);
        state.waiting.push_back(item);
        let oldest = if state.waiting.len() > MOST { state.waiting.pop_front() } else { None };
        state.skipped += u64::from(oldest.is_some());
        let is_running = state.running.replace(process) == Some(process);
        drop(state);
        drop(oldest);
        self.arrived.notify_one();
        if !is_running && !self.start() {
            self.skip_all();
        }
        (!is_apart && !is_inside).then(|| Handled { worker: self.clone(), end })
    }

    /// Starts the thread; whether there is one.
    fn start(self: &Arc<Self>) -> bool {
        let worker = self.clone();
        let thread = std::thread::Builder::new().name("resilience-events".to_owned());
        thread.spawn(move || while worker.handle_next() {}).is_ok()
    }

    /// There is no thread: what waits is skipped, and the next event tries again.
    fn skip_all(&self) {
        let mut state = locked(&self.state);
        state.running = None;
        let skipped = std::mem::take(&mut state.waiting);
        state.skipped += u64::try_from(skipped.len()).unwrap_or(u64::MAX);
        drop(state);
        drop(skipped);
        self.idle.notify_all();
    }

    /// Handles the next event; whether the thread goes on.
    fn handle_next(&self) -> bool {
        let is_idle = |state: &mut State| state.waiting.is_empty() && !state.is_removed;
        let waited = self.arrived.wait_timeout_while(locked(&self.state), LINGER, is_idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let Some(item) = state.waiting.pop_front() else {
            state.running = None;
            return false;
        };
        state.handling = Some(clock::now());
        drop(state);
        let inside = item.inside.iter().copied().chain([self.number]).collect();
        run_in(item.world.as_ref(), || {
            let _inside = handling::enter(inside);
            guarded(|| locked(&self.code).as_mut().map(|code| code(&item.record)));
        });
        locked(&self.state).handling = None;
        self.idle.notify_all();
        true
    }

    /// Waits until the handler has done with its events, at most until `end`; whether it has. A handler does not wait
    /// for itself: `callers` are the handlers that the waiting code is part of.
    pub(super) fn flush(&self, end: Instant, callers: &[u64]) -> bool {
        let is_busy = |state: &mut State| state.handling.is_some() || !state.waiting.is_empty();
        let mut state = locked(&self.state);
        if callers.contains(&self.number) {
            return !is_busy(&mut state);
        }
        let left = end.saturating_duration_since(clock::now());
        let waited = self.idle.wait_timeout_while(state, left, is_busy);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Counts a wait of a call for this handler.
    fn count(&self, is_in_time: bool) {
        let now = clock::now();
        let mut state = locked(&self.state);
        if is_in_time {
            state.overruns_in_row = 0;
            return;
        }
        state.overruns += 1;
        state.overruns_in_row += 1;
        if state.overruns_in_row < OVERRUNS {
            return;
        }
        state.overruns_in_row = 0;
        state.apart_until = Some(later(now, APART));
        drop(state);
        #[cfg(feature = "tracing")]
        guarded(crate::event::trace::handler_is_slow);
    }

    /// Ends it: what it handles now goes on, and nothing begins after it.
    pub(super) fn remove(&self) {
        let mut state = locked(&self.state);
        state.is_removed = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        drop(waiting);
        self.arrived.notify_one();
        self.idle.notify_all();
    }

    /// Since when the handler handles an event.
    pub(super) fn handling(&self) -> Option<Instant> {
        locked(&self.state).handling
    }

    pub(super) fn skipped(&self) -> u64 {
        locked(&self.state).skipped
    }

    pub(super) fn overruns(&self) -> u64 {
        locked(&self.state).overruns
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let code = locked(&self.code).take();
        guarded(|| drop(code));
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("number", &self.number)
            .field("kinds", &self.kinds)
            .finish_non_exhaustive()
    }
}
