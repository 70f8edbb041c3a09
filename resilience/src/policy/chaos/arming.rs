//! Switching faults on, from code and for a time.
//!
//! While nothing is armed, an annotated function reads one atomic number. Armed plans are kept for each test world, so
//! that tests do not disturb each other.

use super::Fault;
use crate::base::clock::{later, now};
use crate::base::site::Site;
use crate::base::sync::locked;
use crate::base::world::{World, run_in};
use crate::event::{Event, emit};
use crate::point::PointName;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The number of guards, in all worlds.
static GUARDS: AtomicUsize = AtomicUsize::new(0);
static NEXT: AtomicU64 = AtomicU64::new(1);
static ARMINGS: Site<Mutex<Vec<Arming>>> = Site::new(Mutex::new(Vec::new()), Mutex::default);

/// A plan of faults: for which functions, for how long, and which ones.
///
/// A `Duration` is a plan of its own: the faults that the attributes ask for, in all functions.
///
/// # Examples
///
/// ```
/// use resilience::chaos::{self, Fault, Plan};
/// use resilience::chaos as inject;
/// use std::time::Duration;
///
/// #[inject(rate = 2%, fault = std::io::ErrorKind::ConnectionReset.into(), name = "search")]
/// fn search() -> std::io::Result<u32> {
///     Ok(7)
/// }
///
/// let first_fails = Plan::new(Duration::from_secs(60)).only("search").script([Some(Fault::Error), None]);
/// let armed = chaos::arm(first_fails);
/// assert!(search().is_err());
/// assert!(search().is_ok() && search().is_ok(), "the script is over");
/// drop(armed);
/// ```
#[derive(Clone, Debug)]
pub struct Plan {
    limit: Duration,
    only: Option<String>,
    script: Option<Arc<[Option<Fault>]>>,
}

impl Plan {
    /// Creates a plan for all functions with `#[chaos]`, which is over after `limit`.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::chaos::{self, Plan};
    /// use std::time::Duration;
    ///
    /// let world = resilience::testing::isolate();
    /// let armed = chaos::arm(Plan::new(Duration::from_secs(60)));
    /// assert!(chaos::is_armed());
    /// world.advance(Duration::from_secs(60));
    /// assert!(!chaos::is_armed(), "the guard is kept, and the time is over");
    /// # drop(armed);
    /// ```
    pub const fn new(limit: Duration) -> Self {
        Self { limit, only: None, script: None }
    }

    /// Limits it to the function called `point`, as [`points()`](crate::points()) spells it.
    ///
    /// A name that no function has arms nothing, and is not an error.
    pub fn only(mut self, point: impl Into<String>) -> Self {
        self.only = Some(point.into());
        self
    }

    /// Sets the fault of each call of a function in order, in place of `rate`; calls after its end get none.
    ///
    /// A kind that the function's attribute does not have is not a fault there.
    ///
    /// Each function counts its own calls, from the moment at which the plan was armed.
    ///
    /// # Examples
    ///
    /// The second call fails:
    ///
    /// ```
    /// use resilience::chaos::{self, Chaos, Fault, Plan};
    /// use std::io::{Error, ErrorKind};
    /// use std::time::Duration;
    ///
    /// static FAULTS: Chaos = Chaos::new("scripted", 0.02, &[Fault::Error]);
    ///
    /// # let _world = resilience::testing::isolate();
    /// let plan = Plan::new(Duration::from_secs(60)).only("scripted").script([None, Some(Fault::Error)]);
    /// let _armed = chaos::arm(plan);
    /// let call = || FAULTS.call(|| Error::from(ErrorKind::TimedOut), || Ok(())).is_ok();
    /// assert_eq!([call(), call(), call()], [true, false, true]);
    /// ```
    pub fn script(mut self, faults: impl IntoIterator<Item = Option<Fault>>) -> Self {
        self.script = Some(faults.into_iter().collect());
        self
    }
}

impl From<Duration> for Plan {
    fn from(limit: Duration) -> Self {
        Self::new(limit)
    }
}

/// The armed faults.
#[derive(Clone, Debug)]
pub(super) struct Arming {
    pub(super) id: u64,
    ends: Instant,
    only: Option<String>,
    pub(super) script: Option<Arc<[Option<Fault>]>>,
}

/// A guard that keeps faults armed until it is dropped, or the time of its plan is over.
///
/// Keep it in a variable: a guard that is dropped at once arms nothing. Calls that wait for their latency go on when it
/// is dropped.
///
/// # Examples
///
/// ```
/// use resilience::chaos;
/// use std::time::Duration;
///
/// # let _world = resilience::testing::isolate();
/// {
///     let _armed = chaos::arm(Duration::from_secs(60));
///     assert!(chaos::is_armed());
/// }
/// assert!(!chaos::is_armed());
/// ```
#[derive(Debug)]
#[must_use = "faults are injected only while this is kept"]
pub struct Armed {
    id: u64,
    world: Option<World>,
}

/// Arms the faults of `#[chaos]`: a plan, or for all functions the time after which they end by themselves.
///
/// Only code can do so: no environment variable, configuration or request switches faults on. It is logged as a
/// WARN and reported as [`Event::ChaosArmed`]. Of several plans for one function the last counts.
///
/// # Examples
///
/// ```
/// use resilience::chaos;
/// use std::time::Duration;
///
/// assert!(!chaos::is_armed());
/// let armed = chaos::arm(Duration::from_secs(60));
/// assert!(chaos::is_armed());
/// drop(armed);
/// assert!(!chaos::is_armed());
/// ```
pub fn arm(plan: impl Into<Plan>) -> Armed {
    let Plan { limit, only, script } = plan.into();
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let point = only.clone().map_or(PointName::new("*"), PointName::from);
    locked(&ARMINGS).push(Arming { id, ends: later(now(), limit), only, script });
    GUARDS.fetch_add(1, Ordering::Relaxed);
    emit(&Event::ChaosArmed { point, limit }, None);
    Armed { id, world: World::here() }
}

impl Drop for Armed {
    fn drop(&mut self) {
        GUARDS.fetch_sub(1, Ordering::Relaxed);
        run_in(self.world.as_ref(), || locked(&ARMINGS).retain(|arming| arming.id != self.id));
    }
}

/// Returns whether nothing is armed in any world.
#[inline]
pub(super) fn is_idle() -> bool {
    GUARDS.load(Ordering::Relaxed) == 0
}

/// Returns whether faults are armed for any function.
pub fn is_armed() -> bool {
    !is_idle() && {
        let now = now();
        locked(&ARMINGS).iter().any(|arming| now < arming.ends)
    }
}

/// Returns the functions for which faults are armed, `*` for all of them, each with the remaining time.
#[cfg(feature = "ops")]
pub(crate) fn armed() -> Vec<(String, Duration)> {
    let now = now();
    let left = |arming: &Arming| {
        let point = arming.only.clone().unwrap_or_else(|| "*".to_owned());
        (now < arming.ends).then(|| (point, arming.ends.saturating_duration_since(now)))
    };
    locked(&ARMINGS).iter().filter_map(left).collect()
}

/// Returns the faults that are armed for `point`.
pub(super) fn of(point: &str) -> Option<Arming> {
    if is_idle() {
        return None;
    }
    let now = now();
    let is_for =
        |arming: &&Arming| now < arming.ends && arming.only.as_deref().is_none_or(|only| only == point);
    locked(&ARMINGS).iter().rev().find(is_for).cloned()
}
