//! Waiting for a future from sync and from async code.
//!
//! Jobs and steps are written once, as futures, and a sync function runs them with [`block_on`]. What differs between
//! the two is [`Mode`]: how a wait passes, and whether the thread may work for a store while it waits.
//!
//! A sync caller needs no runtime and starts none: the thread parks, and a waker unparks it. A token of `unpark` may
//! come from anywhere, so each wake-up sets a flag, which also keeps a wake-up that arrives before the park.

#[cfg(feature = "durable")]
use super::clock;
use super::replaced::replace;
use std::cell::Cell;
use std::future::Future;
#[cfg(any(feature = "durable", feature = "ops"))]
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

#[cfg(feature = "durable")]
/// The way in which the caller waits: a sync one by blocking its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Async,
    Blocking,
}

#[cfg(feature = "durable")]
impl Mode {
    /// Lets `wait` pass.
    ///
    /// In a test world with a clock of its own both return at once and move that clock.
    pub(crate) async fn pause(self, wait: Duration) {
        match self {
            Self::Async => Box::pin(clock::pause(wait)).await,
            Self::Blocking => clock::sleep(wait),
        }
    }

    /// Returns the result of `work`, unless it takes longer than `limit`.
    ///
    /// `work` is polled before the limit is looked at, so that a limit of zero is one look.
    pub(crate) async fn within<F: Future + Unpin>(self, limit: Duration, mut work: F) -> Option<F::Output> {
        match self {
            Self::Blocking => block_for(limit, work),
            Self::Async => {
                // Nearly always there is nothing to wait for, and then no timer is made.
                let first = poll_fn(|cx| Poll::Ready(pin!(&mut work).poll(cx))).await;
                if let Poll::Ready(done) = first {
                    return Some(done);
                }
                let mut alarm = Box::pin(clock::alarm(limit));
                poll_fn(move |cx| match pin!(&mut work).poll(cx) {
                    Poll::Ready(done) => Poll::Ready(Some(done)),
                    Poll::Pending => alarm.as_mut().poll(cx).map(|()| None),
                })
                .await
            }
        }
    }
}

/// The waker of a thread that waits in [`block_on`]; the flag distinguishes its wake-ups from other calls of `unpark`.
struct Unpark {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

thread_local! {
    /// The value that [`may_block`] returns.
    static BLOCKS: Cell<bool> = const { Cell::new(false) };
}

/// Returns whether the calling thread waits for a store anyway, and so may work for it.
///
/// `true` inside of [`block_on`], except while several futures are run together by `all`: a store that worked for the
/// first would commit it alone.
#[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "only a store on a disk has work to do"))]
pub(crate) fn may_block() -> bool {
    BLOCKS.get()
}

#[cfg(any(feature = "durable", feature = "ops"))]
/// Runs all `futures` at once, so that a store commits together what they ask it for; their results, in order.
///
/// Each wake-up polls all that are not done: it is for pages of a few hundred.
pub(crate) async fn all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    poll_fn(|cx| {
        let _together = replace(&BLOCKS, false);
        for (future, done) in running.iter_mut().filter(|(_, done)| done.is_none()) {
            if let Poll::Ready(result) = future.as_mut().poll(cx) {
                *done = Some(result);
            }
        }
        let are_done = running.iter().all(|(_, done)| done.is_some());
        if are_done { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    running.into_iter().filter_map(|(_, done)| done).collect()
}

/// Calls `step` until it returns a value. Between two calls the thread sleeps until the waker is called, or until the
/// moment of the system's clock that `step` names, if it names one.
fn park_between<T>(mut step: impl FnMut(&Waker) -> Result<T, Option<Instant>>) -> T {
    let _before = replace(&BLOCKS, true);
    #[cfg(feature = "tokio")]
    let _blocked = super::paused::block();
    let unpark = Arc::new(Unpark { thread: thread::current(), woken: AtomicBool::new(false) });
    let waker = Waker::from(unpark.clone());
    loop {
        let until = match step(&waker) {
            Ok(done) => return done,
            Err(until) => until,
        };
        while !unpark.woken.swap(false, Ordering::Acquire) {
            match until.map(|until| until.saturating_duration_since(Instant::now())) {
                None => thread::park(),
                Some(Duration::ZERO) => break,
                Some(left) => thread::park_timeout(left),
            }
        }
    }
}

/// Runs `future` on this thread, which sleeps while there is nothing to do.
///
/// The future has to be woken by another thread, or by itself: a future that only a runtime on this very thread drives
/// (tokio's timer or sockets) never ends here. The futures of stores are woken by the store's own thread.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    park_between(|waker| match future.as_mut().poll(&mut Context::from_waker(waker)) {
        Poll::Ready(done) => Ok(done),
        Poll::Pending => Err(None),
    })
}

/// Waits like [`block_on`], but gives up after `limit` of the system's clock, if that clock can reach the moment.
///
/// The future is polled before the limit is looked at, so that a result which arrives at the last moment counts.
#[cfg(any(feature = "durable", feature = "ops"))]
pub(crate) fn block_for<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let end = Instant::now().checked_add(limit);
    let mut future = pin!(future);
    park_between(|waker| match future.as_mut().poll(&mut Context::from_waker(waker)) {
        Poll::Ready(done) => Ok(Some(done)),
        Poll::Pending if end.is_some_and(|end| end <= Instant::now()) => Ok(None),
        Poll::Pending => Err(end),
    })
}

/// Calls `step` until it is done, as soon as its waker is called, and at the moment of the system's clock that `step`
/// names.
#[cfg(feature = "fs")]
pub(crate) fn block_steps<T>(mut step: impl FnMut(&Waker) -> Result<T, Instant>) -> T {
    park_between(|waker| step(waker).map_err(Some))
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use super::*;

    #[test]
    fn block_for_lets_the_thread_work_for_a_store() {
        let seen = || async { may_block() };
        assert!(!may_block());
        assert_eq!(block_for(Duration::MAX, seen()), Some(true));
        let inside = block_on(all([seen()].into_iter()));
        assert_eq!((inside, may_block()), (vec![false], false));
    }

    #[test]
    fn block_for_polls_at_the_start_and_at_the_end_of_the_limit() {
        for (limit, expected) in [(Duration::ZERO, 1), (Duration::from_millis(1), 2)] {
            let mut polls = 0;
            let never = poll_fn(|_| {
                polls += 1;
                Poll::<()>::Pending
            });
            assert_eq!(block_for(limit, never), None);
            assert_eq!(polls, expected, "{limit:?}");
        }
    }
}
