//! A `Retry` used by itself, around anything.

use super::budget::{BudgetOf, Paid};
use super::config::Retry;
use super::run::{self, Counted, Home, Remembering};
use super::{Budget, call_sites};
use crate::classify::Classify;
use crate::clock::{pause, sleep};
use crate::outcome::Outcome;
use crate::point::PointName;
use crate::policy::{Ruling, Verdict};
use std::future::Future;
use std::panic::Location;
use std::time::Duration;

/// A value at the place of one call.
#[derive(Clone, Copy, Debug)]
struct Here<'a> {
    retry: &'a Retry,
    place: &'static Location<'static>,
}

impl Home for Here<'_> {
    fn name(&self) -> PointName {
        match self.retry.name {
            Some(name) => PointName::new(name),
            None => PointName::from(format!("{}:{}", self.place.file(), self.place.line())),
        }
    }

    fn withdraw(&self, after_timeout: bool) -> Paid {
        match self.retry.budget {
            BudgetOf::Own => call_sites::withdraw(self.place, after_timeout),
            BudgetOf::None => Paid::Yes { was_full: false },
            BudgetOf::Shared(budget) => budget.withdraw(after_timeout),
        }
    }

    fn deposit(&self) {
        match self.retry.budget {
            BudgetOf::Own => call_sites::deposit(self.place),
            BudgetOf::None => {}
            BudgetOf::Shared(budget) => {
                budget.deposit_one();
            }
        }
    }

    fn count(&self, _: Counted) {}
}

impl Here<'_> {
    #[inline]
    fn start(&self) -> Remembering {
        Remembering::start(self.retry)
    }

    #[inline]
    fn begin(&self, call: &Remembering) {
        run::begin(self.retry, self, run::attempt(call));
    }

    #[inline]
    fn may_be_short(&self) -> bool {
        match self.retry.budget {
            BudgetOf::Own => call_sites::may_be_short(self.place),
            BudgetOf::None => false,
            BudgetOf::Shared(budget) => !Budget::is_full(budget),
        }
    }

    #[inline]
    fn settle(&self, call: &mut Remembering, verdict: Verdict) -> Option<Duration> {
        run::settle(self.retry, self, call, verdict, Ruling::ByCategory, !self.may_be_short()).err()
    }
}

fn by_its_error<R>(outcome: &R) -> Verdict
where
    R: Outcome,
    R::Error: Classify,
{
    outcome.judge().err().map(Classify::classify)
}

impl Retry {
    /// Calls `f` until it succeeds, or until no retry is left or makes sense; then its last failure.
    ///
    /// Waits block this thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Category, Classification, Classify, presets};
    ///
    /// #[derive(Debug, PartialEq)]
    /// struct NotThere;
    ///
    /// impl Classify for NotThere {
    ///     fn classify(&self) -> Classification {
    ///         Category::NotFound.into()
    ///     }
    /// }
    ///
    /// let read: Result<u8, NotThere> = presets::QUICK.call(|| Err(NotThere));
    /// assert_eq!(read, Err(NotThere), "calling again would not find it either");
    /// ```
    #[track_caller]
    pub fn call<R>(&self, f: impl FnMut() -> R) -> R
    where
        R: Outcome,
        R::Error: Classify,
    {
        self.call_judged(by_its_error, f)
    }

    /// Calls `f` as [`call`](Self::call) does, with `judge` saying which outcomes are failures and what
    /// they mean.
    #[track_caller]
    pub fn call_judged<R>(&self, judge: impl Fn(&R) -> Verdict, mut f: impl FnMut() -> R) -> R {
        let here = Here { retry: self, place: Location::caller() };
        let mut call = here.start();
        loop {
            here.begin(&call);
            let outcome = f();
            let Some(wait) = here.settle(&mut call, judge(&outcome)) else { return outcome };
            drop(outcome);
            sleep(wait);
        }
    }

    /// Calls the async `f` until it succeeds, or until no retry is left or makes sense; then its last
    /// failure.
    ///
    /// Waits on tokio's timer where there is one. The future may be dropped at any time.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Retry;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let answer: Result<u32, resilience::Rejected> = Retry::new().call_async(async || Ok(7)).await;
    /// assert_eq!(answer, Ok(7));
    /// # });
    /// ```
    #[track_caller]
    pub fn call_async<R, F>(&self, f: F) -> impl Future<Output = R> + use<R, F>
    where
        F: AsyncFnMut() -> R,
        R: Outcome,
        R::Error: Classify,
    {
        self.call_async_judged(by_its_error, f)
    }

    /// Calls `f` as [`call_async`](Self::call_async) does, with `judge` saying which outcomes are
    /// failures and what they mean.
    #[track_caller]
    pub fn call_async_judged<R, J, F>(&self, judge: J, mut f: F) -> impl Future<Output = R> + use<R, J, F>
    where
        J: Fn(&R) -> Verdict,
        F: AsyncFnMut() -> R,
    {
        let (retry, place) = (*self, Location::caller());
        async move {
            let here = Here { retry: &retry, place };
            let mut call = here.start();
            loop {
                here.begin(&call);
                // What is in this block is not kept through the wait, which would make the future larger.
                let wait = {
                    let outcome = f().await;
                    let Some(wait) = here.settle(&mut call, judge(&outcome)) else { return outcome };
                    wait
                };
                pause(wait).await;
            }
        }
    }
}
