//! The knowledge of a running call about the timeouts around it: the time left, and whether one of them is
//! just dropping it.
//!
//! It is kept in thread-locals, set while a body runs or its future is polled and restored afterwards, so that it holds
//! for what the body calls and for nothing else: tasks on the same thread interleave between polls, and each poll sets
//! it anew. Policies use it in two ways. A retry does not start a wait that a timeout around it would cut off. A
//! breaker whose call is dropped asks [`is_cut`] whether a timeout of its own stack dropped it, which counts as a
//! failure, or the caller lost interest, which counts as nothing.
//!
//! Two numbers are enough. Timers that run have fixed ends, of which the earliest counts; timers that have not begun
//! have only a length, of which the shortest counts. Neither needs a reading of the clock when a call begins.

use super::clock::{self, later, now, origin};
use super::replaced::{Replaced, replace};
use std::cell::{Cell, RefCell};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// The limits around the running code, in nanoseconds; `NONE` where there is none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The earliest moment at which a timer that already runs will go off, counted from `origin`.
    at: u64,
    /// The shortest limit whose timer does not run yet.
    whole: u64,
}

/// Later than every moment and longer than every limit, so that `min` needs no case for it.
const NONE: u64 = u64::MAX;
const NO_LIMITS: Limits = Limits { at: NONE, whole: NONE };

/// The identity of the stack of one function: the address of its point, without the bits that are zero and those that
/// no program is large enough for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stack(NonZeroU32);

impl Stack {
    /// The stack of every policy that is called directly: an even number, which no point has.
    pub(crate) const DIRECT: Self = Self(NonZeroU32::MIN.saturating_add(1));

    /// Returns the stack of the function whose point is `point`.
    #[inline]
    pub(crate) fn of(point: &'static impl ?Sized) -> Self {
        // A point has more than the 16 bytes that no longer differ.
        Self(NonZeroU32::MIN | (std::ptr::from_ref(point).addr() >> 3) as u32)
    }
}

thread_local! {
    static LIMITS: Cell<Limits> = const { Cell::new(NO_LIMITS) };
    static CUT: Cell<Option<DroppedStack>> = const { Cell::new(None) };
    /// The end of the deadline of the request that the running code answers.
    static REQUEST: Cell<RequestEnd> = const { Cell::new(NO_REQUEST) };
    /// The bulkheads whose slots the running code holds, and its locks, as [`holding`] calls them.
    static HELD: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    /// The stack of which the running code is an extra call.
    static EXTRA: Cell<Option<Stack>> = const { Cell::new(None) };
}

/// A timeout that is just dropping the body of its stack.
///
/// Set for the time of one drop, and restored after it: drops nest, and each asks about its own stack.
#[derive(Clone, Copy, Debug)]
struct DroppedStack {
    stack: Stack,
    dropped: TimedOutCall,
}

/// The call that a timeout drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimedOutCall {
    /// An attempt that runs.
    Running,
    /// An attempt that runs, while the caller drops the whole call: no timeout has passed.
    Left,
    /// An attempt that waits for admission: nothing of it has reached the service.
    Waiting,
    /// Like `Waiting`, of the first attempt: nothing of the call has reached the service.
    OnlyWaiting,
}

impl TimedOutCall {
    /// Returns whether nothing has reached the service from a layer that is part of the `attempt`th attempt, from 1.
    pub(crate) fn is_unsent(self, attempt: u32) -> bool {
        self == Self::OnlyWaiting || self == Self::Waiting && attempt > 1
    }
}

/// Returns `wait` in nanoseconds, at most 584 years of them.
pub(crate) const fn nanos(wait: Duration) -> u64 {
    let nanos = wait.as_nanos();
    if nanos < NONE as u128 { nanos as u64 } else { NONE - 1 }
}

/// Returns the least time left of all timeouts around the running code; `None` outside of any.
///
/// Pass it on as the timeout of a client or as a header ([`deadline`](crate::deadline)), so that a service does
/// not work for a caller that has gone. A timeout whose timer has not started yet (see `timeout`) counts with its whole
/// limit.
///
/// It is known to the code that an annotated function, a [`Timeout`](crate::policy::Timeout) or a
/// [`Deadline`](crate::deadline::Deadline) runs, on the same thread or on the helper thread of
/// `timeout(.., thread)`. Other threads and spawned tasks have it where [`carry`](crate::carry()) or
/// [`carry_fn`](crate::carry_fn) takes it along.
///
/// # Examples
///
/// ```
/// use resilience::{Rejected, Timeout};
/// use std::time::Duration;
///
/// assert_eq!(resilience::remaining(), None);
///
/// const LIMIT: Timeout = Timeout::new(Duration::from_secs(2));
/// let left: Result<Option<Duration>, Rejected> = LIMIT.call(|| Ok(resilience::remaining()));
/// assert!(left.unwrap().unwrap() <= Duration::from_secs(2));
/// ```
pub fn remaining() -> Option<Duration> {
    let Limits { at, whole } = limits();
    let running = (at != NONE).then(|| until(at));
    let whole = (whole != NONE).then(|| Duration::from_nanos(whole));
    running.into_iter().chain(whole).min()
}

