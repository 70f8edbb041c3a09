//! One call and its attempts: the work after each of them.
//!
//! An expansion calls `start`, then after each attempt `settle`, and `pause` or `sleep` where that says that another
//! attempt follows.
//! Settling a success on the happy path reads two numbers and returns; all else is behind [`failed`], which is cold and
//! not inlined, so that an annotated function has little code of the retry in it.
//!
//! The order in [`judged`] and [`next`] is the order of the events, and of what is paid: the decision first, then the
//! budget, then the event, then the hook. What `decide` refuses costs no token, and a hook sees a retry only when it
//! will be made.
//!
//! # Invariants
//!
//! - A token is withdrawn for exactly one wait, and goes back if the wait is dropped before its attempt begins.
//! - The policy never makes an error: the outcome of the last attempt is returned as it is.

use super::call::{AttemptHistory, CallState};
use super::config::Retry;
use super::decide::{DecisionInput, GiveUpReason, decide};
use crate::base::clock::now;
use crate::base::{repeats, rng, scope, stopping};
use crate::classify::{Category, Classification};
use crate::event::{Event, Hook, Log, blocks, emit_as, is_heard, shows_all_keys};
use crate::point::PointName;
use crate::policy::budget::{Budget, PaidBy, Pays, Withdrawal};
use crate::policy::{Ruling, Verdict};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// The code that makes the calls, as a retry sees it: its settings, its name in events, and its counters.
///
/// The parts that each annotated function contains are generic over the site: the function then passes one
/// pointer to the parts that rarely run.
pub(super) trait CallSite {
    fn retry(&self) -> &Retry;
    fn name(&self) -> PointName;
    fn count(&self, counter: Counter);
    /// Counts that a retry follows after this wait.
    #[cfg(feature = "ops")]
    fn count_retried(&self, wait: &Wait<'_>) {
        let _ = wait;
    }
}

/// The counters of a retry.
#[derive(Clone, Copy, Debug)]
pub(super) enum Counter {
    Retry,
    /// A retry that another retry repeats.
    Nested,
    Recovered,
    NotRetryable,
    /// A call that gave up with its retries used up, or for an error that is not retried.
    Exhausted,
    /// A call that gave up for lack of time.
    OutOfTime,
    /// A call that gave up because the server asked for a longer wait than allowed.
    ServerWait,
    /// A call that gave up for lack of tokens.
    Denied,
    Throttled,
}

impl Counter {
    /// The number of counters.
    pub(super) const COUNT: usize = Self::Throttled as usize + 1;

    /// Returns whether the call had retried, or would have, had there been time and tokens for it.
    pub(super) const fn has_given_up(self) -> bool {
        matches!(self, Self::Exhausted | Self::OutOfTime | Self::ServerWait | Self::Denied)
    }
}

/// The wait before the next attempt, with the tokens that were paid for it. Dropped before that attempt
/// begins, it returns the tokens.
#[derive(Debug)]
pub(super) struct Wait<'b> {
    pub(super) delay: Duration,
    /// The category of the failed attempt before it.
    #[cfg(feature = "ops")]
    pub(super) category: Category,
    /// Whether the wait is the one that the service has asked for.
    #[cfg(feature = "ops")]
    pub(super) is_asked_for: bool,
    tokens: Option<Withdrawal<'b>>,
}

impl Wait<'_> {
    /// Ends the wait: the attempt that was paid for begins.
    fn end(self) {
        if let Some(tokens) = self.tokens {
            tokens.spend_on_retry();
        }
    }
}

/// A call that waits for its next attempt.
#[derive(Debug)]
#[doc(hidden)]
pub struct Retrying<'b> {
    pub(super) call: CallState,
    pub(super) wait: Wait<'b>,
}

/// Settles an attempt whose retries `budget` pays for: `Err` of the call that waits for its next one, or the verdict
/// with which it ends.
#[inline]
pub(super) fn settle<'b, S: CallSite + Copy>(
    site: S,
    call: CallState,
    verdict: Verdict,
    ruling: Ruling,
    budget: impl Pays<'b>,
) -> Result<Verdict, Retrying<'b>> {
    let Some(class) = &verdict else {
        if call.is_empty() && budget.is_full() {
            drop(call);
        } else {
            succeeded(site, call, budget.refunded());
        }
        // A new `None`: the compiler need not keep the verdict of a success in memory.
        return Ok(None);
    };
    failed(site, call, class, ruling, budget.payer())
}

