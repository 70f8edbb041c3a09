//! Failover: when a call fails with one value of an argument, call again with the next.
//!
//! # When to use one
//!
//! For several services with the same answer: three models, two regions, a primary and its replicas.
//!
//! # When not to
//!
//! - For transient failures: retry the same value first, with `with_retry` below.
//! - For values that know different things: a replica that lags behind answers `NotFound` for a record that was just
//!   written.
//! - For calls that change something, if the first service may have done it before it failed.
//!
//! # Choosing numbers
//!
//! - The list: the best value first. Each one is a whole call, with all its retries; put a `timeout` above, so that the
//!   time of all of them is bounded, and one below for each.
//! - `sticky`: about the time that an outage lasts, such as 60 s. With it, a first value that times out delays one call
//!   in that time, and not every call. A `circuit_breaker` below does the same by itself.
//!
//! # What it does
//!
//! A call begins with the value that the caller passes. After a failure of category `Timeout`, `Connection`,
//! `Unavailable`, `RateLimited`, `Resource` or `NotFound`, or after a refusal by a policy below (an open breaker, a
//! full bulkhead, a rate limit that is used up), it goes on with the values that are listed after it, or with all of
//! them if it is not listed, each once, until one answers. No value is called when the time of a timeout around the
//! call is over.
//!
//! If all fail, the caller gets the first error of a body that ran. If every value was refused, that is the refusal
//! with the shortest `retry_after`.
//! In a job, a [refusal by that job](crate::policy::with_fallback#in-a-job) is returned at once.
//!
//! Every policy with state that is below has that state for each value: its breaker, its budget, its slots and its rate
//! limit. A value that is down takes nothing from the others.
//!
//! # `sticky`
//!
//! After a switch, calls with the same value of their own begin with the value that answered, for the time of `sticky`;
//! a success does not prolong it. Then one call tries its own value again, while the others stay; if that answers, all
//! go back. A call that began before a switch changes nothing.
//!
//! # Examples
//!
//! ```
//! use resilience::failover;
//! use std::io::{Error, ErrorKind};
//!
//! #[failover(model = ["large", "medium", "small"])]
//! fn chat(model: &str, question: &str) -> Result<String, Error> {
//!     if model == "large" { Err(ErrorKind::TimedOut.into()) } else { Ok(format!("{model}: {question}?")) }
//! }
//!
//! assert_eq!(chat("large", "why").unwrap(), "medium: why?");
//! assert_eq!(chat("small", "why").unwrap(), "small: why?");
//! ```

mod config;
pub(crate) mod inventory;
mod sticky;
mod walk;

pub use config::FailoverConfig;
#[doc(hidden)]
pub use walk::{FailoverCall, keep};

use crate::base::name::PointName;
use crate::base::setting::enforce;
use crate::base::settings::Settings;
use crate::base::site::Site;
use crate::base::stopping::let_others_run;
use crate::base::visible::Visible;
use crate::classify::{Category, Classification, Classify};
use crate::event::{Event, emit, is_heard};
use crate::keyed::{EntryMap, Key, KeyRef, MAX_KEYS, PerKey};
use crate::outcome::Outcome;
use crate::point::PointSite;
#[cfg(feature = "config")]
use crate::point::overrides::of_state;
use crate::policy::{InvalidPolicy, verdict_of};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use sticky::StickyState;

