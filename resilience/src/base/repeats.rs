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

/// Returns the points whose retries are repeating the running code, outermost first.
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
    /// Returns the name of the retry in events.
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
}

impl<R: Repeats, F: Future> Future for Repeated<R, F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        match this.by {
            None => this.future.poll(cx),
            Some(by) => match poll_marked(by, this.future, cx) {
                Some(outcome) => Poll::Ready(outcome),
                None => Poll::Pending,
            },
        }
    }
}

/// Polls the `future` of a repeated attempt of `by`, marked; returns its output if it is ready.
///
/// Out of line: nearly every call is polled as its first attempt. Not a `Poll`, as the output of the first attempt
/// would be written to its memory and copied from there.
#[cold]
#[inline(never)]
pub(crate) fn poll_marked<F: Future>(
    by: &impl Repeats,
    future: Pin<&mut F>,
    cx: &mut Context<'_>,
) -> Option<F::Output> {
    let _entered = RepeatGuard::of(by);
    match future.poll(cx) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// A guard for one poll, which leaves when it is dropped, also when the poll panics.
struct RepeatGuard;

impl RepeatGuard {
    fn of(by: &impl Repeats) -> Self {
        enter(by.point());
        Self
    }
}

impl Drop for RepeatGuard {
    fn drop(&mut self) {
        leave();
    }
}
