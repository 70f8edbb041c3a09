//! The settings of a retry: plain values, made in a `const` or at run time.

use super::backoff::{Backoff, Jitter, Schedule};
use crate::base::setting::{Complaint, Effective};
use crate::base::settings::{Count, Settings, Switch, Time, settings};
use crate::classify::Category;
use crate::event::Hook;
use crate::policy::budget::BudgetOf;
use std::time::Duration;

/// A policy that repeats failed calls: which ones, how often, and after which waits.
///
/// A plain `Copy` value without state: it can be a `const`, a field, or made for one call. By default 3
/// retries follow a failed call, after at most 100, 200 and 400 ms; the [module](crate::policy::with_retry)
/// says when to use it and how to choose the numbers, and [`presets`](crate::presets) has some.
///
/// A setter panics at an invalid value, which is a compile error in a `const`; [`try_new`](Self::try_new)
/// returns it as an error. Two settings that contradict each other are refused once both are set, in any
/// order, and by [`checked`](Self::checked).
///
/// # Examples
///
/// ```
/// use resilience::Retry;
/// use std::time::Duration;
///
/// const RETRY: Retry = Retry::new().max(2).base(Duration::from_millis(1)).checked();
///
/// let mut calls = 0;
/// let answer: std::io::Result<u32> = RETRY.call(|| {
///     calls += 1;
///     if calls < 3 { Err(std::io::ErrorKind::ConnectionReset.into()) } else { Ok(7) }
/// });
/// assert_eq!((answer.unwrap(), calls), (7, 3));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    pub(super) settings: Settings<RetryConfig>,
    pub(super) name: Option<&'static str>,
}

/// The settings of a [`Retry`] for errors of one category, in place of the general ones; `max(0)` retries none of them.
///
/// Its retries are counted separately. Settings that are not set are those of the retry that the rule is added
/// to. An error whose own classification says that it must not be repeated, or only once, is still
/// respected.
///
/// In an attribute it is `on(rate_limited, max = 5, base = 1s)`. Three uses are common: more patience with
/// `RateLimited`, a retry of an error that is usually final (`NotFound` after a write), and no retry of an error
/// that is usually retried (`max(0)`).
///
/// # Examples
///
/// ```
/// use resilience::Category;
/// use resilience::policy::with_retry::{Retry, Rule};
/// use std::time::Duration;
///
/// const RULES: &[Rule] = &[
///     Rule::new(Category::Invalid).max(1),
///     Rule::new(Category::RateLimited).max(5).base(Duration::from_secs(1)),
/// ];
/// const RETRY: Retry = Retry::new().on(RULES).checked();
/// assert_eq!(RETRY.max_attempts(), 1 + 3 + 1 + 5);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    pub(super) category: Category,
    /// Settings that are not set here are those of the retry.
    pub(super) settings: Settings<RetryConfig>,
}

settings! {
    /// The settings of a [`Retry`] that are known only at run time; see [`Retry::try_new`].
    ///
    /// Each field means what the setter of its name says; write `..RetryConfig::default()` for the others.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::policy::with_retry::{Retry, RetryConfig};
    /// use std::time::Duration;
    ///
    /// let config = RetryConfig { max: 5, cap: Duration::from_secs(2), ..RetryConfig::default() };
    /// assert_eq!(Retry::try_new(config).unwrap().max_attempts(), 6);
    ///
    /// let reversed = RetryConfig { base: Duration::from_secs(9), ..config };
    /// assert!(Retry::try_new(reversed).unwrap_err().message().starts_with("`base` is longer than `cap`"));
    /// ```
    #[derive(Clone, Copy, Debug)]
    pub struct RetryConfig {
        for policy Retry(settings), rule Rule(settings) {
            /// A call runs its body at most once more than that; 0 makes no retry. Attempts under a [`Rule`]
            /// come on top.
            max: Count = 3, "how many retries follow a failed call";
            /// With 2.0 and the default `base` the waits are up to 100, 200, 400, .. ms.
            ///
            /// # Panics
            ///
            /// If the factor of [`Backoff::Exponential`] is below 1, infinite or not a number; or if it is
            /// [`Backoff::Decorrelated`] beside a [`jitter`](Self::jitter) that was set.
            backoff: Backoff = 2.0, "how the wait grows from one retry to the next";
            /// 0 does not wait at all. About the time of one healthy call is a good start.
            ///
            /// # Panics
            ///
            /// If it is longer than a [`cap`](Self::cap) that was set.
            base: Time = 100ms, "the first wait before jitter";
            /// Limits the result of backoff and jitter, but not the wait that a service asks for: that is
            /// `retry_after_cap`.
            ///
            /// # Panics
            ///
            /// If it is shorter than a [`base`](Self::base) that was set.
            cap: Time = 10s, "the longest wait, after jitter";
            /// [`Backoff::Decorrelated`] has its own.
            ///
            /// # Panics
            ///
            /// If a range is reversed, goes below 0 or above 10, or has an end that is not a number; or beside a
            /// [`backoff`](Self::backoff) that was set to [`Backoff::Decorrelated`].
            jitter: Jitter = full unless set, "how the wait is spread at random";
        }
        for policy Retry(settings) {
            /// No wait begins that would end later. The running attempt is not cut: that is what a timeout
            /// does. It is counted from the start of the first attempt.
            give_up_after: Time above 0s = off, "the time after the start of a call within which retries may begin";
            /// An error that asks for a longer one ends the call at once; 0 takes none. The wait is never
            /// shortened: to call earlier than the service asked would only count against the caller.
            retry_after_cap: Time = 60s, "the longest server-requested wait that is honoured";
            /// Without it only errors with `delivered = no` are retried.
            idempotent: Switch = true, "whether a request that may have been carried out is repeated";
        }
        also {
            /// Rules for single categories, at most one for each.
            on: &'static [Rule] = &[];
            /// The budget that pays for retries: by default one of the annotated function.
            budget: BudgetOf = BudgetOf::Own;
            /// Called for each retry before its wait, with an [`Event::Retrying`](crate::Event::Retrying).
            on_retry: Option<Hook> = None;
            /// Called when a call fails permanently, with an [`Event::GaveUp`](crate::Event::GaveUp).
            on_give_up: Option<Hook> = None;
        }
        together {
            (base, cap): order;
            (backoff, jitter): jitters;
        }
    }
}

