//! Circuit breakers: stop calling a dependency that keeps failing, and probe it with a single call after a while.
//!
//! ```text
//!             threshold failures                 recovery is over: the next call
//!   Closed ----------------------> Open -----------------------------------------> HalfOpen
//!     ^                             ^                                                 |  |
//!     |                             +------------------- a probe fails ---------------+  |
//!     +------------------------------ `successes` probes succeed ------------------------+
//! ```
//!
//! The pattern is Michael Nygard's ("Release It!", 2007).
//!
//! # When to use one
//!
//! Around a dependency that can be down for longer than a retry waits: it saves the dependency the
//! calls that would fail, and the callers the wait for them.
//!
//! # When not to
//!
//! - Around work that fails because of its input: such errors (`Invalid`, `NotFound`, ..) count as
//!   successes, so that the breaker would never open.
//! - One breaker for many hosts or tenants: use `key`, or [`CircuitBreakers`], so that a host that is down does
//!   not block calls to the others.
//! - With a `threshold` on a function that is called far more than a hundred times a second: failures in a row say
//!   little there. Set a `rate`.
//!
//! # Choosing numbers
//!
//! - `threshold`: the number of failures that opens the breaker; 5 by default. A retry above the
//!   breaker makes several attempts a call, each of which counts.
//! - `window`: set it where successes and failures mix, for instance one bad server of four; without it one
//!   success clears the count.
//! - `rate`: the share of failures among the last calls, for more than about a hundred calls a second. A
//!   success only adds to a counter of its thread.
//! - `recovery`: about the time of a restart; 60 s by default. `growth = 2.0` doubles it while probes fail,
//!   up to `cap`.
//! - `successes`: more than 1 where a service answers once and fails under load.
//!
//! # What counts
//!
//! The category of an error decides, by the [table](crate::Category): a failure, a success (the service
//! answered), or nothing. `when` and `unless` override it. A call that is dropped counts as nothing, unless a
//! timeout of its own stack dropped it: that is a failure. A call that panics is counted
//! only as `panicked`.
//!
//! # Examples
//!
//! ```
//! use resilience::{CircuitBreaker, Rejected, State};
//! use std::io::{Error, ErrorKind};
//! use std::time::Duration;
//!
//! #[derive(Debug)]
//! enum SearchError {
//!     Io(Error),
//!     Rejected(Rejected),
//! }
//! # impl From<Rejected> for SearchError { fn from(rejected: Rejected) -> Self { Self::Rejected(rejected) } }
//! # impl resilience::Classify for SearchError {
//! #     fn classify(&self) -> resilience::Classification {
//! #         match self { Self::Io(error) => error.classify(), Self::Rejected(rejected) => rejected.classify() }
//! #     }
//! # }
//!
//! static SEARCH: CircuitBreaker =
//!     CircuitBreaker::new("search").threshold(2).recovery(Duration::from_secs(30));
//!
//! let search = |kind: ErrorKind| -> Result<u32, SearchError> {
//!     SEARCH.call(|| Err(SearchError::Io(kind.into())))
//! };
//! for _ in 0..3 {
//!     search(ErrorKind::NotFound).unwrap_err();
//! }
//! assert_eq!(SEARCH.state(), State::Closed, "an answer each time");
//! for _ in 0..2 {
//!     search(ErrorKind::ConnectionRefused).unwrap_err();
//! }
//! assert_eq!(SEARCH.state(), State::Open);
//! let rejected = search(ErrorKind::ConnectionRefused).unwrap_err();
//! assert!(matches!(rejected, SearchError::Rejected(Rejected::CircuitOpen { .. })));
//! ```

mod builder;
mod cause;
mod config;
mod gate;
mod handle;
mod in_force;
pub(crate) mod inventory;
mod judged;
mod layer;
mod permit;
mod rates;
mod set;
mod snapshot;
mod state;
#[cfg(feature = "ops")]
mod transitions;
mod window;

