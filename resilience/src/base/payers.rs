//! The attempts around the running code whose budget other functions can share, and the payments of the calls inside.
//!
//! Of functions that call one another and share a budget only the innermost pays. So what a call does with a budget is
//! noted at every attempt around it that has the same one, and the retry of such an attempt reads the note when the
//! attempt has ended.
//!
//! An attempt is here while it runs on this thread: a sync one from its beginning to its end, an async one for the time
//! of each poll. A thread or a task to which the code is carried has copies, which write to the same notes.

use super::replaced::{Replaced, replace};
use super::sync::locked;
use std::cell::RefCell;
use std::sync::{Arc, Mutex};

thread_local! {
    static AROUND: RefCell<Vec<Payer>> = const { RefCell::new(Vec::new()) };
}

/// The last payment of a call from the budget of an attempt around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payment {
    /// The call has paid for a retry, which has begun.
    Paid,
    /// The call has found too little for a retry.
    Denied,
    /// The call has succeeded.
    Refunded,
}

/// The payments of the calls inside an attempt from its budget.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PaymentNotes {
    pub(crate) payment: Option<Payment>,
    /// Whether the budget's throttle has counted an attempt of these calls.
    pub(crate) is_counted: bool,
    /// Whether the throttle has admitted the attempt, and no call has used that yet.
    pub(crate) admits: bool,
}

/// An attempt whose budget other functions can share.
#[derive(Clone, Debug)]
pub(crate) struct Payer {
    /// The address of the budget: it is compared only.
    budget: usize,
    notes: PaymentNotes,
    /// The notes, once there are copies on other threads.
    elsewhere: Option<Arc<Mutex<PaymentNotes>>>,
}

impl Payer {
    /// Creates the payer of an attempt that `budget` pays for.
    pub(crate) fn of<B>(budget: &B) -> Self {
        Self { budget: address(budget), notes: PaymentNotes::default(), elsewhere: None }
    }

    /// Returns the notes of the calls inside so far.
    pub(crate) fn notes(&self) -> PaymentNotes {
        self.elsewhere.as_ref().map_or(self.notes, |notes| *locked(notes))
    }

    pub(crate) fn change<R>(&mut self, change: impl FnOnce(&mut PaymentNotes) -> R) -> R {
        match &self.elsewhere {
            Some(notes) => change(&mut locked(notes)),
            None => change(&mut self.notes),
        }
    }

    /// Returns a copy for another thread, with the same notes.
    fn copy(&mut self) -> Self {
        let notes = self.notes;
        let elsewhere = self.elsewhere.get_or_insert_with(|| Arc::new(Mutex::new(notes)));
        Self { budget: self.budget, notes, elsewhere: Some(elsewhere.clone()) }
    }
}

fn address<B>(budget: &B) -> usize {
    std::ptr::from_ref(budget).addr()
}

/// Returns the attempts around the running code, for another thread or task.
pub(crate) fn around() -> Vec<Payer> {
    let copies = |around: &RefCell<Vec<Payer>>| around.borrow_mut().iter_mut().map(Payer::copy).collect();
    AROUND.try_with(copies).unwrap_or_default()
}

/// Enters `attempt`, which begins or is polled on this thread, until [`leave`].
pub(crate) fn enter(attempt: Payer) {
    let _ = AROUND.try_with(|around| around.borrow_mut().push(attempt));
}

/// Leaves the innermost attempt on this thread, which has ended, or its poll has.
pub(crate) fn leave() -> Option<Payer> {
    AROUND.try_with(|around| around.borrow_mut().pop()).ok().flatten()
}

/// Changes the notes of every attempt around the running code that has this budget.
#[cold]
pub(crate) fn note<B>(budget: &B, change: impl Fn(&mut PaymentNotes)) {
    let at = address(budget);
    let _ = AROUND.try_with(|around| {
        let mut around = around.borrow_mut();
        around.iter_mut().filter(|attempt| attempt.budget == at).for_each(|attempt| attempt.change(&change));
    });
}

/// Uses up the admission of the attempts around the running code that have this budget; whether there was one.
pub(crate) fn take_admission<B>(budget: &B) -> bool {
    let at = address(budget);
    let take = |attempt: &mut Payer| attempt.change(|notes| std::mem::take(&mut notes.admits));
    let taken = AROUND.try_with(|around| {
        let mut around = around.borrow_mut();
        let same = around.iter_mut().filter(|attempt| attempt.budget == at);
        same.map(take).fold(false, |before, taken| before | taken)
    });
    taken.unwrap_or(false)
}

/// Makes `attempts` those around the running code until the guard is dropped.
pub(crate) fn within(attempts: Vec<Payer>) -> Replaced<RefCell<Vec<Payer>>> {
    replace(&AROUND, attempts)
}
