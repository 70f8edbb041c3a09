//! Injected faults: a share of the calls fails on purpose, to show how the policies above handle it.
//!
//! # When to use one
//!
//! In a staging environment or a test, below the policies of a function: do the retries, the breaker and the fallback
//! do what you expect? In production for a short time, with a low rate and a person who watches.
//!
//! # When not to
//!
//! - As a permanent switch: armed faults end by themselves.
//! - To test the code that handles an error: a test of that function is simpler.
//!
//! # What it does
//!
//! There are four kinds of faults: an error in place of the body; an error after the body has run, as when an answer is
//! lost; latency; and a panic. The attribute says which of them a function can get, and [`arm`] switches them on, for a
//! time. Without the feature `chaos` the attribute adds nothing to the function, and while nothing is armed it costs
//! one read of an atomic number. Each injected fault is an [`Event::Injected`], and arming is logged as a WARN.
//!
//! # Choosing numbers
//!
//! `rate`: what the service does on a bad day, such as 2 %. `latency`: from a little below to well above the timeout of
//! the attempt. `seed`: where a run has to be repeated exactly.
//!
//! # Examples
//!
//! ```
//! use resilience::{chaos, with_retry};
//! use std::io::{Error, ErrorKind};
//! use std::time::Duration;
//!
//! #[with_retry(max = 3, base = 1ms)]
//! #[chaos(rate = 20%, fault = Error::from(ErrorKind::ConnectionReset), latency = 1ms..5ms, seed = 7)]
//! fn search() -> Result<u32, Error> {
//!     Ok(7)
//! }
//!
//! let armed = chaos::arm(Duration::from_secs(60));
//! let calls = (0..20).filter(|_| search().is_ok()).count();
//! assert!(calls > 15, "the retries hide most of the faults");
//! drop(armed);
//! ```

mod arming;
mod config;

#[cfg(feature = "ops")]
pub(crate) use arming::armed;
pub use arming::{Armed, Plan, arm, is_armed};
pub use config::ChaosConfig;

#[cfg(feature = "config")]
use crate::base::change::{Change, Changed, judged};
use crate::base::clock;
use crate::base::rng;
#[cfg(feature = "config")]
use crate::base::setting::Setting;
use crate::base::setting::{Effective, enforce};
use crate::base::settings::Settings;
use crate::base::site::Site;
use crate::base::sync::locked;
use crate::event::{Event, emit};
use crate::outcome::Outcome;
#[cfg(feature = "config")]
use crate::point::overrides::of_state;
use crate::point::{Layer, PointName, PointSite};
use crate::policy::InvalidPolicy;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A kind of fault.
///
/// # Examples
///
/// ```
/// use resilience::chaos::{Chaos, Fault};
///
/// static FAULTS: Chaos = Chaos::new("search", 0.02, &[Fault::Error, Fault::Latency]);
/// assert_eq!(FAULTS.injected(Fault::Latency), 0);
/// assert_eq!(Fault::LostAnswer.as_str(), "lost_answer");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// An error in place of the body, which does not run.
    Error,
    /// An error after the body has run: its result is lost.
    LostAnswer,
    /// A wait before the body.
    Latency,
    /// A panic in place of the body.
    Panic,
}

impl Fault {
    const ALL: [Self; 4] = [Self::Error, Self::LostAnswer, Self::Latency, Self::Panic];

    /// Returns the stable name: `"error"`, `"lost_answer"`, `"latency"` or `"panic"`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::LostAnswer => "lost_answer",
            Self::Latency => "latency",
            Self::Panic => "panic",
        }
    }
}