pub use config::CircuitBreakerConfig;
#[doc(hidden)]
pub use permit::{Began, Timing};
pub use permit::{OwnedPermit, Permit, PermitOf};
pub use set::CircuitBreakers;
pub use snapshot::{BreakerSnapshot, State};

use crate::base::scope::{Stack, is_cut, left_of_request};
use crate::base::settings::Settings;
use crate::base::shards::{Here, here};
use crate::base::site::Site;
use crate::event::{Event, Hook, Log, LogPace, emit_as, is_rejection_heard};
use crate::failure::{Category, Classification, Classify, Counts};
use crate::outcome::Refuse;
use crate::point::{PointName, PointSite};
use crate::policy::owner::Owner;
use crate::policy::stateful::Stateful;
use crate::policy::{InvalidPolicy, Ruling, Verdict, verdict_of};
use crate::rejected::{Rejected, Wait};
use gate::Gate;
use state::{Opening, PackedState, Token, Transition};
#[cfg(feature = "ops")]
use std::collections::BTreeMap;
use std::sync::Arc;
#[cfg(feature = "ops")]
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A policy that rejects calls at once while a dependency keeps failing, until a probe succeeds.
///
/// The [module](crate::policy::circuit_breaker) says when to use one and how to choose its numbers. A breaker
/// has state: put it in a `static`, or in an `Arc` that the callers share, not in a local variable.
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
/// static SEARCH: CircuitBreaker =
///     CircuitBreaker::new("search").threshold(3).recovery(Duration::from_secs(30));
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
/// let rejected = SEARCH.acquire().unwrap_err();
/// assert!(rejected.to_string().starts_with("circuit breaker of `search` is open"));
/// ```
#[derive(Debug)]
pub struct CircuitBreaker {
    live: Site<Live>,
    owner: Owner<Counters>,
    setup: Setup,
}

/// The state of a breaker in use; fresh in a test world.
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

/// The settings that are set once.
#[derive(Clone, Copy, Debug)]
struct Setup {
    settings: Settings<CircuitBreakerConfig>,
    on_open: Option<Hook>,
    on_half_open: Option<Hook>,
    on_close: Option<Hook>,
    on_reject: Option<Hook>,
}

impl Setup {
    const DEFAULT: Self = Self {
        settings: CircuitBreakerConfig::DEFAULT.into_settings(),
        on_open: None,
        on_half_open: None,
        on_close: None,
        on_reject: None,
    };
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    opened: AtomicU64,
    rejected: AtomicU64,
    failures: AtomicU64,
    cancelled: AtomicU64,
    panicked: AtomicU64,
    /// Successes that took too long.
    slow: AtomicU64,
    /// Errors that say nothing of the service.
    ignored: AtomicU64,
    /// The rate of lines about rejections in `tracing`, for all keys of a keyed breaker together.
    pace: LogPace,
    /// The number of changes from one state to another, by cause.
    #[cfg(feature = "ops")]
    transitions: Mutex<BTreeMap<[&'static str; 3], u64>>,
}

impl CircuitBreaker {
    /// Creates a closed breaker with the default settings: open for 60 s after 5 failures in a row.
    ///
    /// `name` appears in events, errors and the inventory.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{CircuitBreaker, State};
    ///
    /// static SEARCH: CircuitBreaker = CircuitBreaker::new("search");
    /// assert_eq!((SEARCH.state(), SEARCH.snapshot().threshold), (State::Closed, 5));
    /// ```
    pub const fn new(name: &'static str) -> Self {
        Self::with(PointName::new(name), Setup::DEFAULT)
    }

    /// Creates a closed breaker with a name that is made at run time, and the default settings.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::CircuitBreaker;
    /// use std::sync::Arc;
    ///
    /// let breakers: Vec<_> =
    ///     ["eu", "us"].map(|region| Arc::new(CircuitBreaker::named(format!("search {region}")).threshold(3))).into();
    /// assert_eq!(&*breakers[1].snapshot().name, "search us");
    /// ```
    pub fn named(name: impl Into<String>) -> Self {
        Self::with(PointName::from(name.into()), Setup::DEFAULT)
    }

