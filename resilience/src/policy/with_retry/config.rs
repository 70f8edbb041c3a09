//! The settings of a retry: a plain value, made in a `const` or at run time.

use super::backoff::{Backoff, Jitter, Schedule, duration};
use super::budget::BudgetOf;
use super::{Budget, Rule, check, waits};
use crate::defaults::with_retry as defaults;
use crate::event::Hook;
use crate::policy::InvalidPolicy;
use std::time::Duration;

/// When to call again after a failure, how often, and after which waits.
///
/// A plain `Copy` value without state. Setters refuse nonsense by a panic, which is a compile error in a
/// `const`; [`try_new`](Self::try_new) returns it as an error. Two settings that only together make no
/// sense are refused once both are set, in any order, and by [`checked`](Self::checked).
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
#[allow(clippy::struct_field_names, reason = "fields are called as the settings are")]
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    pub(super) max: u32,
    pub(super) backoff: Backoff,
    pub(super) base: Option<Duration>,
    pub(super) cap: Option<Duration>,
    pub(super) jitter: Option<Jitter>,
    pub(super) give_up_after: Option<Duration>,
    pub(super) retry_after_cap: Duration,
    pub(super) idempotent: bool,
    pub(super) rules: &'static [Rule],
    pub(super) budget: BudgetOf,
    pub(super) on_retry: Option<Hook>,
    pub(super) on_give_up: Option<Hook>,
    pub(super) name: Option<&'static str>,
}

/// The settings of a [`Retry`] that are known only at run time; see [`Retry::try_new`].
///
/// Each field means what the setter of its name says; write `..RetryConfig::default()` for the others.
#[derive(Clone, Copy, Debug)]
pub struct RetryConfig {
    /// How many retries follow a failed call.
    pub max: u32,
    /// How the wait grows.
    pub backoff: Backoff,
    /// The first wait before jitter.
    pub base: Duration,
    /// The longest wait, after jitter.
    pub cap: Duration,
    /// How the wait is spread; `None` is `Full`, or the spread of `Decorrelated` itself.
    pub jitter: Option<Jitter>,
    /// How long after its start a call may begin its last wait, at most.
    pub give_up_after: Option<Duration>,
    /// The longest wait that is taken from the server.
    pub retry_after_cap: Duration,
    /// Whether a request that may have been carried out is repeated.
    pub idempotent: bool,
    /// Other rules for single categories.
    pub on: &'static [Rule],
    /// Which budget pays for retries.
    pub budget: BudgetOf,
    /// Called for each retry.
    pub on_retry: Option<Hook>,
    /// Called when a call fails for good.
    pub on_give_up: Option<Hook>,
}

impl Default for RetryConfig {
    fn default() -> Self {
        let retry = Retry::new();
        Self {
            max: retry.max,
            backoff: retry.backoff,
            base: retry.base_or_default(),
            cap: retry.cap_or_default(),
            jitter: retry.jitter,
            give_up_after: retry.give_up_after,
            retry_after_cap: retry.retry_after_cap,
            idempotent: retry.idempotent,
            on: retry.rules,
            budget: retry.budget,
            on_retry: retry.on_retry,
            on_give_up: retry.on_give_up,
        }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self::new()
    }
}

impl Retry {
    /// Made once, not anew for every annotated function: the compiler's own time.
    const DEFAULT: Self = Self {
        max: defaults::MAX,
        backoff: Backoff::Exponential(defaults::BACKOFF),
        base: None,
        cap: None,
        jitter: None,
        give_up_after: None,
        retry_after_cap: defaults::RETRY_AFTER_CAP,
        idempotent: defaults::IDEMPOTENT,
        rules: &[],
        budget: BudgetOf::Own,
        on_retry: None,
        on_give_up: None,
        name: None,
    };

