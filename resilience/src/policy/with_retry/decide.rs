//! The decision whether a failed attempt is followed by another one, and after which wait: a pure function.
//!
//! Everything that it depends on is an argument: the settings, what the call has done, the class of the error, what
//! `when` and `unless` said, and the surroundings ([`DecisionInput`]), which are asked for only if a retry is left. So
//! the tests below need no clock, and the expensive questions are not asked for errors that are not retried.
//!
//! The order of the questions is documented on the module [`with_retry`](super) and is part of the interface: it
//! decides which reason an event has, and that an error which is not retryable is never reported as one without retries
//! left.

use super::backoff::{Jitter, RETRY_AFTER_SPREAD, Schedule, duration, scaled};
use super::config::Retry;
use crate::classify::{Category, Classification, Delivered, Retryable};
use crate::policy::Ruling;
use std::time::Duration;

/// The progress of one call.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The number of attempts that have failed.
    pub(super) attempts: u32,
    general: RetryCount,
    ruled: Vec<RetryCount>,
    /// Whether the one retry of an error that is repeated once was made.
    once: bool,
}

/// The retries under the general settings, or under one rule.
#[derive(Clone, Copy, Debug, Default)]
struct RetryCount {
    retries: u32,
    previous: Option<Duration>,
}

/// The surroundings at the moment of the decision.
#[derive(Clone, Copy, Debug)]
pub(super) struct DecisionInput {
    /// The time since the start of the call; read only with `give_up_after`.
    pub(super) elapsed: Duration,
    /// The least time left of all timeouts around the call.
    pub(super) remaining: Option<Duration>,
    /// A random number in `0.0..1.0`.
    pub(super) random: f64,
}

/// A retry that may be made.
///
/// It is a proposal: the budget may still refuse it, and [`Progress::note`] counts it only once it is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Plan {
    /// The wait.
    pub(super) wait: Duration,
    /// The wait of the schedule alone.
    own: Duration,
    rule: Option<usize>,
    once: bool,
}

/// The reason why there is no further retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GiveUpReason {
    NotRetryable,
    WhenIsFalse,
    Exempt,
    Delivered,
    OnceUsed,
    NoneLeft,
    NoCopy,
    ServerWait,
    GiveUpAfter,
    Remaining,
    ShuttingDown,
    Budget,
}

impl GiveUpReason {
    /// Returns the reason as events and logs have it; a stable text, which dashboards group by.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::NotRetryable => "the error is not retryable",
            Self::WhenIsFalse => "`when` returned false",
            Self::Exempt => "`unless` returned true",
            Self::Delivered => "the request may have been carried out, and is not idempotent",
            Self::OnceUsed => "an error of this kind is retried once",
            Self::NoneLeft => "no retry is left",
            Self::NoCopy => "the request cannot be copied again",
            Self::ServerWait => "the server asks for a longer wait than `retry_after_cap`",
            Self::GiveUpAfter => "the wait would pass `give_up_after`",
            Self::Remaining => "the wait would outlast a timeout around the call",
            Self::ShuttingDown => "the process shuts down",
            Self::Budget => "the retry budget is used up",
        }
    }

    /// Returns whether there was no time left.
    #[cfg(feature = "cache")]
    pub(super) const fn is_out_of_time(self) -> bool {
        matches!(self, Self::GiveUpAfter | Self::Remaining)
    }
}

impl Progress {
    fn slot(&self, rule: Option<usize>) -> RetryCount {
        match rule {
            Some(n) => self.ruled.get(n).copied().unwrap_or_default(),
            None => self.general,
        }
    }

    /// Notes that `planned` is made.
    pub(super) fn note(&mut self, planned: &Plan) {
        let slot = match planned.rule {
            Some(n) => {
                if self.ruled.len() <= n {
                    self.ruled.resize(n + 1, RetryCount::default());
                }
                self.ruled.get_mut(n)
            }
            None => Some(&mut self.general),
        };
        if let Some(slot) = slot {
            *slot = RetryCount { retries: slot.retries.saturating_add(1), previous: Some(planned.own) };
        }
        self.once |= planned.once;
    }
}

