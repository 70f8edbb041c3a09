//! The setters of a retry that are no settings of the table, and the judgement of all settings.

use super::backoff::{RETRY_AFTER_SPREAD, duration, scaled};
use super::budget::{Budget, BudgetOf};
use super::config::{Retry, RetryConfig, Rule};
use super::{check, waits};
use crate::base::setting::{InvalidPolicy, enforce};
use crate::base::settings::Settings;
use crate::event::Hook;
use std::time::Duration;

impl Retry {
    /// Settings from run time, judged as a whole.
    ///
    /// # Errors
    ///
    /// With the words that the compiler would use, where they make no sense.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::policy::with_retry::{Backoff, Retry, RetryConfig};
    ///
    /// let config = RetryConfig { backoff: Backoff::Exponential(0.5), ..RetryConfig::default() };
    /// assert!(Retry::try_new(config).unwrap_err().message().contains("below 1"));
    /// ```
    pub const fn try_new(config: RetryConfig) -> Result<Self, InvalidPolicy> {
        let retry = Self { settings: Settings::whole(config), name: None };
        match check::whole(&retry) {
            Some(complaint) => Err(InvalidPolicy::new(complaint)),
            None => Ok(retry),
        }
    }

    /// Judges all settings together, those not set at their defaults.
    ///
    /// Worth writing at the end of a `const`; the attribute does it by itself. A value that was never
    /// judged as a whole is safe to use: `cap` wins over a longer `base`, and the first of two rules for
    /// one category holds.
    ///
    /// # Panics
    ///
    /// If they make no sense: `base` over `cap`, two rules for one category, `jitter` beside
    /// `decorrelated`, a first wait that is longer than `give_up_after` at the mean of its jitter.
    #[track_caller]
    pub const fn checked(self) -> Self {
        enforce(check::whole(&self));
        self
    }

    /// Sets other rules for single categories.
    ///
    /// # Panics
    ///
    /// If two of them name one category.
    #[track_caller]
    pub const fn on(mut self, rules: &'static [Rule]) -> Self {
        enforce(check::twice(rules));
        self.settings.config.on = rules;
        self
    }

    /// Sets the budget that pays for the retries; several policies can share it.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::policy::with_retry::{Budget, Retry};
    ///
    /// static DATABASE: Budget = Budget::new().capacity(100);
    /// static READ: Retry = Retry::new().budget(&DATABASE);
    /// static WRITE: Retry = Retry::new().max(1).budget(&DATABASE);
    /// ```
    pub const fn budget(self, budget: &'static Budget) -> Self {
        self.budget_of(BudgetOf::Shared(budget))
    }

    /// Sets which budget pays for the retries. By default each annotated function has its own, or one for
    /// each key; calls that this value makes by itself have none.
    pub const fn budget_of(mut self, budget: BudgetOf) -> Self {
        self.settings.config.budget = budget;
        self
    }

    /// Sets a function that is called for each retry before its wait.
    pub const fn on_retry(mut self, hook: Hook) -> Self {
        self.settings.config.on_retry = Some(hook);
        self
    }

    /// Sets a function that is called when a call fails for good.
    pub const fn on_give_up(mut self, hook: Hook) -> Self {
        self.settings.config.on_give_up = Some(hook);
        self
    }

    /// Sets the name that events carry when this value makes calls by itself; by default `file:line` of the
    /// call.
    pub const fn name(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    /// Returns the sum of the waits of `max` retries at the mean of their jitter.
    ///
    /// Waits of a `Custom` function count as zero; those after the thousandth count as that one. A sum that
    /// no `Duration` holds is `Duration::MAX`.
    pub const fn mean_waits(&self) -> Duration {
        duration(waits::mean(&self.schedule(None)))
    }

    /// The longest that all waits of one call can add up to, in nanoseconds.
    pub(super) const fn longest_waits(&self) -> u128 {
        let server = self.config().retry_after_cap.as_nanos();
        let server = server.saturating_add(scaled(server, RETRY_AFTER_SPREAD));
        let mut sum = waits::longest(&self.schedule(None), server);
        let (rules, mut n) = (self.config().on, 0);
        while n < rules.len() {
            sum = sum.saturating_add(waits::longest(&self.schedule(Some(&rules[n])), server));
            n += 1;
        }
        sum
    }
}
