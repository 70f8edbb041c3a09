//! The attempts of a call that is timed, measured one by one.

use super::call::{AttemptCount, CallState, attempt, elsewhere};
use super::decide::Progress;
use crate::base::clock::now;
use crate::point::{Durations, Measure, PointName, PointSite};
use std::time::{Duration, Instant};

/// A call that also measures each of its attempts; however the last one ends, this is dropped then.
///
/// A retry follows an attempt once its wait is over, as it is counted. So an attempt whose wait is cut short is the
/// last one of its call.
#[derive(Debug, Default)]
#[doc(hidden)]
pub struct TimedAttempts<C: CallState> {
    call: C,
    running: Option<Attempt>,
}

/// The running attempt, or the one whose wait goes on.
#[derive(Debug)]
struct Attempt {
    durations: &'static Durations,
    since: Instant,
    /// The duration of the attempt, once it has ended.
    took: Option<Duration>,
}

/// Measures the attempts of `call`, which begins now, unless a configuration switches that off.
pub fn timed_attempts<C: CallState>(point: &'static PointSite, call: C) -> TimedAttempts<C> {
    let attempt = |durations| Attempt { durations, since: now(), took: None };
    TimedAttempts { call, running: point.durations().map(attempt) }
}

impl Attempt {
    fn took(&self) -> Duration {
        self.took.unwrap_or_else(|| now().saturating_duration_since(self.since))
    }

    fn record(&self, is_handled: bool) {
        self.durations.record(Measure::Attempt { is_handled }, self.took());
    }
}

impl<C: CallState> TimedAttempts<C> {
    /// Returns the number of the attempt that is about to run, from 1.
    #[inline]
    pub fn attempt(&self) -> u32 {
        attempt(&self.call)
    }

    /// Returns the data that another thread needs of the running attempt.
    pub fn elsewhere(&self) -> AttemptCount {
        elsewhere(&self.call)
    }
}

impl<C: CallState> CallState for TimedAttempts<C> {
    #[inline]
    fn failed(&self) -> u32 {
        self.call.failed()
    }

    #[inline]
    fn is_first(&self) -> bool {
        self.call.is_first()
    }

    fn started(&self) -> Option<Instant> {
        self.call.started()
    }

    fn take(&mut self) -> Progress {
        self.leave();
        self.call.take()
    }

    fn keep(&mut self, progress: Progress) {
        self.call.keep(progress);
    }

    fn begin_retry(&mut self) {
        if let Some(attempt) = &mut self.running {
            attempt.record(true);
            (attempt.since, attempt.took) = (now(), None);
        }
    }

    fn enter(&mut self, point: PointName) {
        self.call.enter(point);
    }

    /// Ends the attempt: the work after it, such as hooks, is not part of it.
    fn leave(&mut self) {
        if let Some(attempt) = &mut self.running {
            attempt.took = Some(attempt.took());
        }
        self.call.leave();
    }
}

impl<C: CallState> Drop for TimedAttempts<C> {
    fn drop(&mut self) {
        if let Some(attempt) = &self.running {
            attempt.record(false);
        }
    }
}