/// A policy that injects faults into a share of the calls while they are armed.
///
/// The [module](mod@crate::chaos) says when to use it.
///
/// # Examples
///
/// ```
/// use resilience::chaos::{self, Chaos, Fault, Plan};
/// use std::io::{Error, ErrorKind};
/// use std::time::Duration;
///
/// static FAULTS: Chaos = Chaos::new("search", 0.02, &[Fault::Error, Fault::LostAnswer]);
///
/// let search = || FAULTS.call(|| Error::from(ErrorKind::TimedOut), || Ok(7));
/// assert_eq!(search().unwrap(), 7, "nothing is armed");
///
/// let _armed = chaos::arm(Plan::new(Duration::from_secs(60)).only("search").script([Some(Fault::LostAnswer)]));
/// assert!(search().is_err());
/// ```
#[derive(Debug)]
pub struct Chaos {
    owner: PointName,
    faults: &'static [Fault],
    least: Duration,
    most: Duration,
    settings: Settings<ChaosConfig>,
    /// The number of injected faults of each kind.
    injected: Site<[AtomicU64; 4]>,
    /// The arming of the last call, and the number of calls since then.
    turn: Site<Mutex<(u64, u64)>>,
}

impl Chaos {
    /// Creates faults of the kinds `faults` in a share `rate` of the calls.
    ///
    /// `name` appears in events, and in the [`Plan`] that is only for it.
    ///
    /// Each of the `faults` is as likely as the others. Latency is a wait of zero until [`latency`](Self::latency) sets
    /// one.
    ///
    /// # Panics
    ///
    /// If `rate` is not above 0 and at most 1; in a `const` or `static` that is a compile error.
    #[track_caller]
    pub const fn new(name: &'static str, rate: f64, faults: &'static [Fault]) -> Self {
        Self::with(PointName::new(name), ChaosConfig::of(rate).into_settings(), faults).checked()
    }

    /// Creates the policy with a name and settings that are known only at run time.
    ///
    /// # Errors
    ///
    /// If a setting is out of range or contradicts another one, with the message of the compiler.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::chaos::{Chaos, ChaosConfig, Fault};
    ///
    /// assert!(Chaos::try_new("search", ChaosConfig::of(0.02), &[Fault::Error]).is_ok());
    /// assert!(Chaos::try_new("search", ChaosConfig::of(1.5), &[Fault::Error]).is_err());
    /// ```
    pub fn try_new(
        name: impl Into<String>,
        config: ChaosConfig,
        faults: &'static [Fault],
    ) -> Result<Self, InvalidPolicy> {
        InvalidPolicy::unless_valid(config.complaint())?;
        Ok(Self::with(PointName::from(name.into()), Settings::whole(config), faults))
    }

    /// Creates the faults of an annotated function.
    #[doc(hidden)]
    pub const fn of(point: &'static PointSite, rate: f64, faults: &'static [Fault]) -> Self {
        Self::with(PointName::of(point), ChaosConfig::of(rate).into_settings(), faults)
    }

    const fn with(owner: PointName, settings: Settings<ChaosConfig>, faults: &'static [Fault]) -> Self {
        Self {
            owner,
            faults,
            least: Duration::ZERO,
            most: Duration::ZERO,
            settings,
            injected: Site::new([const { AtomicU64::new(0) }; 4], Default::default),
            turn: Site::new(Mutex::new((0, 0)), Mutex::default),
        }
    }

    /// Sets how long a call waits that gets latency: at least and at most; default zero.
    ///
    /// The wait is drawn evenly between the two. It comes before the body, and a timeout above ends it as it would a
    /// slow service.
    ///
    /// # Panics
    ///
    /// If `least` is longer than `most`; in a `const` or `static` that is a compile error.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::chaos::{Chaos, Fault};
    /// use std::time::Duration;
    ///
    /// static SLOW: Chaos = Chaos::new("search", 0.1, &[Fault::Latency])
    ///     .latency(Duration::from_millis(100), Duration::from_secs(3));
    /// # let _ = &SLOW;
    /// ```
    #[track_caller]
    pub const fn latency(mut self, least: Duration, most: Duration) -> Self {
        if least.as_nanos() > most.as_nanos() {
            enforce(Some("the least latency must not be longer than the most"));
        }
        (self.least, self.most) = (least, most);
        self
    }

