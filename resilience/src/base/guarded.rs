//! Calls into code of the program that must not change what a call returns.
//!
//! Hooks and subscribers run inside the call that made the event. A panic there would otherwise unwind through the
//! policy, and the caller would see a panic for a call that had succeeded. Every such call goes through [`guarded`].
//! A panic of the function itself is not caught: it is the caller's.

#[cfg(any(feature = "durable", feature = "ops"))]
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;

static HOOK_PANICS: AtomicU64 = AtomicU64::new(0);

/// Returns the number of panics of hooks and subscribers in this process at events of this library.
///
/// The panic goes no further: the call ends as it would have ended without it. A number above zero is worth
/// an alert, because events were lost. Rust's panic hook has printed the message.
///
/// # Examples
///
/// ```
/// use resilience::{CircuitBreaker, Event, event::hook_panics};
///
/// static SEARCH: CircuitBreaker = CircuitBreaker::new("search").on_open(|_: &Event| panic!("broken hook"));
///
/// let before = hook_panics();
/// SEARCH.force_open();
/// SEARCH.reset();
/// SEARCH.open_until(std::time::Instant::now());
/// assert!(hook_panics() > before);
/// ```
pub fn hook_panics() -> u64 {
    HOOK_PANICS.load(Ordering::Relaxed)
}

/// Calls code of the program, a hook or a subscriber, and counts its panic instead of passing it on.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    let result = contained(work);
    if result.is_none() {
        HOOK_PANICS.fetch_add(1, Ordering::Relaxed);
    }
    result
}

/// Runs code whose panic concerns nothing else; `None` if it panics.
pub(crate) fn contained<T>(work: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => Some(done),
        Err(panic) => {
            discard(panic);
            None
        }
    }
}

/// Drops a value of the program, a waker or the value of a panic, whose destructor may panic.
pub(crate) fn discard<T>(value: T) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        // Its destructor may panic as well.
        std::mem::forget(panic);
    }
}

/// Returns the text of a panic, if its value is one.
#[cfg(any(feature = "durable", feature = "ops"))]
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> Option<&str> {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
}

/// Wakes a task. A waker that panics, or whose panic panics when it is dropped, concerns no other task.
pub(crate) fn wake(waker: Waker) {
    contained(|| waker.wake());
}

/// Wakes the tasks that wait with `woken`, and drops the wakers that are not needed any more.
pub(crate) fn release(woken: Vec<Waker>, unused: Vec<Waker>) {
    woken.into_iter().for_each(wake);
    unused.into_iter().for_each(discard);
}

/// The value of a panic that panics when it is dropped.
#[cfg(test)]
#[derive(Debug)]
pub(crate) struct DropPanics;

#[cfg(test)]
impl Drop for DropPanics {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "the value of a panic panics, too");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::panic_any;

    #[test]
    fn a_panic_payload_that_panics_on_drop_is_contained() {
        let before = hook_panics();
        assert_eq!(guarded(|| -> u8 { panic_any(DropPanics) }), None);
        assert!(hook_panics() > before);
    }
}
