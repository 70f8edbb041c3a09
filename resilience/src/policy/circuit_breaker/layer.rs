//! Breakers in the inventory, and the `static`s of those that an attribute makes.
//!
//! There are three sources of a breaker in a stack: the function's own `static`, one for each key ([`Keyed`]), and one
//! that the program owns ([`Instance`]). All of them admit with a permit, which the expansion settles in the same way.
//! The settings of the third are known only after the first call, and the inventory says so.

use super::{CircuitBreaker, CircuitBreakerConfig, CircuitBreakers, Counters, OwnedPermit, Permit, PermitOf};
#[cfg(feature = "config")]
use crate::base::change::{Change, Changed, together};
use crate::base::setting::{Effective, Value};
use crate::base::settings::Settings;
#[cfg(feature = "ops")]
use crate::point::MetricReading;
#[cfg(feature = "config")]
use crate::point::{Facts, Override};
use crate::point::{KeySnapshot, Layer};
use crate::policy::keyed::{EntryMap, Key, Keyed, PerKey as _};
use crate::policy::owner::Owner;
use crate::policy::stateful::{self, Described, Instance, Stateful};
use crate::rejected::Rejected;
use std::sync::Arc;
use std::time::Duration;

impl Described for CircuitBreakerConfig {
    const KIND: &'static str = "circuit_breaker";

    fn settings(&self) -> Vec<Effective> {
        let mut all = self.effective();
        all.retain(|setting| match setting.name {
            "threshold" => self.has_threshold(),
            "min_calls" => self.has_shares(),
            "slow_rate" => self.slow.is_some(),
            _ => true,
        });
        let mut numbered = all.iter_mut().enumerate();
        if let Some((at, fewest)) = numbered.find(|(_, setting)| setting.name == "min_calls") {
            fewest.value = Value::Count(self.fewest_calls());
            if self.window.is_none() && self.window_calls.is_none() {
                all.insert(at, self.default_window());
            }
        }
        all
    }

    fn key_label(&self) -> Option<bool> {
        Some(self.key_label)
    }
}

impl CircuitBreakerConfig {
    /// Returns the window of calls that applies to a share where no window is set.
    fn default_window(&self) -> Effective {
        let name = "window_calls";
        Effective {
            value: Value::Count(self.call_window()),
            is_default: true,
            setting: Self::TABLE.iter().find(|row| row.name == name),
            ..Effective::text(name, "")
        }
    }
}

impl Stateful for CircuitBreaker {
    type Settings = CircuitBreakerConfig;
    type Counters = Counters;

    #[inline]
    fn owner(&self) -> &Owner<Counters> {
        &self.owner
    }

    fn own_counters(&self) -> &Counters {
        &self.live.counters
    }

    #[inline]
    fn in_code(&self) -> &Settings<CircuitBreakerConfig> {
        &self.setup.settings
    }

    fn described(&self) -> CircuitBreakerConfig {
        self.config()
    }

    fn word(&self) -> &'static str {
        self.state().as_str()
    }

    fn numbers(&self) -> Vec<(&'static str, u64)> {
        self.live.counters.read()
    }

    fn totals(&self, _: &EntryMap<Self>) -> Vec<(&'static str, u64)> {
        self.all_counters().read()
    }

    fn retry_after(&self) -> Option<Duration> {
        self.snapshot().retry_after
    }

    #[cfg(feature = "ops")]
    fn readings(&self) -> Vec<MetricReading> {
        self.own_readings()
    }

    #[cfg(feature = "ops")]
    fn total_readings(&self) -> Vec<MetricReading> {
        self.all_counters().read_transitions()
    }

    #[cfg(feature = "config")]
    fn fixed(&self, setting: &str) -> Option<&'static str> {
        let code = &self.setup.settings.config;
        match setting {
            "rate" if code.rate.is_none() => {
                Some("its calls count no successes, because the attribute has no `rate`")
            }
            "slow" if code.slow.is_none() => {
                Some("its calls are not measured, because the attribute has no `slow`")
            }
            _ => None,
        }
    }

    #[cfg(feature = "config")]
    fn facts(&self, changed: Option<&Override>) -> Facts {
        let settings = changed.and_then(Override::get::<Settings<CircuitBreakerConfig>>);
        let config = settings.unwrap_or(&self.setup.settings).config;
        Facts { window: config.window, slow: config.slow, ..Facts::default() }
    }

    #[cfg(feature = "config")]
    fn with_changes(&self, changes: &[Change]) -> Changed {
        let code = self.setup.settings;
        let settings = code.changed(changes, |name| Stateful::fixed(self, name))?;
        let shares = |config: &CircuitBreakerConfig| (config.rate.is_some(), config.slow.is_some());
        if shares(&code.config) != shares(&settings.config) {
            let words = "`rate` and `slow` cannot be switched off while the program runs";
            together(Some(words), changes)?;
        }
        together(settings.config.complaint(), changes)?;
        Ok(Box::new(settings))
    }

    #[cfg(feature = "config")]
    fn settings_changed(&self) {
        self.live.gate.settings_changed();
    }
}

impl Layer for CircuitBreakers {
    fn kind(&self) -> &'static str {
        CircuitBreakerConfig::KIND
    }

    fn settings(&self) -> Vec<Effective> {
        stateful::keyed(&self.make(), self.max_keys)
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        stateful::totals(&self.entries, || self.make().whole())
    }

    fn keys(&self) -> Vec<KeySnapshot> {
        stateful::rows(&self.entries)
    }

    #[cfg(feature = "ops")]
    fn labelled(&self) -> Option<Vec<String>> {
        self.make().shows_keys().then(|| self.entries.often())
    }

    #[cfg(feature = "ops")]
    fn readings(&self) -> Vec<MetricReading> {
        stateful::keyed_readings(&self.entries, self.make().shows_keys())
    }
}

impl Keyed<CircuitBreaker> {
    /// Asks the breaker of `key` to make one call.
    ///
    /// # Errors
    ///
    /// If it refuses.
    #[inline]
    #[doc(hidden)]
    pub fn admit<K: Key + ?Sized>(&self, key: &K) -> Result<PermitOf<Arc<CircuitBreaker>, ()>, Rejected> {
        PermitOf::ask(self.get(key))
    }

    /// Takes a permit like `admit` from a breaker that measures how long calls take.
    ///
    /// # Errors
    ///
    /// If it refuses.
    #[inline]
    #[doc(hidden)]
    pub fn acquire<K: Key + ?Sized>(&self, key: &K) -> Result<OwnedPermit, Rejected> {
        self.get(key).acquire_owned()
    }
}

impl Instance<CircuitBreakerConfig> {
    /// Asks `breaker` to admit one call in the stack of this site.
    ///
    /// # Errors
    ///
    /// If it rejects the call.
    #[inline]
    pub fn admit<'b>(&self, breaker: &'b CircuitBreaker) -> Result<Permit<'b>, Rejected> {
        Permit::ask_in(breaker, Some(self.stack(|| breaker.config())))
    }
}
