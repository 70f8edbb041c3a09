//! Waiting for a slot, async and sync, and holding one.
//!
//! An [`Enter`] tries the word first, without an allocation or a clock. Only a caller that has to wait gets a place in
//! the queue, a timer for its patience and a box for both. Sync callers run the same future on their thread, so that
//! both kinds wait in one queue.
//!
//! A slot is freed in the test world in which it was taken, on whichever thread it is dropped: the state of a
//! bulkhead is one for each world.

use super::Bulkhead;
use super::gate::{Capacity, GateAnswer};
use crate::base::admission;
use crate::base::block_on::block_on;
use crate::base::clock::now_nanos;
use crate::base::holding::Holds;
use crate::base::scope::{self, Stack};
use crate::base::stopping::{self, Alarm, alarm};
use crate::base::world::{World, run_in};
use crate::classify::{Category, Classification, Classify};
use crate::event::blocks;
use crate::policy::Verdict;
use crate::policy::stateful::Stateful;
use crate::policy::waiters::After;
use crate::rejected::Rejected;
use std::future::{Future, poll_fn};
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

/// A slot of a bulkhead, which is free again when this is dropped; see [`Bulkhead::acquire`].
pub type Slot<'a> = SlotOf<&'a Bulkhead>;

/// A slot that keeps its bulkhead alive; see [`Bulkhead::acquire_owned`].
///
/// Send it to the task or thread that does the work, so that the slot is free when that ends and not when the caller
/// does.
pub type OwnedSlot = SlotOf<Arc<Bulkhead>>;

/// One slot of a bulkhead, which is freed when this is dropped.
///
/// See [`Bulkhead::acquire`] and [`acquire_owned`](Bulkhead::acquire_owned) for how to get one.
///
/// A call with [`Bulkhead::call`] inside of the code that holds one does not know of it, and may wait for it: only
/// the verbs mark the running code.
///
/// # Examples
///
/// Reporting how the work in the slot ended, to a bulkhead that follows the latency:
///
/// ```
/// use resilience::{Bulkhead, Rejected};
/// use std::io::{Error, ErrorKind};
///
/// static SEARCH: Bulkhead = Bulkhead::new("search", 16).adaptive();
///
/// # let search = || Err::<u32, Error>(ErrorKind::TimedOut.into());
/// let slot = SEARCH.acquire()?;
/// match search() {
///     Ok(_) => slot.success(),
///     Err(error) => slot.failure(&error),
/// }
/// assert!(SEARCH.snapshot().slots <= 16);
/// # Ok::<(), Rejected>(())
/// ```
#[derive(Debug)]
#[must_use = "the slot is free again when this is dropped"]
pub struct SlotOf<B: Deref<Target = Bulkhead>> {
    bulkhead: B,
    /// When the slot was taken, in nanoseconds; zero if that is not known, because no caller waited.
    since: u64,
    /// The stack in which it is held, if the bulkhead does not know it: that of a bulkhead that the program owns.
    stack: Option<Stack>,
    /// Whether an adaptive bulkhead knows how the call ended.
    has_ended: AtomicBool,
    /// The slot belongs to the test world of its admission, on whichever thread it is dropped.
    world: Option<World>,
}

impl<B: Deref<Target = Bulkhead>> SlotOf<B> {
    #[inline]
    fn new(bulkhead: B, since: u64, stack: Option<Stack>, world: Option<World>) -> Self {
        let is_measured = bulkhead.is_adaptive() && since == 0;
        let since = if is_measured { now_nanos() } else { since };
        Self { bulkhead, since, stack, has_ended: AtomicBool::new(false), world }
    }

    /// Reports that the call in this slot succeeded, to a bulkhead that is adaptive: the time since the slot was taken
    /// is its latency.
    ///
    /// A slot that is dropped without a report says nothing about the load.
    ///
    /// Of a bulkhead that is not adaptive it only frees the slot.
    pub fn success(self) {
        self.ended(None);
    }