    /// Creates a closed breaker with settings that are known only at run time.
    ///
    /// # Errors
    ///
    /// If a setting is out of range or contradicts another one, with the message of the compiler.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::CircuitBreaker;
    /// use resilience::policy::circuit_breaker::CircuitBreakerConfig;
    ///
    /// let config = |threshold| CircuitBreakerConfig { threshold, ..CircuitBreakerConfig::default() };
    /// assert_eq!(CircuitBreaker::try_new("search", config(3)).unwrap().snapshot().threshold, 3);
    /// assert!(CircuitBreaker::try_new("search", config(0)).is_err());
    /// ```
    pub fn try_new(name: impl Into<String>, config: CircuitBreakerConfig) -> Result<Self, InvalidPolicy> {
        InvalidPolicy::unless_valid(config.complaint())?;
        let setup = Setup { settings: Settings::whole(config), ..Setup::DEFAULT };
        Ok(Self::with(PointName::from(name.into()), setup))
    }

    /// Creates the breaker of an annotated function.
    #[doc(hidden)]
    pub const fn of(point: &'static PointSite) -> Self {
        Self::with(PointName::of(point), Setup::DEFAULT)
    }

    const fn with(name: PointName, setup: Setup) -> Self {
        Self { live: Site::new(Live::new(), Live::new), owner: Owner::new(name), setup }
    }

    /// Returns a breaker with the settings of this one, for an annotated function.
    #[doc(hidden)]
    pub const fn owned_by(self, point: &'static PointSite) -> Self {
        let breaker = Self::with(PointName::of(point), self.setup);
        // A destructor cannot run while compiling; there is nothing yet that it would free.
        std::mem::forget(self);
        breaker
    }
}

/// Calls.
impl CircuitBreaker {
    /// Runs `body` if the breaker admits it, and counts its outcome by the category of its error.
    ///
    /// # Errors
    ///
    /// The body's own, or its error type made from [`Rejected::CircuitOpen`].
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::CircuitBreaker;
    ///
    /// static LOOKUP: CircuitBreaker = CircuitBreaker::new("lookup");
    ///
    /// let found: std::io::Result<u32> = LOOKUP.call(|| Ok(7));
    /// assert_eq!(found.unwrap(), 7);
    /// ```
    pub fn call<R>(&self, body: impl FnOnce() -> R) -> R
    where
        R: Refuse,
        R::Error: Classify,
    {
        self.call_judged(body, verdict_of)
    }

    /// Runs the async `body` if the breaker admits it, and counts its outcome by the category of its error.
    ///
    /// A call that is dropped before its end counts as nothing.
    ///
    /// # Errors
    ///
    /// The body's own, or its error type made from [`Rejected::CircuitOpen`].
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::CircuitBreaker;
    ///
    /// static LOOKUP: CircuitBreaker = CircuitBreaker::new("lookup");
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let found: std::io::Result<u32> = LOOKUP.call_async(async || Ok(7)).await;
    /// assert_eq!(found.unwrap(), 7);
    /// # });
    /// ```
    pub async fn call_async<R>(&self, body: impl AsyncFnOnce() -> R) -> R
    where
        R: Refuse,
        R::Error: Classify,
    {
        self.call_async_judged(body, verdict_of).await
    }