    /// Returns the value, once its settings are known to be valid.
    #[doc(hidden)]
    #[track_caller]
    pub const fn checked(self) -> Self {
        enforce(self.settings.config.complaint());
        self
    }

    /// Runs `body`, or injects a fault: `error` makes its error.
    ///
    /// # Errors
    ///
    /// The body's own, or what `error` returns.
    ///
    /// # Panics
    ///
    /// If the fault is a panic.
    ///
    /// # Examples
    ///
    /// Does a fallback answer where the answer is lost?
    ///
    /// ```
    /// use resilience::Fallback;
    /// use resilience::chaos::{self, Chaos, Fault, Plan};
    /// use std::io::{Error, ErrorKind};
    /// use std::time::Duration;
    ///
    /// static FAULTS: Chaos = Chaos::new("quote", 1.0, &[Fault::LostAnswer]);
    /// const CACHED: Fallback = Fallback::new("quote");
    ///
    /// # let _world = resilience::testing::isolate();
    /// let _armed = chaos::arm(Plan::new(Duration::from_secs(60)).only("quote"));
    /// let quote = || FAULTS.call(|| Error::from(ErrorKind::TimedOut), || Ok(7));
    /// assert_eq!(CACHED.call(quote, |_: &Error| Some(42)).unwrap(), 42);
    /// assert_eq!(FAULTS.injected(Fault::LostAnswer), 1);
    /// ```
    pub fn call<R: Outcome>(&self, error: impl FnOnce() -> R::Error, body: impl FnOnce() -> R) -> R {
        let fault = self.next();
        if fault.is_error() {
            return R::failure(error());
        }
        fault.delay();
        let outcome = body();
        if fault.is_lost_answer() { R::failure(error()) } else { outcome }
    }

    /// Runs the async `body`, or injects a fault: `error` makes its error.
    ///
    /// # Errors
    ///
    /// The body's own, or what `error` returns.
    ///
    /// # Panics
    ///
    /// If the fault is a panic.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::chaos::{Chaos, Fault};
    /// use std::io::{Error, ErrorKind};
    ///
    /// static FAULTS: Chaos = Chaos::new("search", 0.02, &[Fault::Error]);
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let found = FAULTS.call_async(|| Error::from(ErrorKind::TimedOut), async || Ok(7)).await;
    /// assert_eq!(found.unwrap(), 7, "nothing is armed");
    /// # });
    /// ```
    pub async fn call_async<R: Outcome>(
        &self,
        error: impl FnOnce() -> R::Error,
        body: impl AsyncFnOnce() -> R,
    ) -> R {
        let fault = self.next();
        if fault.is_error() {
            return R::failure(error());
        }
        fault.delay_async().await;
        let outcome = body().await;
        if fault.is_lost_answer() { R::failure(error()) } else { outcome }
    }

    /// Returns the number of injected faults of one kind.
    ///
    /// It counts from the start of the program, over all times in which faults were armed.
    pub fn injected(&self, fault: Fault) -> u64 {
        self.injected[fault as usize].load(Ordering::Relaxed)
    }

    /// Returns the fault of the next call; a panic happens here.
    ///
    /// # Panics
    ///
    /// If that is the fault.
    #[doc(hidden)]
    #[inline]
    pub fn next(&self) -> Injected {
        if arming::is_idle() { Injected::NOTHING } else { self.draw() }
    }

