//! A `Retry` used as a plain value, around any closure.
//!
//! The loop is that of an expansion, with the differences that a value has: no point, so its events have its name or
//! the place of the call; no budget of its own; and no counters. The closure is called again with its captures, which
//! is why it is `FnMut` and the attribute's `clone(..)` is not needed.

use super::Budget;
use super::call::CallState;
use super::config::Retry;
use super::run::{self, CallSite, Counter, Retrying};
use crate::base::repeats::{Repeated, Repeats};
use crate::base::stopping::pause;
use crate::classify::{Classification, Classify};
use crate::outcome::Outcome;
use crate::point::PointName;
use crate::policy::budget::BudgetOf;
use crate::policy::budget::share::{Share, sharing};
use crate::policy::judged::{Classifier, Judged, Predicate, Unset};
#[cfg(feature = "durable")]
use crate::policy::recoveries;
use crate::policy::{Ruling, Verdict};
use std::future::Future;
use std::panic::Location;

/// One call of a plain value, named after the place of the call unless the value has a name.
#[derive(Clone, Copy, Debug)]
struct InlineCall<'a> {
    retry: &'a Retry,
    place: &'static Location<'static>,
    /// The budget of what makes the calls, if it has one.
    own: Option<&'a Budget>,
}

impl Repeats for InlineCall<'_> {
    fn point(&self) -> PointName {
        self.name()
    }
}

impl CallSite for InlineCall<'_> {
    fn retry(&self) -> &Retry {
        self.retry
    }

    fn name(&self) -> PointName {
        match self.retry.name {
            Some(name) => PointName::new(name),
            None => PointName::from(format!("{}:{}", self.place.file(), self.place.line())),
        }
    }

    /// Counts how the call ended that failed at least once: a plain value has no counters of its own.
    fn count(&self, counter: Counter) {
        #[cfg(feature = "durable")]
        let has_recovered = matches!(counter, Counter::Recovered);
        #[cfg(feature = "durable")]
        if has_recovered || counter.has_given_up() {
            recoveries::count(&self.name(), "retry", has_recovered);
        }
        #[cfg(not(feature = "durable"))]
        let _ = counter;
    }
}

impl<'a> InlineCall<'a> {
    const fn budget(&self) -> Option<&'a Budget> {
        match self.retry.config().budget {
            BudgetOf::Own => self.own,
            BudgetOf::None => None,
            BudgetOf::Shared(budget) => Some(budget),
        }
    }

    #[inline]
    fn start(&self) -> CallState {
        run::begin(*self, 1);
        CallState::start(self.retry)
    }

    /// Returns the share in the budget of an attempt. That of a layer is in all calls of a service, of which one may
    /// make another.
    #[inline]
    fn share(&self) -> Share<'a> {
        Share::new(self.budget(), true)
    }

    #[inline]
    fn settle(
        &self,
        call: CallState,
        (verdict, ruling): (Verdict, Ruling),
        share: &Share<'a>,
    ) -> Option<Retrying<'a>> {
        run::settle(*self, call, verdict, ruling, share).err()
    }

    fn run<R>(self, judge: impl Fn(&R) -> (Verdict, Ruling), mut f: impl FnMut() -> R) -> R {
        let mut call = self.start();
        loop {
            let share = self.share();
            let inside = share.enter();
            let outcome = f();
            inside.leave();
            let Some(retrying) = self.settle(call, judge(&outcome), &share) else { return outcome };
            drop(outcome);
            call = run::sleep(self, retrying);
        }
    }

    async fn run_async<R, Fut>(self, judge: impl Fn(&R) -> (Verdict, Ruling), mut f: impl FnMut() -> Fut) -> R
    where
        Fut: Future<Output = R>,
    {
        let mut call = self.start();
        loop {
            // The outcome is dropped before the wait, which would make the future larger.
            let retrying = {
                let share = self.share();
                let attempt = sharing(&share, f());
                let outcome = Repeated::new(self, call.attempt(), attempt).await;
                let Some(retrying) = self.settle(call, judge(&outcome), &share) else { return outcome };
                retrying
            };
            call = retrying.call;
            pause(retrying.wait.delay).await;
            run::begin_retry(self, &mut call, retrying.wait);
        }
    }
}

