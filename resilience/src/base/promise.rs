//! One value that a thread sets and a future waits for.

use super::guarded::wake;
use super::sync::locked;
use std::future::poll_fn;
use std::sync::Mutex;
use std::task::{Poll, Waker};

/// A value, once it was given, and the task to wake for it.
#[derive(Debug)]
pub(crate) struct Promise<T>(Mutex<(Option<T>, Option<Waker>)>);

impl<T> Promise<T> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new((None, None)))
    }

    /// Sets the value; the first one counts. The waker is code of an executor, and is called without the lock.
    pub(crate) fn give(&self, value: T) {
        let waker = {
            let mut state = locked(&self.0);
            if state.0.is_none() {
                state.0 = Some(value);
            }
            state.1.take()
        };
        waker.into_iter().for_each(wake);
    }

    /// Waits for the value and takes it. One future waits at a time; dropped, it takes nothing back.
    pub(crate) async fn taken(&self) -> T {
        poll_fn(|cx| {
            let mut state = locked(&self.0);
            if let Some(value) = state.0.take() {
                return Poll::Ready(value);
            }
            let before = state.1.replace(cx.waker().clone());
            drop(state);
            drop(before);
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::block_on::block_on;
    use std::future::Future;
    use std::pin::pin;
    use std::sync::Arc;
    use std::task::{Context, Wake};

    struct Panics;

    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("an executor's");
        }
    }

    #[test]
    fn the_first_value_is_taken_whoever_waited_before() {
        let promise = Promise::new();
        let waker = Waker::from(Arc::new(Panics));
        assert!(pin!(promise.taken()).poll(&mut Context::from_waker(&waker)).is_pending());
        promise.give(1);
        promise.give(2);
        assert_eq!(block_on(promise.taken()), 1);
    }

    #[test]
    fn a_thread_gives_what_another_one_waits_for() {
        let promise = Arc::new(Promise::new());
        let given = promise.clone();
        let thread = std::thread::spawn(move || given.give("value"));
        assert_eq!(block_on(promise.taken()), "value");
        thread.join().unwrap();
    }
}
