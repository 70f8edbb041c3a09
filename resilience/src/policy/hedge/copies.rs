//! One call and its extra calls, in one task: the first that succeeds answers.
//!
//! The future of the call itself is a part of [`Copies`], and each extra one is in a box of its own, made when it
//! begins. Until then a call that is ready at once costs nothing but its poll, and one that is not ready costs a timer.
//! All copies are polled whenever the task is woken, each time beginning with another one, so that none of them can use
//! up the task's budget for all. The timer is polled after them and does not count towards that budget.
//!
//! A copy is polled in the context of the call, to which its own policies add theirs for as long as the poll takes. An
//! extra one is marked as such (`scope::extra`): a policy of the stack that would have to let it wait, or refuses it,
//! says so at once and counts nothing.
//!
//! # Invariants
//!
//! - The first outcome that is a success is returned, and the copies that still run are dropped before.
//! - A failure is kept while another copy runs. Only the first one is: it is what the call returns if all fail.
//! - A refused extra call is not an outcome. If it is refused at once, it was not made: it costs nothing.
//! - A panic of one copy, wherever it comes from, reaches the caller after the others were dropped.

use super::Hedge;
use crate::base::clock::{Timer, alarm};
use crate::base::guarded::discard;
use crate::base::scope;
use crate::base::world::run_in;
use crate::policy::Verdict;
use std::any::Any;
use std::future::Future;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::call::Hedging;

pin_project_lite::pin_project! {
    /// One of the calls.
    #[project = CopyProjection]
    #[project_replace = TakenCopy]
    enum CallCopy<F: Future> {
        Runs { #[pin] future: F },
        /// The copy has failed before all others.
        Failed { outcome: F::Output },
        Over,
    }
}

pin_project_lite::pin_project! {
    /// An extra call, in a list of all.
    struct ExtraCall<F: Future> {
        #[pin]
        copy: CallCopy<F>,
        next: Option<Pin<Box<ExtraCall<F>>>>,
    }
}

pin_project_lite::pin_project! {
    /// A call that may be followed by extra ones; `make` makes their futures, and `judge` says what an outcome means.
    #[must_use = "futures do nothing unless polled"]
    #[doc(hidden)]
    pub struct Copies<'b, H: Deref<Target = Hedge>, F: Future, M, J> {
        #[pin]
        first: CallCopy<F>,
        make: M,
        judge: J,
        call: Hedging<'b, H>,
        // The rest is all zeros until the first copy is pending.
        extras: Option<Pin<Box<ExtraCall<F>>>>,
        // Ends when the next extra call begins.
        timer: Option<Timer>,
        // When the first copy was first pending, in nanoseconds; 0 if that does not matter or it has ended.
        began: u64,
    }

    impl<H: Deref<Target = Hedge>, F: Future, M, J> PinnedDrop for Copies<'_, H, F, M, J> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if *this.began > 0 {
                let call = &*this.call;
                run_in(call.world(), || call.record_since(*this.began));
            }
        }
    }
}

impl<F: Future> CallCopy<F> {
    fn runs(&self) -> bool {
        matches!(self, Self::Runs { .. })
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let CopyProjection::Runs { future } = self.as_mut().project() else { return Poll::Pending };
        let outcome = ready!(future.poll(cx));
        self.set(Self::Over);
        Poll::Ready(outcome)
    }
}

/// Returns the copy of this number: 0 is the call itself.
fn nth<'a, F: Future>(
    first: Pin<&'a mut CallCopy<F>>,
    extras: &'a mut Option<Pin<Box<ExtraCall<F>>>>,
    number: u8,
) -> Option<Pin<&'a mut CallCopy<F>>> {
    if number == 0 {
        return Some(first);
    }
    let mut list = extras;
    for _ in 1..number {
        list = list.as_mut()?.as_mut().project().next;
    }
    Some(list.as_mut()?.as_mut().project().copy)
}

