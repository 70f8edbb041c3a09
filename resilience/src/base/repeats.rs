//! The retries around the running code that are repeating it, outermost first: a retry inside one of them multiplies its
//! attempts.
//!
//! Only repeated attempts are marked, the second of a call and those after it: so a call whose first attempt succeeds
//! pays nothing for this. A sync retry enters at the end of its wait and leaves when the attempt has ended; what it keeps
//! of the call remembers that it has entered, also when the body panics. The future of an async attempt enters for the
//! time of each poll.

use super::name::PointName;
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

/// How many retries are repeating the running code.
pub(crate) fn depth() -> usize {
    AROUND.try_with(|around| around.borrow().len()).unwrap_or(0)
}

/// A retry of `point` begins a repeated attempt on this thread, which ends at [`leave`].
#[cold]
pub(crate) fn enter(point: PointName) {
    let _ = AROUND.try_with(|around| around.borrow_mut().push(point));
}

/// The innermost repeated attempt on this thread has ended.
#[cold]
pub(crate) fn leave() {
    let _ = AROUND.try_with(|around| around.borrow_mut().pop());
}

/// Until it is dropped, other retries are around the running code.
#[derive(Debug)]
pub(crate) struct Within {
    before: Vec<PointName>,
}

/// Makes the retries of `points` those around the running code until the guard is dropped.
pub(crate) fn within(points: Vec<PointName>) -> Within {
    Within { before: AROUND.try_with(|around| around.replace(points)).unwrap_or_default() }
}

impl Drop for Within {
    fn drop(&mut self) {
        let before = std::mem::take(&mut self.before);
        let _ = AROUND.try_with(|around| around.replace(before));
    }
}

pin_project_lite::pin_project! {
    /// The future of one attempt, which is marked where it is not the first of its call.
    #[derive(Debug)]
    #[doc(hidden)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Repeated<N, F> {
        point: Option<N>,
        #[pin]
        future: F,
    }
}

impl<N, F> Repeated<N, F> {
    /// The `attempt`th attempt of a call of `point`, from 1.
    #[inline]
    pub fn new(point: N, attempt: u32, future: F) -> Self {
        Self { point: if attempt > 1 { Some(point) } else { None }, future }
    }
}

/// The future of an attempt of a call of `point` that is not the first, boxed: few calls have one, and the future of
/// each would have room for it.
#[cold]
pub fn repeated<N, F: Future>(point: N, future: F) -> Pin<Box<Repeated<N, F>>> {
    Box::pin(Repeated { point: Some(point), future })
}

impl<N: Clone + Into<PointName>, F: Future> Future for Repeated<N, F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        match this.point {
            None => this.future.poll(cx),
            Some(point) => poll_inside(point, this.future, cx),
        }
    }
}

/// Out of line: nearly every call is polled as its first attempt.
#[cold]
#[inline(never)]
fn poll_inside<N: Clone + Into<PointName>, F: Future>(
    point: &N,
    future: Pin<&mut F>,
    cx: &mut Context<'_>,
) -> Poll<F::Output> {
    let _entered = Entered::of(point);
    future.poll(cx)
}

/// Leaves when it is dropped.
///
/// A guard for one poll; it leaves also when the poll panics.
struct Entered;

impl Entered {
    fn of<N: Clone + Into<PointName>>(point: &N) -> Self {
        enter(point.clone().into());
        Self
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        leave();
    }
}