    /// Runs `body` as [`call`](Self::call) does; `judge` returns what a failed outcome means, and `None` for
    /// a success.
    ///
    /// # Errors
    ///
    /// The body's own, or its error type made from [`Rejected::CircuitOpen`].
    ///
    /// # Examples
    ///
    /// A response whose status says whether it is a failure:
    ///
    /// ```
    /// use resilience::{Category, CircuitBreaker, Rejected};
    ///
    /// static API: CircuitBreaker = CircuitBreaker::new("api").threshold(1);
    ///
    /// let judge = |status: &Result<u16, Rejected>| {
    ///     status.as_ref().ok().filter(|status| **status >= 400).map(|status| Category::from_status(*status).into())
    /// };
    /// assert_eq!(API.call_judged(|| Ok(404), judge).unwrap(), 404);
    /// assert!(API.is_available(), "an answer");
    /// assert_eq!(API.call_judged(|| Ok(503), judge).unwrap(), 503);
    /// assert!(API.call_judged(|| Ok(200), judge).is_err(), "rejected");
    /// ```
    pub fn call_judged<R: Refuse>(
        &self,
        body: impl FnOnce() -> R,
        judge: impl FnOnce(&R) -> Option<Classification>,
    ) -> R {
        permit::run(self, body, |outcome| (judge(outcome), Ruling::ByCategory))
    }

    /// Runs `body` as [`call_async`](Self::call_async) does; `judge` returns what a failed outcome means, and
    /// `None` for a success.
    ///
    /// # Errors
    ///
    /// The body's own, or its error type made from [`Rejected::CircuitOpen`].
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Category, CircuitBreaker, Rejected};
    ///
    /// static API: CircuitBreaker = CircuitBreaker::new("api").threshold(1);
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let judge = |status: &Result<u16, Rejected>| {
    ///     status.as_ref().ok().filter(|status| **status >= 400).map(|status| Category::from_status(*status).into())
    /// };
    /// let status = API.call_async_judged(async || Ok(503), judge).await;
    /// assert_eq!(status.unwrap(), 503);
    /// assert!(!API.is_available());
    /// # });
    /// ```
    pub async fn call_async_judged<R: Refuse>(
        &self,
        body: impl AsyncFnOnce() -> R,
        judge: impl FnOnce(&R) -> Option<Classification>,
    ) -> R {
        permit::run_async(self, body, |outcome| (judge(outcome), Ruling::ByCategory)).await
    }

    /// Takes a permit for one call, whose outcome is reported later.
    ///
    /// Use it where the code is not a closure, such as a connection that is taken from a pool, or a stream. Report with
    /// [`success`](PermitOf::success) or [`failure`](PermitOf::failure); a permit that is dropped counts as
    /// cancelled.
    ///
    /// # Errors
    ///
    /// [`Rejected::CircuitOpen`] if the breaker is open, or half-open with all its probes under way.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{CircuitBreaker, Rejected, State};
    /// use std::io::{Error, ErrorKind};
    ///
    /// static POOL: CircuitBreaker = CircuitBreaker::new("pool").threshold(1);
    ///
    /// fn ping(answer: Result<(), Error>) -> Result<(), Rejected> {
    ///     let permit = POOL.acquire()?;
    ///     match answer {
    ///         Ok(()) => permit.success(),
    ///         Err(error) => permit.failure(&error),
    ///     }
    ///     Ok(())
    /// }
    ///
    /// ping(Ok(())).unwrap();
    /// ping(Err(ErrorKind::ConnectionReset.into())).unwrap();
    /// assert_eq!(POOL.state(), State::Open);
    /// assert!(ping(Ok(())).is_err());
    /// ```
    #[inline]
    pub fn acquire(&self) -> Result<Permit<'_>, Rejected> {
        PermitOf::ask(self)
    }

    /// Takes a permit for one call that can be sent to another task or thread.
    ///
    /// # Errors
    ///
    /// Same as [`acquire`](Self::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::CircuitBreaker;
    /// use std::sync::Arc;
    ///
    /// let breaker = Arc::new(CircuitBreaker::new("workers"));
    /// let permit = Arc::clone(&breaker).acquire_owned().unwrap();
    /// std::thread::spawn(move || permit.success()).join().unwrap();
    /// ```
    #[inline]
    pub fn acquire_owned(self: Arc<Self>) -> Result<OwnedPermit, Rejected> {
        PermitOf::ask(self)
    }