/// Returns how many attempts a call may make, as events have it.
fn attempts_max(retry: &Retry) -> u32 {
    u32::try_from(retry.max_attempts()).unwrap_or(u32::MAX)
}

/// Logs that the attempt of this number begins, where `tracing` listens to that.
#[inline]
pub(super) fn begin<S: CallSite + Copy>(site: S, attempt: u32) {
    #[cfg(feature = "tracing")]
    if tracing::level_filters::LevelFilter::current() >= tracing::level_filters::LevelFilter::TRACE {
        started(site, attempt);
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (site, attempt);
}

/// Begins the retry that `call` has waited for.
#[cold]
pub(super) fn begin_retry<S: CallSite + Copy>(site: S, call: &mut CallState, wait: Wait<'_>) {
    #[cfg(feature = "ops")]
    call.begin_retry();
    begin_again(site, call.attempt(), wait);
}

/// Begins the attempt with this number, which is not the first of its call, after its `wait`.
pub(super) fn begin_again<S: CallSite + Copy>(site: S, attempt: u32, wait: Wait<'_>) {
    #[cfg(feature = "ops")]
    site.count_retried(&wait);
    #[cfg(feature = "durable")]
    crate::policy::recoveries::count_wait(wait.delay);
    wait.end();
    site.count(Counter::Retry);
    if repeats::depth() > 0 {
        site.count(Counter::Nested);
    }
    begin(site, attempt);
}

/// The wait between two attempts; boxed, so that the annotated future need not hold the timer.
pub(super) type Pause<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Blocks the thread for the wait; then the next attempt begins on it, which is marked for as long as that runs.
#[cold]
pub(super) fn sleep<S: CallSite + Copy>(site: S, retrying: Retrying<'_>) -> CallState {
    blocks(&site.name());
    let Retrying { mut call, wait } = retrying;
    stopping::sleep(wait.delay);
    begin_retry(site, &mut call, wait);
    call.enter(site.name());
    call
}

#[cfg(feature = "tracing")]
#[cold]
#[inline(never)]
fn started<S: CallSite + Copy>(site: S, attempt: u32) {
    crate::event::started(&site.name(), attempt, attempts_max(site.retry()));
}

/// Settles a success after `failed` failures, or one that finds a budget not full.
#[cold]
#[inline(never)]
fn succeeded<S: CallSite + Copy>(site: S, mut call: CallState, budget: Option<&Budget>) {
    call.leave();
    let failed = call.failed();
    if let Some(budget) = budget
        && (failed > 0 || !budget.is_full())
    {
        budget.deposit_success();
    }
    if failed > 0 {
        site.count(Counter::Recovered);
        let (point, key) = (site.name(), budget.and_then(Budget::key));
        let (attempt, attempts_max) = (failed.saturating_add(1), attempts_max(site.retry()));
        let inside = repeats::around();
        report(&Event::Recovered { point, key, attempt, attempts_max, inside }, None);
    }
}

/// Emits an event of a call; no attribute of a retry shows its key in `tracing`, only the environment does.
fn report(event: &Event, hook: Option<Hook>) {
    let shows_key = event.key().is_some() && shows_all_keys();
    emit_as(event, hook, Log { pace: None, shows_key });
}

/// Returns whether a policy below rejected the call. That policy emitted the event; a retry adds none, so that an
/// open breaker costs no second event for each call.
fn is_rejected(retry: &Retry, class: &Classification) -> bool {
    class.category == Category::Rejected
        && retry.config().on.iter().all(|rule| rule.category != Category::Rejected)
}

/// Decides what follows a failure, and emits its events: `Err` of the call that waits for its next attempt, or the
/// verdict with which it ends.
#[cold]
#[inline(never)]
fn failed<'b, S: CallSite + Copy>(
    site: S,
    mut call: CallState,
    class: &Classification,
    ruling: Ruling,
    paid_by: PaidBy<'b>,
) -> Result<Verdict, Retrying<'b>> {
    match call.next(|history| judged(&site, history, *class, ruling, paid_by)) {
        Some(wait) => Err(Retrying { call, wait }),
        None => Ok(Some(*class)),
    }
}

