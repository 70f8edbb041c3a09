//! The budgets of plain `Retry` values: a value has no state, so the place of the call has it.

use super::Budget;
use super::budget::Paid;
use crate::site::Site;
use std::collections::HashMap;
use std::panic::Location;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Every call site whose budget was ever drawn from.
#[derive(Debug)]
pub(super) struct CallSites {
    budgets: Mutex<Option<HashMap<&'static Location<'static>, &'static Budget>>>,
    /// How many budgets are not full, by the place's shard: while it is zero a success looks no further.
    /// Shards, because a site that failed and is never called again would slow down all others.
    short: [AtomicUsize; SHARDS],
}

const SHARDS: usize = 64;

static SITES: Site<CallSites> = Site::new(CallSites::new(), CallSites::new);

fn shard(place: &Location<'_>) -> usize {
    (place.line() as usize).wrapping_mul(7).wrapping_add(place.column() as usize) % SHARDS
}

impl CallSites {
    const fn new() -> Self {
        Self { budgets: Mutex::new(None), short: [const { AtomicUsize::new(0) }; SHARDS] }
    }

    fn find(&self, place: &'static Location<'static>) -> Option<&'static Budget> {
        let budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        budgets.as_ref()?.get(place).copied()
    }

    fn find_or_make(&self, place: &'static Location<'static>) -> &'static Budget {
        let mut budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        // Leaked: there are no more of them than calls in the program's text.
        budgets.get_or_insert_default().entry(place).or_insert_with(|| Box::leak(Box::new(Budget::new())))
    }

    fn short(&self, place: &Location<'_>) -> Option<&AtomicUsize> {
        self.short.get(shard(place))
    }
}

/// Whether the budget of `place` can be short of tokens; `false` is certain.
#[inline]
pub(super) fn may_be_short(place: &Location<'_>) -> bool {
    SITES.short(place).is_some_and(|short| short.load(Ordering::Relaxed) != 0)
}

/// Pays for a retry of `place`.
pub(super) fn withdraw(place: &'static Location<'static>, after_timeout: bool) -> Paid {
    let sites = &*SITES;
    let paid = sites.find_or_make(place).withdraw(after_timeout);
    if let (Paid::Yes { was_full: true }, Some(short)) = (paid, sites.short(place)) {
        short.fetch_add(1, Ordering::Relaxed);
    }
    paid
}

/// Takes the return of a success at `place`.
pub(super) fn deposit(place: &'static Location<'static>) {
    let sites = &*SITES;
    if sites.find(place).is_some_and(Budget::deposit_one)
        && let Some(short) = sites.short(place)
    {
        // Wraps for a moment where this overtakes the other thread's addition; the sum comes out right.
        short.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(all(test, feature = "testing", not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_short_until_successes_have_returned_its_tokens() {
        let _world = crate::testing::isolate();
        let place = Location::caller();
        assert!(!may_be_short(place));
        assert_eq!(withdraw(place, false), Paid::Yes { was_full: true });
        assert_eq!(withdraw(place, false), Paid::Yes { was_full: false });
        assert!(may_be_short(place));
        for left in (0..10).rev() {
            deposit(place);
            assert_eq!(may_be_short(place), left > 0);
        }
        deposit(place);
        assert!(!may_be_short(place));
    }

    #[test]
    fn a_success_elsewhere_returns_nothing_here() {
        let _world = crate::testing::isolate();
        let (here, there) = (Location::caller(), Location::caller());
        withdraw(here, true);
        for _ in 0..100 {
            deposit(there);
        }
        assert!(may_be_short(here));
    }
}