    /// Asks to make one call of an expansion, which measures nothing.
    ///
    /// # Errors
    ///
    /// If it refuses.
    #[doc(hidden)]
    #[inline]
    pub fn admit(&self) -> Result<PermitOf<&Self, ()>, Rejected> {
        PermitOf::ask(self)
    }

    #[inline]
    fn token(&self, stack: Option<Stack>) -> Result<Token, Rejected> {
        let word = self.live.gate.load();
        if word.is_closed() {
            return Ok(word.token());
        }
        // The error is made in place: returned by a call it would share memory with the token, and then every
        // outcome is copied piece by piece.
        self.admit_unless_open(word, stack).map_err(|left| Rejected::circuit_open(self.origin(), left))
    }

    /// Asks a breaker that is not closed; counts and reports a rejection.
    #[cold]
    #[inline(never)]
    fn admit_unless_open(&self, word: PackedState, stack: Option<Stack>) -> Result<Token, Option<Wait>> {
        if self.admits_by_config(word) {
            return Ok(Token::SPENT);
        }
        let left = if word.is_open() { self.live.gate.left() } else { None };
        if left.is_none() {
            return self.admit_half_open(stack);
        }
        self.count_rejection(left, stack);
        Err(left)
    }

    #[cold]
    #[inline(never)]
    fn admit_half_open(&self, stack: Option<Stack>) -> Result<Token, Option<Wait>> {
        let (admission, transition) = self.live.gate.admit(&self.config());
        self.notify(transition);
        admission.inspect_err(|left| self.count_rejection(*left, stack))
    }

    /// Counts and reports a rejection in `stack`, or in the breaker's own, unless it is that of an extra call.
    fn count_rejection(&self, left: Option<Wait>, stack: Option<Stack>) {
        if self.is_extra(stack) {
            return;
        }
        self.count(|counters| &counters.rejected);
        let hook = self.setup.on_reject;
        if is_rejection_heard(hook) {
            self.report_rejection(hook, |counters| &counters.pace, left.map(Wait::duration));
        }
    }

    /// Counts a transition, of all keys together on a keyed breaker.
    #[cfg_attr(not(feature = "ops"), expect(clippy::unused_self, reason = "nothing shows it"))]
    fn count_transition(&self, transition: Transition) {
        #[cfg(feature = "ops")]
        self.all_counters().count_transition(transition);
        #[cfg(not(feature = "ops"))]
        let _ = (transition.from, transition.cause);
    }

    /// Settles the end of a call: a success if `verdict` is `None`.
    #[inline]
    fn settle<T: Timing>(&self, token: Token, verdict: Verdict, ruling: Ruling, timing: &T) -> Verdict {
        let is_slow = timing.is_slow(self);
        if let Some(class) = verdict {
            self.judged(token, class, ruling, is_slow);
            return verdict;
        }
        if is_slow || !self.live.gate.load().is_clean(token) {
            self.succeeded(token, is_slow);
        } else if self.setup.settings.config.rate.is_some()
            || T::MEASURES && self.setup.settings.config.slow.is_some()
        {
            self.count_success(here());
        }
        // A new `None`, so that the compiler need not keep the verdict of a success.
        None
    }

    #[cold]
    #[inline(never)]
    fn judged(&self, token: Token, class: Classification, ruling: Ruling, is_slow: bool) {
        if self.is_off() {
            return self.live.gate.given_back(token);
        }
        let counts = match ruling {
            _ if class.is_refusal() => Counts::Nothing,
            Ruling::ByCategory | Ruling::Last => class.counts(),
            Ruling::Yes => Counts::Failure,
            Ruling::No => Counts::Success,
            Ruling::Exempt => Counts::Nothing,
        };
        match counts {
            Counts::Failure if class.is_of_request() => {
                self.count(|counters| &counters.cancelled);
                self.live.gate.given_back(token);
            }
            Counts::Failure => self.failed(token, &class, is_slow),
            Counts::Success => self.succeeded(token, is_slow),
            Counts::Nothing => {
                self.count(|counters| &counters.ignored);
                self.live.gate.given_back(token);
            }
        }
    }

