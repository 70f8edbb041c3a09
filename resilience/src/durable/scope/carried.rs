//! Code that is part of a job or a step wherever it runs.

use super::{Scope, current};
use crate::base::scope::{held_locks, holding};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

pin_project_lite::pin_project! {
    /// A future whose code is part of a job or a step; see [`in_scope`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct InScope<F> {
        scope: Scope,
        // The locks that the code held which made it.
        locks: Vec<usize>,
        #[pin]
        future: F,
    }
}

impl<F> InScope<F> {
    #[doc(hidden)]
    pub fn new(scope: &Scope, future: F) -> Self {
        Self { scope: scope.clone(), locks: Vec::new(), future }
    }
}

impl<F: Future> Future for InScope<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = this.scope.enter();
        let _locks: Vec<_> = this.locks.iter().map(|number| holding(*number)).collect();
        this.future.poll(cx)
    }
}

/// Makes `future` part of the running job and step, wherever it is polled.
///
/// Without it a spawned task is part of neither: its steps would belong to the store as a whole, and be shared by all
/// jobs. Call it on the task that spawns. The locks of `with_lock` around that code count as held here, too.
///
/// # Examples
///
/// ```
/// # let runtime = tokio::runtime::Runtime::new().unwrap();
/// # runtime.block_on(async {
/// let task = tokio::spawn(resilience::in_scope(async { /* steps of the job */ }));
/// task.await.unwrap();
/// # });
/// ```
pub fn in_scope<F: Future>(future: F) -> InScope<F> {
    InScope { scope: current(), locks: held_locks(), future }
}

/// Makes `work` part of the running job and step on whichever thread it runs; see [`in_scope`].
///
/// # Examples
///
/// ```
/// let thread = std::thread::spawn(resilience::in_scope_blocking(|| { /* steps of the job */ }));
/// thread.join().unwrap();
/// ```
pub fn in_scope_blocking<R>(work: impl FnOnce() -> R) -> impl FnOnce() -> R {
    let (scope, locks) = (current(), held_locks());
    move || {
        let _entered = scope.enter();
        let _locks: Vec<_> = locks.iter().map(|number| holding(*number)).collect();
        work()
    }
}
