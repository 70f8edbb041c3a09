//! The simpler calls of one annotated function.

use super::{Degrade, DegradeConfig, TOO_MUCH};
#[cfg(feature = "config")]
use crate::base::change::{Change, Changed, judged};
use crate::base::setting::Effective;
#[cfg(feature = "config")]
use crate::base::setting::Setting;
use crate::base::site::Site;
use crate::classify::{Category, Classification};
use crate::event::{Event, emit};
use crate::outcome::Outcome;
#[cfg(feature = "config")]
use crate::point::Override;
use crate::point::{Layer, PointSite};
use crate::policy::Verdict;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The simpler calls of one annotated function.
#[derive(Debug)]
#[doc(hidden)]
pub struct DegradeSite {
    point: &'static PointSite,
    argument: &'static str,
    policy: Degrade,
    /// Simpler calls that ran.
    simplified: Site<AtomicU64>,
    /// Calls that one of them answered.
    answered: Site<AtomicU64>,
}

impl DegradeSite {
    /// Creates the site of `policy` for the argument called `argument` in the stack of `point`.
    pub const fn new(point: &'static PointSite, argument: &'static str, policy: Degrade) -> Self {
        Self {
            point,
            argument,
            policy,
            simplified: Site::new(AtomicU64::new(0), AtomicU64::default),
            answered: Site::new(AtomicU64::new(0), AtomicU64::default),
        }
    }

    /// Sets after which categories it calls again.
    pub const fn on(mut self, categories: &'static [Category]) -> Self {
        self.policy = self.policy.on(categories);
        self
    }

    /// Returns the settings in force.
    fn config(&self) -> &DegradeConfig {
        #[cfg(feature = "config")]
        if let Some(changed) = self.point.pinned().of(self).and_then(Override::get) {
            return changed;
        }
        &self.policy.settings.config
    }

    /// Returns how many simpler calls may follow.
    fn max(&self) -> u32 {
        #[cfg(feature = "config")]
        if self.point.pinned().of(self).is_some_and(|changed| changed.is_off) {
            return 0;
        }
        self.config().max
    }

    /// Returns the class of a failure of the call at `level`, if a simpler call may follow it.
    #[inline]
    pub fn next(&self, verdict: &Verdict, level: u32) -> Option<Classification> {
        verdict.is_some().then(|| self.policy.next_of(self.max(), *verdict, level)).flatten()
    }

    /// Reports that a call at `level` follows a failure of this class.
    #[cold]
    pub fn simplified(&self, class: Classification, level: u32) {
        self.simplified.fetch_add(1, Ordering::Relaxed);
        emit(&Event::Simplified { point: self.point.name(), class, level }, None);
    }

    /// Returns the outcome for the caller: that of the last call, or the first error if that failed as well.
    #[inline]
    pub fn ended<R: Outcome>(
        &self,
        first: Option<(R, Verdict)>,
        outcome: R,
        verdict: Verdict,
    ) -> (R, Verdict) {
        match (first, verdict) {
            (None, verdict) => (outcome, verdict),
            (Some(first), Some(_)) => first,
            (Some(_), None) => {
                self.answered();
                (outcome, None)
            }
        }
    }

    #[cold]
    fn answered(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        #[cfg(feature = "ops")]
        self.point.calls().note_degraded();
        #[cfg(feature = "cache")]
        crate::base::marks::degraded();
    }
}

/// Returns the simpler argument, or the original one of the first call.
///
/// # Panics
///
/// Never: of the two, the expansion has one.
#[doc(hidden)]
#[inline]
pub fn either<T>(simpler: Option<T>, original: impl FnOnce() -> Option<T>) -> T {
    simpler.or_else(original).unwrap_or_else(|| unreachable!("neither an original nor a simpler argument"))
}

impl Layer for DegradeSite {
    fn kind(&self) -> &'static str {
        "degrade"
    }

    fn settings(&self) -> Vec<Effective> {
        let mut settings = vec![Effective::text("argument", self.argument)];
        settings.extend(self.config().effective());
        if self.policy.on != TOO_MUCH {
            let names: Vec<_> = self.policy.on.iter().map(|category| category.as_str()).collect();
            settings.push(Effective::text("on", names.join(", ")));
        }
        settings
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        vec![("simplified", count(&self.simplified)), ("answered", count(&self.answered))]
    }

    fn calls(&self) -> u64 {
        u64::from(self.config().max) + 1
    }

    fn worst(&self, inner: Option<Duration>) -> Option<Duration> {
        inner.map(|inner| inner.saturating_mul(self.config().max.saturating_add(1)))
    }

    #[cfg(feature = "config")]
    fn table(&self) -> &'static [Setting] {
        DegradeConfig::TABLE
    }

    #[cfg(feature = "config")]
    fn changed(&self, changes: &[Change]) -> Changed {
        judged(self.policy.settings, changes, |setting| Layer::fixed(self, setting))
    }

    #[cfg(feature = "config")]
    fn stays_on(&self) -> Option<&'static str> {
        None
    }
}
