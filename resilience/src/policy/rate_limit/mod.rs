//! Rate limits: make no more calls per unit of time than a service allows.
//!
//! # When to use one
//!
//! For a quota that is known: "100 requests a second", "10,000 a day for each customer". A call beyond it is
//! rejected, or waits, before it costs the service anything.
//!
//! # When not to
//!
//! - To protect a service that becomes slow under load, at whatever rate: that is a bulkhead.
//! - Where the limit is not known: let the service answer 429, and a retry wait as long as it asks for.
//! - As the only limit for several processes: each has a limit of its own here. Divide the quota by their number.
//!
//! # Choosing numbers
//!
//! - `count` and `per`: the quota, or a little less where clocks or networks may differ.
//! - `burst`: the number of calls that may be made at once after a pause; `count` by default. A service that counts in
//!   short windows needs a smaller one.
//! - `wait`: zero if a late answer is of no use to the caller. Otherwise the longest delay of a call:
//!   callers wait in the order of their arrival, and a call that would have to wait longer is rejected at once.
//!
//! # How it counts
//!
//! By the generic cell rate algorithm (GCRA, ITU-T I.371): each call needs an interval of `per / count`, rounded up to
//! a nanosecond, and up to `burst` intervals are saved up while no calls are made. So in any span of `per` at most
//! `count + burst` calls pass. The clock is monotonic: if it goes back, no more calls pass, and the next one is delayed
//! by one interval at most, and after idling, or after the machine has slept, at most `burst` calls pass at once. A
//! call that waits is charged when it is let through, so that the place of a dropped one goes to those behind it.
//!
//! # Examples
//!
//! ```
//! use resilience::{RateLimit, Rejected};
//! use std::time::Duration;
//!
//! static MAILS: RateLimit = RateLimit::new("mails", 2, Duration::from_secs(3600));
//!
//! let send = || -> Result<(), Rejected> { MAILS.call(|| Ok(())) };
//! send().unwrap();
//! send().unwrap();
//! let rejected = send().unwrap_err();
//! assert!(matches!(rejected, Rejected::RateLimited { .. }));
//! let wait = rejected.retry_after().unwrap();
//! assert!(wait > Duration::from_secs(1700) && wait <= Duration::from_secs(1800), "the next half hour: {wait:?}");
//! ```

mod config;
mod gate;
pub(crate) mod inventory;
mod layer;
mod wait;

pub use config::RateLimitConfig;
#[doc(hidden)]
pub use wait::Pass;

use crate::base::clock::now_nanos;
use crate::base::scope::Stack;
use crate::base::setting::enforce;
use crate::base::settings::Settings;
use crate::base::site::Site;
use crate::base::visible::write_name;
use crate::event::{Hook, is_rejection_heard};
use crate::outcome::Refuse;
use crate::point::{PointName, PointSite};
use crate::policy::InvalidPolicy;
use crate::policy::owner::Owner;
use crate::policy::stateful::{Stateful, in_force};
use crate::policy::waiters::Counters;
use crate::rejected::{Rejected, Wait};
use gate::{Gate, Rate};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A limit on the number of calls per unit of time.
///
/// The [module](crate::policy::rate_limit) says when to use one, how to choose its numbers, and how it counts. A rate
/// limit has state: put it in a `static`, or in an `Arc` that the callers share, not in a local variable.
///
/// # Examples
///
/// ```
/// use resilience::{RateLimit, Rejected};
/// use std::time::Duration;
///
/// static SEARCH: RateLimit = RateLimit::new("search", 100, Duration::from_secs(1)).burst(10).wait(Duration::from_millis(200));
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let found: Result<u32, Rejected> = SEARCH.call_async(async || Ok(7)).await;
/// assert_eq!(found.unwrap(), 7);
/// # });
/// ```
#[derive(Debug)]
pub struct RateLimit {
    live: Site<Live>,
    owner: Owner<Counters>,
    settings: Settings<RateLimitConfig>,
    on_reject: Option<Hook>,
    /// The interval of the settings: a call would have to divide for it.
    interval: u64,
}

/// The state of a limit in use; fresh in a test world.
#[derive(Debug)]
struct Live {
    gate: Gate,
    counters: Counters,
}

