//! Adaptive timeouts in the inventory, and the `static`s of those that an attribute makes.

use super::run::{AdaptiveTimed, Ended, on_thread};
use super::{AdaptiveTimeout, AdaptiveTimeoutConfig};
use crate::base::setting::{Effective, Value};
use crate::base::settings::Settings;
use crate::point::PointName;
#[cfg(feature = "config")]
use crate::point::{Facts, Override};
use crate::policy::keyed::{EntryMap, PerKey};
use crate::policy::owner::Owner;
use crate::policy::stateful::{Described, Instance, Stateful};
#[cfg(feature = "config")]
use crate::policy::timeout::site::fixed;
use crate::policy::timeout::thread;
use crate::rejected::Rejected;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The calls of an attribute's expansion; `attempt` is the number of the attempt, from 1.
#[doc(hidden)]
impl AdaptiveTimeout {
    /// Returns a run of `body` within the limit that applies now.
    #[inline]
    pub fn within<F>(&self, attempt: u32, body: F) -> AdaptiveTimed<'_, F> {
        AdaptiveTimed::new(self, None, attempt, body)
    }

    /// Runs `body` on a helper thread within the limit that applies now.
    ///
    /// # Errors
    ///
    /// [`Rejected::TimedOut`], or [`Rejected::BulkheadFull`] while too many abandoned bodies still run or
    /// where the system has no thread left.
    pub fn on_thread<R: Send + 'static>(
        &self,
        attempt: u32,
        body: impl FnOnce() -> Ended<R> + Send + 'static,
    ) -> Result<R, Rejected> {
        on_thread(self, None, attempt, body)
    }
}

/// Returns the settings that apply; those of helper threads only if there are some.
fn settings(config: &AdaptiveTimeoutConfig, is_on_thread: bool) -> Vec<Effective> {
    let mut all = vec![Effective::text("adaptive", "true")];
    for setting in config.effective() {
        match setting.name {
            "threads" | "stack" if !is_on_thread => continue,
            "threads" => all.push(Effective::text("thread", "true")),
            _ => {}
        }
        all.push(setting);
    }
    all
}

impl AdaptiveTimeout {
    /// Returns the number of abandoned bodies that still run, of a timeout for a sync function.
    fn abandoned(&self) -> Option<(&'static str, u64)> {
        self.is_on_thread.then(|| ("abandoned", thread::abandoned(self.group()).into()))
    }

    /// Returns whether it is the timeout of one key, or of all.
    fn is_keyed(&self) -> bool {
        self.owner.totals().is_some()
    }
}

impl Stateful for AdaptiveTimeout {
    type Settings = AdaptiveTimeoutConfig;
    type Counters = AtomicU64;

    #[inline]
    fn owner(&self) -> &Owner<AtomicU64> {
        &self.owner
    }

    fn own_counters(&self) -> &AtomicU64 {
        &self.live.timed_out
    }

    #[inline]
    fn in_code(&self) -> &Settings<AdaptiveTimeoutConfig> {
        &self.settings
    }

    fn described(&self) -> AdaptiveTimeoutConfig {
        *self.config()
    }

    /// Returns whether the limit follows the calls yet.
    fn word(&self) -> &'static str {
        if self.snapshot().p99.is_some() { "adaptive" } else { "learning" }
    }

    /// Returns the numbers of the limit; bodies on helper threads are not counted for each key.
    fn numbers(&self) -> Vec<(&'static str, u64)> {
        let now = self.snapshot();
        let limit = u64::try_from(now.limit.as_millis()).unwrap_or(u64::MAX);
        let mut all =
            vec![("limit_ms", limit), ("samples", now.samples as u64), ("timed_out", now.timed_out)];
        all.extend(self.abandoned().filter(|_| !self.is_keyed()));
        all
    }

    fn totals(&self, _: &EntryMap<Self>) -> Vec<(&'static str, u64)> {
        let timed_out = self.all_counters().load(Ordering::Relaxed);
        [("timed_out", timed_out)].into_iter().chain(self.abandoned()).collect()
    }

    /// Adds the limit in force to the settings; with keys there is none, since each key has its own.
    fn settings(&self) -> Vec<Effective> {
        let mut all = settings(self.config(), self.is_on_thread);
        if !self.is_keyed() {
            let limit = Effective { value: Value::Time(self.limit()), ..Effective::text("limit", "") };
            all.insert(1, limit);
        }
        all
    }

    #[cfg(feature = "config")]
    fn fixed(&self, setting: &str) -> Option<&'static str> {
        fixed(setting, self.is_on_thread)
    }

    /// Returns the longest limit.
    #[cfg(feature = "config")]
    fn facts(&self, changed: Option<&Override>) -> Facts {
        let config = changed.and_then(Override::get).unwrap_or(&self.settings.config);
        Facts { limit: Some(config.cap), ..Facts::default() }
    }

    #[cfg(feature = "config")]
    const STAYS_ON: Option<&'static str> = Some("its limit follows the calls; raise `cap` in its place");
}

impl PerKey for AdaptiveTimeout {
    fn for_key(self, key: PointName, whole: &Self) -> Self {
        Self { owner: self.owner.of_key(key, &whole.owner), ..self }
    }

    fn whole(self) -> Self {
        Self { owner: self.owner.of_all_keys(), ..self }
    }
}

impl Described for AdaptiveTimeoutConfig {
    const KIND: &'static str = "timeout";

    /// Returns those of a timeout that the program owns, whose body runs on no helper thread.
    fn settings(&self) -> Vec<Effective> {
        settings(self, false)
    }

    fn worst(known: Option<&Self>, inner: Option<Duration>) -> Option<Duration> {
        let cap = known.map(|config| config.cap);
        [cap, inner].into_iter().flatten().min()
    }
}

#[doc(hidden)]
impl Instance<AdaptiveTimeoutConfig> {
    /// Returns a run of `body` within the limit of `timeout` that applies now.
    #[inline]
    pub fn within<'t, F>(&self, timeout: &'t AdaptiveTimeout, attempt: u32, body: F) -> AdaptiveTimed<'t, F> {
        AdaptiveTimed::new(timeout, Some(self.stack(|| *timeout.config())), attempt, body)
    }

    /// Runs `body` on a helper thread within the limit of `timeout` that applies now.
    ///
    /// # Errors
    ///
    /// Fails like [`AdaptiveTimeout::on_thread`].
    pub fn on_thread<R: Send + 'static>(
        &self,
        timeout: &AdaptiveTimeout,
        attempt: u32,
        body: impl FnOnce() -> Ended<R> + Send + 'static,
    ) -> Result<R, Rejected> {
        on_thread(timeout, Some(self.stack(|| *timeout.config())), attempt, body)
    }
}