/// A guard that restores the former limits.
///
/// Dropped on the thread that made it, in the reverse order of the guards around it. A guard of its own, not a
/// [`Replaced`]: each poll of a timeout makes one, and this one is compiled into a few moves.
#[derive(Debug)]
pub(crate) struct Within {
    before: Limits,
}

/// Adds a limit whose timer does not run yet to the running code until the guard is dropped.
#[inline]
pub(crate) fn within_whole(nanos: u64) -> Within {
    let before = limits();
    within(Limits { at: before.at, whole: before.whole.min(nanos) })
}

/// Adds a limit that ends at `at` to the running code until the guard is dropped.
pub(crate) fn within_until(at: Instant) -> Within {
    within(limits().until(at))
}

impl Limits {
    /// Returns the limits with one more that ends at `at`; a limit never extends those around it.
    pub(crate) fn until(self, at: Instant) -> Self {
        Self { at: self.at.min(after_origin(at)), whole: self.whole }
    }

    /// Returns the limits for a task of its own: all of them run from now on.
    pub(crate) fn begun(self) -> Self {
        match self.whole {
            NONE => self,
            whole => Self { whole: NONE, ..self.until(later(now(), Duration::from_nanos(whole))) },
        }
    }
}

/// Returns the time after `origin`. A moment before it is 0, and so is over.
fn after_origin(at: Instant) -> u64 {
    clock::nanos(at).min(NONE - 1)
}

/// Returns the time from now until `at`, counted from `origin`.
fn until(at: u64) -> Duration {
    later(origin(), Duration::from_nanos(at)).saturating_duration_since(now())
}

/// Returns the limits around the running code.
#[inline]
pub(crate) fn limits() -> Limits {
    LIMITS.try_with(Cell::get).unwrap_or(NO_LIMITS)
}

/// Makes `limits` those of the running code until the guard is dropped.
#[inline]
pub(crate) fn within(limits: Limits) -> Within {
    Within { before: LIMITS.try_with(|before| before.replace(limits)).unwrap_or(NO_LIMITS) }
}

impl Drop for Within {
    #[inline]
    fn drop(&mut self) {
        let _ = LIMITS.try_with(|limits| limits.set(self.before));
    }
}

/// Runs `end`, which drops the body of a timeout of the stack `stack`: code that is dropped in it can ask.
pub(crate) fn cutting(stack: Stack, end: impl FnOnce()) -> TimedOutCall {
    dropping(stack, TimedOutCall::Running, end)
}

/// Runs `end`, which drops a call of the stack `stack` because its caller has dropped it: a call in it that waits for
/// admission reports that. A timeout of the stack that is just dropping the call is the one that answers.
pub(crate) fn leaving(stack: Stack, end: impl FnOnce()) -> TimedOutCall {
    if dropped(stack).is_none() {
        return dropping(stack, TimedOutCall::Left, end);
    }
    end();
    dropped(stack).unwrap_or(TimedOutCall::Left)
}

/// Runs `end`, and returns what the dropped code has said of itself: `kind`, unless it was waiting for admission.
fn dropping(stack: Stack, kind: TimedOutCall, end: impl FnOnce()) -> TimedOutCall {
    let _before = replace(&CUT, Some(DroppedStack { stack, dropped: kind }));
    end();
    dropped(stack).unwrap_or(kind)
}

/// Returns what the timeout of the stack `stack` drops, if it caused the running drop.
pub(crate) fn dropped(stack: Stack) -> Option<TimedOutCall> {
    let cut = CUT.try_with(Cell::get).ok().flatten()?;
    (cut.stack == stack).then_some(cut.dropped)
}

/// Returns whether a timeout of the stack `stack` caused the running drop, and ends an attempt that may have
/// reached the service. Once the deadline of a request has passed, it is that deadline's.
pub(crate) fn is_cut(stack: Stack) -> bool {
    dropped(stack) == Some(TimedOutCall::Running) && left_of_request() != Some(Duration::ZERO)
}

