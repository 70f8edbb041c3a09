//! The future of an attempt that a retry repeats, as expansions await it.

use super::site::PointSite;
use crate::base::repeats::Repeated;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The future of an attempt that is not the first of its call, marked; boxed, since few calls have one and the future
/// of each would have room for it.
///
/// A type of its own, not a `Pin<Box<_>>`: every annotated async function awaits it, and the compiler has less to
/// prove.
#[doc(hidden)]
#[must_use = "futures do nothing unless polled"]
pub struct RepeatedBox<F>(Pin<Box<Repeated<&'static PointSite, F>>>);

impl PointSite {
    /// Wraps the `future` of an attempt that is not the first of its call.
    #[cold]
    pub fn repeated<F>(&'static self, future: F) -> RepeatedBox<F> {
        RepeatedBox(Box::pin(Repeated::again(self, future)))
    }
}

impl<F: Future> Future for RepeatedBox<F> {
    type Output = F::Output;

    // Out of line: nearly every call is polled as its first attempt.
    #[cold]
    #[inline(never)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl<F> fmt::Debug for RepeatedBox<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RepeatedBox")
    }
}
