//! A limit that follows how long the calls take.

mod config;
pub(crate) mod inventory;
mod layer;
mod run;

pub use config::AdaptiveTimeoutConfig;
#[doc(hidden)]
pub use run::{AdaptiveTimed, Ended};

use super::thread::Group;
use crate::base::clock::now;
use crate::base::percentile::Percentile;
use crate::base::setting::enforce;
use crate::base::settings::Settings;
use crate::base::site::Site;
use crate::base::visible::write_name;
use crate::failure::Classify;
use crate::outcome::Refuse;
use crate::point::{PointName, PointSite};
use crate::policy::InvalidPolicy;
use crate::policy::owner::Owner;
use crate::policy::stateful::{Stateful, in_force};
use run::ended;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A timeout that ends a call that takes much longer than recent calls.
///
/// The limit is twice the 99th percentile of the last 1,000 calls of the last 10 minutes, at least
/// [`floor`](AdaptiveTimeoutConfig::floor) and at most [`cap`](AdaptiveTimeoutConfig::cap). Until 100 calls were
/// measured it is `cap`. Calls that were ended or dropped count with the time that they had run, so that the limit
/// rises with the latency of the service: after a step from 100 ms to 500 ms, about 30 calls are ended. Calls that a
/// policy inside refused, such as an open breaker, do not count, nor do those that only waited for admission.
///
/// It has state: put it in a `static`, or in an `Arc` that the callers share, not in a local variable. The samples take
/// 16 KiB. The [module](crate::policy::timeout) says what happens to the body.
///
/// # Examples
///
/// ```
/// use resilience::policy::timeout::AdaptiveTimeout;
/// use resilience::Rejected;
/// use std::time::Duration;
///
/// static QUOTE: AdaptiveTimeout =
///     AdaptiveTimeout::new("quotes", Duration::from_millis(100), Duration::from_secs(10));
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// for _ in 0..200 {
///     let quote: Result<u32, Rejected> = QUOTE.call_async(async || Ok(42)).await;
///     assert_eq!(quote.unwrap(), 42);
/// }
/// # });
/// assert_eq!(QUOTE.limit(), Duration::from_millis(100));
/// ```
#[derive(Debug)]
pub struct AdaptiveTimeout {
    live: Site<Live>,
    /// Counts the calls that were ended. The bodies of all keys on helper threads are counted together.
    owner: Owner<AtomicU64>,
    settings: Settings<AdaptiveTimeoutConfig>,
    is_on_thread: bool,
}

/// The state in use; fresh in a test world.
#[derive(Debug)]
struct Live {
    times: Percentile,
    timed_out: AtomicU64,
}

impl Live {
    const fn new() -> Self {
        Self { times: Percentile::new(0.99), timed_out: AtomicU64::new(0) }
    }
}

/// The limit and counts of an adaptive timeout at one moment; see [`AdaptiveTimeout::snapshot`].
///
/// With the feature `serde` it serialises as a map, with `limit_s` and `p99_s` in seconds.
///
/// # Examples
///
/// ```
/// use resilience::policy::timeout::AdaptiveTimeout;
/// use std::time::Duration;
///
/// let timeout = AdaptiveTimeout::new("quotes", Duration::from_millis(100), Duration::from_secs(10));
/// let now = timeout.snapshot();
/// assert_eq!((now.limit, now.p99, now.samples), (Duration::from_secs(10), None, 0));
/// assert_eq!(now.to_string(), "quotes: limit 10s, 0 calls measured, timed out 0");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct AdaptiveTimeoutSnapshot {
    /// The point, or the name of a plain value.
    pub name: PointName,
    /// The key, on a keyed timeout.
    pub key: Option<PointName>,
    /// The limit of a call that begins now.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "limit_s", serialize_with = "crate::base::serialise::seconds")
    )]
    pub limit: Duration,
    /// The time that 99 of 100 recent calls did not exceed; `None` below 100 calls.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "p99_s", serialize_with = "crate::base::serialise::seconds")
    )]
    pub p99: Option<Duration>,
    /// The number of recent calls that were measured, at most 1,000.
    pub samples: usize,
    /// The number of calls that it has ended since the program started.
    pub timed_out: u64,
}

