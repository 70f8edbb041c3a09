//! Direct calls through a bulkhead.

use super::Bulkhead;
use super::wait::{Enter, OwnedSlot, Slot, enter};
use crate::base::holding::{hold, holding};
use crate::classify::Classification;
use crate::outcome::Refuse;
use crate::policy::Verdict;
use crate::rejected::Rejected;
use std::sync::Arc;

/// Returns the verdict on an outcome whose error is unknown: only whether it is a success.
fn success_only<R: Refuse>(outcome: &R) -> Option<Verdict> {
    outcome.is_success().then_some(None)
}

/// Calls.
impl Bulkhead {
    /// Runs `body` in a slot; the thread blocks while it waits for one.
    ///
    /// # Errors
    ///
    /// The body's own, or its error type made from [`Rejected::BulkheadFull`].
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Bulkhead;
    ///
    /// static LOOKUP: Bulkhead = Bulkhead::new("lookup", 4);
    ///
    /// let found: std::io::Result<u32> = LOOKUP.call(|| Ok(7));
    /// assert_eq!(found.unwrap(), 7);
    /// ```
    pub fn call<R: Refuse>(&self, body: impl FnOnce() -> R) -> R {
        self.run(body, success_only)
    }

    /// Runs `body` as [`call`](Self::call) does; `judge` returns what a failed outcome means, and `None` for a success.
    ///
    /// An adaptive bulkhead lowers its number of slots after a failure of category
    /// [`Timeout`](crate::Category::Timeout), [`RateLimited`](crate::Category::RateLimited) or
    /// [`Unavailable`](crate::Category::Unavailable). With [`call`](Self::call) it knows only how long successes take.
    ///
    /// # Errors
    ///
    /// The body's own, or its error type made from [`Rejected::BulkheadFull`].
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Bulkhead, Classify};
    ///
    /// static SEARCH: Bulkhead = Bulkhead::new("search", 20).adaptive();
    ///
    /// let outcome: std::io::Result<()> = SEARCH.call_judged(
    ///     || Err(std::io::ErrorKind::TimedOut.into()),
    ///     |outcome| outcome.as_ref().err().map(Classify::classify),
    /// );
    /// assert!(outcome.is_err());
    /// assert_eq!(SEARCH.snapshot().slots, 18, "a tenth less");
    /// ```
    pub fn call_judged<R: Refuse>(
        &self,
        body: impl FnOnce() -> R,
        judge: impl FnOnce(&R) -> Option<Classification>,
    ) -> R {
        self.run(body, |outcome| Some(judge(outcome)))
    }

    fn run<R: Refuse>(&self, body: impl FnOnce() -> R, judge: impl FnOnce(&R) -> Option<Verdict>) -> R {
        match enter(self, None, 1) {
            Ok(slot) => {
                let held = hold(&slot);
                let outcome = body();
                drop(held);
                slot.judge(outcome, judge)
            }
            Err(rejected) => R::refuse(rejected),
        }
    }

    /// Runs the async `body` in a slot, for which it waits without blocking.
    ///
    /// A call that is dropped frees its slot, or its place in the queue.
    ///
    /// # Errors
    ///
    /// The body's own, or its error type made from [`Rejected::BulkheadFull`].
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Bulkhead;
    /// use std::time::Duration;
    ///
    /// static LOOKUP: Bulkhead = Bulkhead::new("lookup", 1).wait(Duration::from_secs(1));
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let lookup = |n: u32| LOOKUP.call_async(async move || {
    ///     tokio::task::yield_now().await;
    ///     std::io::Result::Ok(n)
    /// });
    /// let (first, second) = tokio::join!(lookup(1), lookup(2));
    /// assert_eq!((first.unwrap(), second.unwrap()), (1, 2), "one after the other");
    /// # });
    /// ```
    pub async fn call_async<R: Refuse>(&self, body: impl AsyncFnOnce() -> R) -> R {
        self.run_async(body, success_only).await
    }

    /// Runs the async `body` as [`call_async`](Self::call_async) does; `judge` is as in
    /// [`call_judged`](Self::call_judged).
    ///
    /// A call that is dropped while it waits leaves the queue; one that is dropped while it runs frees its slot.
    ///
    /// # Errors
    ///
    /// The body's own, or its error type made from [`Rejected::BulkheadFull`].
    ///
    /// # Examples
    ///
    /// A response with a status, to a bulkhead that follows the latency:
    ///
    /// ```
    /// use resilience::{Bulkhead, Category, Rejected};
    ///
    /// static SEARCH: Bulkhead = Bulkhead::new("search", 16).adaptive();
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let judge = |status: &Result<u16, Rejected>| {
    ///     status.as_ref().ok().filter(|status| **status >= 500).map(|status| Category::from_status(*status).into())
    /// };
    /// let status = SEARCH.call_async_judged(async || Ok(503), judge).await;
    /// assert_eq!(status.unwrap(), 503, "the caller gets it as it is");
    /// # });
    /// ```
    pub async fn call_async_judged<R: Refuse>(
        &self,
        body: impl AsyncFnOnce() -> R,
        judge: impl FnOnce(&R) -> Option<Classification>,
    ) -> R {
        self.run_async(body, |outcome| Some(judge(outcome))).await
    }

    async fn run_async<R: Refuse>(
        &self,
        body: impl AsyncFnOnce() -> R,
        judge: impl FnOnce(&R) -> Option<Verdict>,
    ) -> R {
        match Enter::new(self, None, 1).await {
            Ok(slot) => {
                let outcome = holding(&slot, body()).await;
                slot.judge(outcome, judge)
            }
            Err(rejected) => R::refuse(rejected),
        }
    }

    /// Takes a slot, and blocks the thread while it waits for one.
    ///
    /// Use it where the code is not a closure, such as a connection that is taken from a pool, or a stream. Code that
    /// holds such a slot and asks for another one of the same bulkhead waits for it: only [`call`](Self::call) and
    /// [`call_async`](Self::call_async) know what runs inside them.
    ///
    /// # Errors
    ///
    /// [`Rejected::BulkheadFull`] if there is no free slot in time.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Bulkhead, Rejected};
    ///
    /// static POOL: Bulkhead = Bulkhead::new("pool", 1);
    ///
    /// let connection = POOL.acquire()?;
    /// assert!(POOL.acquire().is_err());
    /// drop(connection);
    /// assert!(POOL.acquire().is_ok());
    /// # Ok::<(), Rejected>(())
    /// ```
    #[inline]
    pub fn acquire(&self) -> Result<Slot<'_>, Rejected> {
        enter(self, None, 1)
    }

    /// Takes a slot, for which it waits without blocking.
    ///
    /// A future that is dropped while it waits leaves the queue; a future that is not polled for 100 ms when its turn
    /// has come loses the turn, and queues again behind the others.
    ///
    /// # Errors
    ///
    /// Same as [`acquire`](Self::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Bulkhead, Rejected};
    /// use std::time::Duration;
    ///
    /// static POOL: Bulkhead = Bulkhead::new("pool", 1).wait(Duration::from_secs(5));
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let connection = POOL.acquire_async().await?;
    /// assert_eq!(POOL.snapshot().in_use, 1);
    /// drop(connection);
    /// assert_eq!(POOL.snapshot().in_use, 0);
    /// # Ok::<(), Rejected>(())
    /// # }).unwrap();
    /// ```
    #[inline]
    pub async fn acquire_async(&self) -> Result<Slot<'_>, Rejected> {
        Enter::new(self, None, 1).await
    }

    /// Takes a slot that can be sent to another task or thread, and blocks the thread while it waits for one.
    ///
    /// # Errors
    ///
    /// Same as [`acquire`](Self::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Bulkhead;
    /// use std::sync::Arc;
    ///
    /// let bulkhead = Arc::new(Bulkhead::new("workers", 1));
    /// let slot = Arc::clone(&bulkhead).acquire_owned().unwrap();
    /// std::thread::spawn(move || drop(slot)).join().unwrap();
    /// assert_eq!(bulkhead.snapshot().in_use, 0);
    /// ```
    #[inline]
    pub fn acquire_owned(self: Arc<Self>) -> Result<OwnedSlot, Rejected> {
        enter(self, None, 1)
    }

    /// Takes a slot that can be sent to another task, for which it waits without blocking.
    ///
    /// # Errors
    ///
    /// Same as [`acquire`](Self::acquire).
    ///
    /// # Examples
    ///
    /// A slot that lives as long as the task which does the work, and not as long as the one that requested it:
    ///
    /// ```
    /// use resilience::{Bulkhead, Rejected};
    /// use std::sync::Arc;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let bulkhead = Arc::new(Bulkhead::new("uploads", 4));
    /// let slot = Arc::clone(&bulkhead).acquire_owned_async().await?;
    /// let upload = tokio::spawn(async move {
    ///     let _slot = slot;
    ///     "uploaded"
    /// });
    /// assert_eq!(upload.await.unwrap(), "uploaded");
    /// assert_eq!(bulkhead.snapshot().in_use, 0);
    /// # Ok::<(), Rejected>(())
    /// # }).unwrap();
    /// ```
    #[inline]
    pub async fn acquire_owned_async(self: Arc<Self>) -> Result<OwnedSlot, Rejected> {
        Enter::new(self, None, 1).await
    }
}