/// A policy that calls again with the next value of an argument after a failure.
///
/// The [module](crate::policy::failover) says when to use one, and what `sticky` does. With `sticky` it has state: put
/// it in a `static`, not in a local variable.
///
/// # Examples
///
/// ```
/// use resilience::Failover;
/// use std::io::{Error, ErrorKind};
///
/// static CHAT: Failover = Failover::new("chat");
///
/// let answer = CHAT.call(&"large", &["large", "medium", "small"], |model| {
///     if *model == "large" { Err(Error::from(ErrorKind::TimedOut)) } else { Ok(*model) }
/// });
/// assert_eq!(answer.unwrap(), "medium");
/// ```
#[derive(Debug)]
pub struct Failover {
    name: PointName,
    on: &'static [Category],
    settings: Settings<FailoverConfig>,
    /// The argument whose values an attribute lists, and these.
    listed: Option<(&'static str, ListedNames)>,
    /// For each value that callers begin with, and for each key of the stack.
    memories: Site<EntryMap<StickyState>>,
    /// The number of calls that each value answered in place of the caller's own; the whole includes those of evicted
    /// values.
    answered: Site<EntryMap<AtomicU64>>,
    failed_over: Site<AtomicU64>,
}

/// A function that returns the values of an attribute's list as text.
type ListedNames = fn() -> Vec<String>;

/// The number of times that a value has answered.
impl PerKey for AtomicU64 {
    fn for_key(self, _: PointName, _: &Self) -> Self {
        self
    }
}

/// The categories after which another value may answer.
const MAY_DIFFER: &[Category] = &[
    Category::Timeout,
    Category::Connection,
    Category::Unavailable,
    Category::RateLimited,
    Category::Resource,
    Category::NotFound,
];

/// The counts of a failover so far; see [`Failover::snapshot`].
///
/// With the feature `serde` it serialises as a map.
///
/// # Examples
///
/// ```
/// use resilience::{Failover, Rejected, testing::rejected};
/// use std::time::Duration;
///
/// let chat = Failover::new("chat").sticky(Duration::from_secs(60));
/// let full = || rejected::bulkhead_full("chat");
/// chat.call(&"a", &["a", "b"], |model| if *model == "a" { Err(full()) } else { Ok(()) }).unwrap();
/// let now = chat.snapshot();
/// assert_eq!((now.failed_over, now.answered["b"]), (1, 1));
/// assert_eq!((&*now.sticky[0].key, &*now.sticky[0].value), ("a", "b"));
/// assert_eq!(now.to_string(), "chat: failed over 1, b answered 1, a begins with b");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct FailoverSnapshot {
    /// The point, or the name of a plain value.
    pub name: PointName,
    /// The number of times that a call continued with another value since the program started.
    pub failed_over: u64,
    /// The number of calls that a value answered in place of the caller's own since the program started.
    pub answered: BTreeMap<String, u64>,
    /// The calls that begin with another value than their own, sorted by key.
    pub sticky: Vec<StickySnapshot>,
}

/// A value that calls begin with in place of their own; see [`FailoverSnapshot::sticky`].
///
/// # Examples
///
/// ```
/// use resilience::Failover;
/// use std::io::{Error, ErrorKind};
/// use std::time::Duration;
///
/// let world = resilience::testing::isolate();
/// let chat = Failover::new("chat").sticky(Duration::from_secs(60));
/// let ask = |model: &&str| if *model == "large" { Err(Error::from(ErrorKind::TimedOut)) } else { Ok(()) };
/// chat.call(&"large", &["large", "small"], ask).unwrap();
///
/// world.advance(Duration::from_secs(20));
/// let sticky = &chat.snapshot().sticky[0];
/// assert_eq!((&*sticky.key, &*sticky.value), ("large", "small"));
/// assert_eq!(sticky.left, Duration::from_secs(40));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct StickySnapshot {
    /// The callers' own value, after the key of the stack where there is one: `large`, or `acme/large`.
    pub key: String,
    /// The value that answered last.
    pub value: String,
    /// The time for which calls begin with it; zero if the next one tries its own value.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "left_s", serialize_with = "crate::base::serialise::seconds")
    )]
    pub left: Duration,
}

/// `chat: failed over 3, b answered 2, a begins with b`.
impl fmt::Display for FailoverSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: failed over {}", Visible(&self.name), self.failed_over)?;
        self.answered
            .iter()
            .try_for_each(|(value, count)| write!(f, ", {} answered {count}", Visible(value)))?;
        self.sticky.iter().try_for_each(|sticky| {
            write!(f, ", {} begins with {}", Visible(&sticky.key), Visible(&sticky.value))
        })
    }
}

impl Failover {
    /// Creates a failover that begins with the caller's value each time.
    ///
    /// `name` appears in its events.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Failover;
    ///
    /// static REGIONS: Failover = Failover::new("search");
    /// let answered_by = REGIONS.call(&"us", &["eu", "us"], |region| Ok::<_, std::io::Error>(*region));
    /// assert_eq!(answered_by.unwrap(), "us", "the caller's own value comes first");
    /// ```
    pub const fn new(name: &'static str) -> Self {
        Self::with(PointName::new(name), FailoverConfig::DEFAULT.into_settings())
    }

