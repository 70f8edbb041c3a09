//! Bodies that hold a slot or a lock, as the code in them can find out at each poll.

use super::each_poll::each_poll;
use super::scope;
use std::future::Future;
use std::ops::Deref;

/// A resource that code can hold.
///
/// # Implementing it
///
/// The number is the same for as long as the thing is held. Those of locks are odd and those of bulkheads, which are
/// addresses, even.
#[doc(hidden)]
pub trait Holds {
    /// Returns the number that identifies the resource to the code that holds it.
    fn number(&self) -> usize;
}

/// Returns `body`, which knows at each poll that it holds `held`, or the target of `held`.
#[doc(hidden)]
#[inline]
pub fn holding<F: Future>(held: &impl Holds, body: F) -> impl Future<Output = F::Output> {
    let number = held.number();
    each_poll(move || scope::holding(number), body)
}

/// Marks the running code as a holder of `held`, or of the target of `held`, until the guard is dropped.
#[doc(hidden)]
pub fn hold<H: Holds>(held: &H) -> impl Sized + use<H> {
    scope::holding(held.number())
}

impl<T: Holds> Holds for std::sync::Arc<T> {
    #[inline]
    fn number(&self) -> usize {
        self.deref().number()
    }
}
