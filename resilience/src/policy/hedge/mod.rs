//! Hedges: when a call is slow, make it once more, and take the first answer.
//!
//! # When to use one
//!
//! For reads that are occasionally slow for reasons that rarely affect a second call: a replica that pauses, a cold
//! connection, a lost packet. A hedge after the 95th percentile makes one call of twenty twice and cuts off the slowest
//! times.
//!
//! # When not to
//!
//! - For calls that are not idempotent: both may be carried out.
//! - Where all calls are slow because the service is overloaded: a second one makes it worse. The budget limits that.
//! - For errors: a hedge starts no call because another one has failed. That is a retry.
//!
//! # Choosing numbers
//!
//! - `after`: a percentile that only slow calls reach. [`After::Percentile`] follows the service; a fixed delay is
//!   right where the calls are too few to measure (fewer than 100 in 10 minutes), or known.
//! - `max`: 1. A second extra call helps only where a call is slow that often, and then the service has other problems.
//!
//! # What it does
//!
//! If the call has not ended after that time, an extra one begins, in the same task, with the same arguments. The first
//! success answers, and the other one is dropped. A failure waits for the call that still runs; if all fail, the caller
//! gets the first error. An extra call is optional: it waits for no slot of a bulkhead and no rate limit, and is not
//! made where one is missing, where the breaker of the function rejects it, where no more time is left than the delay
//! ([`remaining`](crate::remaining)), or where the [`Budget`] is at most half full. The budget is that of the
//! function's retry, or else the hedge's own.
//!
//! The idea is that of "The Tail at Scale" (Dean and Barroso, Communications of the ACM, 2013).
//!
//! # Examples
//!
//! ```
//! use resilience::{hedge, point};
//! use std::sync::atomic::{AtomicU32, Ordering};
//! use std::time::Duration;
//!
//! static CALLS: AtomicU32 = AtomicU32::new(0);
//!
//! #[hedge(after = 5ms, idempotent, name = "suggest")]
//! async fn suggest(text: &str) -> std::io::Result<usize> {
//!     if CALLS.fetch_add(1, Ordering::Relaxed) == 0 {
//!         tokio::time::sleep(Duration::from_secs(60)).await;
//!     }
//!     Ok(text.len())
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! assert_eq!(suggest("rust").await.unwrap(), 4);
//! assert_eq!(CALLS.load(Ordering::Relaxed), 2);
//! assert_eq!(point("suggest").unwrap().hedge().unwrap().snapshot().won_by_extra, 1);
//! # });
//! ```

mod call;
mod config;
mod copies;
pub(crate) mod inventory;
mod layer;

#[doc(hidden)]
pub use call::Hedging;
pub use config::{After, HedgeConfig};
#[doc(hidden)]
pub use copies::Copies;

use crate::base::percentile::Percentile;
use crate::base::setting::enforce;
use crate::base::settings::Settings;
use crate::base::site::Site;
use crate::base::text::About;
use crate::base::visible::write_name;
use crate::classify::{Classification, Classify};
use crate::event::{Event, Log, emit_as, is_heard};
use crate::outcome::Outcome;
use crate::point::{PointName, PointSite};
use crate::policy::budget::Budget;
use crate::policy::owner::Owner;
use crate::policy::stateful::{Stateful, in_force};
use crate::policy::{InvalidPolicy, Verdict, verdict_of};
use std::fmt;
use std::future::Future;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Returns the verdict on an outcome, which comes with it.
#[doc(hidden)]
#[inline]
pub const fn verdict<R>(judged: &(R, Verdict)) -> Verdict {
    judged.1
}

/// A policy that makes a slow call once more, and takes the first answer.
///
/// The [module](crate::policy::hedge) says when to use one, and what it does. A hedge has state: put it in a `static`,
/// or in an `Arc` that the callers share, not in a local variable.
///
/// # Examples
///
/// ```
/// use resilience::Hedge;
/// use std::time::Duration;
///
/// static SEARCH: Hedge = Hedge::new("search", Duration::from_millis(50));
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let found: std::io::Result<u32> = SEARCH.call_async(async || Ok(7)).await;
/// assert_eq!(found.unwrap(), 7);
/// # });
/// ```
#[derive(Debug)]
pub struct Hedge {
    counters: Site<Counters>,
    /// The durations of first calls, if the delay depends on them.
    past: Site<OnceLock<Percentile>>,
    budget: Budget,
    owner: Owner<Counters>,
    settings: Settings<HedgeConfig>,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    hedged: AtomicU64,
    won_by_extra: AtomicU64,
    denied: AtomicU64,
}

impl Counters {
    const fn new() -> Self {
        Self { hedged: AtomicU64::new(0), won_by_extra: AtomicU64::new(0), denied: AtomicU64::new(0) }
    }
}