/// Decides what follows the failure `class`, without asking the budget.
///
/// `moment` is called only if a retry is left for an error that is retried: it reads the clock and draws a
/// random number.
pub(super) fn decide(
    retry: &Retry,
    progress: &Progress,
    class: &Classification,
    ruling: Ruling,
    moment: impl FnOnce() -> DecisionInput,
) -> Result<Plan, GiveUpReason> {
    let rule = retry.config().on.iter().position(|rule| rule.category == class.category);
    let once = is_once(retry, progress, class, ruling, rule.is_some())?;
    let schedule = retry.schedule(rule.and_then(|n| retry.config().on.get(n)));
    let slot = progress.slot(rule);
    if slot.retries >= schedule.max {
        return Err(GiveUpReason::NoneLeft);
    }
    if ruling == Ruling::Last {
        return Err(GiveUpReason::NoCopy);
    }
    let moment = moment();
    let own = schedule.delay(slot.retries, slot.previous, moment.random);
    let wait = wait(retry, &schedule, own, class.retry_after, &moment)?;
    Ok(Plan { wait, own, rule, once })
}

/// Returns whether the error may be repeated at all, and then whether only once.
fn is_once(
    retry: &Retry,
    progress: &Progress,
    class: &Classification,
    ruling: Ruling,
    ruled: bool,
) -> Result<bool, GiveUpReason> {
    match ruling {
        Ruling::Exempt => return Err(GiveUpReason::Exempt),
        Ruling::No => return Err(GiveUpReason::WhenIsFalse),
        Ruling::ByCategory | Ruling::Yes | Ruling::Last => {}
    }
    let words = match ruling {
        // Only a rule that names them asks for retries of our own policies' refusals.
        _ if class.category == Category::Rejected && !ruled => Retryable::Never,
        Ruling::Yes => Retryable::Backoff,
        // A rule replaces what the category says, not what the error says of itself.
        _ if ruled && class.retry == class.category.retry() => Retryable::Backoff,
        _ => class.retry,
    };
    match words {
        Retryable::Never => Err(GiveUpReason::NotRetryable),
        _ if !retry.config().idempotent && class.delivered != Delivered::No => Err(GiveUpReason::Delivered),
        Retryable::Once if progress.once => Err(GiveUpReason::OnceUsed),
        words => Ok(words == Retryable::Once),
    }
}

/// Returns the longer of the own wait and the one that the server asks for, if there is time for it.
fn wait(
    retry: &Retry,
    schedule: &Schedule,
    own: Duration,
    asked: Option<Duration>,
    moment: &DecisionInput,
) -> Result<Duration, GiveUpReason> {
    let Some(asked) = asked.filter(|asked| *asked > own) else {
        return fits(retry, moment, own).map(|()| own);
    };
    if asked > retry.config().retry_after_cap {
        return Err(GiveUpReason::ServerWait);
    }
    fits(retry, moment, asked)?;
    let spread = spread(schedule, asked, moment.random);
    // The spread is a courtesy: it never makes a wait too long that fits without it.
    Ok(if fits(retry, moment, spread).is_ok() { spread } else { asked })
}

/// Returns the server's wait plus a random part of it, so that its callers do not all return at one instant.
fn spread(schedule: &Schedule, asked: Duration, random: f64) -> Duration {
    if schedule.jitter == Jitter::None {
        return asked;
    }
    let asked = asked.as_nanos();
    duration(asked.saturating_add(scaled(asked, random * RETRY_AFTER_SPREAD)))
}

