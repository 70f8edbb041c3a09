//! The common parts of the policies' loom tests.

use loom::sync::Arc;
use loom::thread;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

/// A caller, and whether it was woken. Not one of loom's flags: it is read when all threads have ended.
#[derive(Clone, Default)]
pub(crate) struct Caller(std::sync::Arc<Woken>);

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Caller {
    pub(crate) fn waker(&self) -> Waker {
        Waker::from(self.0.clone())
    }

    pub(crate) fn is_woken(&self) -> bool {
        self.0.0.load(Ordering::Relaxed)
    }
}

/// Runs both on `shared` at once, one of them on a thread of its own.
pub(crate) fn together<T: 'static, A: 'static, B>(
    shared: &Arc<T>,
    a: impl FnOnce(&T) -> A + 'static,
    b: impl FnOnce(&T) -> B,
) -> (A, B) {
    let theirs = shared.clone();
    let other = thread::spawn(move || a(&theirs));
    let b = b(shared);
    (other.join().unwrap(), b)
}