    /// Creates a failover with a name and settings that are known only at run time.
    ///
    /// # Errors
    ///
    /// If a setting is out of range or contradicts another one, with the message of the compiler.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Failover;
    /// use resilience::policy::failover::FailoverConfig;
    /// use std::time::Duration;
    ///
    /// let config = FailoverConfig { sticky: Some(Duration::from_secs(60)) };
    /// assert!(Failover::try_new("chat", config).is_ok());
    /// ```
    pub fn try_new(name: impl Into<String>, config: FailoverConfig) -> Result<Self, InvalidPolicy> {
        InvalidPolicy::unless_valid(config.complaint())?;
        Ok(Self::with(PointName::from(name.into()), Settings::whole(config)))
    }

    /// Creates the failover of an annotated function over the `values` of `argument`.
    #[doc(hidden)]
    pub const fn of(point: &'static PointSite, argument: &'static str, values: ListedNames) -> Self {
        let settings = FailoverConfig::DEFAULT.into_settings();
        let mut this = Self::with(PointName::of(point), settings);
        this.listed = Some((argument, values));
        this
    }

    const fn with(name: PointName, settings: Settings<FailoverConfig>) -> Self {
        Self {
            name,
            on: MAY_DIFFER,
            settings,
            listed: None,
            memories: Site::new(EntryMap::new(), EntryMap::new),
            answered: Site::new(EntryMap::new(), EntryMap::new),
            failed_over: Site::new(AtomicU64::new(0), AtomicU64::default),
        }
    }

    /// Sets the categories after which the next value is called, in place of the default six.
    ///
    /// After a refusal by a policy of this library the next value is always called.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Category, Failover};
    /// use std::io::{Error, ErrorKind};
    ///
    /// static CHAT: Failover = Failover::new("chat").on(&[Category::Timeout]);
    ///
    /// let mut calls = 0;
    /// let refused: Result<(), Error> = CHAT.call(&"large", &["large", "small"], |_| {
    ///     calls += 1;
    ///     Err(ErrorKind::ConnectionRefused.into())
    /// });
    /// assert!(refused.is_err());
    /// assert_eq!(calls, 1);
    /// ```
    pub const fn on(mut self, categories: &'static [Category]) -> Self {
        self.on = categories;
        self
    }

    /// Returns the value, once its settings are known to be valid.
    #[doc(hidden)]
    #[track_caller]
    pub const fn checked(self) -> Self {
        enforce(self.settings.config.complaint());
        self
    }

    /// Returns the settings in force: the one place that reads them.
    fn config(&self) -> &FailoverConfig {
        #[cfg(feature = "config")]
        if let Some(changed) = of_state(&self.name, self, "failover", None) {
            return changed.get().unwrap_or(&self.settings.config);
        }
        &self.settings.config
    }

    /// Runs `body` with `own`, and after a failure with the `values` that are listed after it.
    ///
    /// If `own` is not among the `values`, all of them follow. List each value once.
    ///
    /// # Errors
    ///
    /// If all fail: the first error of a body that ran, else the refusal with the shortest `retry_after`.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Failover;
    /// use std::io::{Error, ErrorKind};
    ///
    /// static REGIONS: Failover = Failover::new("search");
    ///
    /// let mut asked = Vec::new();
    /// let found = REGIONS.call(&"eu", &["us", "eu", "asia"], |region| {
    ///     asked.push(*region);
    ///     if *region == "eu" { Err(Error::from(ErrorKind::TimedOut)) } else { Ok(*region) }
    /// });
    /// assert_eq!(found.unwrap(), "asia", "what is listed after the caller's own value");
    /// assert_eq!(asked, ["eu", "asia"]);
    /// ```
    pub fn call<T, R>(&self, own: &T, values: &[T], mut body: impl FnMut(&T) -> R) -> R
    where
        T: Key,
        R: Outcome<Error: Classify>,
    {
        let (mut walk, mut kept) = (self.start(values, own), None);
        loop {
            let outcome = body(walk.listed(values).unwrap_or(own));
            let verdict = verdict_of(&outcome);
            if walk.continues(values, &verdict) {
                kept = Some(keep(kept, (outcome, verdict)));
                continue;
            }
            return walk.ended(values, kept, outcome, verdict).0;
        }
    }

