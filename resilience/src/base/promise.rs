//! One value that a thread sets and a future waits for.

use super::guarded::{discard, wake};
use super::sync::locked;
use std::future::poll_fn;
use std::sync::Mutex;
use std::task::{Poll, Waker};

/// A value that may not have been given yet.
#[derive(Debug)]
pub(crate) struct Promise<T>(Mutex<State<T>>);

#[derive(Debug)]
struct State<T> {
    value: Option<T>,
    /// The task that waits for the value.
    waiting: Option<Waker>,
}

impl<T> Promise<T> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State { value: None, waiting: None }))
    }

    /// Sets the value; the first one counts. The waker is code of an executor, and is called without the lock.
    pub(crate) fn give(&self, value: T) {
        let waiting = {
            let mut state = locked(&self.0);
            if state.value.is_none() {
                state.value = Some(value);
            }
            state.waiting.take()
        };
        waiting.into_iter().for_each(wake);
    }

    /// Waits for the value and takes it. One future waits at a time; dropped, it takes nothing back.
    pub(crate) async fn taken(&self) -> T {
        poll_fn(|cx| {
            let waker = cx.waker().clone();
            let mut state = locked(&self.0);
            let value = state.value.take();
            let unused = if value.is_some() { Some(waker) } else { state.waiting.replace(waker) };
            drop(state);
            discard(unused);
            value.map_or(Poll::Pending, Poll::Ready)
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
    fn the_first_value_wins_even_if_an_earlier_waker_panics() {
        let promise = Promise::new();
        let waker = Waker::from(Arc::new(Panics));
        assert!(pin!(promise.taken()).poll(&mut Context::from_waker(&waker)).is_pending());
        promise.give(1);
        promise.give(2);
        assert_eq!(block_on(promise.taken()), 1);
    }

    #[test]
    fn a_waker_is_dropped_without_the_lock_and_may_panic() {
        struct Looks(Arc<Promise<u8>>);
        impl Wake for Looks {
            fn wake(self: Arc<Self>) {}
        }
        impl Drop for Looks {
            fn drop(&mut self) {
                assert!(self.0.0.try_lock().is_ok(), "dropped under the lock");
                panic!("an executor's");
            }
        }
        let promise = Arc::new(Promise::new());
        let mut taken = pin!(promise.taken());
        let waker = Waker::from(Arc::new(Looks(promise.clone())));
        assert!(taken.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        // The waker that waits is the last one.
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(waker))).is_ok());
        assert!(taken.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }

    #[test]
    fn a_thread_receives_the_value_from_another_thread() {
        let promise = Arc::new(Promise::new());
        let given = promise.clone();
        let thread = std::thread::spawn(move || given.give("value"));
        assert_eq!(block_on(promise.taken()), "value");
        thread.join().unwrap();
    }
}
