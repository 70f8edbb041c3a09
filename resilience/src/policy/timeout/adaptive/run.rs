//! Measuring a call, and ending it at the limit.

use super::AdaptiveTimeout;
use crate::base::clock::{Timer, alarm, now};
use crate::base::scope::{self, Stack, TimedOutCall, nanos};
use crate::base::world::{World, run_in};
use crate::failure::{Classification, Classify};
use crate::outcome::Outcome;
use crate::policy::timeout::thread::{self, Stopped};
use crate::policy::timeout::{poll_within, refusal, timed_out};
use crate::policy::{Verdict, verdict_of};
use crate::rejected::Rejected;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// The value that a body returned, and whether its time says nothing of the service.
#[doc(hidden)]
#[derive(Debug)]
pub struct Ended<T> {
    value: T,
    is_nothing: bool,
}

impl<T> Ended<T> {
    /// Creates the end that `verdict` judges.
    pub fn new(value: T, verdict: &Verdict) -> Self {
        Self { value, is_nothing: verdict.as_ref().is_some_and(Classification::is_unmeasured) }
    }
}

/// Returns the end of a body that is judged by the class of its error.
pub(super) fn ended<R: Outcome<Error: Classify>>(outcome: R) -> Ended<R> {
    let verdict = verdict_of(&outcome);
    Ended::new(outcome, &verdict)
}

/// One measured call. When it is dropped, it records the time that the call had run, unless it panicked.
#[derive(Debug)]
struct Sample<'t> {
    timeout: &'t AdaptiveTimeout,
    began: Instant,
    /// Of which attempt it is part, from 1.
    attempt: u32,
    is_open: bool,
    /// The call belongs to the test world in which it began, on whichever thread it ends.
    world: Option<World>,
}

impl<'t> Sample<'t> {
    /// Begins a call; returns its limit, too.
    fn begin(timeout: &'t AdaptiveTimeout, attempt: u32) -> (Self, Duration) {
        let (began, world) = (now(), World::here());
        let limit = timeout.limit_at(began);
        (Self { timeout, began, attempt, is_open: true, world }, limit)
    }

    /// Records how long the call took, unless it `is_nothing` that reached the service.
    fn end(&mut self, is_nothing: bool) {
        if std::mem::take(&mut self.is_open) && !is_nothing {
            let record = || {
                let now = now();
                self.timeout.live.times.record(now.saturating_duration_since(self.began), now);
            };
            run_in(self.world.as_ref(), record);
        }
    }

    /// Counts a call that was dropped at its limit.
    #[cold]
    fn late(&mut self, limit: Duration, dropped: TimedOutCall) -> Rejected {
        run_in(self.world.as_ref(), || self.timeout.count_timed_out());
        self.end(dropped.is_unsent(self.attempt) || is_over());
        timed_out(self.timeout.owner.labels(), limit, dropped)
    }
}

/// Returns whether the client of the request that the running code answers has left: the call ends because of that.
fn is_over() -> bool {
    scope::left_of_request() == Some(Duration::ZERO)
}

impl Drop for Sample<'_> {
    fn drop(&mut self) {
        self.end(std::thread::panicking());
    }
}

pin_project_lite::pin_project! {
    /// A body with the limit that applied when it began.
    #[must_use = "futures do nothing unless polled"]
    #[doc(hidden)]
    pub struct AdaptiveTimed<'t, F> {
        #[pin]
        body: Option<F>,
        timer: Option<Timer>,
        // `None` while the body is polled, so that a panic drops it, and once it has ended.
        sample: Option<Sample<'t>>,
        limit: Duration,
        stack: Stack,
    }

    impl<F> PinnedDrop for AdaptiveTimed<'_, F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Some(mut sample) = this.sample.take() {
                // A call in it that waits for admission reports that.
                let dropped = scope::leaving(*this.stack, || this.body.set(None));
                let is_unsent = dropped.is_unsent(sample.attempt);
                sample.end(is_unsent || is_over() || std::thread::panicking());
            }
        }
    }
}

impl<'t, F> AdaptiveTimed<'t, F> {
    /// Begins a call of `body`, in `stack` if the timeout does not know its own.
    pub(super) fn new(timeout: &'t AdaptiveTimeout, stack: Option<Stack>, attempt: u32, body: F) -> Self {
        let stack = timeout.owner.stack_or(stack);
        let is_strict = timeout.config().strict;
        let (sample, limit) = Sample::begin(timeout, attempt);
        Self { body: Some(body), timer: is_strict.then(|| alarm(limit)), sample: Some(sample), limit, stack }
    }
}

impl<F: Future<Output = Ended<R>>, R> Future for AdaptiveTimed<'_, F> {
    type Output = Result<R, Rejected>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (limit, stack) = (*this.limit, *this.stack);
        let Some(mut sample) = this.sample.take() else { return Poll::Pending };
        let Poll::Ready(done) = poll_within(this.body, this.timer, nanos(limit), || stack, cx) else {
            *this.sample = Some(sample);
            return Poll::Pending;
        };
        Poll::Ready(match done {
            Ok(Ended { value, is_nothing }) => {
                sample.end(is_nothing);
                Ok(value)
            }
            Err(dropped) => Err(sample.late(limit, dropped)),
        })
    }
}

/// Runs `body`, of the `attempt`th attempt of a call of `stack`, on a helper thread within the limit that applies now.
pub(super) fn on_thread<R: Send + 'static>(
    timeout: &AdaptiveTimeout,
    stack: Option<Stack>,
    attempt: u32,
    body: impl FnOnce() -> Ended<R> + Send + 'static,
) -> Result<R, Rejected> {
    let (mut sample, limit) = Sample::begin(timeout, attempt);
    let stack = timeout.owner.stack_or(stack);
    match thread::run((timeout.group(), stack), timeout.config().helpers(), limit, body) {
        Ok(Ended { value, is_nothing }) => {
            sample.end(is_nothing);
            Ok(value)
        }
        Err(stopped) => {
            // A shorter time was that of a request.
            let is_sent = match &stopped {
                Stopped::TimedOut(ran, dropped) => *ran == limit && !dropped.is_unsent(attempt),
                Stopped::Refused | Stopped::Panicked(_) => false,
            };
            if let Stopped::TimedOut(..) = stopped {
                timeout.count_timed_out();
            }
            sample.end(!is_sent);
            Err(refusal(timeout.owner.labels(), stopped))
        }
    }
}
