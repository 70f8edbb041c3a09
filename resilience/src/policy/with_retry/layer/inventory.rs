//! Retries as the inventory and a configuration see them.

use super::super::backoff::{Backoff, duration};
use super::super::config::Retry;
use super::super::run::Counter;
use super::super::{Budget, Rule, waits};
#[cfg(feature = "config")]
use super::super::{check::whole, config::RetryConfig};
use super::{RetrySite, budget_of};
#[cfg(feature = "config")]
use crate::base::change::{Change, Changed, together};
use crate::base::setting::Effective;
#[cfg(feature = "config")]
use crate::base::setting::Setting;
use crate::point::Layer;
#[cfg(feature = "ops")]
use crate::point::MetricReading;
#[cfg(feature = "config")]
use crate::point::{Facts, Override};
use crate::policy::budget::BudgetOf;
use std::sync::atomic::Ordering;
use std::time::Duration;

impl Layer for RetrySite {
    fn kind(&self) -> &'static str {
        "with_retry"
    }

    fn settings(&self) -> Vec<Effective> {
        let mut settings = Vec::new();
        if self.given.is_some() {
            settings.push(Effective::text("instance", ".."));
        }
        let Some(retry) = self.known() else { return settings };
        let has_own_jitter = matches!(retry.config().backoff, Backoff::Decorrelated);
        let effective = retry.config().effective().into_iter();
        settings.extend(effective.filter(|setting| !(has_own_jitter && setting.name == "jitter")));
        let (budget, is_default) = match retry.config().budget {
            BudgetOf::Own if self.is_keyed() => ("per_key", true),
            BudgetOf::Own => ("default", true),
            BudgetOf::None => ("none", false),
            BudgetOf::Shared(_) => ("shared", false),
        };
        settings.push(Effective { is_default, ..Effective::text("budget", budget) });
        let budget = budget_of(retry, &self.state.budget);
        if self.is_throttled || budget.is_some_and(Budget::has_throttle) {
            settings.push(throttle(budget_of(retry, &self.state.budget)));
        }
        settings.extend(retry.config().on.iter().map(|rule| Effective::text("on", on(retry, rule))));
        settings
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        let count = |what: Counter| self.state.counters[what as usize].load(Ordering::Relaxed);
        let (exhausted, out_of_time, server_wait, denied) = (
            count(Counter::Exhausted),
            count(Counter::OutOfTime),
            count(Counter::ServerWait),
            count(Counter::Denied),
        );
        let mut counters = vec![
            ("retries", count(Counter::Retry)),
            ("recovered", count(Counter::Recovered)),
            ("not_retryable", count(Counter::NotRetryable)),
            ("gave_up", exhausted + out_of_time + server_wait + denied),
            ("exhausted", exhausted),
            ("out_of_time", out_of_time),
            ("server_wait", server_wait),
            ("denied", denied),
            ("nested", count(Counter::Nested)),
        ];
        let budget = self.known().and_then(|retry| budget_of(retry, &self.state.budget));
        if self.is_throttled || budget.is_some_and(Budget::has_throttle) {
            counters.push(("throttled", count(Counter::Throttled)));
        }
        counters
    }

    #[cfg(feature = "ops")]
    fn readings(&self) -> Vec<MetricReading> {
        let has_one = |retry: &&Retry| !(self.is_keyed() && matches!(retry.config().budget, BudgetOf::Own));
        let budget = self.known().filter(has_one).and_then(|retry| budget_of(retry, &self.state.budget));
        let reading = |budget: &Budget| MetricReading::new("retry_budget_tokens", budget.tokens().into());
        budget.map(reading).into_iter().collect()
    }

    /// Returns any number, while the settings are not known.
    fn calls(&self) -> u64 {
        let Some(retry) = self.known() else { return u64::MAX };
        let attempts = retry.max_attempts();
        retry
            .config()
            .give_up_after
            .map_or(attempts, |limit| attempts.min(waits::attempts_within(retry, limit)))
    }

    fn worst(&self, inner: Option<Duration>) -> Option<Duration> {
        let (inner, retry) = (inner?, self.known()?);
        let attempts = inner.as_nanos().saturating_mul(u128::from(self.calls()));
        let all = duration(attempts.saturating_add(retry.longest_waits()));
        // No wait ends after `give_up_after`, so the last attempt begins before.
        let limit = retry.config().give_up_after.map(|limit| limit.saturating_add(inner));
        Some(limit.map_or(all, |limit| limit.min(all)))
    }

    #[cfg(feature = "config")]
    fn table(&self) -> &'static [Setting] {
        if self.given.is_some() { &[] } else { RetryConfig::TABLE }
    }

    #[cfg(feature = "config")]
    fn fixed(&self, setting: &str) -> Option<&'static str> {
        let needs_more = setting == "give_up_after" && !self.is_timed;
        needs_more.then_some("its calls read no clock, because the attribute has no `give_up_after`")
    }

    #[cfg(feature = "config")]
    fn facts(&self, _: Option<&Override>) -> Facts {
        Facts { loops: true, ..Facts::default() }
    }

    #[cfg(feature = "config")]
    fn complaint_within(&self, changed: Option<&Override>, total: Duration) -> Option<String> {
        let retry = changed.and_then(Override::get).or(self.known_by_code())?;
        waits::too_long(retry, total).map(|text| text.as_str().to_owned())
    }

    #[cfg(feature = "config")]
    fn changed(&self, changes: &[Change]) -> Changed {
        let fixed = |name: &str| self.fixed(name);
        let retry = Retry { settings: self.retry.settings.changed(changes, fixed)?, ..self.retry };
        together(whole(&retry), changes)?;
        Ok(Box::new(retry))
    }

    #[cfg(feature = "config")]
    fn stays_on(&self) -> Option<&'static str> {
        None
    }
}

/// Returns the throttle of the budget that pays.
fn throttle(budget: Option<&Budget>) -> Effective {
    let factor = budget.map_or_else(|| "off".to_owned(), |budget| format!("{:?}", budget.factor()));
    Effective::text("throttle", factor)
}

/// Describes a rule with the number of its retries, and its other settings.
fn on(retry: &Retry, rule: &Rule) -> String {
    let max = retry.schedule(Some(rule)).max;
    let own = rule.own_settings().filter(|setting| setting.name != "max");
    let own: Vec<_> = own.map(|setting| format!(", {setting}")).collect();
    format!("({}, max = {max}{})", rule.category, own.concat())
}
