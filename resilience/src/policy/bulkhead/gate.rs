//! The slots of a bulkhead, and the queue in front of them.
//!
//! While no caller waits, one word has the whole state: the number of slots in use. The first caller that has to
//! wait marks the word, and from then on the count is behind the lock of the queue, until no caller waits any more.
//! A freed slot goes to the caller that has waited longest: it is in use from that moment, so that no newcomer can
//! overtake. A caller that does not take it loses its turn.
//!
//! # Where the count is
//!
//! | word | `is_here` | meaning |
//! |---|---|---|
//! | 0, 1, .. | no | the number of slots in use; entering and leaving are one exchange of the word |
//! | `QUEUED` | yes | the number is `in_use`, behind the lock |
//!
//! The word is marked under the lock, by the first caller that waits, and gets the count back under the lock when no
//! caller waits or has a turn. A caller that sees the mark takes the lock; a caller that changed the word a moment
//! before is counted, since marking it is an exchange that returns what was in it.
//!
//! # A caller that waits
//!
//! ```text
//!  arrive ──> waiting ──── a slot is free ───> turn ──── polled ───> entered
//!     │          │  dropped, or its time is over  │ 100 ms without a poll, or dropped
//!     ▼          ▼                                ▼
//!  refused    leaves the queue             the slot goes to the next; the caller queues again when it is polled
//! ```
//!
//! A caller that comes too late, before the next has taken the slot, takes it: the next waits on, as the first.
//!
//! # Invariants
//!
//! - `in_use` counts the calls that run and the callers whose turn it is. It is above the number of slots only after
//!   that number was lowered.
//! - While a slot is free no caller waits: every change that frees one, or raises the number, grants turns before the
//!   lock is free again.
//! - Wakers are cloned before the lock is taken, and woken and dropped after it is free ([`After`]): both run code of
//!   the executor.
//!
//! A queue is expected to move by one caller in each mean hold time divided by the slots. The mean follows each call
//! by an eighth; it counts for a second after the last call, or for one mean if that is longer, so that a slow hour
//! does not refuse callers in the next.

use crate::base::sync::{AtomicU64, Mutex, Ordering};
use crate::policy::waiters::{After, Waiters};
use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::task::Waker;

/// A mark in the word: the count is behind the lock. As a number it is larger than any number of slots.
const QUEUED: u64 = 1 << 63;
/// More slots than there are calls, for a bulkhead that is switched off.
#[cfg(feature = "config")]
pub(super) const ALL: u64 = QUEUED - 1;

/// The time that a slot waits for the caller whose turn it is, in nanoseconds.
pub(super) const TURN: u64 = 100_000_000;

/// The least time for which a mean is used that no further call has changed, in nanoseconds.
const RECENT: u64 = 1_000_000_000;

#[derive(Debug)]
pub(super) struct Gate {
    word: AtomicU64,
    queue: OnceLock<Arc<Mutex<Queue>>>,
}

/// The waiting callers; made when the first one waits.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Whether the word says that the count is here.
    is_here: bool,
    in_use: u64,
    slots: u64,
    waiting: Waiters,
    /// The callers whose turn it is: each has a slot, and has not taken it yet.
    turns: VecDeque<Turn>,
    /// The recent time that slots were held, and when the last of them was freed.
    hold: Option<(u64, u64)>,
}

/// The turn of a caller.
#[derive(Clone, Copy, Debug)]
struct Turn {
    number: u64,
    /// The end of the time that the caller waits.
    until: u64,
    since: u64,
}

/// The number of calls that may run, and that may wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Capacity {
    pub(super) slots: u64,
    pub(super) queue: usize,
}

/// The state of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GateAnswer {
    /// The caller has a slot, since this moment.
    Entered(u64),
    /// The caller waits, under this number.
    Waits(u64),
    Refused,
}

/// One look at the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct View {
    pub(super) in_use: u64,
    pub(super) waiting: usize,
    pub(super) hold: Option<u64>,
}

impl Gate {
    pub(super) const fn new() -> Self {
        Self { word: AtomicU64::new(0), queue: OnceLock::new() }
    }

    pub(super) fn queue(&self) -> &Arc<Mutex<Queue>> {
        self.queue.get_or_init(|| Arc::new(Mutex::new(Queue::default())))
    }

