//! What a running call can know of the timeouts around it: the time left, and whether one of them is
//! just dropping it.

use crate::clock::{later, now};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// The limits around the running code.
#[derive(Clone, Copy, Debug, Default)]
struct Limits {
    /// The earliest moment at which a timer that already runs will go off.
    at: Option<Instant>,
    /// The shortest limit whose timer does not run yet.
    whole: Option<Duration>,
}

thread_local! {
    static LIMITS: Cell<Limits> = const { Cell::new(Limits { at: None, whole: None }) };
    static CUT: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The least time left of all timeouts around the running code; `None` outside of any.
///
/// A timeout whose timer has not started yet (see `timeout`) counts with its whole limit. Known to the
/// code that an annotated function or a `Timeout` runs, on the same thread;
/// spawned tasks and threads do not inherit it.
///
/// # Examples
///
/// ```
/// assert_eq!(resilience::remaining(), None);
/// ```
pub fn remaining() -> Option<Duration> {
    let Limits { at, whole } = LIMITS.try_with(Cell::get).unwrap_or_default();
    let running = at.map(|at| at.saturating_duration_since(now()));
    running.into_iter().chain(whole).min()
}

/// Puts the limits back that were in force before.
#[derive(Debug)]
pub(crate) struct Within {
    before: Limits,
}

/// Adds a limit to the running code until the guard is dropped: an end, or a length not yet started.
#[inline]
pub(crate) fn within(end: Result<Instant, Duration>) -> Within {
    let before = LIMITS.try_with(Cell::get).unwrap_or_default();
    let mut inner = before;
    match end {
        Ok(at) => inner.at = Some(before.at.map_or(at, |outer| outer.min(at))),
        Err(whole) => inner.whole = Some(before.whole.map_or(whole, |outer| outer.min(whole))),
    }
    let _ = LIMITS.try_with(|limits| limits.set(inner));
    Within { before }
}

impl Drop for Within {
    #[inline]
    fn drop(&mut self) {
        let _ = LIMITS.try_with(|limits| limits.set(self.before));
    }
}

/// Runs `end`, which drops the body of a timeout of the stack `stack`: what is dropped in it can tell.
pub(crate) fn cutting(stack: usize, end: impl FnOnce()) {
    struct Restore(Option<usize>);
    impl Drop for Restore {
        fn drop(&mut self) {
            let _ = CUT.try_with(|cut| cut.set(self.0));
        }
    }
    let _restore = Restore(CUT.try_with(|cut| cut.replace(Some(stack))).ok().flatten());
    end();
}

/// Whether the running drop is the work of a timeout of the stack `stack`.
pub(crate) fn is_cut(stack: usize) -> bool {
    CUT.try_with(Cell::get).ok().flatten() == Some(stack)
}

/// The end of a limit of `wait` from now.
pub(crate) fn ends_in(wait: Duration) -> Instant {
    later(now(), wait)
}
