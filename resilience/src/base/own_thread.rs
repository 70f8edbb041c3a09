//! Code of the program that gets values on a thread of its own: handlers of events, sinks of alerts.
//!
//! The thread starts with a value and ends when none has come for a while. So the code holds up nothing but itself, and
//! goes on when the call that the value is about is dropped.

use super::clock;
use super::guarded::guarded;
use super::handling;
use super::sync::locked;
use super::world::{World, run_in};
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, PoisonError, TryLockError};
use std::time::{Duration, Instant};

/// The time that the thread stays without a value.
const LINGER: Duration = Duration::from_secs(1);

/// The code, with its state.
///
/// Called with one value at a time, so that it may keep state without a lock of its own.
type Code<T> = Box<dyn FnMut(&T) + Send>;

/// The code and the values that wait for it.
pub(crate) struct OwnThread<T> {
    number: u64,
    name: &'static str,
    /// The most values that wait. When there are more, the first that `may_go` is skipped, or else the first.
    most: usize,
    may_go: fn(&T) -> bool,
    /// Locked by the thread, for one value at a time; emptied when the code goes.
    code: Mutex<Option<Code<T>>>,
    state: Mutex<State<T>>,
    changed: Condvar,
}

/// The state shared by the pushing threads and the thread of the code. Values are dropped outside of the lock: they may
/// be the program's.
struct State<T> {
    waiting: VecDeque<Item<T>>,
    /// The process in which the thread runs: a fork's child has the code, and not the thread.
    running: Option<u32>,
    /// When the code got the value that it has now.
    busy_since: Option<Instant>,
    is_removed: bool,
    skipped: u64,
}

/// A value for the code.
struct Item<T> {
    value: T,
    /// The code on threads of this kind that the value comes from.
    inside: Vec<u64>,
    world: Option<World>,
}

