//! The setters of a retry that are not settings of the table, and the judgement of all settings.
//!
//! A setter judges its own value and, where two settings contradict each other, the pair once both are set, in any
//! order. What needs the whole (rules, the sum of the waits) is judged by `checked` and `try_new`.

use super::backoff::{RETRY_AFTER_SPREAD, duration, scaled};
use super::config::{Retry, RetryConfig, Rule};
use super::{check, waits};
use crate::base::setting::{InvalidPolicy, enforce};
use crate::base::settings::Settings;
use crate::event::Hook;
use crate::policy::budget::{Budget, BudgetOf};
use std::time::Duration;

impl Retry {
    /// Creates a retry with settings that are known only at run time, judged as a whole.
    ///
    /// # Errors
    ///
    /// If a setting is out of range or contradicts another one, with the message of the compiler.
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
        InvalidPolicy::judged(retry, check::whole(&retry))
    }

    /// Judges all settings together, those not set at their defaults.
    ///
    /// Worth writing at the end of a `const`; the attribute does it by itself. A value that was never
    /// judged as a whole is safe to use: `cap` wins over a longer `base`, and the first of two rules for
    /// one category holds.
    ///
    /// # Panics
    ///
    /// If they are invalid: `base` over `cap`, two rules for one category, `jitter` beside
    /// `decorrelated`, a first wait that is longer than `give_up_after` at the mean of its jitter.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Retry;
    /// use std::time::Duration;
    ///
    /// // In a `const`, invalid settings do not compile.
    /// const CALLS: Retry = Retry::new().max(2).give_up_after(Duration::from_secs(5)).checked();
    /// assert_eq!(CALLS.max_attempts(), 3);
    /// ```
    #[track_caller]
    pub const fn checked(self) -> Self {
        enforce(check::whole(&self));
        self
    }

    /// Sets rules for single categories, in place of the general settings; default none.
    ///
    /// # Panics
    ///
    /// If two of them name one category.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Category, Retry, Rule};
    /// use std::io::{Error, ErrorKind};
    /// use std::time::Duration;
    ///
    /// const RULES: &[Rule] = &[Rule::new(Category::NotFound).max(2), Rule::new(Category::Timeout).max(0)];
    /// const RETRY: Retry = Retry::new().base(Duration::ZERO).on(RULES);
    ///
    /// let calls = |kind: ErrorKind| {
    ///     let mut calls = 0;
    ///     let _: Result<(), Error> = RETRY.call(|| {
    ///         calls += 1;
    ///         Err(kind.into())
    ///     });
    ///     calls
    /// };
    /// assert_eq!(calls(ErrorKind::NotFound), 3, "found only a moment after it was written");
    /// assert_eq!(calls(ErrorKind::TimedOut), 1);
    /// assert_eq!(calls(ErrorKind::ConnectionReset), 4, "as in general");
    /// ```
    #[track_caller]
    pub const fn on(mut self, rules: &'static [Rule]) -> Self {
        enforce(check::twice(rules));
        self.settings.config.on = rules;
        self
    }

    /// Sets the budget that pays for the retries; several policies can share it.
    ///
    /// Share one among all functions that call one dependency: what overloads it is the sum of their retries.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::policy::with_retry::{Budget, Retry};
    ///
    /// static DATABASE: Budget = Budget::new().capacity(100);
    /// static READ: Retry = Retry::new().budget(&DATABASE);
    /// static WRITE: Retry = Retry::new().max(1).budget(&DATABASE);
    /// # let _ = (&READ, &WRITE);
    /// ```
    pub const fn budget(self, budget: &'static Budget) -> Self {
        self.budget_of(BudgetOf::Shared(budget))
    }

    /// Sets which budget pays for the retries.
    ///
    /// By default ([`BudgetOf::Own`]) each annotated function has its own, or one for each key; calls that this value
    /// makes by itself have none, and a layer of tower has its own. [`BudgetOf::None`] makes every retry: for work in
    /// the background whose rate something else limits.
    pub const fn budget_of(mut self, budget: BudgetOf) -> Self {
        self.settings.config.budget = budget;
        self
    }

    /// Sets a function that is called for each retry before its wait.
    ///
    /// It gets an [`Event::Retrying`](crate::Event::Retrying).
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Event, Retry};
    /// use std::io::{Error, ErrorKind};
    /// use std::sync::atomic::{AtomicU32, Ordering};
    /// use std::time::Duration;
    ///
    /// static RETRIES: AtomicU32 = AtomicU32::new(0);
    ///
    /// const RETRY: Retry = Retry::new().max(2).base(Duration::ZERO).on_retry(|_: &Event| {
    ///     RETRIES.fetch_add(1, Ordering::Relaxed);
    /// });
    ///
    /// let _: Result<(), Error> = RETRY.call(|| Err(ErrorKind::TimedOut.into()));
    /// assert_eq!(RETRIES.load(Ordering::Relaxed), 2);
    /// ```
    pub const fn on_retry(mut self, hook: Hook) -> Self {
        self.settings.config.on_retry = Some(hook);
        self
    }

    /// Sets a function that is called when a call fails permanently.
    ///
    /// It gets an [`Event::GaveUp`](crate::Event::GaveUp), with the reason. A call whose first error is not
    /// retryable does not call it.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Event, Retry};
    /// use std::io::{Error, ErrorKind};
    /// use std::sync::Mutex;
    /// use std::time::Duration;
    ///
    /// static REASONS: Mutex<Vec<&str>> = Mutex::new(Vec::new());
    ///
    /// fn note(event: &Event) {
    ///     if let Event::GaveUp { reason, .. } = event {
    ///         REASONS.lock().unwrap().push(reason);
    ///     }
    /// }
    ///
    /// const RETRY: Retry = Retry::new().max(1).base(Duration::ZERO).on_give_up(note);
    /// let _: Result<(), Error> = RETRY.call(|| Err(ErrorKind::TimedOut.into()));
    /// assert_eq!(*REASONS.lock().unwrap(), ["no retry is left"]);
    /// ```
    pub const fn on_give_up(mut self, hook: Hook) -> Self {
        self.settings.config.on_give_up = Some(hook);
        self
    }

    /// Sets the name that events carry when this value makes calls by itself.
    ///
    /// The default is `file:line` of the call.
    ///
    /// In the stack of a function the events have the name of the function.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Event, Retry};
    /// use std::io::{Error, ErrorKind};
    /// use std::sync::Mutex;
    /// use std::time::Duration;
    ///
    /// static NAMES: Mutex<Vec<String>> = Mutex::new(Vec::new());
    ///
    /// fn note(event: &Event) {
    ///     NAMES.lock().unwrap().push(event.point().to_owned());
    /// }
    ///
    /// const RETRY: Retry = Retry::new().max(1).base(Duration::ZERO).name("quote").on_retry(note);
    /// let _: Result<(), Error> = RETRY.call(|| Err(ErrorKind::TimedOut.into()));
    /// assert_eq!(*NAMES.lock().unwrap(), ["quote"]);
    /// ```
    pub const fn name(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    /// Returns the sum of the waits of `max` retries at the mean of their jitter.
    ///
    /// Waits of a `Custom` function count as zero; those after the thousandth count as that one. A sum that
    /// no `Duration` holds is `Duration::MAX`. Attempts take their time on top.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Retry;
    /// use std::time::Duration;
    ///
    /// // Half of 100, 200 and 400 ms.
    /// assert_eq!(Retry::new().mean_waits(), Duration::from_millis(350));
    /// ```
    pub const fn mean_waits(&self) -> Duration {
        duration(waits::mean(&self.schedule(None)))
    }

    /// Returns the longest sum of all waits of one call, in nanoseconds.
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