/// Calls.
///
/// A plain value has no state, so it limits its retries only by a budget that it is given; see
/// [`budget`](Self::budget).
impl Retry {
    /// Calls `f` until it succeeds or no retry follows, and returns the last outcome.
    ///
    /// The waits block this thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::presets;
    /// use std::io::{Error, ErrorKind};
    ///
    /// let mut calls = 0;
    /// let read: Result<u8, Error> = presets::QUICK.call(|| {
    ///     calls += 1;
    ///     Err(ErrorKind::NotFound.into())
    /// });
    /// assert!(read.is_err());
    /// assert_eq!(calls, 1, "another call would not find it either");
    /// ```
    #[track_caller]
    pub fn call<R>(&self, f: impl FnMut() -> R) -> R
    where
        R: Outcome,
        R::Error: Classify,
    {
        let judged = Judged::new(*self);
        self.on_this_thread().run(|outcome| judged.judge(outcome), f)
    }

    /// Calls `f` as [`call`](Self::call) does; `judge` returns what a failed outcome means, and `None` for a
    /// success.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Category, Retry};
    ///
    /// let mut calls = 0;
    /// let answer = Retry::new().max(1).call_judged(
    ///     || {
    ///         calls += 1;
    ///         calls
    ///     },
    ///     |answer| (*answer < 7).then(|| Category::NotFound.into()),
    /// );
    /// assert_eq!((answer, calls), (1, 1));
    /// ```
    #[track_caller]
    pub fn call_judged<R>(&self, f: impl FnMut() -> R, judge: impl Fn(&R) -> Option<Classification>) -> R {
        self.on_this_thread().run(|outcome| (judge(outcome), Ruling::ByCategory), f)
    }

    /// Calls the async `f` until it succeeds or no retry follows, and returns the last outcome.
    ///
    /// The waits need no runtime. The future may be dropped at any time, and works in `tokio::spawn` if the futures of
    /// `f` do. `f` is an async closure without `move`, or a closure that returns a future; a closure that changes its
    /// captures makes the change before its `async move` block.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Rejected, Retry};
    /// use std::sync::Arc;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let name = Arc::new(String::from("Ada"));
    /// let greeting = tokio::spawn(async move {
    ///     Retry::new().call_async(async || Ok::<_, Rejected>(format!("Hello, {name}"))).await
    /// });
    /// assert_eq!(greeting.await.unwrap().unwrap(), "Hello, Ada");
    ///
    /// let mut calls = 0;
    /// let answer = Retry::new().call_async(|| {
    ///     calls += 1;
    ///     async move { Ok::<_, Rejected>(calls) }
    /// });
    /// assert_eq!(answer.await.unwrap(), 1);
    /// # });
    /// ```
    #[track_caller]
    pub fn call_async<R, F, Fut>(&self, f: F) -> impl Future<Output = R> + use<R, F, Fut>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = R>,
        R: Outcome,
        R::Error: Classify,
    {
        let (judged, place) = (Judged::new(*self), Location::caller());
        async move {
            let call = InlineCall { retry: &judged.policy, place, own: None };
            call.run_async(|outcome| judged.judge(outcome), f).await
        }
    }

    /// Calls the async `f` as [`call_async`](Self::call_async) does; `judge` returns what a failed outcome
    /// means.
    ///
    /// `judge` returns `None` for a success. It suits a type that is not a `Result`, such as a response with a
    /// status.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Category;
    /// use resilience::Retry;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let mut calls = 0;
    /// let status = Retry::new().max(1).base(std::time::Duration::ZERO).call_async_judged(
    ///     || {
    ///         calls += 1;
    ///         async move { if calls == 1 { 503 } else { 200 } }
    ///     },
    ///     |status: &u16| (*status >= 400).then(|| Category::from_status(*status).into()),
    /// );
    /// assert_eq!(status.await, 200);
    /// # });
    /// ```
    #[track_caller]
    pub fn call_async_judged<R, F, Fut, J>(
        &self,
        f: F,
        judge: J,
    ) -> impl Future<Output = R> + use<R, F, Fut, J>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = R>,
        J: Fn(&R) -> Option<Classification>,
    {
        let (retry, place) = (*self, Location::caller());
        async move {
            let call = InlineCall { retry: &retry, place, own: None };
            call.run_async(|outcome| (judge(outcome), Ruling::ByCategory), f).await
        }
    }