/// The moments, counted from `origin`, at which the deadline of a request ends; the latest where there is none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestEnd {
    /// The end of the time that a client waits.
    of_client: u64,
    /// The end of that time, or of the service's own limit if that is earlier.
    of_any: u64,
}

const NO_REQUEST: RequestEnd = RequestEnd { of_client: NONE, of_any: NONE };

impl RequestEnd {
    /// Returns the end of the request that the running code answers.
    pub(crate) fn here() -> Self {
        REQUEST.try_with(Cell::get).unwrap_or(NO_REQUEST)
    }

    /// Returns the earlier one of this and `at`, which is the end of a client's time or of the service's own.
    pub(crate) fn until(self, at: Instant, is_of_client: bool) -> Self {
        let at = after_origin(at);
        let of_client = if is_of_client { self.of_client.min(at) } else { self.of_client };
        Self { of_client, of_any: self.of_any.min(at) }
    }

    /// Makes it that of the running code until the guard is dropped.
    pub(crate) fn enter(self) -> Replaced<Cell<Self>> {
        replace(&REQUEST, self)
    }
}

/// Returns the time left until the client of the request that the running code answers stops waiting; `None` without
/// one.
///
/// That deadline says how long a client waits, and nothing about the services that are called in that time.
pub(crate) fn left_of_request() -> Option<Duration> {
    let RequestEnd { of_client: at, .. } = RequestEnd::here();
    (at != NONE).then(|| until(at))
}

/// Returns the time left until the deadline of the request, the client's or the service's own; `None` without one.
pub(crate) fn left_of_deadline() -> Option<Duration> {
    let RequestEnd { of_any: at, .. } = RequestEnd::here();
    (at != NONE).then(|| until(at))
}

/// Notes that the dropped call was waiting for admission, in the `attempt`th attempt of `stack`, from 1.
pub(crate) fn dropped_waiting(stack: Stack, attempt: u32) {
    let waiting = if attempt <= 1 { TimedOutCall::OnlyWaiting } else { TimedOutCall::Waiting };
    if dropped(stack).is_some() {
        let _ = CUT.try_with(|cut| cut.set(Some(DroppedStack { stack, dropped: waiting })));
    }
}

/// Returns `wait`, cut to the timeouts around the running code.
///
/// Outside of any timeout it is `wait` itself.
pub(crate) fn at_most(wait: Duration) -> Duration {
    remaining().map_or(wait, |remaining| remaining.min(wait))
}

/// A guard: until it is dropped, the running code holds a slot.
///
/// Guards are dropped in the reverse order of their making: the list is a stack, and a poll leaves it as it was.
#[derive(Debug)]
pub(crate) struct Holding(());

/// Marks the running code as one that holds a slot of the bulkhead `number`, until the guard is dropped.
pub(crate) fn holding(number: usize) -> Holding {
    let _ = HELD.try_with(|held| held.borrow_mut().push(number));
    Holding(())
}

impl Drop for Holding {
    fn drop(&mut self) {
        let _ = HELD.try_with(|held| held.borrow_mut().pop());
    }
}

/// Returns whether the running code holds a slot of the bulkhead `number`.
pub(crate) fn holds(number: usize) -> bool {
    HELD.try_with(|held| held.borrow().contains(&number)).unwrap_or(false)
}

/// Returns the bulkheads whose slots the running code holds, for another thread.
pub(crate) fn held() -> Vec<usize> {
    HELD.try_with(|held| held.borrow().clone()).unwrap_or_default()
}

/// Returns the locks that the running code holds, for another thread or task: their numbers are odd, and those of
/// bulkheads, which are addresses, are not.
#[cfg(feature = "durable")]
pub(crate) fn held_locks() -> Vec<usize> {
    held().into_iter().filter(|number| number % 2 == 1).collect()
}

/// Marks the running code as an extra call of a hedge in `stack`, until the guard is dropped.
pub(crate) fn extra(stack: Stack) -> Replaced<Cell<Option<Stack>>> {
    replace(&EXTRA, Some(stack))
}

/// Returns whether the running code is an extra call of a hedge in `stack`: it waits for no admission, and a refusal of
/// it concerns no caller.
#[inline]
pub(crate) fn is_extra(stack: impl FnOnce() -> Stack) -> bool {
    EXTRA.try_with(Cell::get).ok().flatten().is_some_and(|extra| extra == stack())
}
