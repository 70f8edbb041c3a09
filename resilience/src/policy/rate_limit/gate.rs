//! The generic cell rate algorithm, and the queue of those that wait to be let through.
//!
//! The algorithm is that of ITU-T I.371 as a leaky bucket: each call adds one interval to a debt, which time pays
//! off, and a call is let through while the debt is at most the tolerance. A call that waits is charged when it is
//! let through, so that nothing has to be given back when it is dropped.
//!
//! ```text
//!  debt
//!    │   burst intervals ─ ─ ─ ─ ─ ─ ─ ─ ─     a call passes while debt <= tolerance = (burst - 1) * interval
//!    │     ╱│        ╱│
//!    │    ╱ │╲      ╱ │╲                       each call adds one interval,
//!    │   ╱  │  ╲   ╱  │  ╲                     time takes one nanosecond off in each nanosecond
//!    └──────────────────────── time
//! ```
//!
//! # Invariants
//!
//! - The debt is never more than `burst` intervals, since a call is charged only when it is let through. So the
//!   arithmetic cannot overflow within the ranges of the settings.
//! - The caller at place `n` of the queue waits until the debt and `n` intervals are at most the tolerance. Its time
//!   depends only on those before it: that one of them leaves makes it earlier, and nothing makes it later.
//! - A new caller passes only where there is room for all that wait, too: `pass` counts them as if they had been
//!   charged.
//! - No code of the program runs under the lock: wakers are cloned before, and woken and dropped after ([`After`]).
//!
//! # A caller that is not polled
//!
//! A task whose time has come may be starved by its executor, or be forgotten in a `select!` that polls something
//! else. It keeps its place for 100 ms. After that the callers behind it move up, and it takes a new place at the end
//! when it is polled again, if that is within its patience.

use crate::base::clock::later;
use crate::base::sync::Mutex;
use std::collections::VecDeque;
use std::mem;
use std::task::Waker;
use std::time::{Duration, Instant};

/// How long a caller that is not polled keeps its place when its time has come.
const GRACE: Duration = Duration::from_millis(100);

/// Its clock is read under the lock, so that no caller is late with an earlier moment, which would look like a clock
/// that goes back.
#[derive(Debug)]
pub(super) struct Gate {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// In nanoseconds, at the moment `last`.
    debt: u64,
    last: Option<Instant>,
    waiting: VecDeque<Waiter>,
    number: Number,
}

/// Identifies a caller that waits.
pub(super) type Number = u64;

#[derive(Debug)]
struct Waiter {
    number: Number,
    until: Instant,
    waker: Waker,
}

/// How often calls are let through, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) interval: u64,
    /// The largest debt with which a call is let through.
    pub(super) tolerance: u64,
}

/// How a caller fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    Passes,
    /// It waits under this number: for these nanoseconds, unless one before it leaves.
    Waits(Number, u64),
    /// It would have to wait for these nanoseconds.
    Refused(u64),
}

/// What is left to do when the lock is free: dropping a waker runs code of the executor, too.
#[derive(Debug, Default)]
#[must_use = "callers would not be woken"]
pub(super) struct After {
    pub(super) wake: Vec<Waker>,
    pub(super) drop: Vec<Waker>,
}

/// One look at the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// How many calls would be let through now.
    pub(super) available: u64,
    /// For how many nanoseconds a call would have to wait.
    pub(super) wait: u64,
    pub(super) waiting: usize,
    /// Whether it is as if it had never been used.
    pub(super) is_idle: bool,
}

impl Gate {
    pub(super) const fn new() -> Self {
        Self { state: Mutex::new(State::new()) }
    }

    /// Lets a call through, or says for how many nanoseconds it would have to wait.
    #[inline]
    pub(super) fn pass(&self, rate: Rate, now: impl FnOnce() -> Instant) -> Result<(), u64> {
        let mut state = self.state.lock();
        state.pass_time(now());
        match state.wait_at(state.waiting.len(), rate) {
            0 => {
                state.debt += rate.interval;
                Ok(())
            }
            wait => Err(wait),
        }
    }

    /// Lets a call through, or takes a place in the queue for a caller that may wait for `patience`, if that is enough.
    ///
    /// It refuses at once where the wait would be longer than `patience`: waiting in vain would only delay the
    /// answer.
    pub(super) fn arrive(
        &self,
        rate: Rate,
        patience: Duration,
        now: impl FnOnce() -> Instant,
        waker: Waker,
    ) -> (Arrival, After) {
        let mut state = self.state.lock();
        let mut after = After::default();
        let now = now();
        state.pass_time(now);
        let waiting = state.waiting.len();
        state.drop_late(waiting, now, &mut after);
        let arrival = state.arrive(rate, patience, now, waker, &mut after);
        (arrival, after)
    }

