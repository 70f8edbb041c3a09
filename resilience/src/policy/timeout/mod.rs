//! Ending a call that takes too long: async by dropping it, sync by leaving it to a helper thread.

mod config;
mod site;
mod thread;
mod value;

pub use config::{Timeout, TimeoutConfig};
#[doc(hidden)]
pub use site::{Timed, TimeoutSite};

use crate::base::clock::{Timer, alarm};
use crate::base::scope;
use crate::event::{Event, emit};
use crate::point::PointName;
use crate::rejected::Rejected;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use thread::Stopped;

/// The error of a call that was stopped.
///
/// # Panics
///
/// With the body's own panic, if that is what stopped it.
#[cold]
fn refusal(point: PointName, limit: Duration, stopped: Stopped) -> Rejected {
    match stopped {
        Stopped::Refused => Rejected::bulkhead_full(point),
        Stopped::TimedOut => timed_out(point, limit),
        Stopped::Panicked(panic) => resume_unwind(panic),
    }
}

#[cold]
fn timed_out(point: PointName, limit: Duration) -> Rejected {
    emit(&Event::TimedOut { point: point.clone(), limit }, None);
    Rejected::timed_out(point, limit)
}
/// Polls `body` and then its limit; `None` if that has passed, and the body is dropped.
#[inline]
fn poll_within<F: Future>(
    mut body: Pin<&mut Option<F>>,
    timer: &mut Option<Timer>,
    limit: u64,
    stack: scope::Stack,
    cx: &mut Context<'_>,
) -> Poll<Option<F::Output>> {
    {
        let _within = match timer {
            None => scope::within_whole(limit),
            Some(timer) => scope::within_until(timer.ends()),
        };
        if let Some(body) = body.as_mut().as_pin_mut()
            && let Poll::Ready(done) = body.poll(cx)
        {
            return Poll::Ready(Some(done));
        }
    }
    if poll_timer(timer, Duration::from_nanos(limit), cx).is_pending() {
        return Poll::Pending;
    }
    scope::cutting(stack, || body.set(None));
    Poll::Ready(None)
}

/// Polls the timer, which is made at the first time.
#[cold]
fn poll_timer(timer: &mut Option<Timer>, limit: Duration, cx: &mut Context<'_>) -> Poll<()> {
    Pin::new(timer.get_or_insert_with(|| alarm(limit))).poll(cx)
}
