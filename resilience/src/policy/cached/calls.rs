//! Direct calls through a cache, and the beginning of a call of an annotated function.

use super::lead::Pending;
use super::table::Cacheable;
use super::{Cache, CacheKey, GenericArgs};
use crate::base::scope::Stack;
use crate::classify::Classify;
use crate::outcome::Outcome;
use crate::policy::{Verdict, verdict_of};

/// Calls.
impl Cache {
    /// Returns the value of `key`, or runs `body` and keeps its success.
    ///
    /// A call of the same key that already runs is waited for. Errors are never kept; where one can be answered with a
    /// stale value is said in the [module](crate::policy::cached).
    ///
    /// The thread blocks while it waits for another call, at most for `wait`. An error of `body` is returned to
    /// this caller only: each that has waited for it runs its own.
    ///
    /// # Errors
    ///
    /// The body's own.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::policy::Cache;
    ///
    /// static USERS: Cache = Cache::new("users");
    ///
    /// let user: std::io::Result<String> = USERS.call(("eu", &7), || Ok("Ada".to_owned()));
    /// assert_eq!(user.unwrap(), "Ada");
    /// ```
    pub fn call<R>(&self, key: impl CacheKey, body: impl FnOnce() -> R) -> R
    where
        R: Outcome<Value: Cacheable, Error: Classify + 'static>,
    {
        let lead = match self.begin(GenericArgs::NONE, &key, Stack::DIRECT).and_then(Pending::lead_blocking) {
            Ok(lead) => lead,
            Err((answer, _)) => return answer,
        };
        let outcome = {
            let _inside = lead.enter();
            body()
        };
        let verdict = verdict_of(&outcome);
        lead.end(outcome, verdict, None).0
    }

    /// Returns the value of `key`, or runs the async `body` and keeps its success; see [`call`](Self::call).
    ///
    /// A call that is dropped while its body runs hands over to a waiting call, which then runs its own body.
    ///
    /// # Errors
    ///
    /// The body's own.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::policy::Cache;
    ///
    /// static USERS: Cache = Cache::new("users");
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let user: std::io::Result<String> = USERS.call_async(&7, async || Ok("Ada".to_owned())).await;
    /// assert_eq!(user.unwrap(), "Ada");
    /// # });
    /// ```
    pub async fn call_async<R>(&self, key: impl CacheKey, body: impl AsyncFnOnce() -> R) -> R
    where
        R: Outcome<Value: Cacheable, Error: Classify + 'static>,
    {
        let begun = self.begin(GenericArgs::NONE, &key, Stack::DIRECT);
        let pending = match begun {
            Ok(pending) => pending,
            Err((answer, _)) => return answer,
        };
        let lead = match pending.lead().await {
            Ok(lead) => lead,
            Err((answer, _)) => return answer,
        };
        let outcome = lead.leading(body()).await;
        let verdict = verdict_of(&outcome);
        lead.end(outcome, verdict, None).0
    }

    /// Begins a call of an annotated function: it is answered at once, or pending.
    ///
    /// # Errors
    ///
    /// The answer, if there is one at once.
    #[doc(hidden)]
    pub fn enter<R, K>(&self, ids: GenericArgs, key: K) -> Result<Pending<R>, (R, Verdict)>
    where
        R: Outcome<Value: Cacheable, Error: 'static>,
        K: CacheKey,
    {
        self.begin(ids, &key, self.owner.stack())
    }
}