    /// Takes a slot, if one is free and no caller waits.
    ///
    /// It is all that a call costs while the bulkhead is not full: one load and one exchange.
    #[inline]
    pub(super) fn enter(&self, slots: u64) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        while word < slots {
            match self.word.compare_exchange_weak(word, word + 1, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(seen) => word = seen,
            }
        }
        false
    }

    /// Returns whether all slots are in use and no caller waits.
    ///
    /// While the count is behind the lock, a slot may be free: beside the turn of a caller that has not used it yet, or
    /// after a turn that was taken back.
    pub(super) fn is_full(&self, slots: u64) -> bool {
        (slots..QUEUED).contains(&self.word.load(Ordering::Relaxed))
    }

    /// Frees a slot, if no caller waits.
    #[inline]
    pub(super) fn leave(&self) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        while word < QUEUED {
            match self.word.compare_exchange_weak(word, word - 1, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(seen) => word = seen,
            }
        }
        false
    }

    /// Takes a slot or a place in the queue, at the moment `now`; a caller that may wait for `patience` only if that
    /// can be long enough.
    pub(super) fn arrive(
        &self,
        room: impl FnOnce() -> Capacity,
        patience: u64,
        now: u64,
        waker: Waker,
    ) -> (GateAnswer, After) {
        let mut queue = self.queue().lock();
        let mut after = After::default();
        // Read under the lock: whoever changes it looks at the queue afterwards.
        let room = room();
        if !queue.is_here && self.enter_or_queue(room.slots, &mut queue) {
            after.drop.push(waker);
            return (GateAnswer::Entered(now), after);
        }
        queue.slots = room.slots;
        queue.revise(now, &mut after);
        let arrival = queue.arrive(room, patience, now, waker, &mut after);
        self.settle(&mut queue, &mut after);
        (arrival, after)
    }

    /// Takes a slot, or else the count from the word.
    fn enter_or_queue(&self, slots: u64, queue: &mut Queue) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let next = if word < slots { word + 1 } else { QUEUED };
            match self.word.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) if next < QUEUED => return true,
                Ok(_) => {
                    (queue.is_here, queue.in_use) = (true, word);
                    return false;
                }
                Err(seen) => word = seen,
            }
        }
    }

    /// Puts the count back into the word where no caller waits.
    ///
    /// Called at the end of each change under the lock, so that the way without the lock is open again as soon as it
    /// may be.
    fn settle(&self, queue: &mut Queue, after: &mut After) {
        if queue.waiting.is_empty() && queue.turns.is_empty() && queue.is_here {
            queue.is_here = false;
            self.word.store(queue.in_use, Ordering::Release);
        }
        after.due = queue.due();
    }

    /// Returns the state of a caller that waits under `number` until the moment `until`; `waker` is woken when that
    /// changes.
    pub(super) fn look(
        &self,
        number: u64,
        until: u64,
        room: impl FnOnce() -> Capacity,
        now: u64,
        waker: Waker,
    ) -> (GateAnswer, After) {
        let mut queue = self.queue().lock();
        let mut after = After::default();
        let room = room();
        queue.revise(now, &mut after);
        let arrival = match queue.waiting.place(number) {
            _ if queue.take_turn(number) => {
                after.drop.push(waker);
                GateAnswer::Entered(now)
            }
            _ if until <= now => {
                after.drop.push(waker);
                queue.waiting.remove(number, &mut after);
                GateAnswer::Refused
            }
            Some(place) => {
                queue.waiting.renew(place, waker, &mut after);
                GateAnswer::Waits(number)
            }
            // The caller lost its turn, but the slot is not in use.
            None if queue.take_over() => {
                after.drop.push(waker);
                GateAnswer::Entered(now)
            }
            // It begins again behind the others.
            None if !queue.is_here && self.enter_or_queue(room.slots, &mut queue) => {
                after.drop.push(waker);
                return (GateAnswer::Entered(now), after);
            }
            None => {
                queue.slots = room.slots;
                queue.arrive(room, until.saturating_sub(now), now, waker, &mut after)
            }
        };
        self.settle(&mut queue, &mut after);
        (arrival, after)
    }

    /// Removes a caller that does not wait any more.
    ///
    /// If it was its turn, the slot goes to the next at once.
    pub(super) fn cancel(&self, number: u64, now: u64) -> After {
        let mut queue = self.queue().lock();
        let mut after = After::default();
        if queue.take_turn(number) {
            queue.free(now, &mut after);
        } else {
            queue.waiting.remove(number, &mut after);
        }
        self.settle(&mut queue, &mut after);
        after
    }

    /// Frees a slot that was held since `since`, while callers may wait.
    pub(super) fn leave_queue(&self, since: Option<u64>, now: impl FnOnce() -> u64) -> After {
        let mut queue = self.queue().lock();
        let mut after = After::default();
        if !queue.is_here {
            // The last caller that waited is gone by now.
            drop(queue);
            return if self.leave() { after } else { self.leave_queue(since, now) };
        }
        let now = now();
        if let Some(since) = since {
            queue.note_hold(now.saturating_sub(since), now);
        }
        queue.revise(now, &mut after);
        queue.free(now, &mut after);
        self.settle(&mut queue, &mut after);
        after
    }

    /// Lets callers in that wait, as there are `slots` now, which may be more than before.
    ///
    /// Fewer slots take none from the calls that run: no caller is let in until enough of them have ended.
    pub(super) fn resize(&self, slots: impl FnOnce() -> u64, now: u64) -> After {
        let mut after = After::default();
        let Some(queue) = self.queue.get() else { return after };
        let mut queue = queue.lock();
        queue.slots = slots();
        queue.revise(now, &mut after);
        queue.grant(now, &mut after);
        self.settle(&mut queue, &mut after);
        after
    }

    pub(super) fn read(&self) -> View {
        let Some(queue) = self.queue.get() else {
            return View { in_use: self.word.load(Ordering::Relaxed), waiting: 0, hold: None };
        };
        let queue = queue.lock();
        let in_use = if queue.is_here { queue.in_use } else { self.word.load(Ordering::Relaxed) };
        View { in_use, waiting: queue.waiting.len(), hold: queue.hold.map(|(mean, _)| mean) }
    }

    /// Forgets how long slots were held.
    pub(super) fn forget(&self) {
        if let Some(queue) = self.queue.get() {
            queue.lock().hold = None;
        }
    }
}