/// Returns the end of the list.
fn end_of<F: Future>(mut list: &mut Option<Pin<Box<ExtraCall<F>>>>) -> &mut Option<Pin<Box<ExtraCall<F>>>> {
    while let Some(extra) = list {
        list = extra.as_mut().project().next;
    }
    list
}

/// Runs code of a copy; its panic is handed on when the other copies are gone.
fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Box<dyn Any + Send>> {
    catch_unwind(AssertUnwindSafe(work))
}

impl<'b, H, F, M, J> Copies<'b, H, F, M, J>
where
    H: Deref<Target = Hedge>,
    F: Future,
    M: Fn() -> F,
    J: Fn(&F::Output) -> Verdict,
{
    /// Creates a call with copies that `make` makes.
    #[inline]
    pub fn new(call: Hedging<'b, H>, make: M, judge: J) -> Self {
        let first = CallCopy::Runs { future: make() };
        Self { first, make, judge, call, extras: None, timer: None, began: 0 }
    }

    /// Polls all copies, if there are several, and begins another one when it is time.
    #[cold]
    #[inline(never)]
    fn wait(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if self.call.made > 0
            && let Some(outcome) = self.as_mut().poll_all(cx)
        {
            return Poll::Ready(outcome);
        }
        while self.as_mut().is_due(cx) {
            if let Some(outcome) = self.as_mut().begin(cx) {
                return Poll::Ready(outcome);
            }
        }
        Poll::Pending
    }

    /// Returns whether it is time for the next extra call.
    fn is_due(self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        let this = self.project();
        if !this.call.has_next() {
            return false;
        }
        if this.timer.is_none() {
            let (delay, began) = this.call.delay();
            if this.call.tried == 0 {
                *this.began = began;
            }
            let Some(delay) = delay else {
                this.call.stop();
                return false;
            };
            *this.timer = Some(alarm(Duration::from_nanos(delay)));
        }
        let is_over = this.timer.as_mut().is_some_and(|timer| Pin::new(timer).poll(cx).is_ready());
        if is_over {
            *this.timer = None;
            this.call.tried += 1;
        }
        is_over
    }

    /// Begins an extra call, if it may be made; what the call returns, if that ends it.
    fn begin(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Option<F::Output> {
        let this = self.as_mut().project();
        let paid = this.call.withdraw()?;
        let stack = this.call.stack();
        let begun = caught(|| {
            let future = (this.make)();
            let mut extra = Box::pin(ExtraCall { copy: CallCopy::Runs { future }, next: None });
            let _extra = scope::extra(stack);
            let polled = extra.as_mut().project().copy.poll(cx);
            let polled = polled.map(|outcome| {
                let verdict = (this.judge)(&outcome);
                (outcome, verdict)
            });
            (extra, polled)
        });
        let (extra, polled) = match begun {
            Ok(begun) => begun,
            Err(panic) => {
                drop(paid);
                self.fail(panic)
            }
        };
        if let Poll::Ready((_, Some(class))) = &polled
            && class.is_refusal()
        {
            this.call.denied();
            return None;
        }
        paid.spend();
        this.call.made += 1;
        this.call.hedged();
        let number = this.call.made;
        *end_of(this.extras) = Some(extra);
        match polled {
            Poll::Pending => None,
            Poll::Ready(outcome) => self.settle(number, outcome),
        }
    }

    /// Polls each copy once; what the call returns, if that ends it.
    fn poll_all(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Option<F::Output> {
        let this = self.as_mut().project();
        let (count, start) = (this.call.made + 1, this.call.turn);
        this.call.turn = start.wrapping_add(1);
        (0..count).find_map(|step| {
            let number = (start % count + step) % count;
            match self.as_mut().poll_copy(number, cx) {
                Poll::Pending => None,
                Poll::Ready(outcome) => self.as_mut().settle(number, outcome),
            }
        })
    }

    fn poll_copy(mut self: Pin<&mut Self>, number: u8, cx: &mut Context<'_>) -> Poll<(F::Output, Verdict)> {
        let this = self.as_mut().project();
        let Some(copy) = nth(this.first, this.extras, number) else { return Poll::Pending };
        let polled = caught(|| {
            let _extra = (number > 0).then(|| scope::extra(this.call.stack()));
            copy.poll(cx).map(|outcome| {
                let verdict = (this.judge)(&outcome);
                (outcome, verdict)
            })
        });
        polled.unwrap_or_else(|panic| self.fail(panic))
    }

    /// Settles the end of the copy of this number; returns the result of the call, if that ends it.
    fn settle(
        mut self: Pin<&mut Self>,
        number: u8,
        (outcome, verdict): (F::Output, Verdict),
    ) -> Option<F::Output> {
        let this = self.as_mut().project();
        if number == 0 {
            this.call.ended(std::mem::take(this.began), &verdict);
        }
        let Some(class) = verdict else {
            this.call.won(number);
            self.end();
            return Some(outcome);
        };
        let is_outcome = number == 0 || !class.is_refusal();
        if is_outcome && !self.as_mut().any(|copy| matches!(copy, CallCopy::Failed { .. })) {
            let this = self.as_mut().project();
            if let Some(mut copy) = nth(this.first, this.extras, number) {
                copy.set(CallCopy::Failed { outcome });
            }
        }
        if self.as_mut().any(CallCopy::runs) {
            return None;
        }
        let failed = self.as_mut().take_failed();
        self.end();
        failed
    }

    fn any(mut self: Pin<&mut Self>, is_such: impl Fn(&CallCopy<F>) -> bool) -> bool {
        (0..=self.call.made).any(|number| {
            let this = self.as_mut().project();
            nth(this.first, this.extras, number).is_some_and(|copy| is_such(&copy))
        })
    }

    fn take_failed(mut self: Pin<&mut Self>) -> Option<F::Output> {
        (0..=self.call.made).find_map(|number| {
            let this = self.as_mut().project();
            let copy = nth(this.first, this.extras, number)?;
            match &*copy {
                CallCopy::Failed { .. } => match copy.project_replace(CallCopy::Over) {
                    TakenCopy::Failed { outcome } => Some(outcome),
                    _ => None,
                },
                _ => None,
            }
        })
    }

    /// Drops all copies, and hands on the panic of one of them.
    fn fail(self: Pin<&mut Self>, panic: Box<dyn Any + Send>) -> ! {
        if let Err(further) = caught(|| self.end()) {
            discard(further);
        }
        resume_unwind(panic)
    }

    /// Drops all copies. The first of their panics is handed on when all are gone.
    fn end(self: Pin<&mut Self>) {
        let mut this = self.project();
        *this.timer = None;
        this.call.stop();
        this.call.made = 0;
        if *this.began > 0 {
            this.call.record_since(std::mem::take(this.began));
        }
        let mut ended = caught(|| this.first.set(CallCopy::Over));
        while let Some(mut extra) = this.extras.take() {
            *this.extras = extra.as_mut().project().next.take();
            match caught(|| drop(extra)) {
                Err(further) if ended.is_err() => discard(further),
                dropped => ended = ended.and(dropped),
            }
        }
        if let Err(panic) = ended {
            resume_unwind(panic);
        }
    }
}

impl<H, F, M, J> Future for Copies<'_, H, F, M, J>
where
    H: Deref<Target = Hedge>,
    F: Future,
    M: Fn() -> F,
    J: Fn(&F::Output) -> Verdict,
{
    type Output = F::Output;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.as_mut().project();
        if this.call.made == 0
            && let CopyProjection::Runs { future } = this.first.project()
            && let Poll::Ready(outcome) = future.poll(cx)
        {
            this.call.ended_alone(std::mem::take(this.began), &(this.judge)(&outcome));
            return Poll::Ready(outcome);
        }
        self.wait(cx)
    }
}