    /// Counts a success of a breaker that counts them; called, so that others do not pay for its registers.
    #[inline(never)]
    fn count_success(&self, here: Here) {
        if self.live.gate.count_success(here) {
            self.look(here);
        }
    }

    #[cold]
    #[inline(never)]
    fn look(&self, here: Here) {
        self.live.gate.look(here, &self.settings_in_force().config);
    }

    #[cold]
    #[inline(never)]
    fn succeeded(&self, token: Token, is_slow: bool) {
        match token {
            Token::SPENT => return,
            Token::LOOKS => return self.look(here()),
            _ => {}
        }
        if self.is_off() {
            return self.live.gate.given_back(token);
        }
        if is_slow {
            self.count(|counters| &counters.slow);
        }
        self.notify(self.live.gate.succeeded(token, is_slow, &self.config()));
    }

    fn failed(&self, token: Token, class: &Classification, is_slow: bool) {
        self.count(|counters| &counters.failures);
        self.notify(self.live.gate.failed(token, class, is_slow, &self.config()));
    }

    /// Settles a call whose permit was dropped, in this stack or in the breaker's own.
    #[cold]
    #[inline(never)]
    fn abandoned(&self, stack: Option<Stack>, token: Token, is_slow: bool) {
        let stack = self.owner.stack_or(stack);
        if self.is_off() {
            return self.live.gate.given_back(token);
        }
        if std::thread::panicking() {
            self.count(|counters| &counters.panicked);
        } else if is_cut(stack) {
            return self.failed(token, &Classification::new(Category::Timeout), is_slow);
        } else {
            self.count(|counters| &counters.cancelled);
            if is_slow && left_of_request() != Some(Duration::ZERO) {
                return self.notify(self.live.gate.dropped_slow(token, &self.config()));
            }
        }
        self.live.gate.given_back(token);
    }

    /// Reports a transition, if there was one; the lock must be free.
    #[inline]
    fn notify(&self, transition: Option<Transition>) {
        if let Some(transition) = transition {
            self.tell_of(transition);
        }
    }

    #[cold]
    #[inline(never)]
    fn tell_of(&self, transition: Transition) {
        let (point, key) = self.owner.labels();
        let Transition { to, opening: Opening { class, failures, slow, recovery }, .. } = transition;
        self.count_transition(transition);
        let (event, hook) = match to {
            State::Open | State::ForcedOpen => {
                self.count(|counters| &counters.opened);
                (Event::Opened { point, key, class, failures, slow, recovery }, self.setup.on_open)
            }
            State::HalfOpen => (Event::HalfOpened { point, key }, self.setup.on_half_open),
            State::Closed => (Event::Closed { point, key }, self.setup.on_close),
            State::Disabled | State::MetricsOnly => return,
        };
        emit_as(&event, hook, Log { pace: None, shows_key: self.shows_key() });
    }
}

impl Counters {
    const fn new() -> Self {
        Self {
            opened: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            panicked: AtomicU64::new(0),
            slow: AtomicU64::new(0),
            ignored: AtomicU64::new(0),
            pace: LogPace::new(),
            #[cfg(feature = "ops")]
            transitions: Mutex::new(BTreeMap::new()),
        }
    }

    fn read(&self) -> Vec<(&'static str, u64)> {
        [
            ("opened", &self.opened),
            ("rejected", &self.rejected),
            ("failures", &self.failures),
            ("cancelled", &self.cancelled),
            ("panicked", &self.panicked),
            ("slow", &self.slow),
            ("ignored", &self.ignored),
        ]
        .map(|(name, count)| (name, count.load(Ordering::Relaxed)))
        .into()
    }
}

#[cfg(all(test, loom))]
mod loom;
#[cfg(all(test, feature = "testing", not(loom)))]
mod model;
#[cfg(all(test, feature = "testing", not(loom)))]
mod tests;