impl Live {
    const fn new() -> Self {
        Self { gate: Gate::new(), counters: Counters::new() }
    }
}

/// The state and counts of a rate limit at one moment; see [`RateLimit::snapshot`].
///
/// With the feature `serde` it serialises as a map, with `per_s` and `retry_after_s` in seconds.
///
/// # Examples
///
/// ```
/// use resilience::RateLimit;
/// use std::time::Duration;
///
/// # let _world = resilience::testing::isolate();
/// let limit = RateLimit::new("mails", 2, Duration::from_secs(60));
/// limit.acquire().unwrap();
/// let now = limit.snapshot();
/// assert_eq!((now.count, now.burst, now.available), (2, 2, 1));
/// assert_eq!(now.retry_after, None);
/// assert_eq!(now.to_string(), "mails: available 1 of 2, waiting 0, rejected 0");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct RateLimitSnapshot {
    /// The point, or the name of a plain value.
    pub name: PointName,
    /// The key, on a keyed limit.
    pub key: Option<PointName>,
    /// The number of calls that are admitted in each `per`.
    pub count: u32,
    /// The time in which they are.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "per_s", serialize_with = "crate::base::serialise::seconds")
    )]
    pub per: Duration,
    /// The number of calls that may be admitted at once after a pause; `count` by default.
    pub burst: u32,
    /// The number of calls that would be admitted now; waiting calls come first, and are subtracted.
    pub available: u32,
    /// The number of calls that wait.
    pub waiting: usize,
    /// The number of calls that it has refused since the program started.
    pub rejected: u64,
    /// The number of calls that have had to wait since the program started, including those that were dropped during
    /// the wait.
    pub waited: u64,
    /// The wait of a call that arrives now, behind all that wait; `None` if it is admitted at once.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "retry_after_s", serialize_with = "crate::base::serialise::seconds")
    )]
    pub retry_after: Option<Duration>,
}

/// `search (key a.example): available 0 of 10, waiting 3, rejected 2`.
impl fmt::Display for RateLimitSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(f, &self.name, self.key.as_deref())?;
        write!(f, ": available {} of {}, waiting {}", self.available, self.burst, self.waiting)?;
        write!(f, ", rejected {}", self.rejected)
    }
}

impl RateLimit {
    /// Creates a limit of `count` calls in each `per`, which rejects a call beyond it at once.
    ///
    /// `name` appears in events, errors and the inventory.
    ///
    /// # Panics
    ///
    /// If `count` or `per` is zero, if that is more than one call per nanosecond, or if `count` calls take longer than
    /// 292 years; in a `const` or `static` that is a compile error.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::RateLimit;
    /// use std::time::Duration;
    ///
    /// let world = resilience::testing::isolate();
    /// let limit = RateLimit::new("mails", 2, Duration::from_secs(60));
    /// assert!(limit.acquire().is_ok() && limit.acquire().is_ok());
    /// assert!(limit.acquire().is_err());
    /// world.advance(Duration::from_secs(30));
    /// assert!(limit.acquire().is_ok(), "one every 30 s");
    /// ```
    #[track_caller]
    pub const fn new(name: &'static str, count: u32, per: Duration) -> Self {
        Self::with(PointName::new(name), RateLimitConfig::of(count, per).into_settings()).checked()
    }

    /// Creates a limit with a name and settings that are known only at run time.
    ///
    /// # Errors
    ///
    /// If a setting is out of range or contradicts another one, with the message of the compiler.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::RateLimit;
    /// use resilience::policy::rate_limit::RateLimitConfig;
    /// use std::time::Duration;
    ///
    /// let quota = RateLimitConfig::of(100, Duration::from_secs(1));
    /// assert_eq!(RateLimit::try_new("search", quota).unwrap().snapshot().available, 100);
    /// assert!(RateLimit::try_new("search", RateLimitConfig { burst: Some(0), ..quota }).is_err());
    /// ```
    pub fn try_new(name: impl Into<String>, config: RateLimitConfig) -> Result<Self, InvalidPolicy> {
        InvalidPolicy::unless_valid(config.complaint())?;
        Ok(Self::with(PointName::from(name.into()), Settings::whole(config)))
    }

