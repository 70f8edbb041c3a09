//! The generic cell rate algorithm, and the queue of waiting callers.
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
//! The debt is kept as the moment at which it will be paid off, in [`nanos`](crate::base::clock::nanos): one word,
//! which a call that is let through moves on by compare-and-swap. While callers wait, or the queue is looked at, the
//! word is [`QUEUE`], which is later than every moment: whoever finds the limit used up or that word looks further.
//!
//! # Invariants
//!
//! - The debt is never more than `burst` intervals, since a call is charged only when it is let through. A larger debt
//!   is that of a clock that has gone back: it counts as `burst` intervals, so that at most one interval is lost.
//! - A debt ends with the clock, 584 years after its start: moments are added with saturation, and at the end every call
//!   is let through.
//! - The caller at place `n` of the queue waits until the debt and `n` intervals are at most the tolerance. Its time
//!   depends only on those before it: that one of them leaves makes it earlier, and nothing makes it later.
//! - A new caller passes only where there is room for all that wait, too: the queue counts them as if they had been
//!   charged.
//! - The clock is read again once the word is [`QUEUE`]: no charge was made with a later reading, so that a thread that
//!   was stopped between reading and charging does not take the others' charges for a clock that has gone back.
//! - No code of the program runs under the lock: wakers are cloned before, and woken and dropped after ([`After`]).
//!
//! # Callers that leave
//!
//! When a caller leaves, the time of all behind it becomes earlier by one interval. Only the first of the queue is woken
//! to set its timer anew, and each of the others when it becomes the first. Waking all of them would cost a look by each
//! waiting caller whenever one gives up.
//!
//! # A caller that is not polled
//!
//! A task whose time has come may be starved by its executor, or be forgotten in a `select!` that polls something
//! else. It keeps its place for 100 ms. After that the callers behind it move up, and it takes a new place at the end
//! when it is polled again, if that is within its patience.

use crate::base::sync::{AtomicU64, Mutex, Ordering};
use crate::policy::waiters::{After, Waiter, Waiters};
use std::task::Waker;

/// The time that a caller that is not polled keeps its place when its turn has come, in nanoseconds.
const GRACE: u64 = 100_000_000;

/// The word of a gate whose queue decides.
const QUEUE: u64 = u64::MAX;

#[derive(Debug)]
pub(super) struct Gate {
    /// When the debt is paid off, or [`QUEUE`].
    due: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When the debt is paid off, while the word of the gate does not say it.
    due: u64,
    waiting: Waiters,
    /// No caller loses its place before this moment.
    late_from: u64,
    /// The number of the last caller whose time became earlier without its being woken.
    moved_up: u64,
}

/// The interval of calls that are let through, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) interval: u64,
    /// The largest debt with which a call is let through.
    pub(super) tolerance: u64,
}

impl Rate {
    #[inline]
    pub(super) const fn new(interval: u64, burst: u32) -> Self {
        Self { interval, tolerance: (burst as u64 - 1) * interval }
    }

    /// Returns the largest debt.
    const fn whole(self) -> u64 {
        self.tolerance + self.interval
    }
}

/// The state of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GateAnswer {
    Passes,
    /// The caller waits under this number: for these nanoseconds, unless one before it leaves.
    Waits(u64, u64),
    /// The caller would have to wait for these nanoseconds.
    Refused(u64),
}

/// One look at the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct View {
    /// The number of calls that would be let through now.
    pub(super) available: u64,
    /// The nanoseconds for which a call would have to wait.
    pub(super) wait: u64,
    pub(super) waiting: usize,
    /// Whether the gate is as if it had never been used.
    pub(super) is_idle: bool,
}

impl Gate {
    pub(super) const fn new() -> Self {
        Self { due: AtomicU64::new(0), state: Mutex::new(State::new()) }
    }

    /// Lets a call through, or returns for how many nanoseconds it would have to wait.
    #[inline]
    pub(super) fn pass(&self, rate: Rate, now: impl Fn() -> u64) -> Result<(), u64> {
        let at = now();
        let mut due = self.due.load(Ordering::Relaxed);
        loop {
            let debt = due.saturating_sub(at);
            if debt > rate.tolerance {
                return self.pass_later(debt, rate, now);
            }
            let charged = charged(due.max(at), rate);
            match self.due.compare_exchange_weak(due, charged, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(seen) => due = seen,
            }
        }
    }

