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
    let result = catch_unwind(AssertUnwindSafe(work));
    if result.is_err() {
        HOOK_PANICS.fetch_add(1, Ordering::Relaxed);
    }
    result.ok()
}

/// Returns the text of a panic, if its value is one.
#[cfg(any(feature = "durable", feature = "ops"))]
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> Option<&str> {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
}

/// Wakes a task. A waker that panics, or whose panic panics when it is dropped, concerns no other task.
pub(crate) fn wake(waker: Waker) {
    harmless(|| waker.wake());
}

/// Runs code of an executor whose panic, or that panic's own, concerns no other task.
fn harmless(work: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
        let _ = catch_unwind(AssertUnwindSafe(|| drop(panic)));
    }
}

/// Wakes the tasks that wait with `woken`, and drops the wakers that are not needed any more.
pub(crate) fn release(woken: Vec<Waker>, unused: Vec<Waker>) {
    woken.into_iter().for_each(wake);
    for waker in unused {
        harmless(|| drop(waker));
    }
}
