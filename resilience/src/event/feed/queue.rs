//! The events that wait for one subscription.

use super::record::EventRecord;
use crate::base::guarded::{release, wake};
use crate::base::sync::locked;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// The most events that wait; then the oldest is dropped.
pub(super) const MOST: usize = 1_000;

#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Arc<EventRecord>>,
    dropped: u64,
    /// The task or thread that waits for the next event.
    waker: Option<Waker>,
}

impl Queue {
    /// Adds an event, in place of the oldest where the queue is full.
    pub(super) fn push(&self, record: Arc<EventRecord>) {
        let mut state = locked(&self.state);
        let oldest = if state.waiting.len() >= MOST { state.waiting.pop_front() } else { None };
        state.dropped += u64::from(oldest.is_some());
        state.waiting.push_back(record);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            wake(waker);
        }
    }

    pub(super) fn pop(&self) -> Option<Arc<EventRecord>> {
        locked(&self.state).waiting.pop_front()
    }

    /// Returns the oldest event; if there is none, the task is woken when one comes.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Arc<EventRecord>> {
        if let Some(record) = self.pop() {
            return Poll::Ready(record);
        }
        // A waker is code of an executor: it is made and dropped outside of the lock.
        let waker = cx.waker().clone();
        let mut state = locked(&self.state);
        if let Some(record) = state.waiting.pop_front() {
            drop(state);
            release(Vec::new(), vec![waker]);
            return Poll::Ready(record);
        }
        let before = state.waker.replace(waker);
        drop(state);
        release(Vec::new(), before.into_iter().collect());
        Poll::Pending
    }

    pub(super) fn dropped(&self) -> u64 {
        locked(&self.state).dropped
    }
}