    /// Creates the limit of an annotated function.
    #[doc(hidden)]
    #[track_caller]
    pub const fn of(point: &'static PointSite, count: u32, per: Duration) -> Self {
        Self::with(PointName::of(point), RateLimitConfig::of(count, per).into_settings()).checked()
    }

    const fn with(name: PointName, settings: Settings<RateLimitConfig>) -> Self {
        Self {
            live: Site::new(Live::new(), Live::new),
            owner: Owner::new(name),
            interval: settings.config.interval(),
            settings,
            on_reject: None,
        }
    }

    /// Sets the function to call for each rejected call; it runs without a lock.
    ///
    /// It is not called for an extra call of a hedge that is not let through.
    pub const fn on_reject(mut self, hook: Hook) -> Self {
        self.on_reject = Some(hook);
        self
    }

    /// Returns the limit, once its settings are known to be valid together.
    #[doc(hidden)]
    #[track_caller]
    pub const fn checked(self) -> Self {
        enforce(self.settings.config.complaint());
        self
    }

    /// Returns the settings in force: the one place that reads them.
    #[inline]
    fn config(&self) -> &RateLimitConfig {
        in_force(self)
    }

    fn rate(&self) -> Rate {
        #[cfg(feature = "config")]
        if self.overridden().is_some() {
            return Rate::new(self.config().interval(), self.config().burst());
        }
        self.rate_in_code()
    }

    #[inline]
    fn rate_in_code(&self) -> Rate {
        Rate::new(self.interval, self.settings.config.burst())
    }

    /// Lets a call through, or returns after how many nanoseconds one would be.
    #[inline]
    fn pass(&self) -> Result<(), u64> {
        #[cfg(feature = "config")]
        if self.overridden().is_some() {
            return self.pass_as_configured();
        }
        self.live.gate.pass(self.rate_in_code(), now_nanos)
    }

    #[cfg(feature = "config")]
    #[cold]
    #[inline(never)]
    fn pass_as_configured(&self) -> Result<(), u64> {
        if self.is_off() { Ok(()) } else { self.live.gate.pass(self.rate(), now_nanos) }
    }

    /// Returns whether the configuration has switched it off.
    #[cfg(feature = "config")]
    fn is_off(&self) -> bool {
        self.overridden().is_some_and(|changed| changed.is_off)
    }
}

/// Calls.
impl RateLimit {
    /// Runs `body` if it is let through; the thread blocks while it waits for that.
    ///
    /// # Errors
    ///
    /// The body's own, or its error type made from [`Rejected::RateLimited`].
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::RateLimit;
    /// use std::time::Duration;
    ///
    /// static LOOKUP: RateLimit = RateLimit::new("lookup", 100, Duration::from_secs(1));
    ///
    /// let found: std::io::Result<u32> = LOOKUP.call(|| Ok(7));
    /// assert_eq!(found.unwrap(), 7);
    /// ```
    pub fn call<R: Refuse>(&self, body: impl FnOnce() -> R) -> R {
        match wait::pass(self, None, 1) {
            Ok(()) => body(),
            Err(rejected) => R::refuse(rejected),
        }
    }

    /// Runs the async `body` if it is let through, for which it waits without blocking.
    ///
    /// A call that is dropped while it waits is not charged.
    ///
    /// The wait is at most `wait`, and at most what the enclosing timeouts leave. Its timer needs no particular
    /// runtime.
    ///
    /// # Errors
    ///
    /// The body's own, or its error type made from [`Rejected::RateLimited`].
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{RateLimit, Rejected};
    /// use std::time::Duration;
    ///
    /// static MAILS: RateLimit = RateLimit::new("mails", 1, Duration::from_secs(3_600));
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let send = || MAILS.call_async(async || Ok::<(), Rejected>(()));
    /// assert!(send().await.is_ok());
    /// assert!(matches!(send().await, Err(Rejected::RateLimited { .. })));
    /// # });
    /// ```
    pub async fn call_async<R: Refuse>(&self, body: impl AsyncFnOnce() -> R) -> R {
        match Pass::new(self, None, 1).await {
            Ok(()) => body().await,
            Err(rejected) => R::refuse(rejected),
        }
    }