    /// Returns the settings in force; `None` if a configuration has switched it off.
    #[cfg_attr(
        not(feature = "config"),
        expect(clippy::unnecessary_wraps, reason = "a configuration may switch it off")
    )]
    fn config(&self) -> Option<&ChaosConfig> {
        #[cfg(feature = "config")]
        if let Some(changed) = of_state(&self.owner, self, "chaos", None) {
            return if changed.is_off { None } else { changed.get() };
        }
        Some(&self.settings.config)
    }

    #[cold]
    fn draw(&self) -> Injected {
        let Some(arming) = arming::of(&self.owner) else { return Injected::NOTHING };
        let call = {
            let mut turn = locked(&self.turn);
            if turn.0 != arming.id {
                *turn = (arming.id, 0);
            }
            turn.1 += 1;
            turn.1 - 1
        };
        let Some(config) = self.config() else { return Injected::NOTHING };
        let seed = config.seed.map(u64::from);
        let roll = |n: u64| seed.map_or_else(rng::uniform, |seed| rng::seeded(seed, call * 3 + n));
        let fault = match &arming.script {
            Some(script) => usize::try_from(call).ok().and_then(|call| script.get(call).copied().flatten()),
            None if roll(0) < config.rate => self.pick(roll(1)),
            None => None,
        };
        let Some(fault) = fault.filter(|fault| self.faults.contains(fault)) else { return Injected::NOTHING };
        self.injected[fault as usize].fetch_add(1, Ordering::Relaxed);
        emit(&Event::Injected { point: self.owner.clone(), fault: fault.as_str() }, None);
        assert!(fault != Fault::Panic, "a panic that `chaos` has injected into `{}`", &*self.owner);
        let delay = match fault {
            Fault::Latency => {
                let spread = self.most.saturating_sub(self.least).as_secs_f64() * roll(2);
                self.least + Duration::try_from_secs_f64(spread).unwrap_or_default()
            }
            _ => Duration::ZERO,
        };
        Injected { fault: Some(fault), delay }
    }

    /// Returns one of the kinds, each as likely as the others.
    fn pick(&self, roll: f64) -> Option<Fault> {
        self.faults.get((roll * self.faults.len() as f64) as usize).copied()
    }
}

/// The fault of one call.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub struct Injected {
    fault: Option<Fault>,
    delay: Duration,
}

impl Injected {
    const NOTHING: Self = Self { fault: None, delay: Duration::ZERO };

    /// Returns whether an error takes the place of the body.
    #[inline]
    pub fn is_error(&self) -> bool {
        self.fault == Some(Fault::Error)
    }

    /// Returns whether an error takes the place of the body's result.
    #[inline]
    pub fn is_lost_answer(&self) -> bool {
        self.fault == Some(Fault::LostAnswer)
    }

    /// Waits before the body, on this thread.
    #[inline]
    pub fn delay(&self) {
        if self.delay > Duration::ZERO {
            clock::sleep(self.delay);
        }
    }

    /// Waits before the body. The wait passes as that for a slow service would, so that a timeout ends it.
    #[inline]
    pub async fn delay_async(&self) {
        if self.delay > Duration::ZERO {
            clock::alarm(self.delay).await;
        }
    }
}

/// Returns the failure that is injected in place of an outcome.
#[doc(hidden)]
#[inline]
pub fn injected<R: Outcome>(error: R::Error) -> R {
    R::failure(error)
}

impl Layer for Chaos {
    fn kind(&self) -> &'static str {
        "chaos"
    }

    fn settings(&self) -> Vec<Effective> {
        let mut settings = self.config().unwrap_or(&self.settings.config).effective();
        let faults: Vec<_> = self.faults.iter().map(|fault| fault.as_str()).collect();
        settings.push(Effective::text("faults", faults.join(", ")));
        if self.faults.contains(&Fault::Latency) {
            settings.push(Effective::text("latency", format!("{:?}..{:?}", self.least, self.most)));
        }
        settings
    }

    fn state(&self) -> Option<&'static str> {
        Some(if arming::of(&self.owner).is_some() { "armed" } else { "inert" })
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        let kinds = Fault::ALL.into_iter().filter(|fault| self.faults.contains(fault));
        kinds.map(|fault| (fault.as_str(), self.injected(fault))).collect()
    }

    #[cfg(feature = "config")]
    fn table(&self) -> &'static [Setting] {
        ChaosConfig::TABLE
    }

    #[cfg(feature = "config")]
    fn changed(&self, changes: &[Change]) -> Changed {
        judged(self.settings, changes, |setting| Layer::fixed(self, setting))
    }

    #[cfg(feature = "config")]
    fn stays_on(&self) -> Option<&'static str> {
        None
    }
}
