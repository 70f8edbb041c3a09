//! A future whose code is part of something, which it enters for the time of each poll.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

pin_project_lite::pin_project! {
    struct EachPoll<E, F> {
        enter: E,
        #[pin]
        future: F,
    }
}

/// Wraps `future` so that the result of `enter` is alive during each poll.
#[inline]
pub(crate) fn each_poll<G, F: Future>(enter: impl Fn() -> G, future: F) -> impl Future<Output = F::Output> {
    EachPoll { enter, future }
}

impl<G, E: Fn() -> G, F: Future> Future for EachPoll<E, F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = (this.enter)();
        this.future.poll(cx)
    }
}
