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

/// A running call: nothing but its start until an attempt fails.
#[derive(Debug)]
#[doc(hidden)]
pub struct Retrying(State);

#[derive(Debug)]
enum State {
    Fresh,
    Timed(Instant),
    Failed(Box<Run>),
}

/// A call of which an attempt has failed.
#[derive(Debug)]
struct Run {
    started: Option<Instant>,
    progress: Progress,
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
    #[inline]
    pub(super) fn start(retry: &Retry) -> Self {
        if retry.give_up_after.is_some() { Self::timed() } else { Self(State::Fresh) }
    }

    #[cold]
    fn timed() -> Self {
        Self(State::Timed(now()))
    }

    #[inline]
    pub(super) fn has_failed(&self) -> bool {
        matches!(self.0, State::Failed(_))
    }

    /// Ends a call that has not failed: it holds nothing, and the compiler need not look whether it does.
    #[inline]
    pub(super) fn forget(self) {
        debug_assert!(!self.has_failed());
        std::mem::forget(self);
    }

    /// The number of the attempt that is about to run, from 1.
    #[inline]
    pub(super) fn attempt(&self) -> u32 {
        match &self.0 {
            State::Failed(run) => run.progress.attempts.saturating_add(1),
            State::Fresh | State::Timed(_) => 1,
        }
    }

    // The box is put back: taking its content out would mean a new one for each failure.
    #[allow(clippy::unnecessary_box_returns)]
    fn take(&mut self) -> Box<Run> {
        let started = match std::mem::replace(&mut self.0, State::Fresh) {
            State::Failed(run) => return run,
            State::Timed(at) => Some(at),
            State::Fresh => None,
        };
        Box::new(Run { started, progress: Progress::default() })
    }
}

/// How many attempts a call may make, as events say it.
fn max(retry: &Retry) -> u32 {
    u32::try_from(retry.max_attempts()).unwrap_or(u32::MAX)
}

/// Tells tracing that an attempt begins.
#[cfg(feature = "tracing")]
#[cold]
#[inline(never)]
pub(super) fn started(retry: &Retry, home: &dyn Home, retrying: &Retrying) {
    crate::event::started(&home.name(), retrying.attempt(), max(retry));
}

/// Whether anybody listens to the beginning of attempts.
#[cfg(feature = "tracing")]
#[inline]
pub(super) fn is_traced() -> bool {
    tracing::level_filters::LevelFilter::current() >= tracing::level_filters::LevelFilter::TRACE
}

/// Settles a success that is not the first attempt's, or that finds a budget not full.
#[cold]
#[inline(never)]
pub(super) fn succeeded(retry: &Retry, home: &dyn Home, retrying: Retrying) {
    home.deposit();
    if retrying.has_failed() {
        home.count(Counted::Recovered);
        let (point, attempt) = (home.name(), retrying.attempt());
        emit(&Event::Recovered { point, attempt, max: max(retry) }, None);
    }
    drop(retrying);
}

/// Decides what follows a failure: the wait before the next attempt, or nothing, everybody told.
#[cold]
#[inline(never)]
pub(super) fn failed(
    retry: &Retry,
    home: &dyn Home,
    retrying: &mut Retrying,
    class: &Classification,
    ruling: Ruling,
) -> Option<Duration> {
    let (point, max, class) = (home.name(), max(retry), *class);
    let mut run = retrying.take();
    run.progress.attempts = run.progress.attempts.saturating_add(1);
    let attempt = run.progress.attempts;
    emit(&Event::Attempt { point: point.clone(), attempt, max, class }, None);
    match run.next(retry, home, &class, ruling) {
        Ok(delay) => {
            retrying.0 = State::Failed(run);
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
        class: &Classification,
        ruling: Ruling,
    ) -> Result<Duration, Stop> {
        let elapsed = self.started.map_or(Duration::ZERO, |at| now().saturating_duration_since(at));
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
        assert!(size_of::<Retrying>() <= 16);
    }
}