    /// Lets one call through, and blocks the thread while it waits for that.
    ///
    /// Use it where the code is not a closure, such as a loop that reads, or a stream.
    ///
    /// There is no guard to release. Dropped or failed work is charged, too: the service has seen it.
    ///
    /// # Errors
    ///
    /// [`Rejected::RateLimited`] if it is not let through in time.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{RateLimit, Rejected};
    /// use std::time::Duration;
    ///
    /// static PINGS: RateLimit = RateLimit::new("pings", 100, Duration::from_millis(10)).wait(Duration::from_secs(1));
    ///
    /// for _ in 0..150 {
    ///     PINGS.acquire()?;
    /// }
    /// # Ok::<(), Rejected>(())
    /// ```
    #[inline]
    pub fn acquire(&self) -> Result<(), Rejected> {
        wait::pass(self, None, 1)
    }

    /// Lets one call through, for which it waits without blocking.
    ///
    /// A future that is dropped while it waits is not charged, and those behind it move up.
    ///
    /// # Errors
    ///
    /// Same as [`acquire`](Self::acquire).
    #[inline]
    pub async fn acquire_async(&self) -> Result<(), Rejected> {
        Pass::new(self, None, 1).await
    }

    /// Counts and reports a call in `stack` that is not let through for `nanos` nanoseconds, unless it is an extra one.
    #[cold]
    #[inline(never)]
    fn refuse(&self, nanos: u64, stack: Option<Stack>) -> Rejected {
        let wait = Wait::nanos(nanos);
        if !self.is_extra(stack) {
            self.count(|counters| &counters.rejected);
            if is_rejection_heard(self.on_reject) {
                self.report_rejection(self.on_reject, |counters| &counters.pace, Some(wait.duration()));
            }
        }
        Rejected::rate_limited(self.origin(), wait)
    }
}

/// Handles; each may be called at any time from any thread.
impl RateLimit {
    /// Returns state and counts, read together.
    ///
    /// All values are read at the same moment; two callers may see the same `available`.
    pub fn snapshot(&self) -> RateLimitSnapshot {
        let config = self.config();
        let reading = self.live.gate.read(self.rate(), now_nanos());
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        RateLimitSnapshot {
            name: self.owner.name.clone(),
            key: self.owner.key.clone(),
            count: config.count,
            per: config.per,
            burst: config.burst(),
            available: u32::try_from(reading.available).unwrap_or(u32::MAX),
            waiting: reading.waiting,
            rejected: count(&self.live.counters.rejected),
            waited: count(&self.live.counters.waited),
            retry_after: (reading.wait > 0).then(|| Duration::from_nanos(reading.wait)),
        }
    }

    /// Returns whether a call would be let through at once.
    ///
    /// It is only a hint: the answer may be wrong a moment later. Only [`acquire`](Self::acquire) uses the limit.
    ///
    /// Callers that wait count as if they had been let through.
    ///
    /// # Examples
    ///
    /// Work that can wait for a quiet moment:
    ///
    /// ```
    /// use resilience::RateLimit;
    /// use std::time::Duration;
    ///
    /// static SEARCH: RateLimit = RateLimit::new("search", 100, Duration::from_secs(1));
    ///
    /// let refresh_now = SEARCH.is_available();
    /// assert!(refresh_now);
    /// ```
    pub fn is_available(&self) -> bool {
        self.live.gate.read(self.rate(), now_nanos()).wait == 0
    }

    /// Forgets all calls that were let through: `burst` calls are admitted at once. Waiting calls come first.
    ///
    /// For tests, and after the service has raised or reset its quota. The counts of a snapshot stay.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::RateLimit;
    /// use std::time::Duration;
    ///
    /// let limit = RateLimit::new("mails", 1, Duration::from_secs(3_600));
    /// assert!(limit.acquire().is_ok() && limit.acquire().is_err());
    /// limit.reset();
    /// assert!(limit.acquire().is_ok());
    /// ```
    pub fn reset(&self) {
        self.live.gate.forget().finish();
    }
}

#[cfg(all(test, loom))]
mod loom;
#[cfg(all(test, feature = "testing", not(loom)))]
mod tests;
