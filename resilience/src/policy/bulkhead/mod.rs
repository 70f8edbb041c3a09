//! Bulkheads: limit the number of calls that run at once, so that one slow dependency cannot use up the whole program.
//!
//! # When to use one
//!
//! Around a dependency that becomes slow under load, and around work that holds a scarce resource while it
//! runs: connections, memory, a thread. When the dependency slows down, calls pile up only to the number of
//! slots; further ones are rejected at once, and the rest of the program continues.
//!
//! # When not to
//!
//! - To keep to a quota of calls per second: that is a rate limit. A bulkhead admits any number of calls a
//!   second as long as they are short.
//! - Around a pool that already has a limit and a time to wait for a connection: one of the two is enough.
//!
//! # Choosing numbers
//!
//! - `slots`: calls a second times the seconds that a call takes, with room to spare. At 50 calls a second of
//!   200 ms each, 10 run at once; 16 leave room for a slow moment.
//! - `wait`: zero where the caller has something better to do than to wait, such as a fallback. Otherwise about
//!   the time of one call: a longer queue only adds latency.
//! - `queue`: as many as there are slots by default. More callers than that would not be served in time.
//!
//! - `adaptive`: where you do not know the number, or it changes. It begins at 20, or at the number given, and follows
//!   the latency between `floor` and `cap`; the [attribute's page](macro@crate::bulkhead) says how.
//!
//! # Waiting
//!
//! Callers are served in the order of their arrival, sync and async ones in one queue. A call is rejected at once if it
//! would wait in vain: if the queue is full, or if its place in the queue, times the recent length of calls, divided by
//! the slots, is more than it may wait ([`remaining`](crate::remaining) counts, too). A call inside a call that holds a
//! slot of the same bulkhead never waits, because it would wait for itself. A future whose turn has come and that is
//! not polled for 100 ms loses it, and queues again behind the others. No clock is read while no caller waits.
//!
//! The pattern is Michael Nygard's ("Release It!", 2007).
//!
//! # Examples
//!
//! ```
//! use resilience::{Bulkhead, Rejected};
//!
//! static REPORTS: Bulkhead = Bulkhead::new("reports", 1);
//!
//! let outer: Result<u32, Rejected> = REPORTS.call(|| {
//!     let full: Result<u32, Rejected> = REPORTS.call(|| Ok(1));
//!     assert!(matches!(full, Err(Rejected::BulkheadFull { .. })));
//!     Ok(2)
//! });
//! assert_eq!(outer.unwrap(), 2);
//! assert_eq!(REPORTS.snapshot().in_use, 0);
//! ```

mod adaptive;
mod calls;
mod config;
mod gate;
pub(crate) mod inventory;
mod layer;
mod wait;
mod watch;

#[doc(hidden)]
pub use crate::base::holding::{hold, holding};
pub use config::BulkheadConfig;
#[doc(hidden)]
pub use wait::Enter;
pub use wait::{OwnedSlot, Slot, SlotOf};

use crate::base::scope::Stack;
use crate::base::setting::enforce;
use crate::base::settings::Settings;
use crate::base::site::Site;
use crate::base::visible::write_name;
use crate::event::{Hook, is_rejection_heard};
use crate::point::{PointName, PointSite};
use crate::policy::InvalidPolicy;
use crate::policy::owner::Owner;
use crate::policy::stateful::{Stateful, in_force};
use crate::policy::waiters::Counters;
use crate::rejected::Rejected;
use adaptive::Adaptive;
use gate::Gate;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use watch::Watch;

/// A limit on the number of calls that run at once.
///
/// The [module](crate::policy::bulkhead) says when to use one, how to choose its numbers, and how calls wait. A
/// bulkhead has state: put it in a `static`, or in an `Arc` that the callers share, not in a local variable.
///
/// # Examples
///
/// ```
/// use resilience::{Bulkhead, Rejected};
/// use std::time::Duration;
///
/// static SEARCH: Bulkhead = Bulkhead::new("search", 16).wait(Duration::from_millis(100)).queue(32);
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let found: Result<u32, Rejected> = SEARCH.call_async(async || Ok(7)).await;
/// assert_eq!(found.unwrap(), 7);
/// # });
/// ```
#[derive(Debug)]
pub struct Bulkhead {
    live: Site<Live>,
    owner: Owner<Counters>,
    settings: Settings<BulkheadConfig>,
    on_reject: Option<Hook>,
}

/// The state of a bulkhead in use; fresh in a test world.
#[derive(Debug)]
struct Live {
    gate: Gate,
    adaptive: Adaptive,
    watch: OnceLock<Arc<Watch>>,
    counters: Counters,
}

impl Live {
    const fn new() -> Self {
        Self {
            gate: Gate::new(),
            adaptive: Adaptive::new(),
            watch: OnceLock::new(),
            counters: Counters::new(),
        }
    }

    fn watch(&self) -> &Arc<Watch> {
        self.watch.get_or_init(|| Watch::new(self.gate.queue().clone()))
    }
}

