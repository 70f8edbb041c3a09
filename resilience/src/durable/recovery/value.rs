//! `with_recovery` as a plain value.

use super::strategy::{Recovery, Skip, act};
use crate::classify::{Classification, Classify};
use crate::point::PointName;
use crate::policy::refusals;

/// `#[with_recovery]` as a plain value: a closure chooses the strategy when a call has failed.
///
/// The strategies are those of the attribute. `Rollback` and `Manual` concern the job that the call runs in, which
/// ends accordingly if it fails; outside of every job `Rollback` changes nothing and `Manual` is `Escalate`. `Retry`
/// returns the error: use a [`Retry`](crate::Retry) in the body to try again. `Skip` returns
/// `Ok(T::default())` or `None`. In a job, a refusal by that job (the process shuts down, the job was cancelled or taken
/// over, its store is down) is not a failure: it is returned without a strategy, and interrupts the job.
///
/// Like a [`Retry`](crate::Retry) or a [`Fallback`](crate::policy::Fallback), it has no state, and is not in the
/// inventory ([`points`](crate::points)): its uses are counted under its name.
///
/// # Examples
///
/// ```
/// use resilience::durable::{Recovery, WithRecovery};
/// use resilience::{Category, Classify};
///
/// #[derive(Debug, Classify)]
/// enum LoadError {
///     #[classify(not_found)]
///     Missing,
/// }
///
/// # let _world = resilience::testing::isolate();
/// let is_strict = false;
/// let recovery = WithRecovery::new("load", |class| match class.category {
///     Category::NotFound if !is_strict => Recovery::Skip,
///     _ => Recovery::Escalate,
/// });
/// let rows: Result<Vec<u32>, LoadError> = recovery.call(|| Err(LoadError::Missing));
/// assert!(rows.unwrap().is_empty());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct WithRecovery<C> {
    name: &'static str,
    choose: C,
}

impl<C: Fn(&Classification) -> Recovery> WithRecovery<C> {
    /// Creates the recovery of the calls named `name`, in alerts and
    /// [`recovery_stats`](crate::durable::recovery_stats), for whose failures `choose` returns the strategy.
    pub const fn new(name: &'static str, choose: C) -> Self {
        Self { name, choose }
    }

    /// Calls `body`, and handles its failure by the chosen strategy.
    ///
    /// # Errors
    ///
    /// The body's own, unless the strategy is `Skip`.
    pub fn call<R: Skip<Error: Classify>>(&self, body: impl FnOnce() -> R) -> R {
        self.settle(body())
    }

    /// Calls like [`call`](Self::call), for async code.
    ///
    /// # Errors
    ///
    /// The body's own, unless the strategy is `Skip`.
    pub async fn call_async<R: Skip<Error: Classify>>(&self, body: impl AsyncFnOnce() -> R) -> R {
        self.settle(body().await)
    }

    fn settle<R: Skip<Error: Classify>>(&self, outcome: R) -> R {
        let Err(error) = outcome.judge() else { return outcome };
        let class = error.classify();
        if refusals::is_by_job(&class) {
            return outcome;
        }
        let strategy = (self.choose)(&class);
        act(&PointName::new(self.name), strategy, &class, false, false);
        if strategy == Recovery::Skip { R::skipped(&outcome) } else { outcome }
    }
}
