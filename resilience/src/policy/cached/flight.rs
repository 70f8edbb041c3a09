//! Single flight: of the calls for one key, one runs, and the others wait for its result.
//!
//! A *flight* is such a call with the calls that wait for it. Its leader may end with a result, be dropped, panic, or
//! never be polled again; no call waits for it after its result is known. A change of the key (`put`, `invalidate`,
//! `clear`) takes the flight off the key: its leader stores nothing, and later calls do not join it.
//!
//! No code of the program runs under the lock: keys and results are shared pointers that are dropped outside,
//! wakers are cloned, woken and dropped outside.
//!
//! # The life of a flight
//!
//! ```text
//!               land ─────────────────> landed: waiters take the result, the last one removes it
//!              ╱
//!  lead ──> flying ── abandon, with waiters ──> a waiter is chosen ── it polls ──> flying, with a new leader
//!              ╲                                   │ it leaves
//!               ╲                                  └──> the next one is chosen
//!                └─ abandon, without waiters ──> removed
//! ```
//!
//! A flight is *on its key* as long as `by_hash` names it: then new calls join it, and its result is stored. Three
//! things take it off: it lands, the key changes, or a caller that has waited for long enough begins one in its
//! place. Off its key it flies on for the calls that wait already.
//!
//! # Invariants
//!
//! - At most one flight is on a key, so that at most one body runs for the callers that join. Others run beside it
//!   only by their own decision: their wait was over, or they could not be given the error.
//! - A result is known before any waiter is woken, and no waiter joins after it is known.
//! - Of a leader that is gone, one waiter is chosen at a time, the one with the most time left: it is the most likely
//!   to get a result. Of several with as much, the one that has waited longest is chosen.
//! - A value is stored under this lock, and only for a flight on its key: `put` and `invalidate` win over every call
//!   that had begun before them.

use crate::base::sync::Mutex;
use crate::policy::waiters::{After, Waiters};
use std::collections::BTreeMap;
use std::task::{Poll, Waker};

/// Without an end: a call that no timeout limits.
pub(super) const NONE: u64 = u64::MAX;

/// The flights of one cache. `K` is the owned key, `T` the result that all of a flight share.
pub(super) struct Flights<K, T>(Mutex<State<K, T>>);

struct State<K, T> {
    flights: BTreeMap<u64, Flight<K, T>>,
    /// The flight that new calls for a key join, by the hash of the key.
    by_hash: BTreeMap<u64, u64>,
    /// The number of the last flight.
    last: u64,
    /// The number of changes, which a call without a flight compares.
    changes: u64,
}

impl<K, T> Default for State<K, T> {
    fn default() -> Self {
        Self { flights: BTreeMap::new(), by_hash: BTreeMap::new(), last: 0, changes: 0 }
    }
}

struct Flight<K, T> {
    hash: u64,
    key: K,
    /// Each until its time is over.
    waiters: Waiters,
    /// The waiter that is to lead in place of a leader that is gone.
    chosen: Option<u64>,
    result: Option<T>,
}

/// The role of a call whose body runs.
#[derive(Clone, Copy)]
pub(super) enum Role {
    /// Others wait for it: the number of its flight.
    Leads(u64),
    /// No one does: the number of changes when it began.
    Alone(u64),
    Ended,
}

/// The task of a waiter.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum WaitOutcome<T> {
    /// Return the leader's result.
    Landed(T),
    /// Lead: the leader is gone.
    Lead,
}

