//! One call and its attempts: what is left to do after each of them.

use super::budget::Paid;
use super::config::Retry;
use super::decide::{Moment, Progress, Stop, decide};
use crate::classify::{Category, Classification};
use crate::clock::now;
use crate::event::{Event, emit};
use crate::point::PointName;
use crate::policy::Ruling;
use crate::{rng, scope};
use std::time::{Duration, Instant};

/// A running call: nothing but its start, where that matters, until an attempt fails.
#[derive(Debug)]
#[doc(hidden)]
pub struct Retrying<S = ()> {
    failed: Option<Box<Run>>,
    started: S,
}

/// A call of which an attempt has failed.
#[derive(Debug, Default)]
pub(super) struct Run {
    progress: Progress,
}

/// The start of a call: unknown where `give_up_after` is not set.
#[doc(hidden)]
pub trait Started {
    /// When the call began, if that matters.
    fn at(&self) -> Option<Instant>;
}

impl Started for () {
    #[inline]
    fn at(&self) -> Option<Instant> {
        None
    }
}

impl Started for Option<Instant> {
    fn at(&self) -> Option<Instant> {
        *self
    }
}

/// Where calls happen: whom events are named after, who pays, who counts.
pub(super) trait Home {
    fn name(&self) -> PointName;
    fn withdraw(&self, after_timeout: bool) -> Paid;
    fn deposit(&self);
    fn count(&self, what: Counted);
}

/// What is counted of retries.
#[derive(Clone, Copy, Debug)]
pub(super) enum Counted {
    Retry,
    Recovered,
    GaveUp,
    Denied,
}

impl Retrying {
    /// A call whose length does not matter.
    #[inline]
    pub(super) fn untimed() -> Self {
        Self { failed: None, started: () }
    }
}

impl Retrying<Option<Instant>> {
    /// A call whose length matters if `retry` says so.
    #[inline]
    pub(super) fn timed(retry: &Retry) -> Self {
        let started = if retry.give_up_after.is_some() { Some(now()) } else { None };
        Self { failed: None, started }
    }
}

impl<S: Started> Retrying<S> {
    /// Ends a call that succeeded; `quiet` if its budget has nothing to take back.
    #[inline]
    pub(super) fn succeeded(self, retry: &Retry, home: &dyn Home, quiet: bool) {
        if quiet && self.failed.is_none() {
            // Nothing to drop: said so that the compiler need not look again.
            std::mem::forget(self.failed);
        } else {
            succeeded(retry, home, self.failed);
        }
    }

    /// The number of the attempt that is about to run, from 1.
    #[inline]
    pub(super) fn attempt(&self) -> u32 {
        self.failed.as_ref().map_or(1, |run| run.progress.attempts.saturating_add(1))
    }

    /// Decides what follows a failure.
    #[inline]
    pub(super) fn failed(
        &mut self,
        retry: &Retry,
        home: &dyn Home,
        class: &Classification,
        ruling: Ruling,
    ) -> Option<Duration> {
        // A copy, so that the stack's own verdict need not be kept in memory for the sake of failures.
        failed(retry, home, &mut self.failed, self.started.at(), *class, ruling)
    }
}

/// How many attempts a call may make, as events say it.
fn max(retry: &Retry) -> u32 {
    u32::try_from(retry.max_attempts()).unwrap_or(u32::MAX)
}

/// An attempt begins: said to tracing, if anybody listens to that.
#[inline]
pub(super) fn begin<S: Started>(retry: &Retry, home: &dyn Home, retrying: &Retrying<S>) {
    #[cfg(feature = "tracing")]
    if tracing::level_filters::LevelFilter::current() >= tracing::level_filters::LevelFilter::TRACE {
        started(retry, home, retrying.attempt());
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (retry, home, retrying);
}

#[cfg(feature = "tracing")]
#[cold]
#[inline(never)]
fn started(retry: &Retry, home: &dyn Home, attempt: u32) {
    crate::event::started(&home.name(), attempt, max(retry));
}

/// Settles a success that is not the first attempt's, or that finds a budget not full.
#[cold]
#[inline(never)]
fn succeeded(retry: &Retry, home: &dyn Home, run: Option<Box<Run>>) {
    home.deposit();
    if let Some(run) = run {
        home.count(Counted::Recovered);
        let (point, attempt) = (home.name(), run.progress.attempts.saturating_add(1));
        emit(&Event::Recovered { point, attempt, max: max(retry) }, None);
    }
}

/// Whether the call was refused by a policy below, which has told of it: while a breaker is open, no word
/// from here for each call.
fn is_refused(retry: &Retry, class: &Classification) -> bool {
    class.category == Category::Rejected && retry.rules.iter().all(|rule| rule.category != Category::Rejected)
}

/// Decides what follows a failure: the wait before the next attempt, or nothing, everybody told.
#[cold]
#[inline(never)]
fn failed(
    retry: &Retry,
    home: &dyn Home,
    before: &mut Option<Box<Run>>,
    started: Option<Instant>,
    class: Classification,
    ruling: Ruling,
) -> Option<Duration> {
    let (point, max) = (home.name(), max(retry));
    let mut run = before.take().unwrap_or_default();
    run.progress.attempts = run.progress.attempts.saturating_add(1);
    let attempt = run.progress.attempts;
    if attempt == 1 && is_refused(retry, &class) {
        return None;
    }
    emit(&Event::Attempt { point: point.clone(), attempt, max, class }, None);
    match run.next(retry, home, started, &class, ruling) {
        Ok(delay) => {
            *before = Some(run);
            home.count(Counted::Retry);
            emit(&Event::Retry { point, attempt, max, class, delay }, retry.on_retry);
            Some(delay)
        }
        Err(stop) => {
            home.count(Counted::GaveUp);
            let reason = stop.reason();
            emit(&Event::GaveUp { point, attempt, max, class, reason }, retry.on_give_up);
            None
        }
    }
}

impl Run {
    fn next(
        &mut self,
        retry: &Retry,
        home: &dyn Home,
        started: Option<Instant>,
        class: &Classification,
        ruling: Ruling,
    ) -> Result<Duration, Stop> {
        let elapsed = started.map_or(Duration::ZERO, |at| now().saturating_duration_since(at));
        let moment = Moment { elapsed, remaining: scope::remaining(), random: rng::uniform() };
        let planned = decide(retry, &self.progress, class, ruling, &moment)?;
        // Last, so that a retry which is not made for another reason costs nothing.
        if home.withdraw(class.category == Category::Timeout) == Paid::No {
            home.count(Counted::Denied);
            return Err(Stop::Budget);
        }
        self.progress.note(&planned);
        Ok(planned.wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_has_not_failed_is_small() {
        assert_eq!(size_of::<Retrying>(), 8);
    }
}