    /// How a caller fares that waits under `number`, at the latest until `deadline`; `waker` is woken when it may be let
    /// through earlier.
    pub(super) fn look(
        &self,
        number: Number,
        deadline: Instant,
        rate: Rate,
        now: impl FnOnce() -> Instant,
        waker: Waker,
    ) -> (Arrival, After) {
        let mut state = self.state.lock();
        let mut after = After::default();
        let now = now();
        state.pass_time(now);
        let Some(place) = state.place(number) else {
            // It was not polled when its time had come, and begins again behind the others.
            let patience = deadline.saturating_duration_since(now);
            let arrival = state.arrive(rate, patience, now, waker, &mut after);
            return (arrival, after);
        };
        let place = place - state.drop_late(place, now, &mut after);
        let arrival = match state.wait_at(place, rate) {
            0 => {
                state.debt += rate.interval;
                after.drop.push(waker);
                after.drop.extend(state.waiting.remove(place).map(|waiter| waiter.waker));
                Arrival::Passes
            }
            wait => {
                if let Some(waiter) = state.waiting.get_mut(place) {
                    after.drop.push(mem::replace(&mut waiter.waker, waker));
                }
                Arrival::Waits(number, wait)
            }
        };
        (arrival, after)
    }

    /// A caller does not wait any more: those behind it are let through earlier.
    pub(super) fn cancel(&self, number: Number) -> After {
        let mut state = self.state.lock();
        let mut after = After::default();
        if let Some(place) = state.place(number) {
            after.drop.extend(state.waiting.remove(place).map(|waiter| waiter.waker));
            state.wake_from(place, &mut after);
        }
        after
    }

    /// Charges nothing, and does not move the clock on.
    pub(super) fn read(&self, rate: Rate, now: Instant) -> Reading {
        let state = self.state.lock();
        let (debt, waiting) = (state.debt_at(now), state.waiting.len());
        let room = (rate.tolerance + rate.interval).saturating_sub(debt) / rate.interval;
        Reading {
            available: room.saturating_sub(waiting as u64),
            wait: wait(debt, waiting, rate),
            waiting,
            is_idle: debt == 0 && waiting == 0,
        }
    }

    /// Forgets all calls that were let through.
    ///
    /// All who wait are woken and look again, in their order.
    pub(super) fn forget(&self) -> After {
        let mut state = self.state.lock();
        let mut after = After::default();
        state.debt = 0;
        state.wake_from(0, &mut after);
        after
    }
}

impl State {
    const fn new() -> Self {
        Self { debt: 0, last: None, waiting: VecDeque::new(), number: 0 }
    }

    /// Pays off what has passed since the last look; a clock that goes back counts as no time.
    #[inline]
    fn pass_time(&mut self, now: Instant) {
        self.debt = self.debt_at(now);
        self.last = Some(now);
    }

    #[inline]
    fn debt_at(&self, now: Instant) -> u64 {
        let passed = self.last.map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        let passed =
            passed.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(passed.subsec_nanos()));
        self.debt.saturating_sub(passed)
    }

    /// For how many nanoseconds the caller at `place` of the queue has to wait.
    #[inline]
    fn wait_at(&self, place: usize, rate: Rate) -> u64 {
        wait(self.debt, place, rate)
    }

    fn place(&self, number: Number) -> Option<usize> {
        self.waiting.iter().position(|waiter| waiter.number == number)
    }

    fn arrive(
        &mut self,
        rate: Rate,
        patience: Duration,
        now: Instant,
        waker: Waker,
        after: &mut After,
    ) -> Arrival {
        let wait = self.wait_at(self.waiting.len(), rate);
        if wait == 0 {
            self.debt += rate.interval;
            after.drop.push(waker);
            return Arrival::Passes;
        }
        if Duration::from_nanos(wait) > patience {
            after.drop.push(waker);
            return Arrival::Refused(wait);
        }
        self.number += 1;
        let until = later(now, Duration::from_nanos(wait).saturating_add(GRACE));
        self.waiting.push_back(Waiter { number: self.number, until, waker });
        Arrival::Waits(self.number, wait)
    }

    /// Drops callers that are not polled any more, of the first `before` in the queue; how many.
    fn drop_late(&mut self, before: usize, now: Instant, after: &mut After) -> usize {
        let late = |waiter: &Waiter| waiter.until <= now;
        let mut dropped = 0;
        while let Some(place) = self.waiting.iter().take(before - dropped).position(late) {
            after.drop.extend(self.waiting.remove(place).map(|waiter| waiter.waker));
            self.wake_from(place, after);
            dropped += 1;
        }
        dropped
    }

    /// Wakes the callers from `place` on: they have to wait for less time now.
    ///
    /// A waker is taken, not cloned; the caller gives a new one when it looks.
    fn wake_from(&mut self, place: usize, after: &mut After) {
        let behind = self.waiting.iter_mut().skip(place);
        after.wake.extend(behind.map(|waiter| mem::replace(&mut waiter.waker, Waker::noop().clone())));
    }
}

/// For how many nanoseconds a caller has to wait while the debt is `debt` and `before` callers are in front of it.
#[inline]
fn wait(debt: u64, before: usize, rate: Rate) -> u64 {
    let before = rate.interval.saturating_mul(before as u64);
    debt.saturating_add(before).saturating_sub(rate.tolerance)
}
