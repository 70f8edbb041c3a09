//! The waiters of this process for one lock, in the order of their arrival.
//!
//! Only the first tries to lock the file, and has the turn. The queue decides who may try, not who holds: the kernel
//! does that, so a mistake here could only be unfair.
//!
//! A future may never be polled again without being dropped. So the first waiter has to come back in time: a late one
//! loses the turn, and the next one goes before it until it is polled again.

use super::locked::Locked;
use crate::base::clock::{Timer, real_time};
use crate::base::guarded::{discard, wake};
use crate::base::of_process::OfProcess;
use crate::base::sync::locked;
use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

/// By how much the first waiter may be late.
const GRACE: Duration = Duration::from_millis(100);

#[derive(Debug, Default)]
struct Waiting {
    waker: Option<Waker>,
    /// When the waiter is late; `None` until it rests as the first.
    due: Option<Instant>,
    is_late: bool,
}

/// The order is that of the tickets' numbers. The turn, once this process has it, goes from waiter to waiter of the
/// queue without being given back, as long as the first one comes in time.
#[derive(Debug, Default)]
struct Queue {
    last: u64,
    waiting: BTreeMap<u64, Waiting>,
    /// The turn, and the number of the waiter that has it.
    turn: Option<(u64, Arc<Locked>)>,
    /// When the first waiter is checked, and the timer for that.
    watch: Option<(Instant, Timer)>,
}

static QUEUES: OfProcess<Mutex<BTreeMap<PathBuf, Queue>>> = OfProcess::locked(BTreeMap::new());

impl Queue {
    /// Returns the waiter that may try: the first that is not late.
    fn first(&self) -> Option<u64> {
        let in_time = self.waiting.iter().find(|(_, waiting)| !waiting.is_late);
        in_time.or_else(|| self.waiting.first_key_value()).map(|(number, _)| *number)
    }

    /// Lets the first waiter try, which has to come in time, and returns its waker.
    fn call_first(&mut self) -> Option<Waker> {
        let first = self.first()?;
        let waiting = self.waiting.get_mut(&first)?;
        waiting.due = Some(Instant::now() + GRACE);
        waiting.waker.take()
    }

    fn take_turn(&mut self, number: u64) -> Option<Arc<Locked>> {
        self.turn.take_if(|(owner, _)| *owner == number).map(|(_, turn)| turn)
    }
}

/// A place in the queue, left when it is dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    path: PathBuf,
    number: u64,
}

impl Ticket {
    /// Takes the last place of the queue for the lock at `path`.
    pub(super) fn new(path: &Path) -> Self {
        let mut queues = locked(&QUEUES);
        let queue = queues.entry(path.to_owned()).or_default();
        queue.last += 1;
        let number = queue.last;
        queue.waiting.insert(number, Waiting::default());
        Self { path: path.to_owned(), number }
    }

    fn with<R>(&self, work: impl FnOnce(&mut Queue) -> R) -> Option<R> {
        locked(&QUEUES).get_mut(&self.path).map(work)
    }

    /// Returns whether it is its turn; `waker` is called when it is, or when the lock may be free.
    pub(super) fn is_first(&self, waker: &Waker) -> bool {
        // Wakers are code of an executor: they are cloned and dropped outside of the lock.
        let waker = waker.clone();
        let asked = self.with(|queue| {
            let waiting = queue.waiting.entry(self.number).or_default();
            waiting.is_late = false;
            let before = waiting.waker.replace(waker);
            (before, queue.first() == Some(self.number))
        });
        asked.is_none_or(|(before, is_first)| {
            discard(before);
            is_first
        })
    }

    /// Returns the turn, if this process has it: that of the first waiter, which this one is.
    pub(super) fn turn(&self) -> Option<Arc<Locked>> {
        self.with(|queue| {
            let (owner, turn) = queue.turn.as_mut()?;
            *owner = self.number;
            Some(turn.clone())
        })?
    }

    /// Keeps the turn until this waiter leaves or is late.
    pub(super) fn keep(&self, turn: Locked) -> Arc<Locked> {
        let turn = Arc::new(turn);
        let before = self.with(|queue| queue.turn.replace((self.number, turn.clone())));
        drop(before);
        turn
    }

    /// Notes that this waiter comes again at `until`, if it is the first.
    pub(super) fn rests(&self, until: Instant) {
        self.with(|queue| {
            if queue.first() == Some(self.number)
                && let Some(waiting) = queue.waiting.get_mut(&self.number)
            {
                waiting.due = until.checked_add(GRACE);
            }
        });
        watch(&self.path);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut queues = locked(&QUEUES);
        let Some(queue) = queues.get_mut(&self.path) else { return };
        let (own, turn) = (queue.waiting.remove(&self.number), queue.take_turn(self.number));
        let next = queue.call_first();
        let empty = if queue.waiting.is_empty() { queues.remove(&self.path) } else { None };
        drop(queues);
        discard((own, turn, empty));
        if let Some(next) = next {
            watch(&self.path);
            wake(next);
        }
    }
}

/// Notes that the lock at `path` was released in this process: the first waiter tries again.
pub(super) fn released(path: &Path) {
    let mut queues = locked(&QUEUES);
    let first = queues.get_mut(path).and_then(Queue::call_first);
    drop(queues);
    if let Some(first) = first {
        watch(path);
        wake(first);
    }
}

/// Looks at the first waiter of the queue at `path` when it is due, unless that happens anyway.
fn watch(path: &Path) {
    let due = {
        let queues = locked(&QUEUES);
        let Some(queue) = queues.get(path) else { return };
        let first = queue.first().and_then(|first| queue.waiting.get(&first));
        let Some(due) = first.filter(|first| !first.is_late).and_then(|first| first.due) else { return };
        if queue.watch.as_ref().is_some_and(|(at, _)| *at <= due) {
            return;
        }
        due
    };
    let look = Arc::new(QueueWaker { path: path.to_owned(), is_set: AtomicBool::new(false) });
    let mut timer = real_time(due.saturating_duration_since(Instant::now()).max(GRACE));
    // The timer calls at once where the system refuses it a thread: then nothing is looked at.
    let is_pending =
        Pin::new(&mut timer).poll(&mut Context::from_waker(&Waker::from(look.clone()))).is_pending();
    look.is_set.store(is_pending, Ordering::SeqCst);
    let mut queues = locked(&QUEUES);
    let before = queues.get_mut(path).and_then(|queue| queue.watch.replace((due, timer)));
    drop(queues);
    drop(before);
}

/// The waker that the timer calls when the first waiter of a queue is due.
struct QueueWaker {
    path: PathBuf,
    is_set: AtomicBool,
}

impl Wake for QueueWaker {
    fn wake(self: Arc<Self>) {
        if self.is_set.load(Ordering::SeqCst) {
            look(&self.path);
        }
    }
}

/// Lets the next waiter go before the first one if that is late.
fn look(path: &Path) {
    let mut queues = locked(&QUEUES);
    let Some(queue) = queues.get_mut(path) else { return };
    let watch = queue.watch.take();
    let Some(first) = queue.first() else { return };
    let waiting = queue.waiting.entry(first).or_default();
    let (mut turn, mut next) = (None, None);
    if waiting.due.is_some_and(|due| due <= Instant::now()) && !waiting.is_late {
        waiting.is_late = true;
        turn = queue.take_turn(first);
        next = queue.call_first();
    }
    drop(queues);
    drop((watch, turn));
    next.into_iter().for_each(wake);
    self::watch(path);
}