fn fits(retry: &Retry, moment: &DecisionInput, wait: Duration) -> Result<(), GiveUpReason> {
    // To wake up just as a timeout goes off is to wake up for nothing.
    if moment.remaining.is_some_and(|remaining| wait >= remaining) {
        return Err(GiveUpReason::Remaining);
    }
    match retry.config().give_up_after {
        Some(limit) if moment.elapsed.saturating_add(wait) > limit => Err(GiveUpReason::GiveUpAfter),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Backoff, Rule};
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const PLAIN: Retry = Retry::new().jitter(Jitter::None).base(SECOND);
    const NOW: DecisionInput = DecisionInput { elapsed: Duration::ZERO, remaining: None, random: 0.5 };

    fn class(category: Category) -> Classification {
        Classification::new(category)
    }

    fn first(retry: &Retry, class: Classification, ruling: Ruling) -> Result<Duration, GiveUpReason> {
        decide(retry, &Progress::default(), &class, ruling, || NOW).map(|planned| planned.wait)
    }

    fn at(retry: &Retry, class: Classification, moment: DecisionInput) -> Result<Duration, GiveUpReason> {
        let progress = Progress::default();
        decide(retry, &progress, &class, Ruling::ByCategory, || moment).map(|planned| planned.wait)
    }

    /// Returns the waits of a call whose attempts fail with `classes`, then why it stops.
    fn run(retry: &Retry, classes: &[Classification]) -> (Vec<u128>, Option<GiveUpReason>) {
        let (mut progress, mut waits) = (Progress::default(), Vec::new());
        for class in classes {
            match decide(retry, &progress, class, Ruling::ByCategory, || NOW) {
                Ok(planned) => {
                    progress.note(&planned);
                    waits.push(planned.wait.as_secs().into());
                }
                Err(stop) => return (waits, Some(stop)),
            }
        }
        (waits, None)
    }

    #[test]
    fn no_clock_or_random_number_is_read_without_retries_left() {
        const RULES: &[Rule] = &[Rule::new(Category::RateLimited).max(0)];
        let never = || -> DecisionInput { unreachable!("nothing is left to plan") };
        let decide = |retry: &Retry, category, ruling| {
            decide(retry, &Progress::default(), &class(category), ruling, never).map(|_| ())
        };
        let timeout = Category::Timeout;
        assert_eq!(decide(&PLAIN.max(0), timeout, Ruling::ByCategory), Err(GiveUpReason::NoneLeft));
        assert_eq!(decide(&PLAIN.on(RULES), Category::RateLimited, Ruling::Yes), Err(GiveUpReason::NoneLeft));
        assert_eq!(decide(&PLAIN, Category::Invalid, Ruling::ByCategory), Err(GiveUpReason::NotRetryable));
        assert_eq!(decide(&PLAIN, timeout, Ruling::No), Err(GiveUpReason::WhenIsFalse));
        assert_eq!(decide(&PLAIN, timeout, Ruling::Exempt), Err(GiveUpReason::Exempt));
        assert_eq!(
            decide(&PLAIN.idempotent(false), timeout, Ruling::ByCategory),
            Err(GiveUpReason::Delivered)
        );
    }

    #[test]
    fn categories_decide_what_is_retried() {
        for category in Category::ALL {
            let expected = if category.is_retryable() { Ok(SECOND) } else { Err(GiveUpReason::NotRetryable) };
            assert_eq!(first(&PLAIN, class(category), Ruling::ByCategory), expected, "{category}");
        }
    }

    #[test]
    fn when_and_unless_override_the_category() {
        let invalid = class(Category::Invalid);
        assert_eq!(first(&PLAIN, invalid, Ruling::Yes), Ok(SECOND));
        assert_eq!(first(&PLAIN, class(Category::Timeout), Ruling::No), Err(GiveUpReason::WhenIsFalse));
        assert_eq!(first(&PLAIN, class(Category::Timeout), Ruling::Exempt), Err(GiveUpReason::Exempt));
        assert_eq!(first(&PLAIN, class(Category::Rejected), Ruling::Yes), Err(GiveUpReason::NotRetryable));
    }

    #[test]
    fn once_allows_one_retry_per_call() {
        let (conflict, timeout) = (class(Category::Conflict), class(Category::Timeout));
        assert_eq!(run(&PLAIN, &[conflict, timeout, conflict]), (vec![1, 2], Some(GiveUpReason::OnceUsed)));
    }

    #[test]
    fn a_rule_replaces_never_and_has_its_own_count() {
        const RULES: &[Rule] =
            &[Rule::new(Category::Invalid).max(1), Rule::new(Category::RateLimited).max(3).base(SECOND)];
        let retry = PLAIN.max(2).on(RULES);
        let (invalid, limited, timeout) =
            (class(Category::Invalid), class(Category::RateLimited), class(Category::Timeout));
        assert_eq!(retry.max_attempts(), 7);
        assert_eq!(
            run(&retry, &[invalid, limited, timeout, limited, timeout, limited, limited]),
            (vec![1, 1, 1, 2, 2, 4], Some(GiveUpReason::NoneLeft))
        );
        assert_eq!(run(&retry, &[invalid, invalid]), (vec![1], Some(GiveUpReason::NoneLeft)));
        assert_eq!(run(&retry, &[timeout, timeout, timeout]), (vec![1, 2], Some(GiveUpReason::NoneLeft)));
    }

    #[test]
    fn a_rule_does_not_override_the_errors_own_retry_setting() {
        const RULES: &[Rule] = &[Rule::new(Category::Unavailable)];
        let gone = class(Category::Unavailable).retry(Retryable::Never);
        assert_eq!(first(&PLAIN.on(RULES), gone, Ruling::ByCategory), Err(GiveUpReason::NotRetryable));
        assert_eq!(first(&PLAIN.on(RULES), gone, Ruling::Yes), Ok(SECOND));
    }

    #[test]
    fn rejections_are_retried_only_with_a_rule() {
        const RULES: &[Rule] = &[Rule::new(Category::Rejected)];
        let open = class(Category::Rejected).retry_after(SECOND * 5);
        assert_eq!(first(&PLAIN, open, Ruling::ByCategory), Err(GiveUpReason::NotRetryable));
        assert_eq!(
            first(&PLAIN, open.retry(Retryable::Backoff), Ruling::ByCategory),
            Err(GiveUpReason::NotRetryable)
        );
        assert_eq!(first(&PLAIN.on(RULES), open, Ruling::ByCategory), Ok(SECOND * 5));
    }

    #[test]
    fn a_non_idempotent_call_is_retried_only_if_not_delivered() {
        let retry = PLAIN.idempotent(false);
        assert_eq!(first(&retry, class(Category::RateLimited), Ruling::ByCategory), Ok(SECOND));
        for ruling in [Ruling::ByCategory, Ruling::Yes] {
            assert_eq!(first(&retry, class(Category::Timeout), ruling), Err(GiveUpReason::Delivered));
        }
        let refused = class(Category::Connection).delivered(Delivered::No);
        assert_eq!(first(&retry, refused, Ruling::ByCategory), Ok(SECOND));
    }

    #[test]
    fn retry_after_replaces_shorter_waits_and_is_never_shortened() {
        let busy = |secs| class(Category::RateLimited).retry_after(Duration::from_secs(secs));
        let wait = |retry: &Retry, secs| first(retry, busy(secs), Ruling::ByCategory);
        assert_eq!(wait(&PLAIN, 0), Ok(SECOND));
        assert_eq!(wait(&PLAIN, 20), Ok(SECOND * 20));
        assert_eq!(wait(&PLAIN, 60), Ok(SECOND * 60));
        assert_eq!(wait(&PLAIN, 61), Err(GiveUpReason::ServerWait));
        assert_eq!(wait(&PLAIN, u64::MAX), Err(GiveUpReason::ServerWait));
        assert_eq!(wait(&PLAIN.retry_after_cap(Duration::MAX), u64::MAX), Ok(Duration::from_secs(u64::MAX)));
        let jittered = PLAIN.jitter(Jitter::Full);
        assert_eq!(wait(&jittered, 20), Ok(SECOND * 21));
        assert_eq!(wait(&jittered.retry_after_cap(Duration::MAX), u64::MAX), Ok(Duration::MAX));
        assert_eq!(wait(&Retry::new().backoff(Backoff::Decorrelated), 20), Ok(SECOND * 21));
    }

    #[test]
    fn no_wait_starts_without_enough_time_left() {
        let timeout = class(Category::Timeout);
        let limited = PLAIN.give_up_after(SECOND * 30);
        let elapsed = |secs| DecisionInput { elapsed: Duration::from_secs(secs), ..NOW };
        let remaining = |secs| DecisionInput { remaining: Some(Duration::from_secs(secs)), ..NOW };
        assert_eq!(at(&limited, timeout, elapsed(29)), Ok(SECOND));
        assert_eq!(at(&limited, timeout, elapsed(30)), Err(GiveUpReason::GiveUpAfter));
        assert_eq!(at(&limited, timeout, elapsed(u64::MAX)), Err(GiveUpReason::GiveUpAfter));
        assert_eq!(at(&PLAIN, timeout, remaining(2)), Ok(SECOND));
        assert_eq!(at(&PLAIN, timeout, remaining(1)), Err(GiveUpReason::Remaining));
        assert_eq!(at(&PLAIN.base(Duration::ZERO), timeout, remaining(0)), Err(GiveUpReason::Remaining));
        let busy = class(Category::RateLimited).retry_after(SECOND * 20);
        assert_eq!(at(&limited, busy, elapsed(11)), Err(GiveUpReason::GiveUpAfter));
        assert_eq!(at(&PLAIN, busy, remaining(20)), Err(GiveUpReason::Remaining));
        let jittered = limited.jitter(Jitter::Full);
        assert_eq!(at(&jittered, busy, elapsed(10)), Ok(SECOND * 20));
        assert_eq!(at(&jittered, busy, elapsed(5)), Ok(SECOND * 21));
    }
}