impl RetryConfig {
    const fn order(&self) -> Complaint {
        order(self.base, self.cap)
    }

    const fn jitters(&self) -> Complaint {
        jitters(self.backoff, self.jitter)
    }
}

pub(super) const fn order(base: Duration, cap: Duration) -> Complaint {
    if Time::from(cap, base) {
        return None;
    }
    Some("`base` is longer than `cap`: the first wait would already be cut")
}

/// Complains about a jitter beside a backoff that has its own.
pub(super) const fn jitters(backoff: Backoff, jitter: Option<Jitter>) -> Complaint {
    match (backoff, jitter) {
        (Backoff::Decorrelated, Some(_)) => Some("`decorrelated` has its own jitter: leave out `jitter`"),
        _ => None,
    }
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Rule {
    /// Creates a rule that makes `category` worth repeating, with the general settings.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::classify::Category;
    /// use resilience::{Retry, Rule};
    /// use std::io::{Error, ErrorKind};
    /// use std::time::Duration;
    ///
    /// // A read that follows a write on an eventually consistent service.
    /// const LATER: &[Rule] = &[Rule::new(Category::NotFound)];
    /// const RETRY: Retry = Retry::new().max(2).base(Duration::ZERO).on(LATER).checked();
    ///
    /// let mut calls = 0;
    /// let found: Result<u32, Error> = RETRY.call(|| {
    ///     calls += 1;
    ///     if calls == 1 { Err(ErrorKind::NotFound.into()) } else { Ok(7) }
    /// });
    /// assert_eq!((found.unwrap(), calls), (7, 2));
    /// ```
    pub const fn new(category: Category) -> Self {
        Self { category, settings: RetryConfig::DEFAULT.into_settings() }
    }

    const fn has(&self, row: Row) -> bool {
        self.settings.has(row as u32)
    }

    /// Returns what the rule itself sets.
    pub(super) fn own_settings(&self) -> impl Iterator<Item = Effective> {
        let settings = self.settings;
        let place = |name| RetryConfig::TABLE.iter().position(|row| row.name == name);
        let is_set = move |name| place(name).is_some_and(|row| settings.has(row as u32));
        settings.config.effective().into_iter().filter(move |setting| is_set(setting.name))
    }

    /// Returns the schedule of a retry with what this rule sets in place of `general`.
    const fn over(&self, general: Schedule) -> Schedule {
        let own = self.settings.config.schedule();
        Schedule {
            max: if self.has(Row::max) { own.max } else { general.max },
            backoff: if self.has(Row::backoff) { own.backoff } else { general.backoff },
            base: if self.has(Row::base) { own.base } else { general.base },
            cap: if self.has(Row::cap) { own.cap } else { general.cap },
            jitter: if self.has(Row::jitter) { own.jitter } else { general.jitter },
        }
    }
}

impl RetryConfig {
    const fn schedule(&self) -> Schedule {
        Schedule {
            max: self.max,
            backoff: self.backoff,
            base: self.base,
            cap: self.cap,
            jitter: self.jitter(),
        }
    }
}

impl Retry {
    /// Made once, and not for every annotated function, to save compile time.
    const DEFAULT: Self = Self { settings: RetryConfig::DEFAULT.into_settings(), name: None };

    /// Creates a policy of three retries, after waits of at most 100, 200 and 400 ms with full jitter.
    ///
    /// In an attribute they have a budget of their own; a value has none unless [`budget`](Self::budget)
    /// sets one.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Retry;
    ///
    /// const RETRY: Retry = Retry::new();
    /// assert_eq!(RETRY.max_attempts(), 4);
    /// ```
    pub const fn new() -> Self {
        Self::DEFAULT
    }

    pub(super) const fn config(&self) -> &RetryConfig {
        &self.settings.config
    }

    /// Returns the settings that hold for retries under `rule`, or under none.
    pub(super) const fn schedule(&self, rule: Option<&Rule>) -> Schedule {
        let general = self.config().schedule();
        match rule {
            Some(rule) => rule.over(general),
            None => general,
        }
    }

    /// Returns the most times that a call runs its body, by the counts alone.
    ///
    /// That is 1, plus `max`, plus the `max` of each rule. [`give_up_after`](Self::give_up_after), the budget
    /// or a timeout can end the call earlier.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Category, Retry, Rule};
    ///
    /// const RULES: &[Rule] = &[Rule::new(Category::RateLimited).max(5)];
    /// assert_eq!(Retry::new().max_attempts(), 4);
    /// assert_eq!(Retry::new().max(0).on(RULES).max_attempts(), 6);
    /// ```
    pub const fn max_attempts(&self) -> u64 {
        let mut attempts = 1 + self.config().max as u64;
        let mut n = 0;
        let rules = self.config().on;
        while n < rules.len() {
            attempts = attempts.saturating_add(self.schedule(Some(&rules[n])).max as u64);
            n += 1;
        }
        attempts
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self::new()
    }
}
