//! The questions of one call's copies to their hedge: when the next one follows, whether it may, and the counts.

use super::Hedge;
use super::config::After;
use crate::base::clock::{nanos, now};
use crate::base::scope::{self, Stack};
use crate::base::world::World;
use crate::policy::Verdict;
use crate::policy::budget::{Budget, Withdrawal};
use crate::policy::stateful::Stateful;
use std::ops::Deref;
use std::time::Duration;

/// One call through a hedge.
#[derive(Debug)]
#[doc(hidden)]
pub struct Hedging<'b, H> {
    hedge: H,
    /// The budget of a retry around the call, which pays in place of the hedge's own.
    budget: Option<&'b Budget>,
    /// The stack in which the call is, if the hedge does not know it: the program owns the hedge.
    stack: Option<Stack>,
    // The counts of the call are here because there is room for them: the future is smaller.
    /// The number of extra calls that were made.
    pub(super) made: u8,
    /// The number of extra calls that were made or denied.
    pub(super) tried: u8,
    /// The copy with which the next poll begins.
    pub(super) turn: u8,
    /// The call belongs to the test world in which it began, on whichever thread it is dropped.
    world: Option<World>,
}

impl<'b, H: Deref<Target = Hedge>> Hedging<'b, H> {
    #[inline]
    pub(super) fn new(hedge: H, budget: Option<&'b Budget>, stack: Option<Stack>) -> Self {
        Self { hedge, budget, stack, made: 0, tried: 0, turn: 0, world: World::here() }
    }

    pub(super) fn world(&self) -> Option<&World> {
        self.world.as_ref()
    }

    pub(super) fn stack(&self) -> Stack {
        self.hedge.owner.stack_or(self.stack)
    }

    /// Returns whether another extra call may follow.
    pub(super) fn has_next(&self) -> bool {
        u32::from(self.tried) < self.hedge.config().max && !self.hedge.is_off()
    }

    /// Ends the extra calls: no further one follows.
    pub(super) fn stop(&mut self) {
        self.tried = u8::MAX;
    }

    /// Returns in how many nanoseconds the next extra call follows, if one does; and the moment, if that has to be
    /// known.
    pub(super) fn delay(&self) -> (Option<u64>, u64) {
        if let After::Delay(delay) = self.hedge.config().after {
            return (Some(scope::nanos(delay)), 0);
        }
        let now = now();
        (self.hedge.delay_at(now).map(scope::nanos), nanos(now).max(1))
    }

    /// Returns the time after which an extra call begins now. A percentile may have changed since.
    fn after(&self) -> Duration {
        Duration::from_nanos(self.delay().0.unwrap_or_default())
    }

    /// Pays for an extra call, if it may be made.
    pub(super) fn withdraw(&self) -> Option<Withdrawal<'_>> {
        let has_time = scope::remaining().is_none_or(|left| left > self.after());
        let budget = self.budget.unwrap_or_else(|| self.hedge.own_budget());
        let paid = if has_time { budget.withdraw_extra() } else { None };
        if paid.is_none() {
            self.denied();
        }
        paid
    }

    pub(super) fn denied(&self) {
        self.hedge.count(|counters| &counters.denied);
    }

    pub(super) fn hedged(&self) {
        self.hedge.hedged(self.made.into(), self.after());
    }

    /// Counts that the copy of this number has answered the call.
    pub(super) fn won(&self, number: u8) {
        if number > 0 {
            self.hedge.count(|counters| &counters.won_by_extra);
        }
        self.deposit();
    }

    /// Returns what a success returns, unless a retry around the call does so.
    #[inline]
    fn deposit(&self) {
        if self.budget.is_none() && !self.hedge.own_budget().is_full() && !self.hedge.is_off() {
            self.hedge.own_budget().deposit_success();
        }
    }

    /// Counts the end of the call itself with this verdict, when no extra one was made.
    #[inline]
    pub(super) fn ended_alone(&self, began: u64, verdict: &Verdict) {
        if verdict.is_none() {
            self.deposit();
        }
        self.ended(began, verdict);
    }

    /// Counts the end of the call itself with this verdict; it was first pending at `began`, or never.
    #[inline]
    pub(super) fn ended(&self, began: u64, verdict: &Verdict) {
        if let After::Percentile(_) = self.hedge.config().after
            && !verdict.is_some_and(|class| class.is_unmeasured())
            && !self.hedge.is_off()
        {
            self.record(began);
        }
    }

    #[cold]
    #[inline(never)]
    fn record(&self, began: u64) {
        if began > 0 {
            return self.record_since(began);
        }
        self.hedge.past().record(Duration::ZERO, now());
    }

    /// Records that the call itself has run since `began`, unless it ends because the client of the request has left.
    #[cold]
    pub(super) fn record_since(&self, began: u64) {
        if scope::left_of_request() == Some(Duration::ZERO) {
            return;
        }
        let now = now();
        self.hedge.past().record(Duration::from_nanos(nanos(now).saturating_sub(began)), now);
    }
}