/// The delay and counts of a hedge at one moment; see [`Hedge::snapshot`].
///
/// With the feature `serde` it serialises as a map, with `after_s` in seconds.
///
/// # Examples
///
/// ```
/// use resilience::Hedge;
/// use std::time::Duration;
///
/// let now = Hedge::new("search", Duration::from_millis(50)).snapshot();
/// assert_eq!((now.after, now.tokens), (Some(Duration::from_millis(50)), 500));
/// assert_eq!(now.to_string(), "search: after 50ms, hedged 0, won by extra 0, denied 0");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct HedgeSnapshot {
    /// The point, or the name of a plain value.
    pub name: PointName,
    /// The key, on a keyed hedge.
    pub key: Option<PointName>,
    /// After which time an extra call would follow a call that begins now; `None` while a percentile has fewer than 100
    /// calls to go by.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "after_s", serialize_with = "crate::base::serialise::seconds")
    )]
    pub after: Option<Duration>,
    /// The tokens of the hedge's own budget, which pays if no retry is around the calls.
    pub tokens: u32,
    /// The number of extra calls that were made since the program started.
    pub hedged: u64,
    /// The number of calls that were answered by an extra one.
    pub won_by_extra: u64,
    /// The number of extra calls that were due but not made: for lack of tokens, time, a slot or a permit.
    pub denied: u64,
}

/// `search (key a.example): after 50ms, hedged 3, won by extra 2, denied 0`.
impl fmt::Display for HedgeSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(f, &self.name, self.key.as_deref())?;
        match self.after {
            Some(after) => write!(f, ": after {}", About(after))?,
            None => f.write_str(": too few calls yet")?,
        }
        write!(f, ", hedged {}, won by extra {}, denied {}", self.hedged, self.won_by_extra, self.denied)
    }
}

impl Hedge {
    /// Creates a hedge that makes one extra call after `delay`.
    ///
    /// `name` appears in events and the inventory.
    ///
    /// The delay counts from the first poll of the call that is not ready; a call that is ready at once costs no timer.
    ///
    /// # Panics
    ///
    /// If `delay` is zero; in a `const` or `static` that is a compile error.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Hedge;
    /// use std::time::Duration;
    ///
    /// static SEARCH: Hedge = Hedge::new("search", Duration::from_millis(50));
    /// assert_eq!(SEARCH.snapshot().after, Some(Duration::from_millis(50)));
    /// ```
    #[track_caller]
    pub const fn new(name: &'static str, delay: Duration) -> Self {
        Self::with(PointName::new(name), After::Delay(delay)).checked()
    }

    /// Creates a hedge that makes one extra call after the time within which `share` of 100 recent calls ended; see
    /// [`After::Percentile`].
    ///
    /// # Panics
    ///
    /// If `share` is not from 50 to 99; in a `const` or `static` that is a compile error.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Hedge;
    ///
    /// static SEARCH: Hedge = Hedge::at_percentile("search", 95);
    /// assert_eq!(SEARCH.snapshot().after, None, "not before 100 calls");
    /// ```
    #[track_caller]
    pub const fn at_percentile(name: &'static str, share: u8) -> Self {
        Self::with(PointName::new(name), After::Percentile(share)).checked()
    }

    /// Creates a hedge with a name and settings that are known only at run time: a delay, an [`After`], or a whole
    /// [`HedgeConfig`].
    ///
    /// # Errors
    ///
    /// If a setting is out of range or contradicts another one, with the message of the compiler.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Hedge;
    /// use std::time::Duration;
    ///
    /// assert!(Hedge::try_new("search", Duration::from_millis(50)).is_ok());
    /// assert!(Hedge::try_new("search", Duration::ZERO).is_err());
    /// ```
    pub fn try_new(name: impl Into<String>, config: impl Into<HedgeConfig>) -> Result<Self, InvalidPolicy> {
        let config = config.into();
        InvalidPolicy::unless_valid(config.complaint())?;
        let hedge = Self::with(PointName::from(name.into()), config.after);
        Ok(Self { settings: Settings::whole(config), ..hedge })
    }

    /// Creates the hedge of an annotated function.
    #[doc(hidden)]
    #[track_caller]
    pub const fn of(point: &'static PointSite, after: After) -> Self {
        Self::with(PointName::of(point), after).checked()
    }

    const fn with(name: PointName, after: After) -> Self {
        Self {
            counters: Site::new(Counters::new(), Counters::new),
            past: Site::new(OnceLock::new(), OnceLock::new),
            budget: Budget::new(),
            owner: Owner::new(name),
            settings: HedgeConfig::of(after).into_settings(),
        }
    }

    /// Sets the budget that pays for extra calls if no retry is around them, for instance a budget that several
    /// policies share.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Budget, Hedge, Retry};
    /// use std::time::Duration;
    ///
    /// static SEARCH: Budget = Budget::new();
    /// static HEDGE: Hedge = Hedge::new("search", Duration::from_millis(50)).budget(&SEARCH);
    /// const RETRY: Retry = Retry::new().budget(&SEARCH);
    /// # let _ = (&HEDGE, RETRY);
    /// ```
    pub const fn budget(mut self, budget: &'static Budget) -> Self {
        self.settings.config.budget = Some(budget);
        self
    }

    /// Returns the hedge, once its settings are known to be valid together.
    #[doc(hidden)]
    #[track_caller]
    pub const fn checked(self) -> Self {
        enforce(self.settings.config.complaint());
        self
    }

