//! The callers that wait for a policy, and the work for them when its lock is free.
//!
//! Bulkhead, rate limit and cache each keep such a queue behind a lock. No code of the program runs under that lock.
//! Wakers are such code: they are cloned before the lock is taken, and woken and dropped after it is free ([`After`]).

use crate::base::guarded::release;
use crate::event::LogPace;
use std::collections::{VecDeque, vec_deque};
use std::mem;
use std::sync::atomic::AtomicU64;
use std::task::Waker;

#[cfg(all(test, loom))]
pub(crate) mod loom;

/// The callers that wait, in the order of their arrival.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    all: VecDeque<Waiter>,
    /// The number of the last one.
    last: u64,
}

#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) number: u64,
    /// The end of the time that it keeps its place, as a moment in nanoseconds.
    pub(crate) until: u64,
    waker: Waker,
}

/// The counts of a policy whose calls wait or are rejected.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) rejected: AtomicU64,
    pub(crate) waited: AtomicU64,
    /// The rate of lines about rejections in `tracing`, for all keys of a keyed policy together.
    pub(crate) pace: LogPace,
}

impl Counters {
    pub(crate) const fn new() -> Self {
        Self { rejected: AtomicU64::new(0), waited: AtomicU64::new(0), pace: LogPace::new() }
    }
}

/// The work that remains when the lock is free.
#[derive(Debug, Default)]
#[must_use = "callers would not be woken"]
pub(crate) struct After {
    pub(crate) wake: Vec<Waker>,
    /// Wakers that are not needed any more: dropping one runs code of the executor.
    pub(crate) drop: Vec<Waker>,
    /// When the queue has to be checked next, even if no caller does; of a bulkhead.
    pub(crate) due: Option<u64>,
}

impl After {
    /// Wakes and drops, without a lock; returns when the queue has to be looked at next.
    pub(crate) fn finish(self) -> Option<u64> {
        release(self.wake, self.drop);
        self.due
    }
}

impl Waiters {
    pub(crate) const fn new() -> Self {
        Self { all: VecDeque::new(), last: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(crate) fn iter(&self) -> vec_deque::Iter<'_, Waiter> {
        self.all.iter()
    }

    /// Returns the number of the first caller.
    pub(crate) fn first(&self) -> Option<u64> {
        self.all.front().map(|waiter| waiter.number)
    }

    /// Returns the number that was given last.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Adds a caller at the end, and returns its number.
    pub(crate) fn push(&mut self, until: u64, waker: Waker) -> u64 {
        self.last += 1;
        self.all.push_back(Waiter { number: self.last, until, waker });
        self.last
    }

    /// Puts a caller that has been woken back at its place; it passes a new waker when it looks.
    pub(crate) fn put_back(&mut self, number: u64, until: u64) {
        let place = self.all.partition_point(|waiter| waiter.number < number);
        self.all.insert(place, Waiter { number, until, waker: Waker::noop().clone() });
    }

    /// Returns the place of the caller with this number; `None` if it waits no longer.
    pub(crate) fn place(&self, number: u64) -> Option<usize> {
        // Numbers are given in the order of arrival.
        self.all.binary_search_by_key(&number, |waiter| waiter.number).ok()
    }

    /// Wakes the caller at `place` with `waker` from now on.
    pub(crate) fn renew(&mut self, place: usize, waker: Waker, after: &mut After) {
        let unused = match self.all.get_mut(place) {
            Some(waiter) => mem::replace(&mut waiter.waker, waker),
            None => waker,
        };
        after.drop.push(unused);
    }

    /// Removes the caller with this number, without waking it, and returns the place that it had.
    pub(crate) fn remove(&mut self, number: u64, after: &mut After) -> Option<usize> {
        let place = self.place(number)?;
        after.drop.extend(self.all.remove(place).map(|waiter| waiter.waker));
        Some(place)
    }

    /// Removes the first caller and wakes it.
    pub(crate) fn wake_first(&mut self, after: &mut After) -> Option<Waiter> {
        self.wake(0, after);
        self.all.pop_front()
    }

    /// Wakes the caller at `place`, which stays. Its waker is taken, not cloned; the caller passes a new one when it looks.
    pub(crate) fn wake(&mut self, place: usize, after: &mut After) {
        let waiter = self.all.get_mut(place);
        after.wake.extend(waiter.map(|waiter| mem::replace(&mut waiter.waker, Waker::noop().clone())));
    }

    /// Wakes all callers, which stay.
    pub(crate) fn wake_all(&mut self, after: &mut After) {
        (0..self.all.len()).for_each(|place| self.wake(place, after));
    }
}
