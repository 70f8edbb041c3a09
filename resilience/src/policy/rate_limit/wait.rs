//! Waiting until a call is let through, async and sync.
//!
//! A [`Pass`] tries the gate first, without a place in the queue, an allocation or a timer. Only a call that has to
//! wait gets a `Queued`, on the heap. It is woken by its own timer, or earlier when a caller before it leaves; either
//! way it looks at the gate, which decides. Sync callers run the same future on their thread, so that both kinds wait
//! in one queue.
//!
//! The wait is limited by `wait` and by the time that the enclosing timeouts leave. A call that is dropped while it
//! waits releases its place.

use super::RateLimit;
use super::gate::GateAnswer;
use crate::base::admission;
use crate::base::block_on::block_on;
use crate::base::clock::now_nanos;
use crate::base::scope::{self, Stack};
use crate::base::stopping::{self, Alarm, alarm};
use crate::base::world::{World, run_in};
use crate::event::blocks;
use crate::policy::stateful::Stateful;
use crate::rejected::Rejected;
use std::cell::Cell;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// A call that is let through, and waits for that if it has to.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
#[doc(hidden)]
pub struct Pass<L: Deref<Target = RateLimit>> {
    /// `None` once it has ended.
    limit: Option<L>,
    stack: Option<Stack>,
    /// Of which attempt it is part, from 1.
    attempt: u32,
    queued: Option<Box<Queued>>,
}

#[derive(Debug)]
struct Queued {
    number: u64,
    /// The end of the time that it may wait.
    deadline: u64,
    /// The time at which it is let through, unless a caller before it leaves.
    passes_at: u64,
    timer: Alarm,
    world: Option<World>,
}

/// Asks the gate; returns its answer and the moment at which it read the clock, from which the answer counts.
fn ask<T>(gate: impl FnOnce(&dyn Fn() -> u64) -> T) -> (T, u64) {
    let at = Cell::new(0);
    let clock = || {
        at.set(now_nanos());
        at.get()
    };
    (gate(&clock), at.get())
}

impl<L: Deref<Target = RateLimit>> Pass<L> {
    #[inline]
    pub(super) const fn new(limit: L, stack: Option<Stack>, attempt: u32) -> Self {
        Self { limit: Some(limit), stack, attempt, queued: None }
    }

    /// Polls the wait; `Err` has the nanoseconds until the call would be let through.
    #[cold]
    #[inline(never)]
    fn wait(&mut self, limit: &RateLimit, wait: u64, cx: &mut Context<'_>) -> Poll<Result<(), u64>> {
        let Some(queued) = &mut self.queued else { return self.begin(limit, wait, cx) };
        let world = queued.world.clone();
        run_in(world.as_ref(), || queued.look(limit, cx))
    }

    fn begin(&mut self, limit: &RateLimit, wait: u64, cx: &mut Context<'_>) -> Poll<Result<(), u64>> {
        let config = limit.config();
        if config.wait.is_zero() || limit.is_extra(self.stack) || stopping::has_begun() {
            return Poll::Ready(Err(wait));
        }
        let (patience, waker) = (scope::nanos(scope::at_most(config.wait)), cx.waker().clone());
        let gate = &limit.live.gate;
        let ((arrival, after), at) = ask(|now| gate.arrive(limit.rate(), patience, now, waker));
        after.finish();
        match arrival {
            GateAnswer::Passes => Poll::Ready(Ok(())),
            GateAnswer::Refused(wait) => Poll::Ready(Err(wait)),
            GateAnswer::Waits(number, wait) => {
                limit.count(|counters| &counters.waited);
                admission::waits(limit.owner.stack_or(self.stack), self.attempt);
                let (passes_at, deadline) = (at.saturating_add(wait), at.saturating_add(patience));
                let timer = alarm(passes_at);
                let queued = Queued { number, deadline, passes_at, timer, world: World::here() };
                self.queued.insert(Box::new(queued)).wait_for_timer(limit, cx)
            }
        }
    }
}

