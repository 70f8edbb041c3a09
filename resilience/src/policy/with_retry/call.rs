//! The state that a running call keeps of its attempts.
//!
//! It is empty until an attempt has failed: a call whose first attempt succeeds allocates nothing, and the state takes
//! one pointer of its future. Only a call whose length or whose attempts are measured has a history from the start.

use super::config::Retry;
use super::decide::Progress;
#[cfg(feature = "ops")]
use super::timed::MeasuredAttempt;
use crate::base::clock::now;
use crate::base::repeats;
use crate::point::PointName;
#[cfg(feature = "ops")]
use crate::point::PointSite;
use std::mem;
use std::time::Instant;

/// The state of a running call.
#[derive(Debug, Default)]
#[doc(hidden)]
pub struct CallState(Option<Box<AttemptHistory>>);

/// The attempts of a call so far.
#[derive(Debug, Default)]
pub(super) struct AttemptHistory {
    pub(super) progress: Progress,
    /// When the call began, if that matters.
    pub(super) started: Option<Instant>,
    /// Whether this thread is marked as one that repeats an attempt of the call.
    is_marked: bool,
    #[cfg(feature = "ops")]
    measured: Option<MeasuredAttempt>,
}

impl CallState {
    /// Begins a call whose length matters if `retry` says so.
    #[inline]
    pub(super) fn start(retry: &Retry) -> Self {
        let mut call = Self::default();
        if retry.config().give_up_after.is_some() {
            call.history().started = Some(now());
        }
        call
    }

    /// Measures the attempts, of which the first begins now, unless a configuration switches that off.
    #[cfg(feature = "ops")]
    pub fn timed(mut self, point: &'static PointSite) -> Self {
        if let Some(durations) = point.durations() {
            self.history().measured = Some(MeasuredAttempt::start(durations));
        }
        self
    }

    fn history(&mut self) -> &mut AttemptHistory {
        self.0.get_or_insert_default()
    }

    /// Returns the number of the attempt that is about to run, from 1.
    #[inline]
    pub fn attempt(&self) -> u32 {
        self.failed().saturating_add(1)
    }

    /// Returns how many attempts have failed.
    #[inline]
    pub(super) fn failed(&self) -> u32 {
        self.0.as_ref().map_or(0, |history| history.progress.attempts)
    }

    /// Returns whether the first attempt has not failed, and nothing is measured.
    #[inline]
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the data that another thread needs of the running attempt.
    pub fn elsewhere(&self) -> Self {
        let failed = self.failed();
        let mut copy = Self::default();
        if failed > 0 {
            copy.history().progress.attempts = failed;
        }
        copy
    }

    /// Ends the attempt: the work after it, such as hooks, is not part of it.
    pub(super) fn leave(&mut self) {
        if let Some(history) = &mut self.0 {
            history.leave();
        }
    }

    /// Ends the attempt, which has failed, and keeps the history if `judge` returns a wait before the next attempt.
    pub(super) fn next<W>(&mut self, judge: impl FnOnce(&mut AttemptHistory) -> Option<W>) -> Option<W> {
        if let Some(history) = &mut self.0 {
            history.leave();
            return judge(history);
        }
        let mut history = AttemptHistory::default();
        let wait = judge(&mut history)?;
        self.0 = Some(Box::new(history));
        Some(wait)
    }

    /// Measures the retry, which begins.
    #[cfg(feature = "ops")]
    pub(super) fn begin_retry(&mut self) {
        if let Some(measured) = self.0.as_mut().and_then(|history| history.measured.as_mut()) {
            measured.begin_retry();
        }
    }

    /// Marks this thread as one that repeats an attempt of the call, for `point`, until the attempt has ended; a body
    /// that panics ends it, too.
    pub(super) fn enter(&mut self, point: PointName) {
        repeats::enter(point);
        self.history().is_marked = true;
    }
}

impl AttemptHistory {
    fn leave(&mut self) {
        #[cfg(feature = "ops")]
        if let Some(measured) = &mut self.measured {
            measured.end();
        }
        if mem::take(&mut self.is_marked) {
            repeats::leave();
        }
    }
}

impl Drop for AttemptHistory {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_takes_one_pointer() {
        assert_eq!(size_of::<CallState>(), size_of::<usize>());
    }
}