    /// Three retries after 100, 200 and 400 ms at most, fully jittered, with a budget of their own.
    pub const fn new() -> Self {
        Self::DEFAULT
    }

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
        let retry = Self {
            max: config.max,
            backoff: config.backoff,
            base: Some(config.base),
            cap: Some(config.cap),
            jitter: config.jitter,
            give_up_after: config.give_up_after,
            retry_after_cap: config.retry_after_cap,
            idempotent: config.idempotent,
            rules: config.on,
            budget: config.budget,
            on_retry: config.on_retry,
            on_give_up: config.on_give_up,
            name: None,
        };
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
        check::enforce(check::whole(&self));
        self
    }

    /// Sets how many retries follow a failed call: by default 3, so up to 4 calls; 0 makes none.
    pub const fn max(mut self, max: u32) -> Self {
        self.max = max;
        self
    }

    /// Sets how the wait grows; by default it doubles.
    ///
    /// # Panics
    ///
    /// If the factor is below 1, infinite or not a number.
    #[track_caller]
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        check::enforce(check::backoff(backoff));
        check::enforce(check::jitters(backoff, self.jitter));
        self.backoff = backoff;
        self
    }

    /// Sets the first wait before jitter: by default 100 ms, at most `cap`; 0 does not wait at all.
    ///
    /// # Panics
    ///
    /// If it is longer than a `cap` that was set before.
    #[track_caller]
    pub const fn base(mut self, base: Duration) -> Self {
        if let Some(cap) = self.cap {
            check::enforce(check::order(base, cap));
        }
        self.base = Some(base);
        self
    }

    /// Sets the longest wait, after jitter: by default 10 s, at least `base`.
    ///
    /// # Panics
    ///
    /// If it is shorter than a `base` that was set before.
    #[track_caller]
    pub const fn cap(mut self, cap: Duration) -> Self {
        if let Some(base) = self.base {
            check::enforce(check::order(base, cap));
        }
        self.cap = Some(cap);
        self
    }

    /// Sets how the wait is spread at random; by default fully.
    ///
    /// # Panics
    ///
    /// If a range is reversed, goes below 0 or above 10, or has an end that is not a number; or beside
    /// `Decorrelated`, which has its own.
    #[track_caller]
    pub const fn jitter(mut self, jitter: Jitter) -> Self {
        check::enforce(check::jitter(jitter));
        check::enforce(check::jitters(self.backoff, Some(jitter)));
        self.jitter = Some(jitter);
        self
    }

    /// Sets a limit to the time from the start of the call: no wait begins that would pass it.
    ///
    /// The running attempt is not cut; that is what a timeout does. Off by default.
    ///
    /// # Panics
    ///
    /// If it is zero.
    #[track_caller]
    pub const fn give_up_after(mut self, limit: Duration) -> Self {
        check::enforce(check::give_up_after(limit));
        self.give_up_after = Some(limit);
        self
    }

    /// Sets the longest wait that is taken from the server: by default 60 s; an error that asks for
    /// a longer one ends the call at once.
    pub const fn retry_after_cap(mut self, cap: Duration) -> Self {
        self.retry_after_cap = cap;
        self
    }

    /// Sets whether a request that may have been carried out is repeated; by default it is. `false`
    /// repeats only after errors with `delivered = no`.
    pub const fn idempotent(mut self, idempotent: bool) -> Self {
        self.idempotent = idempotent;
        self
    }

    /// Sets other rules for single categories.
    ///
    /// # Panics
    ///
    /// If two of them name one category.
    #[track_caller]
    pub const fn on(mut self, rules: &'static [Rule]) -> Self {
        check::enforce(check::twice(rules));
        self.rules = rules;
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
        self.budget = budget;
        self
    }

    /// Sets a function that is called for each retry before its wait.
    pub const fn on_retry(mut self, hook: Hook) -> Self {
        self.on_retry = Some(hook);
        self
    }

    /// Sets a function that is called when a call fails for good.
    pub const fn on_give_up(mut self, hook: Hook) -> Self {
        self.on_give_up = Some(hook);
        self
    }

    /// Sets the name that events carry when this value makes calls by itself; by default `file:line` of the
    /// call.
    pub const fn name(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    /// Returns how often a call runs its body at most, by the counts alone: 1, `max`, and the `max` of each
    /// rule. [`give_up_after`](Self::give_up_after) can end it earlier.
    pub const fn max_attempts(&self) -> u64 {
        let mut attempts = 1 + self.max as u64;
        let mut n = 0;
        while n < self.rules.len() {
            attempts = attempts.saturating_add(self.schedule(Some(&self.rules[n])).max as u64);
            n += 1;
        }
        attempts
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
        let server = self.retry_after_cap.as_nanos();
        let server = server.saturating_add(super::backoff::scaled(server, defaults::RETRY_AFTER_SPREAD));
        let mut sum = waits::longest(&self.schedule(None), server);
        let mut n = 0;
        while n < self.rules.len() {
            sum = sum.saturating_add(waits::longest(&self.schedule(Some(&self.rules[n])), server));
            n += 1;
        }
        sum
    }

    pub(super) const fn base_or_default(&self) -> Duration {
        or(self.base, defaults::BASE)
    }

    pub(super) const fn cap_or_default(&self) -> Duration {
        or(self.cap, defaults::CAP)
    }

    pub(super) const fn jitter_or_default(&self) -> Jitter {
        match self.jitter {
            Some(jitter) => jitter,
            None => Jitter::Full,
        }
    }

    /// The settings that hold for retries under `rule`, or under none.
    pub(super) const fn schedule(&self, rule: Option<&Rule>) -> Schedule {
        let general = Schedule {
            max: self.max,
            backoff: self.backoff,
            base: self.base_or_default(),
            cap: self.cap_or_default(),
            jitter: self.jitter_or_default(),
        };
        let Some(rule) = rule else { return general };
        Schedule {
            max: match rule.max {
                Some(max) => max,
                None => general.max,
            },
            backoff: match rule.backoff {
                Some(backoff) => backoff,
                None => general.backoff,
            },
            base: or(rule.base, general.base),
            cap: or(rule.cap, general.cap),
            jitter: match rule.jitter {
                Some(jitter) => jitter,
                None => general.jitter,
            },
        }
    }
}

const fn or(set: Option<Duration>, default: Duration) -> Duration {
    match set {
        Some(set) => set,
        None => default,
    }
}