    /// Reports that the call in this slot failed with `error`, to a bulkhead that is adaptive.
    ///
    /// An error of category [`Timeout`](Category::Timeout), [`RateLimited`](Category::RateLimited) or
    /// [`Unavailable`](Category::Unavailable) makes it lower the number of slots.
    ///
    /// Any other error says nothing about the load. Of a bulkhead that is not adaptive it only frees the slot.
    pub fn failure<E: Classify + ?Sized>(self, error: &E) {
        self.ended(Some(error.classify()));
    }

    /// Ends the call with `verdict`.
    #[doc(hidden)]
    #[inline]
    pub fn ended(&self, verdict: Verdict) {
        if self.bulkhead.is_adaptive() && !self.has_ended.swap(true, Ordering::Relaxed) {
            run_in(self.world.as_ref(), || self.bulkhead.adapt(self.since, verdict));
        }
    }

    /// Ends the call with `outcome`, which `judge` reads for an adaptive bulkhead.
    pub(super) fn judge<R>(self, outcome: R, judge: impl FnOnce(&R) -> Option<Verdict>) -> R {
        if self.bulkhead.is_adaptive()
            && let Some(verdict) = judge(&outcome)
        {
            self.ended(verdict);
        }
        outcome
    }

    /// Handles a slot that is dropped without a report.
    ///
    /// A call that a timeout of this stack has ended is a sign of overload; one that its caller has dropped, or that
    /// panicked, is none.
    #[cold]
    fn abandoned(&self) {
        let stack = self.bulkhead.owner.stack_or(self.stack);
        if !std::thread::panicking() && scope::is_cut(stack) {
            self.ended(Some(Category::Timeout.into()));
        }
    }
}

impl<B: Deref<Target = Bulkhead>> Holds for SlotOf<B> {
    #[inline]
    fn number(&self) -> usize {
        self.bulkhead.number()
    }
}

impl<B: Deref<Target = Bulkhead>> Drop for SlotOf<B> {
    #[inline]
    fn drop(&mut self) {
        if self.bulkhead.is_adaptive() {
            self.abandoned();
        }
        run_in(self.world.as_ref(), || self.bulkhead.leave(self.since));
    }
}

/// A call that gets a slot, and waits for it if it has to.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
#[doc(hidden)]
pub struct Enter<B: Deref<Target = Bulkhead>> {
    /// `None` once it has ended.
    bulkhead: Option<B>,
    stack: Option<Stack>,
    /// Of which attempt it is part, from 1.
    attempt: u32,
    queued: Option<Box<Queued>>,
}

#[derive(Debug)]
struct Queued {
    number: u64,
    until: u64,
    timer: Alarm,
    world: Option<World>,
}

impl<B: Deref<Target = Bulkhead>> Enter<B> {
    #[inline]
    pub(super) const fn new(bulkhead: B, stack: Option<Stack>, attempt: u32) -> Self {
        Self { bulkhead: Some(bulkhead), stack, attempt, queued: None }
    }

    /// Starts what measures the call. Returns whether its caller still waits for it.
    fn start_measuring(&self, bulkhead: &Bulkhead) -> bool {
        let Some(queued) = &self.queued else { return true };
        let stack = bulkhead.owner.stack_or(self.stack);
        run_in(queued.world.as_ref(), || admission::admitted(stack))
    }

    /// Polls since when the caller has a slot that was not free at once.
    #[inline]
    fn poll_since(&mut self, bulkhead: &Bulkhead, cx: &mut Context<'_>) -> Poll<Result<u64, Rejected>> {
        let entered = ready!(self.wait(bulkhead, cx));
        let is_wanted = self.start_measuring(bulkhead);
        let world = self.queued.take().and_then(|queued| queued.world);
        if let (Some(since), true) = (entered, is_wanted) {
            return Poll::Ready(Ok(since));
        }
        Poll::Ready(Err(run_in(world.as_ref(), || {
            if let Some(since) = entered {
                bulkhead.leave(since);
            }
            bulkhead.refuse(self.stack)
        })))
    }

