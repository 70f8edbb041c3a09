//! The place of a recovered job among those that run at once, and waits during which the job leaves it to others.
//!
//! The pool of recovered jobs, which is above this module, has the places. A job knows its own as a [`Seat`] in its
//! scope, and code of the job that waits for hours leaves it for that time ([`SeatPause`]). A job that was called by
//! the program has no seat: no number limits those.

use std::fmt::Debug;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The place of one recovered job.
///
/// All of it does nothing once the job has ended: a task that the job has left behind may still wait.
pub(crate) trait Seat: Debug + Send + Sync {
    /// Leaves the place to another job, if that can be.
    fn leave(&self);

    /// Polls for a place; those who come back wait in line.
    fn poll_back(&self, cx: &mut Context<'_>) -> Poll<()>;

    /// Takes a place at once, also beyond the limit.
    fn take_back(&self);
}

/// A wait of a job that has left its place.
///
/// Dropped before the job is [back](Self::back), it takes a place at once: the job runs on, for an error that ends it or
/// because another part of it was faster.
#[derive(Debug)]
#[must_use]
pub(crate) struct SeatPause(Option<Arc<dyn Seat>>);

impl SeatPause {
    /// Leaves `seat`, if the job has one.
    pub(crate) fn from(seat: Option<Arc<dyn Seat>>) -> Self {
        if let Some(seat) = &seat {
            seat.leave();
        }
        Self(seat)
    }

    /// Waits until the job has a place again.
    pub(crate) async fn back(mut self) {
        if let Some(seat) = &self.0 {
            poll_fn(|cx| seat.poll_back(cx)).await;
        }
        self.0 = None;
    }
}

impl Drop for SeatPause {
    fn drop(&mut self) {
        if let Some(seat) = &self.0 {
            seat.take_back();
        }
    }
}
