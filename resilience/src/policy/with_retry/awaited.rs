//! The attempts that an annotated async function awaits, each with the wait before it in its future.
//!
//! Every `await` of an expansion takes time of the compiler, so a function whose body only its retry wraps has one, for
//! the first attempt, the waits and the later attempts.

use super::call::CallState;
use super::run::Pause;
use crate::base::repeats::poll_marked;
use crate::point::PointSite;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// An attempt that is not the first of its call, without its body: the wait before it, at whose end it begins, and the
/// point that marks it as one of its own. Boxed: few calls have one.
#[doc(hidden)]
pub struct NextAttempt<'a> {
    pub(super) call: CallState,
    pub(super) by: &'static PointSite,
    pub(super) wait: Option<Pause<'a, ()>>,
}

pin_project_lite::pin_project! {
    /// The future of one attempt, after its wait if it is not the first of its call. Its output is the state of the
    /// call and the output of the body.
    #[derive(Debug)]
    #[doc(hidden)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Attempt<'a, F> {
        again: Option<Box<NextAttempt<'a>>>,
        #[pin]
        body: F,
    }
}

/// Returns the future of the attempt `again`, or of the first one, with this `body`.
#[inline]
pub fn attempt<F>(again: Option<Box<NextAttempt<'_>>>, body: F) -> Attempt<'_, F> {
    Attempt { again, body }
}

impl<F: Future> Future for Attempt<'_, F> {
    type Output = (CallState, F::Output);

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.again {
            None => match this.body.poll(cx) {
                Poll::Ready(outcome) => Poll::Ready((CallState::default(), outcome)),
                Poll::Pending => Poll::Pending,
            },
            Some(again) => match again.poll(this.body, cx) {
                Some(done) => {
                    // Here, and not in the drop of the future, which a first attempt would pay for.
                    *this.again = None;
                    Poll::Ready(done)
                }
                None => Poll::Pending,
            },
        }
    }
}

impl NextAttempt<'_> {
    /// Polls the wait, and then `body`, marked; out of line, as few calls have a second attempt.
    #[cold]
    #[inline(never)]
    fn poll<F: Future>(&mut self, body: Pin<&mut F>, cx: &mut Context<'_>) -> Option<(CallState, F::Output)> {
        if let Some(wait) = &mut self.wait {
            if wait.as_mut().poll(cx).is_pending() {
                return None;
            }
            self.wait = None;
        }
        let output = poll_marked(&self.by, body, cx)?;
        Some((std::mem::take(&mut self.call), output))
    }
}

impl fmt::Debug for NextAttempt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NextAttempt").field("call", &self.call).finish_non_exhaustive()
    }
}