    #[track_caller]
    const fn on_this_thread(&self) -> InlineCall<'_> {
        InlineCall { retry: self, place: Location::caller(), own: None }
    }

    /// Calls the async `f` for a layer that was made at `place` and has a budget of its own.
    #[cfg(feature = "tower")]
    pub(crate) async fn run_layer<R, Fut: Future<Output = R>>(
        &self,
        own: &Budget,
        place: &'static Location<'static>,
        judge: impl Fn(&R) -> (Verdict, Ruling),
        f: impl FnMut() -> Fut,
    ) -> R {
        let call = InlineCall { retry: self, place, own: Some(own) };
        call.run_async(judge, f).await
    }
}

/// Calls whose errors are judged by functions of yours; see [`Judged`].
impl Retry {
    /// Sets how the calls of the returned value classify errors.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Category, Retry};
    ///
    /// # #[derive(Debug)]
    /// struct Status(u16); // of a crate that knows nothing of `Classify`
    ///
    /// let retry = Retry::new().classify(|status: &Status| Category::from_status(status.0));
    /// let outcome: Result<(), Status> = retry.call(|| Err(Status(404)));
    /// assert_eq!(outcome.unwrap_err().0, 404);
    /// ```
    pub fn classify<E: ?Sized, M: Into<Classification>, C: Fn(&E) -> M>(
        self,
        classify: C,
    ) -> Judged<Self, C> {
        Judged::new(self).classify(classify)
    }

    /// Sets which errors are retried, in place of their category's rule.
    ///
    /// An error for which `when` returns false ends the call. Errors of category `Rejected` are not passed to
    /// it.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Retry;
    /// use std::io::{Error, ErrorKind};
    /// use std::time::Duration;
    ///
    /// let patient = Retry::new().base(Duration::ZERO).when(|error: &Error| error.kind() == ErrorKind::NotFound);
    /// let mut calls = 0;
    /// let _: Result<(), Error> = patient.call(|| {
    ///     calls += 1;
    ///     Err(ErrorKind::NotFound.into())
    /// });
    /// assert_eq!(calls, 4);
    /// ```
    pub fn when<E: ?Sized, W: Fn(&E) -> bool>(self, when: W) -> Judged<Self, Unset, W> {
        Judged::new(self).when(when)
    }

    /// Sets which errors are never retried, whatever `when`, the category and the rules say.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Retry;
    /// use std::io::{Error, ErrorKind};
    ///
    /// let retry = Retry::new().unless(|error: &Error| error.kind() == ErrorKind::TimedOut);
    /// let mut calls = 0;
    /// let _: Result<(), Error> = retry.call(|| {
    ///     calls += 1;
    ///     Err(ErrorKind::TimedOut.into())
    /// });
    /// assert_eq!(calls, 1);
    /// ```
    pub fn unless<E: ?Sized, U: Fn(&E) -> bool>(self, unless: U) -> Judged<Self, Unset, Unset, U> {
        Judged::new(self).unless(unless)
    }
}

impl<C, W, U> Judged<Retry, C, W, U> {
    /// Calls `f` as [`Retry::call`] does.
    #[track_caller]
    pub fn call<R: Outcome>(&self, f: impl FnMut() -> R) -> R
    where
        C: Classifier<R::Error>,
        W: Predicate<R::Error>,
        U: Predicate<R::Error>,
    {
        self.policy.on_this_thread().run(|outcome| self.judge(outcome), f)
    }

    /// Calls the async `f` as [`Retry::call_async`] does.
    #[track_caller]
    pub fn call_async<R, F, Fut>(&self, f: F) -> impl Future<Output = R> + use<'_, R, F, Fut, C, W, U>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = R>,
        R: Outcome,
        C: Classifier<R::Error>,
        W: Predicate<R::Error>,
        U: Predicate<R::Error>,
    {
        let call = self.policy.on_this_thread();
        call.run_async(|outcome| self.judge(outcome), f)
    }
}