impl Queue {
    /// Takes their turn from the callers that have not used it in time, without a look at the word.
    ///
    /// Where no caller waits then, the count stays here until the next call.
    pub(super) fn look(&mut self, now: u64) -> After {
        let mut after = After::default();
        self.revise(now, &mut after);
        after.due = self.due();
        after
    }

    fn due(&self) -> Option<u64> {
        self.turns.front().map(|turn| turn.since.saturating_add(TURN))
    }

    fn arrive(
        &mut self,
        room: Capacity,
        patience: u64,
        now: u64,
        waker: Waker,
        after: &mut After,
    ) -> GateAnswer {
        if self.in_use < room.slots && self.waiting.is_empty() {
            self.in_use += 1;
            after.drop.push(waker);
            return GateAnswer::Entered(now);
        }
        let is_over = patience == 0 || self.expected(room.slots, now).is_some_and(|wait| wait > patience);
        if is_over || self.waiting.len() >= room.queue {
            after.drop.push(waker);
            return GateAnswer::Refused;
        }
        GateAnswer::Waits(self.waiting.push(now.saturating_add(patience), waker))
    }

    /// Returns how long a caller would wait that joined the queue now; `None` if that is not known.
    fn expected(&self, slots: u64, now: u64) -> Option<u64> {
        let (mean, last) = self.hold?;
        if now.saturating_sub(last) > mean.max(RECENT) {
            return None;
        }
        let place = self.waiting.len() as u64 + 1;
        Some(place.saturating_mul(mean) / slots.max(1))
    }

    /// Returns whether it is the turn of this caller, which uses it.
    fn take_turn(&mut self, number: u64) -> bool {
        let at = self.turns.iter().position(|turn| turn.number == number);
        at.is_some_and(|at| self.turns.remove(at).is_some())
    }

    /// Takes the slot of a caller that has not used its turn yet, which is the first of those that wait again.
    ///
    /// So callers that are all polled late do not pass a free slot on to one another for ever.
    fn take_over(&mut self) -> bool {
        let turn = self.turns.pop_front();
        turn.is_some_and(|turn| {
            self.waiting.put_back(turn.number, turn.until);
            true
        })
    }

    /// Takes the turns back that were not used in time.
    fn revise(&mut self, now: u64, after: &mut After) {
        while self.due().is_some_and(|due| due <= now) {
            self.turns.pop_front();
            self.free(now, after);
        }
    }

    /// Frees one slot.
    fn free(&mut self, now: u64, after: &mut After) {
        self.in_use = self.in_use.saturating_sub(1);
        self.grant(now, after);
    }

    /// Grants the free slots to the callers that have waited longest, of those that still have time.
    ///
    /// A caller whose time is over is woken, too, and gets its refusal from its next look.
    fn grant(&mut self, now: u64, after: &mut After) {
        while self.in_use < self.slots
            && let Some(waiter) = self.waiting.wake_first(after)
        {
            if waiter.until > now {
                self.in_use += 1;
                self.turns.push_back(Turn { number: waiter.number, until: waiter.until, since: now });
            }
        }
    }

    /// Notes that a call has held its slot for `hold`.
    fn note_hold(&mut self, hold: u64, now: u64) {
        let mean = match self.hold {
            Some((mean, last)) if now.saturating_sub(last) <= mean.max(RECENT) => {
                // An eighth of the way towards it.
                if hold > mean { mean + (hold - mean) / 8 } else { mean - (mean - hold) / 8 }
            }
            _ => hold,
        };
        self.hold = Some((mean, now));
    }
}