    /// Returns the test world in which the caller gets its slot.
    #[inline]
    fn world(&self) -> Option<World> {
        self.queued.as_ref().map_or_else(World::here, |queued| queued.world.clone())
    }

    /// Polls since when the caller has a slot, or that it gets none.
    #[cold]
    #[inline(never)]
    fn wait(&mut self, bulkhead: &Bulkhead, cx: &mut Context<'_>) -> Poll<Option<u64>> {
        let Some(queued) = &mut self.queued else { return self.begin(bulkhead, cx) };
        let world = queued.world.clone();
        run_in(world.as_ref(), || queued.look(bulkhead, cx))
    }

    fn begin(&mut self, bulkhead: &Bulkhead, cx: &mut Context<'_>) -> Poll<Option<u64>> {
        let config = bulkhead.config();
        let may_wait = bulkhead.may_wait(self.stack);
        if !may_wait && bulkhead.is_full() {
            return Poll::Ready(None);
        }
        let waits = may_wait && !scope::holds(bulkhead.number());
        let wait = if waits { scope::at_most(config.wait) } else { std::time::Duration::ZERO };
        let (patience, now) = (scope::nanos(wait), now_nanos());
        let (arrival, after) =
            bulkhead.live.gate.arrive(|| bulkhead.room(), patience, now, cx.waker().clone());
        bulkhead.finish(after);
        match arrival {
            GateAnswer::Entered(since) => Poll::Ready(Some(since)),
            GateAnswer::Refused => Poll::Ready(None),
            GateAnswer::Waits(number) => {
                bulkhead.count(|counters| &counters.waited);
                admission::waits(bulkhead.owner.stack_or(self.stack), self.attempt);
                let until = now.saturating_add(patience);
                let queued = Queued { number, until, timer: alarm(until), world: World::here() };
                self.queued.insert(Box::new(queued)).rest(bulkhead, cx)
            }
        }
    }
}

impl Queued {
    fn look(&mut self, bulkhead: &Bulkhead, cx: &mut Context<'_>) -> Poll<Option<u64>> {
        match self.look_at(bulkhead, now_nanos(), cx) {
            Poll::Pending => self.rest(bulkhead, cx),
            ready @ Poll::Ready(_) => ready,
        }
    }

    /// Waits until it is woken, or its time is over.
    ///
    /// When the timer goes off, the time counts as over, even if the clock is a little behind it.
    fn rest(&mut self, bulkhead: &Bulkhead, cx: &mut Context<'_>) -> Poll<Option<u64>> {
        if Pin::new(&mut self.timer).poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.look_at(bulkhead, now_nanos().max(self.until), cx)
    }

    fn look_at(&mut self, bulkhead: &Bulkhead, now: u64, cx: &Context<'_>) -> Poll<Option<u64>> {
        let waker = cx.waker().clone();
        let (arrival, after) =
            bulkhead.live.gate.look(self.number, self.until, || bulkhead.room(), now, waker);
        bulkhead.finish(after);
        match arrival {
            GateAnswer::Entered(since) => Poll::Ready(Some(since)),
            GateAnswer::Refused => Poll::Ready(None),
            GateAnswer::Waits(number) => {
                self.number = number;
                Poll::Pending
            }
        }
    }
}

impl<B: Deref<Target = Bulkhead> + Unpin> Future for Enter<B> {
    type Output = Result<SlotOf<B>, Rejected>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(bulkhead) = this.bulkhead.take() else { return Poll::Pending };
        let world = this.world();
        // Not a slot in either case: the compiler would have it in memory.
        let since = if this.queued.is_none() && bulkhead.enter() {
            0
        } else {
            match this.poll_since(&bulkhead, cx) {
                Poll::Pending => {
                    this.bulkhead = Some(bulkhead);
                    return Poll::Pending;
                }
                Poll::Ready(Err(rejected)) => return Poll::Ready(Err(rejected)),
                Poll::Ready(Ok(since)) => since,
            }
        };
        Poll::Ready(Ok(SlotOf::new(bulkhead, since, this.stack, world)))
    }
}