/// `search (key a.example): limit 240ms, p99 120ms of 1000 calls, timed out 3`.
impl fmt::Display for AdaptiveTimeoutSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(f, &self.name, self.key.as_deref())?;
        write!(f, ": limit {:?}", self.limit)?;
        match self.p99 {
            Some(p99) => write!(f, ", p99 {p99:?} of {} calls", self.samples)?,
            None => write!(f, ", {} calls measured", self.samples)?,
        }
        write!(f, ", timed out {}", self.timed_out)
    }
}

impl AdaptiveTimeout {
    /// Creates a timeout whose limit is between `floor` and `cap`.
    ///
    /// `name` appears in events, errors and the inventory.
    ///
    /// # Panics
    ///
    /// If one of the two is zero, or `cap` is below `floor`; in a `const` or `static` that is a compile error.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::policy::timeout::AdaptiveTimeout;
    /// use std::time::Duration;
    ///
    /// static QUOTE: AdaptiveTimeout =
    ///     AdaptiveTimeout::new("quotes", Duration::from_millis(100), Duration::from_secs(10));
    /// assert_eq!(QUOTE.limit(), Duration::from_secs(10), "`cap`, until 100 calls were measured");
    /// ```
    #[track_caller]
    pub const fn new(name: &'static str, floor: Duration, cap: Duration) -> Self {
        let config = AdaptiveTimeoutConfig::between(floor, cap);
        Self::with(PointName::new(name), config.into_settings()).checked()
    }

    /// Creates a timeout with a name and settings that are known only at run time.
    ///
    /// # Errors
    ///
    /// If a setting is out of range or contradicts another one, with the message of the compiler.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::policy::timeout::{AdaptiveTimeout, AdaptiveTimeoutConfig};
    /// use std::time::Duration;
    ///
    /// let between = |floor, cap| {
    ///     AdaptiveTimeoutConfig::between(Duration::from_millis(floor), Duration::from_millis(cap))
    /// };
    /// assert!(AdaptiveTimeout::try_new("quotes", between(100, 10_000)).is_ok());
    /// assert!(AdaptiveTimeout::try_new("quotes", between(100, 10)).is_err());
    /// ```
    pub fn try_new(name: impl Into<String>, config: AdaptiveTimeoutConfig) -> Result<Self, InvalidPolicy> {
        InvalidPolicy::unless_valid(config.complaint())?;
        Ok(Self::with(PointName::from(name.into()), Settings::whole(config)))
    }

    /// Creates the timeout of an annotated function.
    #[doc(hidden)]
    #[track_caller]
    pub const fn of(point: &'static PointSite, floor: Duration, cap: Duration) -> Self {
        let config = AdaptiveTimeoutConfig::between(floor, cap);
        Self::with(PointName::of(point), config.into_settings()).checked()
    }

    const fn with(name: PointName, settings: Settings<AdaptiveTimeoutConfig>) -> Self {
        let live = Site::new(Live::new(), Live::new);
        Self { live, owner: Owner::new(name), settings, is_on_thread: false }
    }

    /// Makes it a timeout for a sync function, whose body runs on a helper thread.
    #[doc(hidden)]
    pub const fn thread(mut self) -> Self {
        self.is_on_thread = true;
        self
    }

    /// Returns the timeout, once its settings are known to be valid together.
    #[doc(hidden)]
    #[track_caller]
    pub const fn checked(self) -> Self {
        enforce(self.settings.config.complaint());
        self
    }

    /// Returns the settings in force: the one place that reads them.
    #[inline]
    fn config(&self) -> &AdaptiveTimeoutConfig {
        in_force(self)
    }

    fn limit_at(&self, now: Instant) -> Duration {
        self.config().limit(self.live.times.get(now))
    }

    fn count_timed_out(&self) {
        self.count(|timed_out| timed_out);
    }

    /// Returns the group whose abandoned bodies are counted together: those of all keys.
    fn group(&self) -> Group {
        let own = || std::ptr::from_ref(self).addr();
        Group::At(self.owner.totals().map_or_else(own, |totals| std::ptr::from_ref(totals).addr()))
    }
}

