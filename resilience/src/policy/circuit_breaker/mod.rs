//! Circuit breakers: stop calling what keeps failing, and try again with a single call after a while.
//!
//! Use one around a dependency that can be down for longer than a retry waits: it spares the dependency
//! calls that would fail, and its callers the wait for them. Do not use one around work that fails for
//! reasons of its own input: such errors (`Invalid`, `NotFound`, ..) count as successes.
//!
//! It trips by a number of failures in a row, or inside a window of time. That suits up to about a hundred
//! calls a second; with many more, failures in a row say little.

mod builder;
mod config;
mod gate;
mod handle;
mod layer;
mod permit;
mod state;
mod window;

pub use config::CircuitBreakerConfig;
pub use layer::{InstancePermit, InstanceSite, KeyedBreakers};
#[doc(hidden)]
pub use permit::Found;
pub use permit::{OwnedPermit, Permit, PermitOf};
pub use state::State;

use crate::classify::{Category, Classification, Classify, Counts};
use crate::clock::now;
use crate::event::{Event, Hook, emit, is_heard};
use crate::outcome::Refuse;
use crate::point::{PointName, PointSite};
use crate::policy::{InvalidPolicy, Ruling, Verdict};
use crate::rejected::Rejected;
use crate::scope::is_cut;
use crate::site::Site;
use gate::{Admission, Gate};
use state::{Change, Token, Word};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A switch that opens when calls keep failing: then calls are refused at once, until a probe succeeds.
///
/// A closed breaker costs a call two reads of one word, and writes nothing while nothing fails. Each result
/// is judged against the state that admitted the call: what began before a transition cannot cause another
/// one after it.
///
/// # Examples
///
/// ```
/// use resilience::policy::CircuitBreaker;
/// use std::time::Duration;
///
/// static SEARCH: CircuitBreaker = CircuitBreaker::new("search").threshold(3).recovery(Duration::from_secs(30));
///
/// # #[derive(Debug)] struct Down;
/// # impl resilience::Classify for Down {
/// #     fn classify(&self) -> resilience::Classification { resilience::Category::Connection.into() }
/// # }
/// # impl From<resilience::Rejected> for Down { fn from(_: resilience::Rejected) -> Self { Down } }
/// fn search(_: &str) -> Result<u32, Down> {
///     Err(Down)
/// }
///
/// for _ in 0..3 {
///     assert!(SEARCH.call(|| search("rust")).is_err());
/// }
/// assert!(!SEARCH.is_available());
/// assert_eq!(SEARCH.acquire().unwrap_err().to_string(), "circuit breaker of `search` is open");
/// ```
#[derive(Debug)]
pub struct CircuitBreaker {
    live: Site<Live>,
    owner: PointName,
    key: Option<PointName>,
    config: CircuitBreakerConfig,
    /// Whether `recovery` was set, be it to its default.
    has_recovery: bool,
    hooks: Hooks,
}

/// What changes while a breaker is used; fresh in a test world.
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

#[derive(Clone, Copy, Debug)]
struct Hooks {
    open: Option<Hook>,
    half_open: Option<Hook>,
    close: Option<Hook>,
    reject: Option<Hook>,
}

#[derive(Debug)]
struct Counters {
    opened: AtomicU64,
    rejected: AtomicU64,
    failures: AtomicU64,
    cancelled: AtomicU64,
    panicked: AtomicU64,
}

/// The state of a breaker at one moment; see [`CircuitBreaker::snapshot`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BreakerSnapshot {
    /// The point, or the name given by hand.
    pub name: PointName,
    /// The key, on a keyed breaker.
    pub key: Option<PointName>,
    /// What it does with a call.
    pub state: State,
    /// Since when; `None` if it never changed.
    pub since: Option<Instant>,
    /// How many failures count at the moment: in a row or inside the window, or those that opened it.
    pub failures: u32,
    /// How many probes of this half-open time have succeeded.
    pub successes: u32,
    /// How many calls it has refused since the program started.
    pub rejected: u64,
    /// How many failures open it.
    pub threshold: u32,
    /// How long it stays open; `None` if it is not open, or its time is over.
    pub retry_after: Option<Duration>,
}

impl CircuitBreaker {
    /// A closed breaker with the default settings.
    pub const fn new(name: &'static str) -> Self {
        Self::with(PointName::new(name))
    }

    /// As [`new`](Self::new), for a name made at run time.
    pub fn named(name: impl Into<String>) -> Self {
        Self::with(PointName::from(name.into()))
    }

    /// As [`named`](Self::named), with settings known only at run time.
    ///
    /// # Errors
    ///
    /// If a setting makes no sense.
    pub fn try_new(name: impl Into<String>, config: CircuitBreakerConfig) -> Result<Self, InvalidPolicy> {
        config.judge()?;
        Ok(Self { config, has_recovery: true, ..Self::named(name) })
    }