impl<B: Deref<Target = Bulkhead>> Drop for Enter<B> {
    #[inline]
    fn drop(&mut self) {
        if let (Some(bulkhead), Some(queued)) = (&self.bulkhead, &self.queued) {
            let stack = bulkhead.owner.stack_or(self.stack);
            queued.cancel(bulkhead, stack, self.attempt);
        }
    }
}

impl Queued {
    #[cold]
    fn cancel(&self, bulkhead: &Bulkhead, stack: Stack, attempt: u32) {
        scope::dropped_waiting(stack, attempt);
        let cancel = || bulkhead.finish(bulkhead.live.gate.cancel(self.number, now_nanos()));
        run_in(self.world.as_ref(), cancel);
    }
}

/// Gets a slot for sync code, which blocks its thread while it waits.
#[inline]
pub(super) fn enter<B: Deref<Target = Bulkhead>>(
    bulkhead: B,
    stack: Option<Stack>,
    attempt: u32,
) -> Result<SlotOf<B>, Rejected> {
    // As in `Enter::poll`.
    let since = if bulkhead.enter() { 0 } else { enter_full(&bulkhead, stack, attempt)? };
    Ok(SlotOf::new(bulkhead, since, stack, World::here()))
}

/// Waits for a slot; returns since when the caller has it.
#[cold]
#[inline(never)]
fn enter_full(bulkhead: &Bulkhead, stack: Option<Stack>, attempt: u32) -> Result<u64, Rejected> {
    if bulkhead.may_wait(stack) {
        blocks(&bulkhead.owner.name);
    } else if bulkhead.is_full() {
        return Err(bulkhead.refuse(stack));
    }
    let mut enter = Enter::new(bulkhead, stack, attempt);
    block_on(poll_fn(|cx| enter.poll_since(bulkhead, cx)))
}

impl Bulkhead {
    /// Returns whether a call in `stack` that finds no free slot may wait for one.
    fn may_wait(&self, stack: Option<Stack>) -> bool {
        !self.config().wait.is_zero() && !self.is_extra(stack) && !stopping::has_begun()
    }

    /// Returns whether a call that may not wait is rejected, as far as that is known without the lock of the queue.
    fn is_full(&self) -> bool {
        self.live.gate.is_full(self.slots())
    }

    pub(super) fn room(&self) -> Capacity {
        let slots = self.slots();
        let queue = self.config().queue.map_or(slots, u64::from);
        Capacity { slots, queue: usize::try_from(queue).unwrap_or(usize::MAX) }
    }

    /// Adapts the number of slots to the end of a call that had its slot since `since`.
    #[inline(never)]
    fn adapt(&self, since: u64, verdict: Verdict) {
        let (config, now) = (self.config(), now_nanos());
        let latency = match verdict {
            None => Some(now.saturating_sub(since)),
            Some(class) if is_overload(&class) => None,
            Some(_) => return,
        };
        let live = &*self.live;
        if live.adaptive.ended(config, latency, live.gate.read().in_use, now) {
            self.slots_changed();
        }
    }

    /// Handles a change of the number of slots: callers that wait get those that are free now.
    pub(super) fn slots_changed(&self) {
        self.finish(self.live.gate.resize(|| self.slots(), now_nanos()));
    }

    /// Does the work that remains after a look at the queue.
    fn finish(&self, after: After) {
        if let due @ Some(_) = after.finish() {
            self.live.watch().arm(due);
        }
    }

    #[inline]
    fn leave(&self, since: u64) {
        let live = &*self.live;
        if !live.gate.leave() {
            self.leave_queue(since);
        }
    }

    #[cold]
    #[inline(never)]
    fn leave_queue(&self, since: u64) {
        let since = (since > 0).then_some(since);
        self.finish(self.live.gate.leave_queue(since, now_nanos));
    }
}

/// Returns whether a failure shows that the service is overloaded, and not that a client waited too briefly.
fn is_overload(class: &Classification) -> bool {
    let categories = [Category::Timeout, Category::RateLimited, Category::Unavailable];
    categories.contains(&class.category) && !class.is_refusal() && !class.is_of_request()
}