    /// Returns the settings in force: the one place that reads them.
    #[inline]
    fn config(&self) -> &HedgeConfig {
        in_force(self)
    }

    /// Returns how many extra calls may follow a call.
    #[cfg(feature = "tower")]
    pub(crate) fn max_extra(&self) -> u32 {
        self.config().max
    }

    /// Returns whether a configuration has switched it off: then no extra call follows, and no call is
    /// measured or returns tokens.
    #[inline]
    #[cfg_attr(not(feature = "config"), expect(clippy::unused_self, reason = "nothing switches it off"))]
    fn is_off(&self) -> bool {
        #[cfg(feature = "config")]
        return self.overridden().is_some_and(|changed| changed.is_off);
        #[cfg(not(feature = "config"))]
        return false;
    }

    #[inline]
    fn own_budget(&self) -> &Budget {
        self.config().budget.unwrap_or(&self.budget)
    }

    /// Returns the durations of first calls, of a hedge whose delay is a percentile.
    fn past(&self) -> &Percentile {
        self.past.get_or_init(|| match self.config().after {
            After::Percentile(share) => Percentile::new(f64::from(share) / 100.0),
            After::Delay(_) => Percentile::new(1.0),
        })
    }

    /// Returns the time after which an extra call follows one that begins at `now`, if one does.
    fn delay_at(&self, now: Instant) -> Option<Duration> {
        match self.config().after {
            After::Delay(delay) => Some(delay),
            After::Percentile(_) => self.past().get(now),
        }
    }

    /// Counts and reports an extra call.
    #[cold]
    fn hedged(&self, number: u32, after: Duration) {
        self.count(|counters| &counters.hedged);
        if is_heard() {
            let (point, key) = self.owner.labels();
            emit_as(
                &Event::Hedged { point, key, number, after },
                None,
                Log { pace: None, shows_key: self.shows_key() },
            );
        }
    }
}

/// Calls.
impl Hedge {
    /// Calls `body`, calls it once more if the first call is slow, and returns the first success.
    ///
    /// `body` is an async closure without `move`, or a closure that returns a future. The futures run in this task, one
    /// poll of each in turn, and may borrow. What `body` does must be idempotent.
    ///
    /// # Errors
    ///
    /// The first error, if all calls fail.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Hedge;
    /// use std::sync::atomic::{AtomicU32, Ordering};
    /// use std::time::Duration;
    ///
    /// static SEARCH: Hedge = Hedge::new("search", Duration::from_millis(5));
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let calls = AtomicU32::new(0);
    /// let found: std::io::Result<u32> = SEARCH.call_async(async || {
    ///     let call = calls.fetch_add(1, Ordering::Relaxed);
    ///     if call == 0 {
    ///         std::future::pending::<()>().await;
    ///     }
    ///     Ok(call)
    /// }).await;
    /// assert_eq!(found.unwrap(), 1);
    /// # });
    /// ```
    pub async fn call_async<R, Fut>(&self, body: impl Fn() -> Fut) -> R
    where
        R: Outcome<Error: Classify>,
        Fut: Future<Output = R>,
    {
        self.call_async_judged(body, verdict_of).await
    }

    /// Runs `body` as [`call_async`](Self::call_async) does; `judge` returns what a failed outcome means, and `None`
    /// for a success.
    ///
    /// # Errors
    ///
    /// The first failure, if all calls fail.
    ///
    /// # Examples
    ///
    /// An answer that is not a `Result`:
    ///
    /// ```
    /// use resilience::{Category, Classification, Hedge};
    /// use std::time::Duration;
    ///
    /// static STOCK: Hedge = Hedge::new("stock", Duration::from_millis(50));
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let is_unknown = |stock: &i64| (*stock < 0).then(|| Classification::new(Category::Unavailable));
    /// assert_eq!(STOCK.call_async_judged(async || 7_i64, is_unknown).await, 7);
    /// # });
    /// ```
    pub async fn call_async_judged<R, Fut>(
        &self,
        body: impl Fn() -> Fut,
        judge: impl Fn(&R) -> Option<Classification>,
    ) -> R
    where
        Fut: Future<Output = R>,
    {
        Copies::new(Hedging::new(self, None, None), body, judge).await
    }
}

/// Handles; each may be called at any time from any thread.
impl Hedge {
    /// Returns the delay that applies now, and the counts.
    ///
    /// The counts only grow, also over a [`reset`](Self::reset).
    pub fn snapshot(&self) -> HedgeSnapshot {
        let counters = &self.counters;
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        HedgeSnapshot {
            name: self.owner.name.clone(),
            key: self.owner.key.clone(),
            after: self.delay_at(crate::base::clock::now()),
            tokens: self.own_budget().tokens(),
            hedged: count(&counters.hedged),
            won_by_extra: count(&counters.won_by_extra),
            denied: count(&counters.denied),
        }
    }

    /// Forgets how long calls took: no extra call follows at a percentile until 100 calls have ended.
    ///
    /// A fixed delay stays, and so do the tokens of the budget.
    pub fn reset(&self) {
        self.past().reset();
    }
}

#[cfg(all(test, feature = "testing", not(loom)))]
mod tests;