    /// The breaker of an annotated function.
    #[doc(hidden)]
    pub const fn of(point: &'static PointSite) -> Self {
        Self::with(PointName::of(point))
    }

    const fn with(owner: PointName) -> Self {
        Self {
            live: Site::new(Live::new(), Live::new),
            owner,
            key: None,
            config: CircuitBreakerConfig::DEFAULT,
            has_recovery: false,
            hooks: Hooks { open: None, half_open: None, close: None, reject: None },
        }
    }

    /// A breaker with the settings of this one, for an annotated function.
    #[doc(hidden)]
    pub const fn owned_by(self, point: &'static PointSite) -> Self {
        let mut breaker = Self::of(point);
        breaker.config = self.config;
        breaker.has_recovery = self.has_recovery;
        breaker.hooks = self.hooks;
        // A destructor cannot run while compiling; the name in it is a constant there.
        std::mem::forget(self);
        breaker
    }
}

/// Calls.
impl CircuitBreaker {
    /// Runs `body` if the breaker admits it, and counts what comes out.
    ///
    /// # Errors
    ///
    /// The body's own, or its error type made from [`Rejected::CircuitOpen`].
    pub fn call<R>(&self, body: impl FnOnce() -> R) -> R
    where
        R: Refuse,
        R::Error: Classify,
    {
        self.call_judged(body, by_category)
    }

    /// As [`call`](Self::call), for a body that waits.
    ///
    /// # Errors
    ///
    /// The body's own, or its error type made from [`Rejected::CircuitOpen`].
    pub async fn call_async<R>(&self, body: impl AsyncFnOnce() -> R) -> R
    where
        R: Refuse,
        R::Error: Classify,
    {
        self.call_async_judged(body, by_category).await
    }

    /// As [`call`](Self::call), with `judge` to say what an outcome means.
    ///
    /// # Errors
    ///
    /// The body's own, or its error type made from [`Rejected::CircuitOpen`].
    pub fn call_judged<R: Refuse>(
        &self,
        body: impl FnOnce() -> R,
        judge: impl FnOnce(&R) -> (Verdict, Ruling),
    ) -> R {
        match PermitOf::ask(self) {
            Ok(permit) => permit.judge(body(), judge),
            Err(refusal) => R::refuse(refusal.into()),
        }
    }

    /// As [`call_async`](Self::call_async), with `judge` to say what an outcome means.
    ///
    /// # Errors
    ///
    /// The body's own, or its error type made from [`Rejected::CircuitOpen`].
    pub async fn call_async_judged<R: Refuse>(
        &self,
        body: impl AsyncFnOnce() -> R,
        judge: impl FnOnce(&R) -> (Verdict, Ruling),
    ) -> R {
        match PermitOf::ask(self) {
            Ok(permit) => permit.judge(body().await, judge),
            Err(refusal) => R::refuse(refusal.into()),
        }
    }