    #[cold]
    fn pass_later(&self, debt: u64, rate: Rate, now: impl Fn() -> u64) -> Result<(), u64> {
        let wait = debt - rate.tolerance;
        if wait <= rate.interval {
            return Err(wait);
        }
        let mut after = After::default();
        let passed = self.locked(|state| {
            let now = now();
            state.settle(rate, now);
            state.drop_late(state.waiting.len(), now, &mut after);
            match state.wait_at(state.waiting.len(), rate, now) {
                0 => {
                    state.charge(rate, now);
                    Ok(())
                }
                wait => Err(wait),
            }
        });
        after.finish();
        passed
    }

    /// Looks at the queue, or changes it: in that time no call is let through without the lock.
    fn locked<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock();
        let due = self.due.swap(QUEUE, Ordering::AcqRel);
        if due != QUEUE {
            state.due = due;
        }
        let result = work(&mut state);
        if state.waiting.is_empty() {
            self.due.store(state.due, Ordering::Release);
        }
        result
    }

    /// Lets a call through, or takes a place in the queue for a caller that may wait for `patience`, if that is enough.
    ///
    /// It refuses at once where the wait would be longer than `patience`: waiting in vain would only delay the
    /// answer.
    pub(super) fn arrive(
        &self,
        rate: Rate,
        patience: u64,
        now: impl Fn() -> u64,
        waker: Waker,
    ) -> (GateAnswer, After) {
        let mut after = After::default();
        let arrival = self.locked(|state| {
            let now = now();
            state.settle(rate, now);
            state.arrive(rate, patience, now, waker, &mut after)
        });
        (arrival, after)
    }

    /// Returns the state of a caller that waits under `number`, at the latest until `deadline`; `waker` is woken when
    /// it may be let through earlier.
    pub(super) fn look(
        &self,
        number: u64,
        deadline: u64,
        rate: Rate,
        now: impl Fn() -> u64,
        waker: Waker,
    ) -> (GateAnswer, After) {
        let mut after = After::default();
        let arrival = self.locked(|state| {
            let now = now();
            state.settle(rate, now);
            state.look(number, deadline, rate, now, waker, &mut after)
        });
        (arrival, after)
    }

    /// Removes a caller that does not wait any more: those behind it are let through earlier.
    pub(super) fn cancel(&self, number: u64) -> After {
        let mut after = After::default();
        self.locked(|state| state.leave(number, &mut after));
        after
    }

    /// Charges nothing.
    pub(super) fn read(&self, rate: Rate, now: u64) -> View {
        let state = self.state.lock();
        let due = match self.due.load(Ordering::Relaxed) {
            QUEUE => state.due,
            due => due,
        };
        let (debt, waiting) = (due.saturating_sub(now).min(rate.whole()), state.waiting.len());
        let before = waiting - state.late(waiting, now).count();
        View {
            available: ((rate.whole() - debt) / rate.interval).saturating_sub(before as u64),
            wait: wait(debt, before, rate),
            waiting,
            is_idle: debt == 0 && waiting == 0,
        }
    }

    /// Wakes all who wait, which look again in their order: the rate is another one.
    #[cfg(feature = "config")]
    pub(super) fn wake(&self) -> After {
        let mut after = After::default();
        self.locked(|state| state.waiting.wake_all(&mut after));
        after
    }

    /// Forgets all calls that were let through.
    ///
    /// All who wait are woken and look again, in their order.
    pub(super) fn forget(&self) -> After {
        let mut after = After::default();
        self.locked(|state| {
            state.due = 0;
            state.waiting.wake_all(&mut after);
        });
        after
    }
}

impl State {
    const fn new() -> Self {
        Self { due: 0, waiting: Waiters::new(), late_from: u64::MAX, moved_up: 0 }
    }

