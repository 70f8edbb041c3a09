//! One call and its attempts: what is left to do after each of them.

use super::budget::Paid;
use super::config::Retry;
use super::decide::{Moment, Progress, Stop, decide};
use crate::classify::{Category, Classification};
use crate::clock::now;
use crate::event::{Event, emit};
use crate::point::PointName;
use crate::policy::{Ruling, Verdict};
use crate::{rng, scope};
use std::mem;
use std::time::{Duration, Instant};

/// What a running call remembers of its attempts.
#[doc(hidden)]
pub trait Running: Default {
    /// How many attempts have failed.
    fn failed(&self) -> u32;

    /// Whether none has.
    fn is_first(&self) -> bool;

    /// When the call began, if that matters.
    fn started(&self) -> Option<Instant> {
        None
    }

    /// All that is remembered.
    fn take(&mut self) -> Progress;

    /// Remembers it until the next attempt.
    fn keep(&mut self, progress: Progress);
}

/// A call of which nothing matters but how many attempts have failed: four bytes, beside what a future
/// keeps of its own progress anyway.
#[derive(Clone, Copy, Debug, Default)]
#[doc(hidden)]
pub struct Counting(u32);

/// A call of which more matters: its length, its last wait, or the retries of each rule.
#[derive(Debug, Default)]
#[doc(hidden)]
pub struct Remembering {
    progress: Option<Box<Progress>>,
    started: Option<Instant>,
}

impl Counting {
    /// The number of the attempt that is about to run, from 1.
    #[inline]
    pub fn attempt(self) -> u32 {
        attempt(&self)
    }

    /// What another thread needs to know of the running attempt.
    pub const fn elsewhere(self) -> Self {
        self
    }
}

impl Running for Counting {
    #[inline]
    fn failed(&self) -> u32 {
        self.0 & Progress::MANY
    }

    #[inline]
    fn is_first(&self) -> bool {
        self.0 == 0
    }

    fn take(&mut self) -> Progress {
        Progress::counted(self.failed(), self.0 > Progress::MANY)
    }

    fn keep(&mut self, progress: Progress) {
        self.0 = progress.attempts.min(Progress::MANY) | if progress.once { !Progress::MANY } else { 0 };
    }
}

impl Remembering {
    /// The number of the attempt that is about to run, from 1.
    #[inline]
    pub fn attempt(&self) -> u32 {
        attempt(self)
    }

    /// What another thread needs to know of the running attempt.
    pub fn elsewhere(&self) -> Counting {
        Counting(self.failed().min(Progress::MANY))
    }

    /// A call whose length matters if `retry` says so.
    #[inline]
    pub(super) fn start(retry: &Retry) -> Self {
        let started = if retry.give_up_after.is_some() { Some(now()) } else { None };
        Self { progress: None, started }
    }
}

impl Running for Remembering {
    #[inline]
    fn failed(&self) -> u32 {
        self.progress.as_ref().map_or(0, |progress| progress.attempts)
    }

    #[inline]
    fn is_first(&self) -> bool {
        self.progress.is_none()
    }

    fn started(&self) -> Option<Instant> {
        self.started
    }

    fn take(&mut self) -> Progress {
        self.progress.take().map_or_else(Progress::default, |progress| *progress)
    }