    /// Asks to make one call by hand.
    ///
    /// # Errors
    ///
    /// [`Rejected::CircuitOpen`] if the breaker is open, or half-open with all its probes under way.
    pub fn acquire(&self) -> Result<Permit<'_>, Rejected> {
        match self.token() {
            Ok(token) => Ok(PermitOf::new(self, token)),
            Err(at) => Err(self.rejected(at)),
        }
    }

    /// As [`acquire`](Self::acquire), with a permit that can be sent to another task or thread.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    #[inline]
    pub fn acquire_owned(self: Arc<Self>) -> Result<OwnedPermit, Rejected> {
        match self.token() {
            Ok(token) => Ok(PermitOf::new(self, token)),
            Err(at) => Err(self.rejected(at)),
        }
    }

    #[inline]
    fn token(&self) -> Admission {
        let word = self.live.gate.glance();
        if word.is_closed() {
            return Ok(word.token());
        }
        match self.refused_while_open(word) {
            Some(at) => Err(Some(at)),
            None => self.token_of_probe(),
        }
    }

    /// When it refused the call, if it is open for some time still.
    #[cold]
    #[inline(never)]
    fn refused_while_open(&self, word: Word) -> Option<Instant> {
        if !word.is_open() {
            return None;
        }
        let (end, now) = (self.live.gate.end(), now());
        if now >= end {
            return None;
        }
        self.refused(Some(now));
        Some(now)
    }

    #[cold]
    #[inline(never)]
    fn token_of_probe(&self) -> Admission {
        let (admission, change) = self.live.gate.admit(&self.config);
        self.tell(change);
        admission.inspect_err(|at| self.refused(*at))
    }

    /// Counts and tells of a refusal.
    #[inline]
    fn refused(&self, at: Option<Instant>) {
        self.live.counters.rejected.fetch_add(1, Ordering::Relaxed);
        if is_heard(self.hooks.reject) {
            self.tell_of_refusal(at);
        }
    }

    /// The error of a call that was refused at `at`.
    fn rejected(&self, at: Option<Instant>) -> Rejected {
        Rejected::circuit_open(self.owner.clone(), self.live.gate.left_at(at))
    }

    #[cold]
    #[inline(never)]
    fn tell_of_refusal(&self, at: Option<Instant>) {
        let (point, key) = (self.owner.clone(), self.key.clone());
        let retry_after = self.live.gate.left_at(at).map(|left| left.time());
        emit(&Event::Rejected { point, key, policy: "circuit_breaker", retry_after }, self.hooks.reject);
    }

    /// The end of a call: a success where `verdict` is `None`.
    #[inline]
    fn settle(&self, token: Token, verdict: Verdict, ruling: Ruling) -> Verdict {
        if let Some(class) = verdict {
            self.judged(token, class, ruling);
            return verdict;
        }
        if !self.live.gate.glance().is_clean(token) {
            self.succeeded(token);
        }
        // Said anew, so that the compiler need not keep the verdict of a success.
        None
    }

    #[cold]
    #[inline(never)]
    fn judged(&self, token: Token, class: Classification, ruling: Ruling) {
        let counts = match ruling {
            Ruling::ByCategory => class.category.counts(),
            Ruling::Yes => Counts::Failure,
            Ruling::No => Counts::Success,
            Ruling::Exempt => Counts::Nothing,
        };
        match counts {
            Counts::Failure => self.failed(token, &class),
            Counts::Success => self.succeeded(token),
            Counts::Nothing => self.live.gate.given_back(token),
        }
    }

    #[cold]
    #[inline(never)]
    fn succeeded(&self, token: Token) {
        self.tell(self.live.gate.succeeded(token, &self.config));
    }

    fn failed(&self, token: Token, class: &Classification) {
        self.live.counters.failures.fetch_add(1, Ordering::Relaxed);
        self.tell(self.live.gate.failed(token, class, &self.config));
    }

    /// The end of a call whose permit was dropped.
    #[cold]
    #[inline(never)]
    fn abandoned(&self, token: Token) {
        self.abandoned_in(self.owner.stack(), token);
    }

    #[cold]
    fn abandoned_in(&self, stack: usize, token: Token) {
        if std::thread::panicking() {
            self.live.counters.panicked.fetch_add(1, Ordering::Relaxed);
        } else if is_cut(stack) {
            return self.failed(token, &Classification::new(Category::Timeout));
        } else {
            self.live.counters.cancelled.fetch_add(1, Ordering::Relaxed);
        }
        self.live.gate.given_back(token);
    }

    /// Tells of a transition, if there was one; the lock must be free.
    #[inline]
    fn tell(&self, change: Option<Change>) {
        if let Some(change) = change {
            self.tell_of(change);
        }
    }

    #[cold]
    #[inline(never)]
    fn tell_of(&self, change: Change) {
        let (point, key) = (self.owner.clone(), self.key.clone());
        match change {
            Change::Opened { class, failures, recovery } => {
                self.live.counters.opened.fetch_add(1, Ordering::Relaxed);
                emit(&Event::Opened { point, key, class, failures, recovery }, self.hooks.open);
            }
            Change::HalfOpened => emit(&Event::HalfOpened { point, key }, self.hooks.half_open),
            Change::Closed => emit(&Event::Closed { point, key }, self.hooks.close),
        }
    }
}

fn by_category<R>(outcome: &R) -> (Verdict, Ruling)
where
    R: Refuse,
    R::Error: Classify,
{
    (outcome.judge().err().map(Classify::classify), Ruling::ByCategory)
}

impl Counters {
    const fn new() -> Self {
        Self {
            opened: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            panicked: AtomicU64::new(0),
        }
    }

    fn each(&self) -> [(&'static str, &AtomicU64); 5] {
        [
            ("opened", &self.opened),
            ("rejected", &self.rejected),
            ("failures", &self.failures),
            ("cancelled", &self.cancelled),
            ("panicked", &self.panicked),
        ]
    }

    fn read(&self) -> Vec<(&'static str, u64)> {
        self.each().map(|(name, count)| (name, count.load(Ordering::Relaxed))).into()
    }

    fn add(&self, other: &Self) {
        for ((_, own), (_, count)) in self.each().into_iter().zip(other.each()) {
            own.fetch_add(count.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }
}

#[cfg(all(test, loom))]
mod loom;
#[cfg(all(test, feature = "testing", not(loom)))]
mod model;
#[cfg(all(test, feature = "testing", not(loom)))]
mod tests;