/// Judges a failure like [`failed`], with the call's history at hand; not generic, so that it is compiled once for all
/// functions.
fn judged<'b>(
    site: &dyn CallSite,
    history: &mut AttemptHistory,
    class: Classification,
    ruling: Ruling,
    paid_by: PaidBy<'b>,
) -> Option<Wait<'b>> {
    let retry = site.retry();
    history.progress.attempts = history.progress.attempts.saturating_add(1);
    let attempt = history.progress.attempts;
    if attempt == 1 && is_rejected(retry, &class) {
        return None;
    }
    let attempts_max = attempts_max(retry);
    let key = || match paid_by {
        PaidBy::Budget(budget) => budget.key(),
        PaidBy::Nothing | PaidBy::Denied => None,
    };
    let next = next(retry, history, &class, ruling, paid_by);
    if is_heard() {
        let delay = next.as_ref().ok().map(|wait| wait.delay);
        let reason = next.as_ref().err().map(|stop| stop.reason());
        let (point, key, inside) = (site.name(), key(), repeats::around());
        let failed = Event::AttemptFailed { point, key, attempt, attempts_max, class, delay, reason, inside };
        report(&failed, None);
    }
    match next {
        Ok(wait) => {
            let (point, key, delay, inside) = (site.name(), key(), wait.delay, repeats::around());
            let retrying = Event::Retrying { point, key, attempt, attempts_max, class, delay, inside };
            report(&retrying, retry.config().on_retry);
            Some(wait)
        }
        Err(stop) => {
            if count_end(site, attempt, stop) {
                let (point, key, inside) = (site.name(), key(), repeats::around());
                let reason = stop.reason();
                let gave_up = Event::GaveUp { point, key, attempt, attempts_max, class, reason, inside };
                report(&gave_up, retry.config().on_give_up);
            }
            None
        }
    }
}

/// Counts a call that ends with the error of its `attempt`; whether it has given up, and not had an error that is never
/// retried.
fn count_end(site: &dyn CallSite, attempt: u32, stop: GiveUpReason) -> bool {
    #[cfg(feature = "cache")]
    if stop.is_out_of_time() {
        crate::base::marks::out_of_time();
    }
    let counter = match stop {
        GiveUpReason::Budget => Counter::Denied,
        GiveUpReason::ServerWait => Counter::ServerWait,
        GiveUpReason::GiveUpAfter | GiveUpReason::Remaining | GiveUpReason::ShuttingDown => {
            Counter::OutOfTime
        }
        _ if attempt > 1 => Counter::Exhausted,
        _ => Counter::NotRetryable,
    };
    site.count(counter);
    counter.has_given_up()
}

/// Decides and pays: the wait before the next attempt, or the reason why there is none.
fn next<'b>(
    retry: &Retry,
    AttemptHistory { progress, started, .. }: &mut AttemptHistory,
    class: &Classification,
    ruling: Ruling,
    paid_by: PaidBy<'b>,
) -> Result<Wait<'b>, GiveUpReason> {
    let moment = || DecisionInput {
        elapsed: started.map_or(Duration::ZERO, |at| now().saturating_duration_since(at)),
        remaining: scope::remaining(),
        random: rng::uniform(),
    };
    let planned = decide(retry, progress, class, ruling, moment)?;
    if stopping::has_begun() {
        return Err(GiveUpReason::ShuttingDown);
    }
    // Last, so that a retry which is not made for another reason costs nothing.
    let tokens = match paid_by {
        _ if class.is_refusal() => None,
        PaidBy::Nothing => None,
        PaidBy::Denied => return Err(GiveUpReason::Budget),
        PaidBy::Budget(budget) => {
            Some(budget.withdraw(class.category == Category::Timeout).ok_or(GiveUpReason::Budget)?)
        }
    };
    progress.note(&planned);
    Ok(Wait {
        delay: planned.wait,
        #[cfg(feature = "ops")]
        category: class.category,
        #[cfg(feature = "ops")]
        is_asked_for: class.retry_after.is_some_and(|asked| planned.wait >= asked),
        tokens,
    })
}
