//! Work of a thread that is done again and again, until it is stopped.

use super::block_on::block_on;
use super::clock;
use super::guarded::wake;
use super::sync::locked;
use super::world::{World, run_in};
use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

/// The handle of a thread, whose work ends when it is dropped.
///
/// It does not wait for the thread: work that runs goes on to its end, and is not begun again.
#[derive(Debug)]
pub(crate) struct Repeating(Arc<Stop>);

/// The flag that the thread asks and waits on.
#[derive(Debug, Default)]
pub(crate) struct Stop(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    is_stopped: bool,
    waker: Option<Waker>,
}

/// Calls `work` on a thread of this name, and again `every` so long after its end; in the test world of this thread, by
/// the clock of that.
///
/// # Errors
///
/// The thread cannot be started.
pub(crate) fn repeat(
    name: &str,
    every: Duration,
    mut work: impl FnMut(&Stop) + Send + 'static,
) -> io::Result<Repeating> {
    let stop = Arc::new(Stop::default());
    let (world, seen) = (World::here(), stop.clone());
    let repeated = move || {
        run_in(world.as_ref(), || {
            while !seen.is_stopped() {
                work(&seen);
                seen.wait(every);
            }
        });
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(repeated)?;
    Ok(Repeating(stop))
}

impl Stop {
    /// Returns whether the thread should stop; long work asks now and then.
    pub(crate) fn is_stopped(&self) -> bool {
        locked(&self.0).is_stopped
    }

    /// Waits for this time, or until it is stopped.
    ///
    /// One waiter only: the thread of the work itself.
    pub(crate) fn wait(&self, time: Duration) {
        let mut next = clock::watch(time);
        block_on(poll_fn(|cx| {
            let waker = cx.waker().clone();
            let mut state = locked(&self.0);
            if state.is_stopped {
                return Poll::Ready(());
            }
            let before = state.waker.replace(waker);
            drop(state);
            drop(before);
            Pin::new(&mut next).poll(cx)
        }));
    }
}

impl Drop for Repeating {
    fn drop(&mut self) {
        let mut state = locked(&self.0.0);
        state.is_stopped = true;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            wake(waker);
        }
    }
}
