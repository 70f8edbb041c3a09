//! Bodies that hold a slot or a lock, as the code in them can find out at each poll.

use super::scope;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll};

/// What code can hold.
///
/// # Implementing it
///
/// The number is the same for as long as the thing is held. Those of locks are odd and those of bulkheads, which are
/// addresses, even.
#[doc(hidden)]
pub trait Holds {
    /// What identifies it to the code that holds it.
    fn number(&self) -> usize;
}

pin_project_lite::pin_project! {
    /// A body that knows at each poll what it holds.
    #[must_use = "futures do nothing unless polled"]
    #[doc(hidden)]
    pub struct Holding<F> {
        number: usize,
        #[pin]
        body: F,
    }
}

impl<F: Future> Holding<F> {
    /// `body`, which holds `held`, or what that points to.
    #[inline]
    pub fn new(held: &impl Holds, body: F) -> Self {
        Self { number: held.number(), body }
    }
}

impl<T: Holds> Holds for std::sync::Arc<T> {
    #[inline]
    fn number(&self) -> usize {
        self.deref().number()
    }
}

impl<F: Future> Future for Holding<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _holding = scope::holding(*this.number);
        this.body.poll(cx)
    }
}
