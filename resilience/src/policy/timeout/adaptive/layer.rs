//! Adaptive timeouts in the inventory, and the `static`s of those that an attribute makes.

use super::run::{AdaptiveTimed, Ended, on_thread};
use super::{AdaptiveTimeout, AdaptiveTimeoutConfig};
#[cfg(feature = "config")]
use crate::base::change::{Change, Mistake, judged};
#[cfg(feature = "config")]
use crate::base::setting::Setting;
use crate::base::setting::{Effective, Value};
use crate::base::site::Site;
#[cfg(feature = "config")]
use crate::point::{Facts, Override};
use crate::point::{KeySnapshot, Layer, PointName};
use crate::policy::keyed::{EntryMap, Keyed, MAX_KEYS, PerKey};
use crate::policy::stateful::{Described, Instance};
#[cfg(feature = "config")]
use crate::policy::timeout::site::fixed;
use crate::policy::timeout::thread;
use crate::rejected::Rejected;
use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

const KIND: &str = "timeout";

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

fn worst(config: &AdaptiveTimeoutConfig, inner: Option<Duration>) -> Duration {
    inner.map_or(config.cap, |inner| inner.min(config.cap))
}

impl AdaptiveTimeout {
    /// Returns whether the limit follows the calls yet.
    fn word(&self) -> &'static str {
        if self.snapshot().p99.is_some() { "adaptive" } else { "learning" }
    }

    fn numbers(&self) -> Vec<(&'static str, u64)> {
        let now = self.snapshot();
        let limit = u64::try_from(now.limit.as_millis()).unwrap_or(u64::MAX);
        vec![("limit_ms", limit), ("samples", now.samples as u64), ("timed_out", now.timed_out)]
    }
}

impl Layer for AdaptiveTimeout {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn settings(&self) -> Vec<Effective> {
        let mut all = settings(self.config(), self.is_on_thread);
        let limit = Value::Time(self.limit());
        let limit = Effective { value: limit, ..Effective::text("limit", "") };
        all.insert(1, limit);
        all
    }

    fn state(&self) -> Option<&'static str> {
        Some(self.word())
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        let mut all = self.numbers();
        if self.is_on_thread {
            all.push(("abandoned", thread::abandoned(self.group()).into()));
        }
        all
    }

    fn worst(&self, inner: Option<Duration>) -> Option<Duration> {
        Some(worst(self.config(), inner))
    }

    fn policy(&self) -> &dyn Any {
        self
    }

    #[cfg(feature = "config")]
    fn table(&self) -> &'static [Setting] {
        AdaptiveTimeoutConfig::TABLE
    }

    #[cfg(feature = "config")]
    fn fixed(&self, setting: &str) -> Option<&'static str> {
        fixed(setting, self.is_on_thread)
    }

    #[cfg(feature = "config")]
    fn changed(&self, changes: &[Change]) -> Result<Box<dyn Any + Send + Sync>, Vec<Mistake>> {
        judged(
            self.settings,
            changes,
            |setting| Layer::fixed(self, setting),
            AdaptiveTimeoutConfig::complaint,
        )
    }

    #[cfg(feature = "config")]
    fn stays_on(&self) -> Option<&'static str> {
        Some("its limit follows the calls; raise `cap` in its place")
    }

    #[cfg(feature = "config")]
    fn facts(&self, changed: Option<&Override>) -> Facts {
        facts(changed, &self.settings.config)
    }
}

/// Returns how many calls were ended of all keys, evicted ones included, and how many abandoned bodies run.
fn totals(entries: &EntryMap<AdaptiveTimeout>, is_on_thread: bool) -> Vec<(&'static str, u64)> {
    let whole = entries.whole();
    let timed_out =
        whole.and_then(|whole| whole.totals.as_ref()).map_or(0, |totals| totals.load(Ordering::Relaxed));
    let mut all = vec![("timed_out", timed_out)];
    if is_on_thread {
        all.push(("abandoned", whole.map_or(0, |whole| thread::abandoned(whole.group())).into()));
    }
    all
}

impl Layer for Site<Keyed<AdaptiveTimeout>> {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn settings(&self) -> Vec<Effective> {
        let one = self.make();
        let mut all = settings(one.config(), one.is_on_thread);
        all.push(Effective::count("max_keys", self.limit(), MAX_KEYS));
        all
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        totals(self.entries(), self.make().is_on_thread)
    }

    fn keys(&self) -> Vec<KeySnapshot> {
        let row = |(key, timeout): (String, Arc<AdaptiveTimeout>)| KeySnapshot {
            key,
            state: timeout.word(),
            retry_after: None,
            counters: timeout.numbers(),
        };
        self.entries().all().into_iter().map(row).collect()
    }

    fn worst(&self, inner: Option<Duration>) -> Option<Duration> {
        Some(worst(self.make().config(), inner))
    }

    fn policy(&self) -> &dyn Any {
        &**self
    }

    #[cfg(feature = "config")]
    fn table(&self) -> &'static [Setting] {
        AdaptiveTimeoutConfig::TABLE
    }

    #[cfg(feature = "config")]
    fn fixed(&self, setting: &str) -> Option<&'static str> {
        match setting {
            "threads" | "stack" if !self.make().is_on_thread => {
                Some("the function has no helper thread, because the attribute has no `thread`")
            }
            "strict" if self.make().is_on_thread => {
                Some("on a helper thread the time always counts from the call")
            }
            _ => None,
        }
    }

    #[cfg(feature = "config")]
    fn changed(&self, changes: &[Change]) -> Result<Box<dyn Any + Send + Sync>, Vec<Mistake>> {
        judged(
            self.make().settings,
            changes,
            |setting| Layer::fixed(self, setting),
            AdaptiveTimeoutConfig::complaint,
        )
    }

    #[cfg(feature = "config")]
    fn stays_on(&self) -> Option<&'static str> {
        Some("its limit follows the calls; raise `cap` in its place")
    }

    #[cfg(feature = "config")]
    fn has_keys(&self) -> bool {
        true
    }

    #[cfg(feature = "config")]
    fn facts(&self, changed: Option<&Override>) -> Facts {
        facts(changed, &self.make().settings.config)
    }
}

/// Returns the longest limit, for the other policies of the stack.
#[cfg(feature = "config")]
fn facts(changed: Option<&Override>, in_code: &AdaptiveTimeoutConfig) -> Facts {
    let config = changed.and_then(Override::get).unwrap_or(in_code);
    Facts { limit: Some(config.cap), ..Facts::default() }
}

impl PerKey for AdaptiveTimeout {
    fn for_key(mut self, key: PointName, whole: &Self) -> Self {
        self.key = Some(key);
        self.totals.clone_from(&whole.totals);
        self
    }

    fn whole(mut self) -> Self {
        self.totals = Some(Arc::default());
        self
    }
}

/// The settings of a timeout that the program owns, whose body runs on no helper thread.
impl Described for AdaptiveTimeoutConfig {
    const KIND: &'static str = KIND;

    fn settings(&self) -> Vec<Effective> {
        settings(self, false)
    }

    fn worst(known: Option<&Self>, inner: Option<Duration>) -> Option<Duration> {
        known.map(|config| worst(config, inner)).or(inner)
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