/// The state and counts of a bulkhead at one moment; see [`Bulkhead::snapshot`].
///
/// With the feature `serde` it serialises as a map, with `mean_hold_s` in seconds.
///
/// # Examples
///
/// ```
/// use resilience::Bulkhead;
///
/// let bulkhead = Bulkhead::new("search", 2);
/// let slot = bulkhead.acquire().unwrap();
/// let now = bulkhead.snapshot();
/// assert_eq!((now.in_use, now.slots, now.waiting), (1, 2, 0));
/// assert_eq!(now.to_string(), "search: in use 1 of 2, waiting 0, rejected 0");
/// drop(slot);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct BulkheadSnapshot {
    /// The point, or the name of a plain value.
    pub name: PointName,
    /// The key, on a keyed bulkhead.
    pub key: Option<PointName>,
    /// The number of calls that may run at once; in an adaptive bulkhead, now. A bulkhead that a configuration has
    /// switched off keeps the number, and admits every call.
    pub slots: u32,
    /// The number of slots in use: by calls that run, and by those whose turn has just come.
    pub in_use: u32,
    /// The number of calls that wait for a slot.
    pub waiting: usize,
    /// The number of calls that it has refused since the program started.
    pub rejected: u64,
    /// The number of calls that have had to wait since the program started.
    pub waited: u64,
    /// The time that calls recently held their slots, if it was measured: only while calls waited.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "mean_hold_s", serialize_with = "crate::base::serialise::seconds")
    )]
    pub mean_hold: Option<Duration>,
    /// The usual time of successful calls, in an adaptive bulkhead that has seen ten of them.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "usual_latency_s", serialize_with = "crate::base::serialise::seconds")
    )]
    pub usual_latency: Option<Duration>,
}

/// `search (key a.example): in use 16 of 16, waiting 3, rejected 2`.
impl fmt::Display for BulkheadSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(f, &self.name, self.key.as_deref())?;
        write!(f, ": in use {} of {}, waiting {}", self.in_use, self.slots, self.waiting)?;
        write!(f, ", rejected {}", self.rejected)
    }
}

impl Bulkhead {
    /// Creates a bulkhead with `slots` slots, which rejects a call at once while all are in use.
    ///
    /// `name` appears in events, errors and the inventory.
    ///
    /// # Panics
    ///
    /// If `slots` is zero; in a `const` or `static` that is a compile error.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Bulkhead, Rejected};
    ///
    /// static RENDER: Bulkhead = Bulkhead::new("render", 1);
    ///
    /// let running = RENDER.acquire()?;
    /// let rejected = RENDER.acquire().unwrap_err();
    /// assert!(rejected.to_string().contains("`render`"));
    /// # drop(running);
    /// # Ok::<(), Rejected>(())
    /// ```
    #[track_caller]
    pub const fn new(name: &'static str, slots: u32) -> Self {
        Self::with(PointName::new(name), BulkheadConfig::of(slots).into_settings()).checked()
    }

    /// Creates a bulkhead with a name and settings that are known only at run time: a number of slots, or a whole
    /// [`BulkheadConfig`].
    ///
    /// # Errors
    ///
    /// If a setting is out of range or contradicts another one, with the message of the compiler.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Bulkhead;
    ///
    /// let slots = std::env::var("SLOTS").ok().and_then(|text| text.parse().ok()).unwrap_or(16);
    /// let bulkhead = Bulkhead::try_new(format!("search {slots}"), slots).unwrap();
    /// assert_eq!(bulkhead.snapshot().slots, 16);
    /// ```
    pub fn try_new(
        name: impl Into<String>,
        config: impl Into<BulkheadConfig>,
    ) -> Result<Self, InvalidPolicy> {
        let config = config.into();
        InvalidPolicy::unless_valid(config.complaint())?;
        Ok(Self::with(PointName::from(name.into()), Settings::whole(config)))
    }

    /// Creates the bulkhead of an annotated function.
    #[doc(hidden)]
    #[track_caller]
    pub const fn of(point: &'static PointSite, slots: u32) -> Self {
        Self::with(PointName::of(point), BulkheadConfig::of(slots).into_settings()).checked()
    }

    /// Creates the adaptive bulkhead of an annotated function that sets no number to begin at.
    #[doc(hidden)]
    #[track_caller]
    pub const fn of_adaptive(point: &'static PointSite) -> Self {
        Self::of(point, adaptive::START)
    }

    const fn with(name: PointName, settings: Settings<BulkheadConfig>) -> Self {
        Self { live: Site::new(Live::new(), Live::new), owner: Owner::new(name), settings, on_reject: None }
    }

