//! Work with files on a thread of its own, for a future.

use crate::base::carry::carry_fn;
use crate::base::guarded::wake;
use crate::base::sync::locked;
use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread::{Builder, Result};

/// What the thread and the future share.
struct Shared<R> {
    state: Mutex<State<R>>,
}

struct State<R> {
    result: Option<Result<R>>,
    waker: Option<Waker>,
    /// The future was dropped, or the work may no longer be cancelled.
    is_decided: bool,
}

impl<R> Shared<R> {
    /// Decides whether the work goes on or is cancelled; whether this was the first to do so.
    fn decide(&self) -> bool {
        !std::mem::replace(&mut locked(&self.state).is_decided, true)
    }
}

/// Cancels the work when it is dropped, unless that has been committed.
struct Cancels<R>(Arc<Shared<R>>);

impl<R> Drop for Cancels<R> {
    fn drop(&mut self) {
        self.0.decide();
    }
}

/// Runs `work`, which asks before its commit whether the future still waits.
pub(super) async fn run<R: Send + 'static>(
    work: impl FnOnce(&dyn Fn() -> bool) -> R + Send + 'static,
) -> io::Result<R> {
    let state = State { result: None, waker: None, is_decided: false };
    let shared = Arc::new(Shared { state: Mutex::new(state) });
    let of_thread = shared.clone();
    let carried = carry_fn(move || {
        let result = catch_unwind(AssertUnwindSafe(|| work(&|| of_thread.decide())));
        let mut state = locked(&of_thread.state);
        state.result = Some(result);
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(wake);
    });
    Builder::new().name("resilience-fs".into()).spawn(carried)?;
    let cancels = Cancels(shared);
    let result = poll_fn(|cx| {
        let mut state = locked(&cancels.0.state);
        let Some(result) = state.result.take() else {
            let before = state.waker.replace(cx.waker().clone());
            drop(state);
            drop(before);
            return Poll::Pending;
        };
        Poll::Ready(result)
    })
    .await;
    Ok(result.unwrap_or_else(|panic| resume_unwind(panic)))
}
