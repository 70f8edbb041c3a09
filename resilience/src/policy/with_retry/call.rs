//! The memory of a running call about its attempts, and whether this thread is inside a repeated one.
//!
//! | | remembers | size |
//! |---|---|---|
//! | [`AttemptCount`] | how many attempts have failed | 4 bytes |
//! | [`AttemptHistory`] | the facts that [`decide`](super::decide) asks of each: times, categories, waits | 24 bytes |
//!
//! The first is enough where no setting of the policy asks for more, and is part of every future.

use super::config::Retry;
use super::decide::Progress;
use crate::base::clock::now;
use crate::base::repeats;
use crate::point::PointName;
use std::mem;
use std::time::Instant;

/// The memory of a running call about its attempts.
#[doc(hidden)]
pub trait CallState: Default {
    /// Returns how many attempts have failed.
    fn failed(&self) -> u32;

    /// Returns whether none has.
    fn is_first(&self) -> bool;

    /// Returns when the call began, if that matters.
    fn started(&self) -> Option<Instant> {
        None
    }

    /// Takes the whole memory.
    fn take(&mut self) -> Progress;

    /// Remembers it until the next attempt.
    fn keep(&mut self, progress: Progress);

    /// Notes that the wait is over, and the retry begins.
    fn begin_retry(&mut self) {}

    /// Marks this thread as one that repeats an attempt of the call, for `point`, until the attempt has ended.
    fn enter(&mut self, point: PointName);

    /// Ends what [`enter`](Self::enter) began, if it did.
    fn leave(&mut self);
}

/// A call of which only the number of failed attempts matters: four bytes, beside the own progress of a
/// future.
#[derive(Debug, Default)]
#[doc(hidden)]
pub struct AttemptCount(u32);

/// The bit of an [`AttemptCount`] that says that the one retry of an error that is repeated once was made.
const ONCE: u32 = 1 << 31;
/// The bit that says that this thread is marked.
const MARKED: u32 = 1 << 30;

/// A call of which more matters: its length, its last wait, or the retries of each rule.
#[derive(Debug, Default)]
#[doc(hidden)]
pub struct AttemptHistory {
    progress: Option<Box<Progress>>,
    started: Option<Instant>,
}

impl AttemptCount {
    /// Returns the number of the attempt that is about to run, from 1.
    #[inline]
    pub fn attempt(&self) -> u32 {
        attempt(self)
    }

    /// Returns the data that another thread needs of the running attempt.
    pub const fn elsewhere(&self) -> Self {
        Self(self.0 & !MARKED)
    }
}

impl CallState for AttemptCount {
    #[inline]
    fn failed(&self) -> u32 {
        self.0 & Progress::MANY
    }

    #[inline]
    fn is_first(&self) -> bool {
        self.0 == 0
    }

    #[inline]
    fn take(&mut self) -> Progress {
        self.leave();
        Progress::counted(self.failed(), self.0 & ONCE != 0)
    }

    #[inline]
    fn keep(&mut self, progress: Progress) {
        self.0 = progress.attempts.min(Progress::MANY) | if progress.once { ONCE } else { 0 };
    }

    fn enter(&mut self, point: PointName) {
        repeats::enter(point);
        self.0 |= MARKED;
    }

    #[inline]
    fn leave(&mut self) {
        if self.0 & MARKED != 0 {
            self.0 &= !MARKED;
            repeats::leave();
        }
    }
}

impl AttemptHistory {
    /// Returns the number of the attempt that is about to run, from 1.
    #[inline]
    pub fn attempt(&self) -> u32 {
        attempt(self)
    }

    /// Begins a call whose length matters if `retry` says so.
    #[inline]
    pub(super) fn start(retry: &Retry) -> Self {
        let started = if retry.config().give_up_after.is_some() { Some(now()) } else { None };
        Self { progress: None, started }
    }
}

impl CallState for AttemptHistory {
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
        self.leave();
        self.progress.take().map_or_else(Progress::default, |progress| *progress)
    }

    fn keep(&mut self, progress: Progress) {
        self.progress = Some(Box::new(progress));
    }

    fn enter(&mut self, point: PointName) {
        if let Some(progress) = &mut self.progress {
            repeats::enter(point);
            progress.is_marked = true;
        }
    }

    #[inline]
    fn leave(&mut self) {
        if self.progress.as_mut().is_some_and(|progress| mem::take(&mut progress.is_marked)) {
            repeats::leave();
        }
    }
}

/// A call whose attempts run on this thread from beginning to end; a body that panics leaves, too.
#[derive(Debug, Default)]
#[doc(hidden)]
pub struct OnThisThread<C: CallState>(C);

/// Makes `call` one whose attempts run on this thread.
#[inline]
pub fn on_this_thread<C: CallState>(call: C) -> OnThisThread<C> {
    OnThisThread(call)
}

impl<C: CallState> OnThisThread<C> {
    /// Returns the number of the attempt that is about to run, from 1.
    #[inline]
    pub fn attempt(&self) -> u32 {
        attempt(&self.0)
    }

    /// Returns the data that another thread needs of the running attempt.
    pub fn elsewhere(&self) -> AttemptCount {
        elsewhere(&self.0)
    }
}

impl<C: CallState> CallState for OnThisThread<C> {
    #[inline]
    fn failed(&self) -> u32 {
        self.0.failed()
    }

    #[inline]
    fn is_first(&self) -> bool {
        self.0.is_first()
    }

    fn started(&self) -> Option<Instant> {
        self.0.started()
    }

    fn take(&mut self) -> Progress {
        self.0.take()
    }

    fn keep(&mut self, progress: Progress) {
        self.0.keep(progress);
    }

    fn begin_retry(&mut self) {
        self.0.begin_retry();
    }

    fn enter(&mut self, point: PointName) {
        self.0.enter(point);
    }

    #[inline]
    fn leave(&mut self) {
        self.0.leave();
    }
}

impl<C: CallState> Drop for OnThisThread<C> {
    #[inline]
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// Returns the number of the attempt that is about to run, from 1.
#[inline]
pub(super) fn attempt(call: &impl CallState) -> u32 {
    call.failed().saturating_add(1)
}

/// Returns the data that another thread needs of the running attempt.
pub(super) fn elsewhere(call: &impl CallState) -> AttemptCount {
    AttemptCount(call.failed().min(Progress::MANY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_call_is_bounded() {
        assert_eq!(size_of::<AttemptCount>(), 4);
        assert_eq!(size_of::<AttemptHistory>(), 24);
    }

    #[test]
    fn the_attempt_count_keeps_the_number_and_the_once_flag() {
        let mut call = AttemptCount::default();
        for (attempts, once) in [(1, false), (2, true), (Progress::MANY, true), (7, false)] {
            call.keep(Progress::counted(attempts, once));
            assert_eq!(call.failed(), attempts);
            assert_eq!(call.take().once, once);
        }
        call.keep(Progress::counted(u32::MAX, true));
        assert_eq!(call.failed(), Progress::MANY, "as many as any `max` allows");
    }
}