impl Queued {
    /// Waits until its time has come, or one before it has left.
    ///
    /// Without a look at the gate while the timer runs: it was asked a moment ago.
    fn wait_for_timer(&mut self, limit: &RateLimit, cx: &mut Context<'_>) -> Poll<Result<(), u64>> {
        if Pin::new(&mut self.timer).poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.look(limit, cx)
    }

    fn look(&mut self, limit: &RateLimit, cx: &mut Context<'_>) -> Poll<Result<(), u64>> {
        #[cfg(feature = "config")]
        if limit.is_off() {
            limit.live.gate.cancel(self.number).finish();
            return Poll::Ready(Ok(()));
        }
        let mut is_timer_over = false;
        loop {
            let (gate, waker) = (&limit.live.gate, cx.waker().clone());
            let ((arrival, after), at) =
                ask(|now| gate.look(self.number, self.deadline, limit.rate(), now, waker));
            after.finish();
            let (number, wait) = match arrival {
                GateAnswer::Passes => return Poll::Ready(Ok(())),
                GateAnswer::Refused(wait) => return Poll::Ready(Err(wait)),
                GateAnswer::Waits(number, wait) => (number, wait),
            };
            if stopping::has_begun() {
                limit.live.gate.cancel(number).finish();
                return Poll::Ready(Err(wait));
            }
            self.number = number;
            let passes_at = at.saturating_add(wait);
            if is_timer_over || passes_at < self.passes_at {
                (self.passes_at, self.timer) = (passes_at, alarm(passes_at));
            }
            if Pin::new(&mut self.timer).poll(cx).is_pending() {
                return Poll::Pending;
            }
            is_timer_over = true;
        }
    }

    #[cold]
    fn cancel(&self, limit: &RateLimit, stack: Stack, attempt: u32) {
        scope::dropped_waiting(stack, attempt);
        run_in(self.world.as_ref(), || limit.live.gate.cancel(self.number).finish());
    }
}

impl<L: Deref<Target = RateLimit> + Unpin> Future for Pass<L> {
    type Output = Result<(), Rejected>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(limit) = this.limit.take() else { return Poll::Pending };
        let mut wait = 0;
        if this.queued.is_none() {
            match limit.pass() {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(longer) => wait = longer,
            }
        }
        match this.wait(&limit, wait, cx) {
            Poll::Pending => {
                this.limit = Some(limit);
                Poll::Pending
            }
            Poll::Ready(passed) => {
                let is_queued = this.queued.is_some();
                let world = this.queued.as_ref().and_then(|queued| queued.world.as_ref());
                Poll::Ready(run_in(world, || {
                    let is_wanted = !is_queued || admission::admitted(limit.owner.stack_or(this.stack));
                    let passed = if is_wanted { passed } else { passed.and(Err(0)) };
                    passed.map_err(|wait| limit.refuse(wait, this.stack))
                }))
            }
        }
    }
}

impl<L: Deref<Target = RateLimit>> Drop for Pass<L> {
    #[inline]
    fn drop(&mut self) {
        if let (Some(limit), Some(queued)) = (&self.limit, &self.queued) {
            let stack = limit.owner.stack_or(self.stack);
            queued.cancel(limit, stack, self.attempt);
        }
    }
}

/// Lets sync code through, which blocks its thread while it waits.
#[inline]
pub(super) fn pass<L: Deref<Target = RateLimit> + Unpin>(
    limit: L,
    stack: Option<Stack>,
    attempt: u32,
) -> Result<(), Rejected> {
    match limit.pass() {
        Ok(()) => Ok(()),
        Err(wait) => pass_later(limit, wait, stack, attempt),
    }
}

/// Blocks until the call may pass. A wait that is longer than the setting is refused without making a future or
/// reporting that the thread blocks.
#[cold]
#[inline(never)]
fn pass_later<L: Deref<Target = RateLimit> + Unpin>(
    limit: L,
    wait: u64,
    stack: Option<Stack>,
    attempt: u32,
) -> Result<(), Rejected> {
    if Duration::from_nanos(wait) > limit.config().wait || limit.is_extra(stack) {
        return Err(limit.refuse(wait, stack));
    }
    blocks(&limit.owner.name);
    block_on(Pass::new(limit, stack, attempt))
}
