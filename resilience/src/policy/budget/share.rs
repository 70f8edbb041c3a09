//! The budget of one attempt, where functions inside may share it: the innermost of them pays alone.
//!
//! What decides is the last that happened inside the attempt with the same budget:
//!
//! | inside | the attempt fails | the attempt succeeds |
//! |---|---|---|
//! | nothing | its retry is paid for | it returns a token |
//! | a retry was paid for, and the call failed | its retry costs nothing | it returns nothing |
//! | a retry was denied | its retry is denied | it returns nothing |
//! | a call succeeded | its retry is paid for: the failure is its own | it returns nothing |
//!
//! The throttle of the budget counts likewise: an attempt is counted by the innermost function that has the budget, and
//! where it has admitted a call, it does not ask again at the first call inside each of its attempts.
//!
//! A retry that costs nothing follows at least one that was paid for, and none is made where the budget is used up: so
//! the budget limits the retries of all of them together.

use super::Budget;
use super::throttle::{Throttled, ThrottledAttempt};
use crate::base::each_poll::each_poll;
use crate::base::payers::{self, Payer, Payment, PaymentNotes};
use crate::base::sync::locked;
use crate::policy::Verdict;
use std::future::Future;
use std::sync::Mutex;

/// The budget of one attempt, which functions that the attempt calls may have, too.
#[derive(Debug)]
#[doc(hidden)]
pub struct Share<'b> {
    budget: Option<&'b Budget>,
    /// The attempt while it does not run on a thread; `None` where no other function can have the budget.
    attempt: Option<Mutex<Option<Payer>>>,
}

/// The payer of the retry after an attempt.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub enum PaidBy<'b> {
    Budget(&'b Budget),
    /// The retry costs nothing.
    Nothing,
    /// A call inside the attempt was denied its retry, and so is this one.
    Denied,
}

/// What pays for the retries of a call: a budget that the attempt has alone, or its share in one.
#[doc(hidden)]
pub trait Pays<'b>: Copy {
    /// Returns whether a success has nothing to return.
    fn is_full(self) -> bool;

    /// Returns the budget to which a success of the attempt returns a token.
    fn refunded(self) -> Option<&'b Budget>;

    /// Returns the payer of the retry after the attempt.
    fn payer(self) -> PaidBy<'b>;
}

impl<'b> Pays<'b> for Option<&'b Budget> {
    #[inline]
    fn is_full(self) -> bool {
        self.is_none_or(Budget::is_full)
    }

    #[inline]
    fn refunded(self) -> Option<&'b Budget> {
        self
    }

    #[inline]
    fn payer(self) -> PaidBy<'b> {
        self.map_or(PaidBy::Nothing, PaidBy::Budget)
    }
}

impl<'b> Pays<'b> for &Share<'b> {
    #[inline]
    fn is_full(self) -> bool {
        self.budget.is_full()
    }

    #[cold]
    fn refunded(self) -> Option<&'b Budget> {
        self.budget.filter(|_| self.notes().payment.is_none())
    }

    #[cold]
    fn payer(self) -> PaidBy<'b> {
        match self.notes().payment {
            Some(Payment::Paid) => PaidBy::Nothing,
            Some(Payment::Denied) => PaidBy::Denied,
            None | Some(Payment::Refunded) => self.budget.payer(),
        }
    }
}

impl<'b> Share<'b> {
    /// Creates the share of one attempt in its budget; `is_shared` says whether other functions can have it.
    #[inline]
    pub(in crate::policy) fn new(budget: Option<&'b Budget>, is_shared: bool) -> Self {
        let attempt = budget.filter(|_| is_shared).map(|budget| Mutex::new(Some(Payer::of(budget))));
        Self { budget, attempt }
    }

    /// Returns the share of an attempt of a call that the throttle has admitted: the first call inside it is not asked
    /// again.
    #[inline]
    pub fn admitted(self, call: &Throttled<'_>) -> Self {
        if call.has_asked()
            && let Some(payer) = &self.attempt
            && let Some(payer) = locked(payer).as_mut()
        {
            payer.change(|notes| notes.admits = true);
        }
        self
    }

    /// Enters the attempt, which runs on this thread until the guard is dropped.
    #[inline]
    pub fn enter(&self) -> AttemptScope<'_> {
        match &self.attempt {
            None => AttemptScope { attempt: None },
            Some(attempt) => enter(attempt),
        }
    }

    /// Returns the payments of the calls inside from the budget.
    #[inline(never)]
    fn notes(&self) -> PaymentNotes {
        let attempt = self.attempt.as_ref();
        attempt.and_then(|attempt| locked(attempt).as_ref().map(Payer::notes)).unwrap_or_default()
    }

    /// Ends the throttled `attempt` with `verdict`; it counts unless a call inside has.
    #[inline]
    pub fn ended(&self, attempt: ThrottledAttempt<'_>, verdict: &Verdict) {
        if !attempt.counts() || self.notes().is_counted {
            attempt.uncounted();
        } else {
            attempt.ended(verdict);
        }
    }
}

/// An attempt that runs on this thread.
#[derive(Debug)]
#[doc(hidden)]
#[must_use = "the attempt leaves the thread when it is dropped"]
pub struct AttemptScope<'s> {
    attempt: Option<&'s Mutex<Option<Payer>>>,
}

impl AttemptScope<'_> {
    /// Leaves the attempt, which has ended.
    #[inline]
    pub fn leave(self) {
        drop(self);
    }
}

impl Drop for AttemptScope<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(attempt) = self.attempt {
            leave(attempt);
        }
    }
}

/// Enters the attempt. Not inlined, like [`leave`]: most attempts share nothing.
#[inline(never)]
fn enter(attempt: &Mutex<Option<Payer>>) -> AttemptScope<'_> {
    let Some(payer) = locked(attempt).take() else { return AttemptScope { attempt: None } };
    payers::enter(payer);
    AttemptScope { attempt: Some(attempt) }
}

#[inline(never)]
fn leave(attempt: &Mutex<Option<Payer>>) {
    *locked(attempt) = payers::leave();
}

/// Wraps the `future` of the attempt that has `share`, which is on a thread while it is polled there.
#[inline]
pub fn sharing<F: Future>(share: &Share<'_>, future: F) -> impl Future<Output = F::Output> {
    each_poll(|| share.enter(), future)
}