    /// Runs the async `body` with `own`, and after a failure with the `values` that are listed after it.
    ///
    /// # Errors
    ///
    /// Fails like [`call`](Self::call).
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Failover;
    ///
    /// static REGIONS: Failover = Failover::new("search");
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let found: std::io::Result<u32> = REGIONS.call_async(&"eu", &["eu", "us"], async |_| Ok(7)).await;
    /// assert_eq!(found.unwrap(), 7);
    /// # });
    /// ```
    pub async fn call_async<'v, T, R, F>(
        &self,
        own: &'v T,
        values: &'v [T],
        mut body: impl FnMut(&'v T) -> F,
    ) -> R
    where
        T: Key,
        R: Outcome<Error: Classify>,
        F: Future<Output = R>,
    {
        let (mut walk, mut kept) = (self.start(values, own), None);
        loop {
            let outcome = body(walk.listed(values).unwrap_or(own)).await;
            let verdict = verdict_of(&outcome);
            if walk.continues(values, &verdict) {
                kept = Some(keep(kept, (outcome, verdict)));
                let_others_run().await;
                continue;
            }
            return walk.ended(values, kept, outcome, verdict).0;
        }
    }

    /// Returns the counts, and the values with which calls begin now.
    ///
    /// The counts only grow; [`reset`](Self::reset) forgets `sticky` alone.
    pub fn snapshot(&self) -> FailoverSnapshot {
        let count = |(value, count): (String, Arc<AtomicU64>)| (value, count.load(Ordering::Relaxed));
        FailoverSnapshot {
            name: self.name.clone(),
            failed_over: self.failed_over.load(Ordering::Relaxed),
            answered: self.answered.all().into_iter().map(count).collect(),
            sticky: self.sticky_values(),
        }
    }

    /// Forgets which values answered last: every call begins with its own.
    ///
    /// It is for a service that is known to be back before the time of `sticky` is over.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Failover;
    /// use std::io::{Error, ErrorKind};
    /// use std::time::Duration;
    ///
    /// let chat = Failover::new("chat").sticky(Duration::from_secs(60));
    /// let ask = |model: &&str| if *model == "a" { Err(Error::from(ErrorKind::TimedOut)) } else { Ok(()) };
    /// chat.call(&"a", &["a", "b"], ask).unwrap();
    /// assert_eq!(chat.snapshot().sticky.len(), 1);
    /// chat.reset();
    /// assert!(chat.snapshot().sticky.is_empty());
    /// ```
    pub fn reset(&self) {
        for (_, memory) in self.memories.all() {
            memory.forget();
        }
    }

    /// Reports that a call continues with the value called `value`, as its further one of this number.
    fn failed_over(&self, class: Classification, step: usize, value: impl FnOnce() -> Option<PointName>) {
        self.failed_over.fetch_add(1, Ordering::Relaxed);
        if is_heard() {
            let step = u32::try_from(step).unwrap_or(u32::MAX);
            emit(&Event::FailedOver { point: self.name.clone(), class, value: value(), step }, None);
        }
    }

    /// Counts that a listed value has answered in place of the caller's own.
    fn answered(&self, value: KeyRef<'_>) {
        let answered = &self.answered;
        answered.get(&value, MAX_KEYS, &AtomicU64::default).fetch_add(1, Ordering::Relaxed);
        if let Some(all) = answered.whole() {
            all.fetch_add(1, Ordering::Relaxed);
        }
        #[cfg(feature = "ops")]
        crate::point::note_degraded(&self.name);
        #[cfg(feature = "cache")]
        crate::base::marks::degraded();
    }
}

/// Returns the listed values, of whichever type the list is.
#[doc(hidden)]
#[inline]
pub const fn values<T>(values: &[T]) -> &[T] {
    values
}

/// Returns the listed values as text.
#[doc(hidden)]
pub fn names<T: Key>(values: &[T]) -> Vec<String> {
    values.iter().map(|value| value.read(|value| value.to_string())).collect()
}

/// Checks a list that the macro cannot see: in a `const` it is a compile error.
///
/// # Panics
///
/// If it is empty.
#[doc(hidden)]
pub const fn check<T>(values: &[T]) {
    assert!(!values.is_empty(), "`failover` needs at least one value");
}

/// Takes the caller's own value, which is called once.
///
/// # Panics
///
/// Never: the walk has it once.
#[doc(hidden)]
#[inline]
pub fn taken<T>(own: &mut Option<T>) -> T {
    own.take().unwrap_or_else(|| unreachable!("the caller's own value is called once"))
}

/// A listed value as an argument of type `T`.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be made into the argument, a `{T}`",
    label = "has no `From<{Self}>`",
    note = "list values of the argument's own type, or of one that it is made of by `From`; they are `Clone`"
)]
pub trait Listable<T> {
    /// Returns the argument.
    fn argument(&self) -> T;
}

impl<T, V: Clone + Into<T>> Listable<T> for V {
    #[inline]
    fn argument(&self) -> T {
        self.clone().into()
    }
}
