//! The waiters of this process for one lock, in the order of their arrival.
//!
//! Only the first tries to lock the file. The queue decides who may try, not who holds: the kernel does that, so a
//! mistake here could only be unfair.

use crate::base::guarded::wake;
use crate::base::of_process::OfProcess;
use crate::base::sync::locked;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::task::Waker;

#[derive(Debug, Default)]
struct Queue {
    last: u64,
    /// By number; the first may try.
    waiting: BTreeMap<u64, Option<Waker>>,
}

type Queues = Mutex<Option<HashMap<PathBuf, Queue>>>;

static QUEUES: OfProcess<Queues> = OfProcess::new(Mutex::new(None), |_| Mutex::new(None));

/// A place in the queue, left when it is dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    path: PathBuf,
    number: u64,
}

impl Ticket {
    /// The last place of the queue for the lock at `path`.
    pub(super) fn new(path: &Path) -> Self {
        let mut queues = locked(&QUEUES);
        let queue = queues.get_or_insert_default().entry(path.to_owned()).or_default();
        queue.last += 1;
        let number = queue.last;
        queue.waiting.insert(number, None);
        Self { path: path.to_owned(), number }
    }

    /// Whether it is its turn; `waker` is called when it is, or when the lock may be free.
    pub(super) fn is_first(&self, waker: &Waker) -> bool {
        let mut queues = locked(&QUEUES);
        let Some(queue) = queues.as_mut().and_then(|queues| queues.get_mut(&self.path)) else { return true };
        let before = queue.waiting.insert(self.number, Some(waker.clone()));
        let is_first = queue.waiting.first_key_value().is_none_or(|(first, _)| *first == self.number);
        drop(queues);
        // Wakers are code of an executor: dropped outside of the lock.
        drop(before);
        is_first
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut queues = locked(&QUEUES);
        let Some(all) = queues.as_mut() else { return };
        let Some(queue) = all.get_mut(&self.path) else { return };
        let own = queue.waiting.remove(&self.number);
        let next = queue.waiting.first_entry().and_then(|mut first| first.get_mut().take());
        if queue.waiting.is_empty() {
            all.remove(&self.path);
        }
        drop(queues);
        drop(own);
        next.into_iter().for_each(wake);
    }
}

/// The lock at `path` was released in this process: the first waiter tries again.
pub(super) fn released(path: &Path) {
    let mut queues = locked(&QUEUES);
    let queue = queues.as_mut().and_then(|queues| queues.get_mut(path));
    let first = queue.and_then(|queue| queue.waiting.first_entry()?.get_mut().take());
    drop(queues);
    first.into_iter().for_each(wake);
}
