//! The retries around the running code that are repeating it, outermost first: a retry inside one of them multiplies
//! its attempts.
//!
//! Only repeated attempts are marked, the second of a call and those after it: so a call whose first attempt succeeds
//! costs nothing here. A sync retry enters at the end of its wait and leaves when the attempt has ended; the state that
//! it keeps of the call remembers that it has entered, also when the body panics. The future of an async attempt enters
//! for the time of each poll.

use super::name::PointName;
use super::replaced::{Replaced, replace};
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

thread_local! {
    static AROUND: RefCell<Vec<PointName>> = const { RefCell::new(Vec::new()) };
}

/// The points whose retries are repeating the running code, outermost first.
pub(crate) fn around() -> Vec<PointName> {
    AROUND.try_with(|around| around.borrow().clone()).unwrap_or_default()
}

/// Returns how many retries are repeating the running code.
pub(crate) fn depth() -> usize {
    AROUND.try_with(|around| around.borrow().len()).unwrap_or(0)
}

/// Begins a repeated attempt by a retry of `point` on this thread, which ends at [`leave`].
#[cold]
pub(crate) fn enter(point: PointName) {
    let _ = AROUND.try_with(|around| around.borrow_mut().push(point));
}

/// Ends the innermost repeated attempt on this thread.
#[cold]
pub(crate) fn leave() {
    let _ = AROUND.try_with(|around| around.borrow_mut().pop());
}

/// Makes the retries of `points` those around the running code until the guard is dropped.
pub(crate) fn within(points: Vec<PointName>) -> Replaced<RefCell<Vec<PointName>>> {
    replace(&AROUND, points)
}

/// The owner of repeated attempts: an annotated function, or a call of a value.
#[doc(hidden)]
pub trait Repeats {
    /// Its name in events.
    fn point(&self) -> PointName;
}

pin_project_lite::pin_project! {
    /// The future of one attempt, which is marked where it is not the first of its call.
    #[derive(Debug)]
    #[doc(hidden)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Repeated<R, F> {
        by: Option<R>,
        #[pin]
        future: F,
    }
}

impl<R, F> Repeated<R, F> {
    /// Creates the `attempt`th attempt of a call of `by`, from 1.
    #[inline]
    pub fn new(by: R, attempt: u32, future: F) -> Self {
        Self { by: if attempt > 1 { Some(by) } else { None }, future }
    }

    /// Creates an attempt of a call of `by` that is not the first.
    pub(crate) fn again(by: R, future: F) -> Self {
        Self { by: Some(by), future }
    }
}

impl<R: Repeats, F: Future> Future for Repeated<R, F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        // One call of `poll`, so that the body is compiled into it.
        let _entered = this.by.as_ref().map(|by| Entered::of(by));
        this.future.poll(cx)
    }
}

/// A guard that leaves when it is dropped.
///
/// A guard for one poll; it leaves also when the poll panics.
struct Entered;

impl Entered {
    #[cold]
    #[inline(never)]
    fn of(by: &impl Repeats) -> Self {
        enter(by.point());
        Self
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        leave();
    }
}
