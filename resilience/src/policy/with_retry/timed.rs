//! The attempts of a call, measured one by one.

use crate::base::clock::now;
use crate::point::{Durations, Measure};
use std::time::{Duration, Instant};

/// The running attempt of a call, or the one whose wait goes on; recorded as the last one when it is dropped.
///
/// A retry follows an attempt once its wait is over, as it is counted. So an attempt whose wait is cut short is the
/// last one of its call.
#[derive(Debug)]
pub(super) struct MeasuredAttempt {
    durations: &'static Durations,
    since: Instant,
    /// The duration of the attempt, once it has ended.
    took: Option<Duration>,
}

impl MeasuredAttempt {
    /// Begins the first attempt.
    pub(super) fn start(durations: &'static Durations) -> Self {
        Self { durations, since: now(), took: None }
    }

    /// Ends the attempt, if it has not ended.
    pub(super) fn end(&mut self) {
        self.took = Some(self.took());
    }

    /// Records an attempt that a retry follows, which begins.
    pub(super) fn begin_retry(&mut self) {
        self.record(true);
        (self.since, self.took) = (now(), None);
    }

    fn took(&self) -> Duration {
        self.took.unwrap_or_else(|| now().saturating_duration_since(self.since))
    }

    fn record(&self, is_handled: bool) {
        self.durations.record(Measure::Attempt { is_handled }, self.took());
    }
}

impl Drop for MeasuredAttempt {
    fn drop(&mut self) {
        self.record(false);
    }
}
