//! The moment at which the running code was admitted, for measuring how long a service takes: a call that waits for a
//! slot or a permit below is not slow.
//!
//! A measuring policy keeps the moment in a word of its own and publishes it while its body runs or is polled. A policy
//! that waits for admission in the same stack writes to that word that it waits, and then when it was admitted. A
//! timeout that runs its body on a helper thread lends the moment to that thread ([`lend`]), and takes it back when it
//! no longer waits for the body. The timeout also watches whether the body waits for admission ([`Watch`]): a body that
//! is abandoned then is not admitted any more, so that nothing of it reaches the service.

use super::clock::now_nanos;
use super::replaced::replace;
use super::scope::{Stack, TimedOutCall};
use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// The call that the running code is part of, and the moment at which it was admitted.
#[derive(Clone, Copy, Debug)]
struct MeasuredCall {
    stack: Stack,
    since: u64,
}

/// The moment of a call that waits for admission.
const WAITING: u64 = u64::MAX;

// The states of a body on its helper thread, as the timeout that waits for it sees it.

/// The body runs.
const RUNS: u8 = 0;
/// The body waits for admission, and nothing of the call has reached the service.
const WAITS_FIRST: u8 = 1;
/// The body waits for admission in a later attempt.
const WAITS_LATER: u8 = 2;
/// The body was abandoned while it waited.
const LEFT: u8 = 3;

thread_local! {
    static INNERMOST: Cell<Option<MeasuredCall>> = const { Cell::new(None) };
    /// Of a helper thread, the timeouts that wait for its body.
    static WATCHES: RefCell<Vec<Watch>> = const { RefCell::new(Vec::new()) };
    /// Of a helper thread, what it was lent.
    static LENT: RefCell<Option<LentAdmission>> = const { RefCell::new(None) };
}

/// The moment of a measured call whose body runs on another thread.
#[derive(Clone, Debug)]
pub(crate) struct LentAdmission {
    stack: Stack,
    since: Arc<AtomicU64>,
}

/// Lends the moment of the measured call that the running code is part of to another thread, if it is part of one.
pub(crate) fn lend() -> Option<LentAdmission> {
    let MeasuredCall { stack, since } = INNERMOST.try_with(Cell::get).ok().flatten()?;
    let outer = LENT.try_with(|lent| lent.borrow().clone()).ok().flatten();
    // The threads of timeouts inside one another share one moment: that of the outermost is seen while all run.
    Some(match outer.filter(|outer| outer.stack == stack) {
        Some(outer) => outer,
        None => LentAdmission { stack, since: Arc::new(AtomicU64::new(since)) },
    })
}

impl LentAdmission {
    /// Makes this thread part of the call, as whose body it runs `work`.
    pub(crate) fn run<R>(self, work: impl FnOnce() -> R) -> R {
        let own = MeasuredCall { stack: self.stack, since: self.since.load(Ordering::Relaxed) };
        let _lent = replace(&LENT, Some(self));
        let _own = replace(&INNERMOST, Some(own));
        work()
    }

    /// Takes the moment back when the other thread is no longer waited for.
    pub(crate) fn take_back(self) {
        set(self.stack, self.since.load(Ordering::Relaxed));
    }
}

/// The moment at which one call was admitted.
#[derive(Debug)]
pub(crate) struct AdmittedAt(AtomicU64);

impl AdmittedAt {
    pub(crate) fn now() -> Self {
        Self(AtomicU64::new(now_nanos()))
    }

    /// Returns the nanoseconds that the call has run since then; 0 while it waits.
    pub(crate) fn ran(&self) -> u64 {
        now_nanos().saturating_sub(self.0.load(Ordering::Relaxed))
    }

    /// Makes it known to the running code, as part of a call of `stack`, until the guard is dropped.
    pub(crate) fn enter(&self, stack: Stack) -> AdmissionGuard<'_> {
        let since = self.0.load(Ordering::Relaxed);
        AdmissionGuard {
            cell: &self.0,
            before: swap(Some(MeasuredCall { stack, since })),
            since,
            stays: PhantomData,
        }
    }
}

/// The running code is part of a measured call until this is dropped.
#[derive(Debug)]
pub(crate) struct AdmissionGuard<'a> {
    cell: &'a AtomicU64,
    before: Option<MeasuredCall>,
    since: u64,
    // The guard restores its own thread, so it must be dropped there.
    stays: PhantomData<Rc<()>>,
}

