//! One at a time: callers of one key in one process take turns, so that one body runs and the others
//! find its result.

use crate::durable::store::Store;
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Which store, and which key in it.
type Key = (usize, String);

/// The keys that are taken, and who waits for each.
static TAKEN: Mutex<Option<HashMap<Key, Vec<Waker>>>> = Mutex::new(None);

fn taken() -> MutexGuard<'static, Option<HashMap<Key, Vec<Waker>>>> {
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The right to work on a key, until it and its clones are dropped.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    _held: Arc<Held>,
}

#[derive(Debug)]
struct Held {
    key: Key,
}

/// Waits for the turn of `key` in `store`.
pub(crate) fn turn(store: &Arc<dyn Store>, key: &str) -> Waiting {
    Waiting { key: (Arc::as_ptr(store).cast::<()>().addr(), key.to_owned()) }
}

#[derive(Debug)]
pub(crate) struct Waiting {
    key: Key,
}

impl Future for Waiting {
    type Output = Turn;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Turn> {
        let mut taken = taken();
        let taken = taken.get_or_insert_default();
        match taken.get_mut(&self.key) {
            None => {
                taken.insert(self.key.clone(), Vec::new());
                Poll::Ready(Turn { _held: Arc::new(Held { key: self.key.clone() }) })
            }
            Some(waiting) => {
                if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                    waiting.push(cx.waker().clone());
                }
                Poll::Pending
            }
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let waiting = taken().as_mut().and_then(|taken| taken.remove(&self.key));
        waiting.into_iter().flatten().for_each(Waker::wake);
    }
}

/// Whether somebody in this process works on `key` of `store` right now.
pub(crate) fn is_taken(store: &Arc<dyn Store>, key: &str) -> bool {
    let key = (Arc::as_ptr(store).cast::<()>().addr(), key.to_owned());
    taken().as_ref().is_some_and(|taken| taken.contains_key(&key))
}
