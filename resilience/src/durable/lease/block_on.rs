//! Waiting for a store from sync and from async code.

use crate::clock;
use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// How the caller waits: a sync one by blocking its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Async,
    Blocking,
}

impl Mode {
    /// Lets `wait` pass.
    pub(crate) async fn pause(self, wait: Duration) {
        match self {
            Self::Async => Box::pin(clock::pause(wait)).await,
            Self::Blocking => clock::sleep(wait),
        }
    }

    /// What `work` gives, unless it takes longer than `limit`.
    pub(crate) async fn within<F: Future + Unpin>(self, limit: Duration, mut work: F) -> Option<F::Output> {
        match self {
            Self::Blocking => block_until(work, Instant::now().checked_add(limit)),
            Self::Async => {
                // Nearly always there is nothing to wait for, and then no timer is made.
                let first = std::future::poll_fn(|cx| Poll::Ready(pin!(&mut work).poll(cx))).await;
                if let Poll::Ready(done) = first {
                    return Some(done);
                }
                let mut alarm = Box::pin(clock::alarm(limit));
                std::future::poll_fn(move |cx| match pin!(&mut work).poll(cx) {
                    Poll::Ready(done) => Poll::Ready(Some(done)),
                    Poll::Pending => alarm.as_mut().poll(cx).map(|()| None),
                })
                .await
            }
        }
    }
}

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
    static BLOCKS: Cell<bool> = const { Cell::new(false) };
}

/// Whether the calling thread waits for a store anyway, and so may work for it.
#[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "only a store on a disk has work to do"))]
pub(crate) fn may_block() -> bool {
    BLOCKS.get()
}

/// Runs `future` on this thread, which sleeps while there is nothing to do.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            BLOCKS.set(self.0);
        }
    }
    let _before = Before(BLOCKS.replace(true));
    let mut future = pin!(future);
    let unpark = Arc::new(Unpark { thread: thread::current(), woken: AtomicBool::new(false) });
    let waker = Waker::from(unpark.clone());
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return done;
        }
        while !unpark.woken.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }
}

/// As [`block_on`], but gives up at `end`.
fn block_until<F: Future>(future: F, end: Option<Instant>) -> Option<F::Output> {
    let mut future = pin!(future);
    let unpark = Arc::new(Unpark { thread: thread::current(), woken: AtomicBool::new(false) });
    let waker = Waker::from(unpark.clone());
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(done);
        }
        while !unpark.woken.swap(false, Ordering::Acquire) {
            match end.map(|end| end.saturating_duration_since(Instant::now())) {
                None => thread::park(),
                Some(Duration::ZERO) => return None,
                Some(left) => thread::park_timeout(left),
            }
        }
    }
}