impl<T: Send + 'static> OwnThread<T> {
    /// Creates the handle of a thread called `name`, which starts with the first value.
    pub(crate) fn new(
        name: &'static str,
        most: usize,
        may_go: fn(&T) -> bool,
        code: impl FnMut(&T) + Send + 'static,
    ) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            running: None,
            busy_since: None,
            is_removed: false,
            skipped: 0,
        };
        Self {
            number: handling::new_number(),
            name,
            most,
            may_go,
            code: Mutex::new(Some(Box::new(code))),
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// Passes a value on, which comes from the code with the numbers `inside`. Whether it may reach the code: not if it
    /// comes from that itself, or if the code was removed.
    ///
    /// It never waits for the code. What had to go for it is counted, and dropped here, outside of the lock.
    pub(crate) fn push(self: &Arc<Self>, value: T, inside: Vec<u64>) -> bool {
        if inside.contains(&self.number) {
            return false;
        }
        let item = Item { value, inside, world: World::here() };
        let process = std::process::id();
        let mut state = locked(&self.state);
        if state.is_removed {
            return false;
        }
        state.waiting.push_back(item);
        let out = if state.waiting.len() > self.most {
            let first = state.waiting.iter().position(|item| (self.may_go)(&item.value));
            state.waiting.remove(first.unwrap_or(0))
        } else {
            None
        };
        state.skipped += u64::from(out.is_some());
        let is_running = state.running == Some(process);
        if !is_running {
            // The value of the parent's thread at the fork does not concern its child.
            state.busy_since = None;
            state.running = Some(process);
        }
        drop(state);
        drop(out);
        self.changed.notify_all();
        if !is_running && !self.start() {
            self.skip_all();
        }
        true
    }

    /// Starts the thread; whether there is one.
    fn start(self: &Arc<Self>) -> bool {
        let own = self.clone();
        let thread = std::thread::Builder::new().name(self.name.to_owned());
        thread.spawn(move || while own.handle_next() {}).is_ok()
    }

    /// Skips all waiting values, since there is no thread; the next value tries again to start one.
    fn skip_all(&self) {
        let mut state = locked(&self.state);
        state.running = None;
        let skipped = std::mem::take(&mut state.waiting);
        state.skipped += u64::try_from(skipped.len()).unwrap_or(u64::MAX);
        drop(state);
        drop(skipped);
        self.changed.notify_all();
    }

    /// Passes the next value to the code; whether the thread goes on.
    ///
    /// A panic of the code is counted, and the next value is passed on all the same. No other thread of this process has
    /// the code: where it is locked, this is a fork's child, whose parent was in it, and the value is skipped.
    fn handle_next(&self) -> bool {
        let is_idle = |state: &mut State<T>| state.waiting.is_empty() && !state.is_removed;
        let waited = self.changed.wait_timeout_while(locked(&self.state), LINGER, is_idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let Some(item) = state.waiting.pop_front() else {
            state.running = None;
            return false;
        };
        state.busy_since = Some(clock::now());
        drop(state);
        let Item { value, inside, world } = item;
        let inside = inside.into_iter().chain([self.number]).collect();
        let mut code = match self.code.try_lock() {
            Ok(code) => Some(code),
            Err(TryLockError::Poisoned(code)) => Some(code.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        let is_skipped = code.is_none();
        run_in(world.as_ref(), || {
            let _inside = handling::enter(inside);
            guarded(|| code.as_mut()?.as_mut().map(|code| code(&value)));
        });
        drop(code);
        drop(value);
        let mut state = locked(&self.state);
        state.busy_since = None;
        state.skipped += u64::from(is_skipped);
        drop(state);
        self.changed.notify_all();
        true
    }

    /// Waits until no value waits and the code has none, at most until `end`; whether it is so. Code does not wait for
    /// itself: `callers` are the numbers of what the waiting code is part of.
    pub(crate) fn flush(&self, end: Instant, callers: &[u64]) -> bool {
        let is_busy = |state: &mut State<T>| state.busy_since.is_some() || !state.waiting.is_empty();
        let mut state = locked(&self.state);
        if callers.contains(&self.number) {
            return !is_busy(&mut state);
        }
        let left = end.saturating_duration_since(clock::now());
        let waited = self.changed.wait_timeout_while(state, left, is_busy);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Returns when the code got the value that it has now.
    pub(crate) fn busy_since(&self) -> Option<Instant> {
        locked(&self.state).busy_since
    }

    /// Ends it: what the code has now goes on, and nothing begins after it.
    pub(crate) fn remove(&self) {
        let mut state = locked(&self.state);
        state.is_removed = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        drop(waiting);
        self.changed.notify_all();
    }

    /// Returns the number of values that have not reached the code.
    pub(crate) fn skipped(&self) -> u64 {
        locked(&self.state).skipped
    }
}

impl<T> Drop for OwnThread<T> {
    fn drop(&mut self) {
        let code = self.code.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        guarded(|| drop(code));
    }
}

impl<T> fmt::Debug for OwnThread<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnThread")
            .field("name", &self.name)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "ops"))]
mod tests {
    use super::*;
    use crate::base::guarded::DropPanics;
    use std::panic::panic_any;
    use std::sync::mpsc::channel;

    #[test]
    fn the_thread_survives_a_panic_payload_that_panics_on_drop() {
        let (sender, handled) = channel();
        let code = move |value: &u32| {
            let _ = sender.send(*value);
            panic_any(DropPanics);
        };
        let thread = Arc::new(OwnThread::new("test", 10, |_| true, code));
        for value in 0..3 {
            assert!(thread.push(value, Vec::new()));
            assert_eq!(handled.recv_timeout(Duration::from_secs(60)), Ok(value));
        }
    }

    #[test]
    fn a_forked_child_skips_the_values_of_code_that_its_parent_was_in() {
        let thread = Arc::new(OwnThread::new("test", 10, |_| true, |_: &u32| {}));
        // The state after a fork: the thread that has the lock of the code is not there.
        std::mem::forget(thread.code.lock());
        locked(&thread.state).running = Some(std::process::id() + 1);
        for value in 0..3 {
            assert!(thread.push(value, Vec::new()));
        }
        assert!(thread.flush(clock::now() + Duration::from_secs(10), &[]), "nothing waits");
        assert_eq!(thread.skipped(), 3);
        drop(thread);
    }
}
