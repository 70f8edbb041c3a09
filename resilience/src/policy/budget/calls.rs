//! Direct calls that ask the throttle of a budget.

use super::Budget;
use super::share::{Share, sharing};
use super::throttle::Throttled;
use crate::base::scope::Stack;
use crate::classify::{Classification, Classify};
use crate::outcome::Refuse;
use crate::point::PointName;
use crate::policy::verdict_of;
use crate::rejected::Rejected;
use std::future::Future;
use std::panic::Location;

/// Asks `budget` for a call that is made at `place`.
fn ask<'b>(budget: &'b Budget, place: &'static Location<'static>) -> Result<Throttled<'b>, Rejected> {
    let name = || PointName::from(format!("{}:{}", place.file(), place.line()));
    Throttled::ask(Some(budget), Stack::DIRECT, name)
}

/// Calls that ask the throttle; for a plain [`Retry`](crate::Retry), put them around the retry: a retry is not
/// throttled.
impl Budget {
    /// Runs `body`, unless the throttle refuses the call.
    ///
    /// What `body` returns counts as one attempt. The factor is that of [`throttle`](Self::throttle), or else 2.
    ///
    /// # Errors
    ///
    /// The body's own, or its error type made from [`Rejected::Throttled`](crate::Rejected::Throttled).
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Budget, Retry};
    /// use std::io::{Error, ErrorKind};
    /// use std::time::Duration;
    ///
    /// static SEARCH: Budget = Budget::new().throttle(2.0);
    /// const RETRY: Retry = Retry::new().max(1).base(Duration::ZERO).budget(&SEARCH);
    ///
    /// let mut sent = 0;
    /// for _ in 0..100 {
    ///     let down: Result<(), Error> = SEARCH.call(|| RETRY.call(|| {
    ///         sent += 1;
    ///         Err(ErrorKind::ConnectionRefused.into())
    ///     }));
    ///     assert!(down.is_err());
    /// }
    /// assert!(SEARCH.throttled() > 50, "most calls were refused here");
    /// assert!(sent < 100);
    /// ```
    #[track_caller]
    pub fn call<R: Refuse>(&self, body: impl FnOnce() -> R) -> R
    where
        R::Error: Classify,
    {
        self.run(Location::caller(), body, verdict_of)
    }

    /// Runs `body` as [`call`](Self::call) does; `judge` returns what a failed outcome means, and `None` for a success.
    ///
    /// # Errors
    ///
    /// The body's own, or its error type made from [`Rejected::Throttled`](crate::Rejected::Throttled).
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Budget, Category, Classification, Rejected};
    ///
    /// static SEARCH: Budget = Budget::new().throttle(2.0);
    ///
    /// let is_empty = |found: &Result<Vec<u32>, Rejected>| {
    ///     found.as_ref().is_ok_and(Vec::is_empty).then(|| Classification::new(Category::Unavailable))
    /// };
    /// let found = SEARCH.call_judged(|| Ok(vec![7]), is_empty);
    /// assert_eq!(found.unwrap(), [7]);
    /// ```
    #[track_caller]
    pub fn call_judged<R: Refuse>(
        &self,
        body: impl FnOnce() -> R,
        judge: impl FnOnce(&R) -> Option<Classification>,
    ) -> R {
        self.run(Location::caller(), body, judge)
    }

    /// Runs the async `body`, unless the throttle refuses the call.
    ///
    /// A call that is dropped counts as nothing; one that a [`Timeout`](crate::Timeout) around it drops counts as a
    /// call that the service did not accept.
    ///
    /// # Errors
    ///
    /// The body's own, or its error type made from [`Rejected::Throttled`](crate::Rejected::Throttled).
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Budget;
    ///
    /// static SEARCH: Budget = Budget::new().throttle(1.5);
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let found: std::io::Result<u32> = SEARCH.call_async(async || Ok(7)).await;
    /// assert_eq!(found.unwrap(), 7);
    /// # });
    /// ```
    #[track_caller]
    pub fn call_async<R, F, Fut>(&self, body: F) -> impl Future<Output = R> + use<'_, R, F, Fut>
    where
        R: Refuse,
        R::Error: Classify,
        F: FnOnce() -> Fut,
        Fut: Future<Output = R>,
    {
        self.run_async(Location::caller(), body, verdict_of)
    }

    /// Runs the async `body` as [`call_async`](Self::call_async) does; `judge` is as in
    /// [`call_judged`](Self::call_judged).
    ///
    /// # Errors
    ///
    /// The body's own, or its error type made from [`Rejected::Throttled`](crate::Rejected::Throttled).
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Budget, Category, Rejected};
    ///
    /// static SEARCH: Budget = Budget::new().throttle(2.0);
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let judge = |status: &Result<u16, Rejected>| {
    ///     status.as_ref().ok().filter(|status| **status >= 500).map(|status| Category::from_status(*status).into())
    /// };
    /// let status = SEARCH.call_async_judged(async || Ok(200), judge).await;
    /// assert_eq!(status.unwrap(), 200);
    /// # });
    /// ```
    #[track_caller]
    pub fn call_async_judged<R, F, Fut, J>(
        &self,
        body: F,
        judge: J,
    ) -> impl Future<Output = R> + use<'_, R, F, Fut, J>
    where
        R: Refuse,
        F: FnOnce() -> Fut,
        Fut: Future<Output = R>,
        J: FnOnce(&R) -> Option<Classification>,
    {
        self.run_async(Location::caller(), body, judge)
    }

    fn run<R: Refuse>(
        &self,
        place: &'static Location<'static>,
        body: impl FnOnce() -> R,
        judge: impl FnOnce(&R) -> Option<Classification>,
    ) -> R {
        match ask(self, place) {
            Ok(call) => {
                let (attempt, share) = (call.attempt(), Share::new(Some(self), true).admitted(&call));
                let inside = share.enter();
                let outcome = body();
                inside.leave();
                share.ended(attempt, &judge(&outcome));
                outcome
            }
            Err(rejected) => R::refuse(rejected),
        }
    }

    async fn run_async<R: Refuse, Fut: Future<Output = R>>(
        &self,
        place: &'static Location<'static>,
        body: impl FnOnce() -> Fut,
        judge: impl FnOnce(&R) -> Option<Classification>,
    ) -> R {
        match ask(self, place) {
            Ok(call) => {
                let (attempt, share) = (call.attempt(), Share::new(Some(self), true).admitted(&call));
                let outcome = sharing(&share, body()).await;
                share.ended(attempt, &judge(&outcome));
                outcome
            }
            Err(rejected) => R::refuse(rejected),
        }
    }
}