    /// Sets the function to call for each rejected call; it runs without a lock.
    ///
    /// It is not called for an extra call of a hedge that finds no slot.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Bulkhead, Event};
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// static REJECTED: AtomicU32 = AtomicU32::new(0);
    ///
    /// static RENDER: Bulkhead = Bulkhead::new("render", 1).on_reject(|_: &Event| {
    ///     REJECTED.fetch_add(1, Ordering::Relaxed);
    /// });
    ///
    /// let running = RENDER.acquire();
    /// assert!(RENDER.acquire().is_err());
    /// assert_eq!(REJECTED.load(Ordering::Relaxed), 1);
    /// # drop(running);
    /// ```
    pub const fn on_reject(mut self, hook: Hook) -> Self {
        self.on_reject = Some(hook);
        self
    }

    /// Returns the bulkhead, once its settings are known to be valid together.
    #[doc(hidden)]
    #[track_caller]
    pub const fn checked(self) -> Self {
        enforce(self.settings.config.complaint());
        self
    }

    /// Returns the settings in force: the one place that reads them.
    #[inline]
    fn config(&self) -> &BulkheadConfig {
        in_force(self)
    }

    /// Returns the number that identifies its state, while a slot is held.
    #[inline]
    fn number(&self) -> usize {
        std::ptr::from_ref(&*self.live).addr()
    }

    /// Returns whether the number of slots follows the latency of calls. No configuration changes that.
    #[inline]
    fn is_adaptive(&self) -> bool {
        self.settings.config.adaptive
    }

    /// Returns how many calls may run now.
    #[inline]
    fn slots(&self) -> u64 {
        // One look at the configuration: each is some 15 instructions.
        #[cfg(feature = "config")]
        if let Some(changed) = self.overridden() {
            return if changed.is_off { gate::ALL } else { self.limit() };
        }
        self.limit_by(&self.settings.config)
    }

    /// Returns the number of slots, which a bulkhead that is switched off does not apply.
    fn limit(&self) -> u64 {
        self.limit_by(self.config())
    }

    #[inline]
    fn limit_by(&self, config: &BulkheadConfig) -> u64 {
        if config.adaptive { self.live.adaptive.slots(config) } else { config.slots.into() }
    }

    #[inline]
    fn enter(&self) -> bool {
        self.live.gate.enter(self.slots())
    }
}

/// The handling of a call.
impl Bulkhead {
    /// Counts and reports a call in `stack` that gets no slot, unless it is an extra one.
    #[cold]
    #[inline(never)]
    fn refuse(&self, stack: Option<Stack>) -> Rejected {
        if !self.is_extra(stack) {
            self.count(|counters| &counters.rejected);
            if is_rejection_heard(self.on_reject) {
                self.report_rejection(self.on_reject, |counters| &counters.pace, None);
            }
        }
        Rejected::bulkhead_full(self.origin())
    }
}

/// Handles; each may be called at any time from any thread.
impl Bulkhead {
    /// Returns state and counts, read together.
    ///
    /// While callers wait it takes the lock of the queue; otherwise it reads one word. `rejected` and `waited` only
    /// grow, also over a [`reset`](Self::reset).
    pub fn snapshot(&self) -> BulkheadSnapshot {
        let reading = self.live.gate.read();
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        BulkheadSnapshot {
            name: self.owner.name.clone(),
            key: self.owner.key.clone(),
            slots: u32::try_from(self.limit()).unwrap_or(u32::MAX),
            in_use: u32::try_from(reading.in_use).unwrap_or(u32::MAX),
            waiting: reading.waiting,
            rejected: count(&self.live.counters.rejected),
            waited: count(&self.live.counters.waited),
            mean_hold: reading.hold.map(Duration::from_nanos),
            usual_latency: self.live.adaptive.usual().map(Duration::from_nanos),
        }
    }

    /// Returns whether a call would get a slot at once.
    ///
    /// It is only a hint, for instance to choose between two servers: the answer may be wrong a moment later.
    /// Only [`acquire`](Self::acquire) reserves a slot.
    ///
    /// # Examples
    ///
    /// The server of two that has room:
    ///
    /// ```
    /// use resilience::Bulkhead;
    ///
    /// static SERVERS: [Bulkhead; 2] = [Bulkhead::new("first", 1), Bulkhead::new("second", 1)];
    ///
    /// let running = SERVERS[0].acquire();
    /// let free = SERVERS.iter().find(|server| server.is_available());
    /// assert_eq!(&*free.unwrap().snapshot().name, "second");
    /// # drop(running);
    /// ```
    pub fn is_available(&self) -> bool {
        let reading = self.live.gate.read();
        reading.waiting == 0 && reading.in_use < self.slots()
    }

    /// Forgets how long calls held their slots; an adaptive bulkhead returns to its initial number of slots.
    /// Running calls keep theirs.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Bulkhead;
    ///
    /// let bulkhead = Bulkhead::new("search", 16).adaptive();
    /// bulkhead.reset();
    /// assert_eq!((bulkhead.snapshot().slots, bulkhead.snapshot().usual_latency), (16, None));
    /// ```
    pub fn reset(&self) {
        self.live.gate.forget();
        self.live.adaptive.reset();
        self.slots_changed();
    }
}

#[cfg(all(test, loom))]
mod loom;
#[cfg(all(test, feature = "testing", not(loom)))]
mod tests;
