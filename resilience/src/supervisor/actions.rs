//! The functions of the program, called one at a time and away from everything else.
//!
//! One thread takes the calls from the queue, and ends when that is empty. It starts a further thread for each call and
//! waits for two seconds: an action that hangs keeps its own thread, and not the queue. So that such threads do not add
//! up without end, calls are dropped while 16 of them run.

use super::{ActionCounts, Pattern};
use crate::base::guarded::contained;
use crate::base::sync::locked;
use crate::base::world::{World, run_in};
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The most calls that wait.
const WAITING: usize = 100;
/// The time after which a call counts as overrun and no longer holds up the others.
const LIMIT: Duration = Duration::from_secs(2);
/// The most calls that have taken longer, and run on.
const ABANDONED: usize = 16;

pub(super) type Action = Arc<dyn Fn(&Pattern) + Send + Sync>;

/// The queue of the calls, and what was counted.
#[derive(Default)]
pub(super) struct Actions {
    queue: Mutex<Queue>,
    run: AtomicU64,
    panicked: AtomicU64,
    overran: AtomicU64,
    dropped: AtomicU64,
    running: AtomicUsize,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(Action, Pattern)>,
    has_thread: bool,
}

impl fmt::Debug for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Actions").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

impl Actions {
    /// Calls `action` when those before it have ended; drops it where 100 wait, or no thread can be had.
    pub(super) fn submit(self: &Arc<Self>, action: Action, pattern: Pattern) {
        let needs_thread = {
            let mut queue = locked(&self.queue);
            if queue.waiting.len() >= WAITING {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                return;
            }
            queue.waiting.push_back((action, pattern));
            !std::mem::replace(&mut queue.has_thread, true)
        };
        if needs_thread {
            let (actions, world) = (self.clone(), World::here());
            let work = move || run_in(world.as_ref(), || actions.work());
            let thread = std::thread::Builder::new().name("resilience-actions".to_owned());
            if thread.spawn(work).is_err() {
                let mut queue = locked(&self.queue);
                queue.has_thread = false;
                let lost = std::mem::take(&mut queue.waiting);
                drop(queue);
                self.dropped.fetch_add(lost.len() as u64, Ordering::Relaxed);
            }
        }
    }

    /// Makes one call after the other, until none waits.
    fn work(self: &Arc<Self>) {
        loop {
            let next = {
                let mut queue = locked(&self.queue);
                let next = queue.waiting.pop_front();
                queue.has_thread = next.is_some();
                next
            };
            let Some((action, pattern)) = next else { return };
            self.call(action, pattern);
        }
    }

    fn call(self: &Arc<Self>, action: Action, pattern: Pattern) {
        if self.running.load(Ordering::SeqCst) >= ABANDONED {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let (ended, has_ended) = channel();
        let (actions, world) = (self.clone(), World::here());
        self.running.fetch_add(1, Ordering::SeqCst);
        let call = move || {
            let result = contained(|| run_in(world.as_ref(), || action(&pattern)));
            actions.run.fetch_add(1, Ordering::Relaxed);
            if result.is_none() {
                actions.panicked.fetch_add(1, Ordering::Relaxed);
            }
            actions.running.fetch_sub(1, Ordering::SeqCst);
            let _ = ended.send(());
        };
        if std::thread::Builder::new().name("resilience-action".to_owned()).spawn(call).is_err() {
            self.running.fetch_sub(1, Ordering::SeqCst);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if let Err(RecvTimeoutError::Timeout) = has_ended.recv_timeout(LIMIT) {
            self.overran.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn counts(&self) -> ActionCounts {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ActionCounts {
            run: count(&self.run),
            panicked: count(&self.panicked),
            overran: count(&self.overran),
            dropped: count(&self.dropped),
        }
    }
}