impl<K: Clone, T: Clone> Flights<K, T> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State::default()))
    }

    /// Returns the flight that calls for this hash join now, with its key.
    pub(super) fn current(&self, hash: u64) -> Option<(u64, K)> {
        let state = self.0.lock();
        let id = *state.by_hash.get(&hash)?;
        state.flights.get(&id).map(|flight| (id, flight.key.clone()))
    }

    /// Starts a flight, unless there is one for this hash, or `is_unchanged` says that the key got a value in
    /// the meantime.
    pub(super) fn lead(&self, hash: u64, key: K, is_unchanged: impl FnOnce() -> bool) -> Option<u64> {
        let mut state = self.0.lock();
        let is_free = !state.by_hash.contains_key(&hash) && is_unchanged();
        is_free.then(|| state.start(hash, key))
    }

    /// Starts a flight for a call that will not wait any longer: in place of `instead`, whose leader does not end,
    /// or of none. Otherwise the call runs without a flight.
    pub(super) fn lead_or_alone(&self, hash: u64, key: K, instead: Option<u64>) -> Role {
        let mut state = self.0.lock();
        match state.by_hash.get(&hash) {
            Some(id) if Some(*id) != instead => Role::Alone(state.changes),
            _ => Role::Leads(state.start(hash, key)),
        }
    }

    /// Returns the number of changes: for a call without a flight.
    pub(super) fn changes(&self) -> u64 {
        self.0.lock().changes
    }

    /// Makes a call wait for the flight until `ends`, unless that has landed.
    ///
    /// Returns the number of the waiter; `None` if it has landed, so that the caller looks for the value again.
    pub(super) fn join(&self, id: u64, ends: u64) -> Option<u64> {
        let mut state = self.0.lock();
        let flight = state.flights.get_mut(&id).filter(|flight| flight.result.is_none())?;
        Some(flight.waiters.push(ends, Waker::noop().clone()))
    }

    /// Polls for the task of the waiter, which is woken when that is known.
    ///
    /// A chosen waiter puts its flight back on the key, unless another one is there: from here on it is a leader like
    /// any other.
    pub(super) fn poll(&self, id: u64, number: u64, waker: &Waker) -> Poll<WaitOutcome<T>> {
        // Cloned outside of the lock.
        let waker = waker.clone();
        let (mut after, mut over) = (After::default(), None);
        let mut state = self.0.lock();
        let Some(flight) = state.flights.get_mut(&id) else { return Poll::Pending };
        let turn = if flight.chosen == Some(number) {
            flight.chosen = None;
            flight.waiters.remove(number, &mut after);
            let hash = flight.hash;
            // Its call begins now, so that a change before does not concern it.
            state.by_hash.entry(hash).or_insert(id);
            Poll::Ready(WaitOutcome::Lead)
        } else if let Some(result) = flight.result.clone() {
            flight.waiters.remove(number, &mut after);
            over = state.remove_if_over(id);
            Poll::Ready(WaitOutcome::Landed(result))
        } else {
            if let Some(place) = flight.waiters.place(number) {
                flight.waiters.renew(place, waker, &mut after);
            }
            Poll::Pending
        };
        drop(state);
        after.finish();
        drop(over);
        turn
    }

    /// Removes a waiter that waits no longer.
    pub(super) fn leave(&self, id: u64, number: u64) {
        let (mut after, mut over) = (After::default(), None);
        let mut state = self.0.lock();
        if let Some(flight) = state.flights.get_mut(&id) {
            flight.waiters.remove(number, &mut after);
            over = if flight.chosen == Some(number) {
                state.hand_over(id, &mut after)
            } else {
                state.remove_if_over(id)
            };
        }
        drop(state);
        after.finish();
        drop(over);
    }

    /// Ends the flight with the leader's result; `keep` stores it, and is not called if the flight was taken off its
    /// key.
    pub(super) fn land(&self, id: u64, result: T, keep: impl FnOnce()) {
        let (mut after, mut over) = (After::default(), None);
        let mut state = self.0.lock();
        if state.take_off(id) {
            keep();
        }
        if let Some(flight) = state.flights.get_mut(&id) {
            flight.result = Some(result);
            flight.waiters.wake_all(&mut after);
            over = state.remove_if_over(id);
        }
        drop(state);
        after.finish();
        drop(over);
    }

    /// Handles a leader that is gone without a result: the waiter with the most time left leads.
    pub(super) fn abandon(&self, id: u64) {
        let mut after = After::default();
        let mut state = self.0.lock();
        let over = state.hand_over(id, &mut after);
        drop(state);
        after.finish();
        drop(over);
    }

    /// Ends a call without a flight: `keep` stores its value, unless there were changes since it began.
    ///
    /// Any change since then is enough, also one of another key: a call without a flight is rare, and a value that is
    /// not kept costs one more call.
    pub(super) fn keep_alone(&self, changes: u64, keep: impl FnOnce()) {
        let state = self.0.lock();
        if state.changes == changes {
            keep();
        }
    }

    /// Changes the values of keys: their flights store nothing, and later calls do not join them.
    pub(super) fn change(&self, hashes: &[u64], change: impl FnOnce()) {
        let mut state = self.0.lock();
        state.changes += 1;
        for hash in hashes {
            state.by_hash.remove(hash);
        }
        change();
    }

    /// Runs `change` like [`change`](Self::change), for all keys.
    pub(super) fn change_all(&self, change: impl FnOnce()) {
        let mut state = self.0.lock();
        state.changes += 1;
        state.by_hash.clear();
        change();
    }

    /// Runs `work`, which moves the values of keys and does not change them, while nothing changes them.
    pub(super) fn hold(&self, work: impl FnOnce()) {
        let _state = self.0.lock();
        work();
    }

    /// Returns the number of calls that wait for another one.
    pub(super) fn waiting(&self) -> usize {
        self.0.lock().flights.values().map(|flight| flight.waiters.len()).sum()
    }

    /// Returns the number of flights, including those that were taken off their key.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.0.lock().flights.len()
    }
}

impl<K, T> State<K, T> {
    fn start(&mut self, hash: u64, key: K) -> u64 {
        self.last += 1;
        let flight = Flight { hash, key, waiters: Waiters::new(), chosen: None, result: None };
        self.flights.insert(self.last, flight);
        self.by_hash.insert(hash, self.last);
        self.last
    }

    /// Takes the flight off its key; whether it was on it.
    fn take_off(&mut self, id: u64) -> bool {
        let Some(hash) = self.flights.get(&id).map(|flight| flight.hash) else { return false };
        let is_current = self.by_hash.get(&hash) == Some(&id);
        if is_current {
            self.by_hash.remove(&hash);
        }
        is_current
    }

    /// Removes a flight whose result no call waits for any more.
    fn remove_if_over(&mut self, id: u64) -> Option<Flight<K, T>> {
        let flight = self.flights.get(&id)?;
        (flight.result.is_some() && flight.waiters.is_empty()).then(|| self.flights.remove(&id))?
    }

    /// Wakes the waiter that is to lead; where no call waits, removes the flight.
    fn hand_over(&mut self, id: u64, after: &mut After) -> Option<Flight<K, T>> {
        let flight = self.flights.get_mut(&id)?;
        // Of several, the one that has waited longest.
        let next = flight.waiters.iter().enumerate().rev().max_by_key(|(_, waiter)| waiter.until);
        if let Some((place, waiter)) = next {
            flight.chosen = Some(waiter.number);
            flight.waiters.wake(place, after);
            return None;
        }
        self.take_off(id);
        self.flights.remove(&id)
    }
}
