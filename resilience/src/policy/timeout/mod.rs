//! Timeouts: end an attempt, or the whole call, that takes too long.
//!
//! # When to use one
//!
//! Around everything that waits for something else: without a limit, one service that does not answer holds
//! all callers. Two are usual, in this order: an outer one for the whole call, which bounds what a caller
//! waits, and an inner one for each attempt, so that a retry gets its chance.
//!
//! # When not to
//!
//! - Where the client has a limit of its own that also frees its resources: prefer that, and make this one
//!   longer.
//! - In a sync function, for work that must not continue: a thread cannot be stopped, so the body runs to its end
//!   after the caller has left.
//!
//! # Choosing numbers
//!
//! A little above the slowest healthy answer, for instance 1.5 times the 99.9th percentile of the service.
//! The limit of the whole call has to cover the attempts and waits: with `max = 2` and 2 s for an
//! attempt, about 7 s. `growth` gives later attempts more time, if a slow answer is better than none.
//!
//! If the latency changes with the load or the time of day, an [`AdaptiveTimeout`] follows it: its limit is twice
//! the 99th percentile of the recent calls. It bounds the wait of a caller only by its `cap`.
//!
//! # Async and sync
//!
//! An async body is polled before its limit, and dropped when the limit has passed: everything that it holds is
//! released at its current `.await`. The timer needs no runtime. A sync body runs on a helper
//! thread, and is abandoned there. While 16 abandoned bodies still run
//! ([`threads`](crate::Timeout::threads)), further calls are rejected with
//! [`Rejected::BulkheadFull`]: a dependency that hangs must not use up the
//! threads of the process.
//!
//! Code inside can ask how much time is left with [`remaining`](crate::remaining).

pub(crate) mod adaptive;
mod config;
mod site;
mod thread;
mod value;

#[doc(hidden)]
pub use adaptive::{AdaptiveTimed, Ended};
pub use adaptive::{AdaptiveTimeout, AdaptiveTimeoutConfig, AdaptiveTimeoutSnapshot};
pub use config::{Timeout, TimeoutConfig};
#[doc(hidden)]
pub use site::{Timed, TimeoutSite};

use crate::base::clock::{Timer, alarm};
use crate::base::scope::{self, TimedOutCall};
use crate::event::{Event, Log, emit_as, shows_all_keys};
use crate::point::PointName;
use crate::rejected::{Origin, Rejected};
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use thread::Stopped;

/// The name of a point, and the key of a keyed timeout.
type Labels = (PointName, Option<PointName>);

/// Returns the error of a call that was stopped.
///
/// # Panics
///
/// With the body's own panic, if that is what stopped it.
#[cold]
fn refusal(labels: Labels, stopped: Stopped) -> Rejected {
    match stopped {
        Stopped::Refused => Rejected::bulkhead_full(origin(labels)),
        Stopped::TimedOut(limit, dropped) => timed_out(labels, limit, dropped),
        Stopped::Panicked(panic) => resume_unwind(panic),
    }
}

/// Returns the error of a call that was `dropped` at its limit.
#[cold]
fn timed_out(labels: Labels, limit: Duration, dropped: TimedOutCall) -> Rejected {
    let (point, key) = labels.clone();
    let shows_key = shows_key(&labels);
    emit_as(&Event::TimedOut { point, key, limit }, None, Log { pace: None, shows_key });
    Rejected::timed_out(origin(labels), limit, dropped == TimedOutCall::OnlyWaiting)
}

fn origin(labels: Labels) -> Origin {
    let shows_key = shows_key(&labels);
    Origin::new(labels.0, labels.1, shows_key)
}

/// Returns whether texts show the key: no attribute of a timeout says so, only the environment does.
fn shows_key((_, key): &Labels) -> bool {
    key.is_some() && shows_all_keys()
}

/// The limit in nanoseconds of a timeout that is switched off: no timer runs for it.
#[cfg(feature = "config")]
const NEVER: u64 = u64::MAX;

/// Polls `body` and then its limit; if that has passed, the body is dropped, in the state that is returned.
#[inline]
fn poll_within<F: Future>(
    mut body: Pin<&mut Option<F>>,
    timer: &mut Option<Timer>,
    limit: u64,
    stack: impl FnOnce() -> scope::Stack,
    cx: &mut Context<'_>,
) -> Poll<Result<F::Output, TimedOutCall>> {
    {
        let _within = match timer {
            None => scope::within_whole(limit),
            Some(timer) => scope::within_until(timer.ends()),
        };
        if let Some(body) = body.as_mut().as_pin_mut()
            && let Poll::Ready(done) = body.poll(cx)
        {
            return Poll::Ready(Ok(done));
        }
    }
    #[cfg(feature = "config")]
    if limit == NEVER {
        return Poll::Pending;
    }
    if poll_timer(timer, Duration::from_nanos(limit), cx).is_pending() {
        return Poll::Pending;
    }
    Poll::Ready(Err(scope::cutting(stack(), || body.set(None))))
}

/// Polls the timer, which is made at the first time.
#[cold]
fn poll_timer(timer: &mut Option<Timer>, limit: Duration, cx: &mut Context<'_>) -> Poll<()> {
    Pin::new(timer.get_or_insert_with(|| alarm(limit))).poll(cx)
}