impl Drop for AdmissionGuard<'_> {
    fn drop(&mut self) {
        let Some(own) = swap(self.before) else { return };
        self.cell.store(own.since, Ordering::Relaxed);
        if own.since != self.since {
            // The call was below the policies around it, too.
            set(own.stack, own.since);
        }
    }
}

/// Replaces the measured call and returns the former one; `None` on a thread whose locals are gone.
fn swap(measured: Option<MeasuredCall>) -> Option<MeasuredCall> {
    INNERMOST.try_with(|innermost| innermost.replace(measured)).ok().flatten()
}

/// Writes the moment of the running call, and that of the thread that lent it, if they are of this stack.
fn set(stack: Stack, since: u64) {
    let _ = INNERMOST.try_with(|innermost| {
        if let Some(measured) = innermost.get().filter(|measured| measured.stack == stack) {
            innermost.set(Some(MeasuredCall { since, ..measured }));
        }
    });
    let _ = LENT.try_with(|lent| {
        if let Some(lent) = lent.borrow().as_ref().filter(|lent| lent.stack == stack) {
            lent.since.store(since, Ordering::Relaxed);
        }
    });
}

/// Notes that the running call of `stack` waits for admission from now on, in its `attempt`th attempt, from 1.
pub(crate) fn waits(stack: Stack, attempt: u32) {
    set(stack, WAITING);
    let state = if attempt <= 1 { WAITS_FIRST } else { WAITS_LATER };
    watches(stack, |watch| _ = watch.change(&[RUNS], state));
}

/// Notes that the running call of `stack` waits no longer. Returns whether its caller still waits for it: a call
/// without one does not begin.
#[must_use = "a call that was abandoned while it waited does not begin"]
pub(crate) fn admitted(stack: Stack) -> bool {
    if INNERMOST.try_with(Cell::get).ok().flatten().is_some() {
        set(stack, now_nanos());
    }
    let mut is_wanted = true;
    watches(stack, |watch| {
        watch.change(&[WAITS_FIRST, WAITS_LATER], RUNS);
        is_wanted &= watch.state.load(Ordering::Acquire) != LEFT;
    });
    is_wanted
}

/// Calls `each` with the watches of this stack: a timeout of another function learns nothing of the waits in this one.
fn watches(stack: Stack, each: impl FnMut(&Watch)) {
    let _ = WATCHES.try_with(|watches| {
        watches.borrow().iter().filter(|watch| watch.stack == stack).for_each(each);
    });
}

/// The watch of a body on a helper thread that may wait for admission.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    stack: Stack,
    /// [`RUNS`], [`WAITS_FIRST`], [`WAITS_LATER`] or [`LEFT`].
    state: Arc<AtomicU8>,
}

impl Watch {
    /// Watches a body that is about to begin, as part of a call of `stack`.
    pub(crate) fn new(stack: Stack) -> Self {
        Self { stack, state: Arc::new(AtomicU8::new(RUNS)) }
    }

    /// Moves on to `to` from one of the states `from`; from any other nothing changes. So a body that was abandoned
    /// stays so.
    fn change(&self, from: &[u8], to: u8) -> bool {
        let change =
            |from: &u8| self.state.compare_exchange(*from, to, Ordering::AcqRel, Ordering::Acquire).is_ok();
        from.iter().any(change)
    }

    /// Abandons the body: what the timeout drops with it.
    pub(crate) fn abandon(&self) -> TimedOutCall {
        if self.change(&[WAITS_FIRST], LEFT) {
            TimedOutCall::OnlyWaiting
        } else if self.change(&[WAITS_LATER], LEFT) {
            TimedOutCall::Waiting
        } else {
            TimedOutCall::Running
        }
    }
}

/// Returns the watches of the timeouts that wait for the running code, if it runs on a helper thread.
pub(crate) fn watched() -> Vec<Watch> {
    WATCHES.try_with(|watches| watches.borrow().clone()).unwrap_or_default()
}

/// Runs `work` as a body that `by` wait for.
pub(crate) fn watch<R>(by: Vec<Watch>, work: impl FnOnce() -> R) -> R {
    let _before = replace(&WATCHES, by);
    work()
}