    /// Takes a debt that is too large for that of a clock that has gone back.
    fn settle(&mut self, rate: Rate, now: u64) {
        self.due = self.due.min(now.saturating_add(rate.whole()));
    }

    /// Lets a call through.
    fn charge(&mut self, rate: Rate, now: u64) {
        self.due = charged(self.due.max(now), rate);
    }

    /// Returns for how many nanoseconds the caller at `place` of the queue has to wait.
    fn wait_at(&self, place: usize, rate: Rate, now: u64) -> u64 {
        wait(self.due.saturating_sub(now), place, rate)
    }

    fn arrive(&mut self, rate: Rate, patience: u64, now: u64, waker: Waker, after: &mut After) -> GateAnswer {
        self.drop_late(self.waiting.len(), now, after);
        let wait = self.wait_at(self.waiting.len(), rate, now);
        if wait == 0 {
            self.charge(rate, now);
            after.drop.push(waker);
            return GateAnswer::Passes;
        }
        if wait > patience {
            after.drop.push(waker);
            return GateAnswer::Refused(wait);
        }
        let until = now.saturating_add(wait).saturating_add(GRACE);
        self.late_from = self.late_from.min(until);
        GateAnswer::Waits(self.waiting.push(until, waker), wait)
    }

    fn look(
        &mut self,
        number: u64,
        deadline: u64,
        rate: Rate,
        now: u64,
        waker: Waker,
        after: &mut After,
    ) -> GateAnswer {
        let Some(place) = self.waiting.place(number) else {
            // The caller was not polled when its time had come, and begins again behind the others.
            return self.arrive(rate, deadline.saturating_sub(now), now, waker, after);
        };
        let place = place - self.drop_late(place, now, after);
        match self.wait_at(place, rate, now) {
            0 => {
                self.charge(rate, now);
                after.drop.push(waker);
                if self.waiting.remove(number, after) == Some(0) {
                    self.wake_first(after);
                }
                GateAnswer::Passes
            }
            wait => {
                self.waiting.renew(place, waker, after);
                GateAnswer::Waits(number, wait)
            }
        }
    }

    /// Returns those of the first `before` callers that were not polled when their time had come.
    fn late(&self, before: usize, now: u64) -> impl Iterator<Item = u64> {
        let before = if now < self.late_from { 0 } else { before };
        let late = move |waiter: &&Waiter| waiter.until <= now;
        self.waiting.iter().take(before).filter(late).map(|waiter| waiter.number)
    }

    /// Drops callers that are not polled any more, of the first `before` in the queue; returns their number.
    fn drop_late(&mut self, before: usize, now: u64, after: &mut After) -> usize {
        if now < self.late_from {
            return 0;
        }
        let late: Vec<_> = self.late(before, now).collect();
        for number in &late {
            self.leave(*number, after);
        }
        self.late_from = self.waiting.iter().map(|waiter| waiter.until).min().unwrap_or(u64::MAX);
        late.len()
    }

    /// Removes a caller that is not let through: those behind it are let through earlier.
    fn leave(&mut self, number: u64, after: &mut After) {
        if let Some(place) = self.waiting.remove(number, after) {
            self.moved_up = self.waiting.last();
            if place == 0 {
                self.wake_first(after);
            }
        }
    }

    /// Wakes the caller that has become the first of the queue, if its time may be earlier than its timer says.
    fn wake_first(&mut self, after: &mut After) {
        if self.waiting.first().is_some_and(|number| number <= self.moved_up) {
            self.waiting.wake(0, after);
        }
    }
}

/// Returns when a debt is paid off that ends at `due`, after one more call: before [`QUEUE`].
#[inline]
fn charged(due: u64, rate: Rate) -> u64 {
    due.saturating_add(rate.interval).min(QUEUE - 1)
}

/// Returns for how many nanoseconds a caller has to wait while the debt is `debt` and `before` callers are in front of
/// it.
#[inline]
fn wait(debt: u64, before: usize, rate: Rate) -> u64 {
    let before = rate.interval.saturating_mul(before as u64);
    debt.saturating_add(before).saturating_sub(rate.tolerance)
}