/// Calls.
impl AdaptiveTimeout {
    /// Runs `body` on a helper thread, and abandons it there if it takes longer than the limit.
    ///
    /// [`Timeout::call`](super::Timeout::call) says what the body has there.
    ///
    /// # Errors
    ///
    /// The body's own, or its error type made from one of these:
    /// - [`Rejected::TimedOut`](crate::Rejected::TimedOut) after the limit.
    /// - [`Rejected::BulkheadFull`](crate::Rejected::BulkheadFull) without running the body, while as many abandoned
    ///   bodies as [`threads`](Self::threads) allows still run, or where the system has no thread left.
    ///
    /// # Panics
    ///
    /// If the body panics within the limit, with its panic.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::policy::timeout::AdaptiveTimeout;
    /// use std::time::Duration;
    ///
    /// static PARSE: AdaptiveTimeout =
    ///     AdaptiveTimeout::new("parse", Duration::from_millis(100), Duration::from_secs(10));
    ///
    /// let words = vec!["one", "two"];
    /// let count: std::io::Result<usize> = PARSE.call(move || Ok(words.len()));
    /// assert_eq!(count.unwrap(), 2);
    /// ```
    pub fn call<R, F>(&self, body: F) -> R
    where
        R: Refuse + Send + 'static,
        R::Error: Classify,
        F: FnOnce() -> R + Send + 'static,
    {
        run::on_thread(self, None, 1, move || ended(body())).unwrap_or_else(R::refuse)
    }

    /// Runs the future of `body`, and drops it if it takes longer than the limit.
    ///
    /// The limit counts from the first poll that is not ready, or from the first poll if the timeout is
    /// [`strict`](Self::strict).
    ///
    /// # Errors
    ///
    /// The body's own, or its error type made from [`Rejected::TimedOut`](crate::Rejected::TimedOut).
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::policy::timeout::AdaptiveTimeout;
    /// use std::time::Duration;
    ///
    /// static QUOTE: AdaptiveTimeout =
    ///     AdaptiveTimeout::new("quotes", Duration::from_millis(100), Duration::from_secs(10));
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let quote: std::io::Result<u32> = QUOTE.call_async(async || Ok(42)).await;
    /// assert_eq!(quote.unwrap(), 42);
    /// assert_eq!(QUOTE.snapshot().samples, 1);
    /// # });
    /// ```
    pub async fn call_async<R>(&self, body: impl AsyncFnOnce() -> R) -> R
    where
        R: Refuse,
        R::Error: Classify,
    {
        let body = async { ended(body().await) };
        AdaptiveTimed::new(self, None, 1, body).await.unwrap_or_else(R::refuse)
    }
}

/// Handles; each may be called at any time from any thread.
impl AdaptiveTimeout {
    /// Returns the limit of a call that begins now.
    ///
    /// It is always between `floor` and `cap`, and exactly `cap` until 100 calls were measured.
    pub fn limit(&self) -> Duration {
        self.limit_at(now())
    }

    /// Returns the limit that applies now, what it comes from, and counts.
    ///
    /// It reads the samples once, so that `limit` and `p99` belong together.
    pub fn snapshot(&self) -> AdaptiveTimeoutSnapshot {
        let (live, now) = (&*self.live, now());
        AdaptiveTimeoutSnapshot {
            name: self.owner.name.clone(),
            key: self.owner.key.clone(),
            limit: self.limit_at(now),
            p99: live.times.get(now),
            samples: live.times.samples(now),
            timed_out: live.timed_out.load(Ordering::Relaxed),
        }
    }

    /// Forgets how long calls took, so that the limit is `cap` again.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::policy::timeout::AdaptiveTimeout;
    /// use std::time::Duration;
    ///
    /// let (floor, cap) = (Duration::from_millis(100), Duration::from_secs(10));
    /// let timeout = AdaptiveTimeout::new("parse", floor, cap);
    /// for _ in 0..100 {
    ///     let _: Option<()> = timeout.call(|| Some(()));
    /// }
    /// assert!(timeout.limit() < cap);
    /// timeout.reset();
    /// assert_eq!(timeout.limit(), cap);
    /// ```
    pub fn reset(&self) {
        self.live.times.reset();
    }
}