    fn keep(&mut self, progress: Progress) {
        self.progress = Some(Box::new(progress));
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

/// The number of the attempt that is about to run, from 1.
#[inline]
pub(super) fn attempt(call: &impl Running) -> u32 {
    call.failed().saturating_add(1)
}

/// What follows an attempt: `Err` of the wait before the next one, or the verdict with which the call ends.
/// `is_quiet` where the budget has nothing to take back.
#[inline]
pub(super) fn settle<C: Running>(
    retry: &Retry,
    home: &dyn Home,
    call: &mut C,
    verdict: Verdict,
    ruling: Ruling,
    is_quiet: bool,
) -> Result<Verdict, Duration> {
    let Some(class) = verdict else {
        if !(is_quiet && call.is_first()) {
            succeeded(retry, home, call.failed());
        }
        // Said anew, so that the compiler need not keep the verdict of a success.
        return Ok(None);
    };
    // The count, too, need not be kept in memory for the sake of failures.
    let mut later = mem::take(call);
    let wait = failed(retry, home, &mut later, class, ruling);
    *call = later;
    wait.map_or(Ok(verdict), Err)
}

/// How many attempts a call may make, as events say it.
fn max(retry: &Retry) -> u32 {
    u32::try_from(retry.max_attempts()).unwrap_or(u32::MAX)
}

/// The attempt of this number begins: said to tracing, if anybody listens to that.
#[inline]
pub(super) fn begin(retry: &Retry, home: &dyn Home, attempt: u32) {
    #[cfg(feature = "tracing")]
    if tracing::level_filters::LevelFilter::current() >= tracing::level_filters::LevelFilter::TRACE {
        started(retry, home, attempt);
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (retry, home, attempt);
}

#[cfg(feature = "tracing")]
#[cold]
#[inline(never)]
fn started(retry: &Retry, home: &dyn Home, attempt: u32) {
    crate::event::started(&home.name(), attempt, max(retry));
}

/// Settles a success after `failed` failures, or one that finds a budget not full.
#[cold]
#[inline(never)]
fn succeeded(retry: &Retry, home: &dyn Home, failed: u32) {
    home.deposit();
    if failed > 0 {
        home.count(Counted::Recovered);
        let (point, attempt) = (home.name(), failed.saturating_add(1));
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
fn failed<C: Running>(
    retry: &Retry,
    home: &dyn Home,
    call: &mut C,
    class: Classification,
    ruling: Ruling,
) -> Option<Duration> {
    let started = call.started();
    let mut progress = call.take();
    let wait = judged(retry, home, started, &mut progress, class, ruling);
    if wait.is_some() {
        call.keep(progress);
    }
    wait
}

fn judged(
    retry: &Retry,
    home: &dyn Home,
    started: Option<Instant>,
    progress: &mut Progress,
    class: Classification,
    ruling: Ruling,
) -> Option<Duration> {
    let (point, max) = (home.name(), max(retry));
    progress.attempts = progress.attempts.saturating_add(1);
    let attempt = progress.attempts;
    if attempt == 1 && is_refused(retry, &class) {
        return None;
    }
    emit(&Event::Attempt { point: point.clone(), attempt, max, class }, None);
    match next(retry, home, started, progress, &class, ruling) {
        Ok(delay) => {
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

fn next(
    retry: &Retry,
    home: &dyn Home,
    started: Option<Instant>,
    progress: &mut Progress,
    class: &Classification,
    ruling: Ruling,
) -> Result<Duration, Stop> {
    let elapsed = started.map_or(Duration::ZERO, |at| now().saturating_duration_since(at));
    let moment = Moment { elapsed, remaining: scope::remaining(), random: rng::uniform() };
    let planned = decide(retry, progress, class, ruling, &moment)?;
    // Last, so that a retry which is not made for another reason costs nothing.
    if home.withdraw(class.category == Category::Timeout) == Paid::No {
        home.count(Counted::Denied);
        return Err(Stop::Budget);
    }
    progress.note(&planned);
    Ok(planned.wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_small() {
        assert_eq!(size_of::<Counting>(), 4);
        assert_eq!(size_of::<Remembering>(), 24);
    }

    #[test]
    fn counting_is_all_that_there_is_to_remember() {
        let mut call = Counting::default();
        for (attempts, once) in [(1, false), (2, true), (Progress::MANY, true), (7, false)] {
            call.keep(Progress::counted(attempts, once));
            assert_eq!(call.failed(), attempts);
            assert_eq!(call.take().once, once);
        }
        call.keep(Progress::counted(u32::MAX, true));
        assert_eq!(call.failed(), Progress::MANY, "as many as any `max` allows");
    }
}
