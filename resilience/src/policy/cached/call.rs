//! The call whose body runs: the value that it stores, and the results of the calls that wait for it.
//!
//! Whatever happens to the body, the call ends once:
//!
//! | the body | the waiting calls get | stored, unless the key has changed since |
//! |---|---|---|
//! | returned a value | it | the value, unless a simpler call answered and its value is not kept |
//! | returned a refusal by the job around the call | one of them leads | nothing changes |
//! | returned a failure that a stale value may answer | the stale value | the stale value stays, with the failure |
//! | returned a value that counts as another failure | it | nothing changes |
//! | returned another error | the error, where it can be cloned; else each runs its own call | `NotFound` and `Auth` remove the value |
//! | was ended by a timeout of this stack | the stale value; without one, one of them leads | as for a failure |
//! | was dropped, or panicked | one of them leads | nothing changes |

use super::CacheConfig;
use super::flight::Role;
use super::key::OwnedKey;
use super::table::{Erased, Failure, FlightResult, Freshness, SharedError, Stamp, Stored, Table, freshness};
use crate::base::marks::Mark;
use crate::base::scope::{Stack, is_cut};
use crate::classify::Classification;
use crate::event::{Event, emit, is_heard};
use crate::failure::{Category, Counts};
use crate::point::PointName;
use std::sync::Arc;

/// The data that a cache needs of one call.
#[derive(Clone)]
pub(super) struct CallContext {
    pub(super) table: Arc<Table>,
    pub(super) point: PointName,
    pub(super) stack: Stack,
    pub(super) config: CacheConfig,
    pub(super) hash: u64,
    /// The hash of the key for all types of a generic function, if values were put directly.
    pub(super) plain: Option<u64>,
    pub(super) key: Arc<OwnedKey>,
    /// The time that the call had at its start, in nanoseconds.
    pub(super) left: u64,
}

/// A call whose body runs. Dropped before its end, it hands over to a call that waits for it.
pub(super) struct Call {
    pub(super) place: CallContext,
    role: Role,
    pub(super) mark: Arc<Mark>,
    /// Whether the answer of a simpler call is kept.
    pub(super) keeps_degraded: bool,
}

/// Returns the address of the table, which with the hash identifies the call to calls inside of it; the table lives at
/// least as long as they do.
pub(super) fn table_address(table: &Arc<Table>) -> usize {
    Arc::as_ptr(table).addr()
}

#[cold]
pub(super) fn note_stale(table: &Table, point: &PointName, stored: &Stored, class: Classification) {
    Table::count(&table.stale);
    #[cfg(feature = "ops")]
    crate::point::note_degraded(point);
    if is_heard() {
        let age = stored.at.age(Stamp::now());
        emit(&Event::ServedStale { point: point.clone(), class, age }, None);
    }
}

impl CallContext {
    /// Returns the value stored for the key of this call.
    ///
    /// It has the call's own shape, or was put directly for all types of a generic function.
    fn stored(&self) -> Option<Arc<Stored>> {
        let own = self.table.find(self.hash, |owned| *owned == *self.key);
        own.or_else(|| {
            self.table.find(self.plain?, |owned| owned.shape.is_plain() && owned.is_key_of(&self.key))
        })
    }

    /// Returns the stored value, if it may answer in place of an error.
    fn stale(&self) -> Option<Arc<Stored>> {
        self.stored().filter(|stored| {
            freshness(&self.config, stored.at.age(Stamp::now())) != Freshness::Over
                && self.config.stale_if_error.is_some()
        })
    }
}

/// Returns whether a stale value may answer in place of an error of this category.
///
/// An error that says something about the request (`Invalid`, `Conflict`) would be hidden by an old value; one of the
/// service is what the stale value is for.
fn may_answer(category: Category) -> bool {
    category.counts() == Counts::Failure || category == Category::Rejected
}

impl Call {
    pub(super) fn new(place: CallContext, role: Role) -> Self {
        Table::count(&place.table.misses);
        let mark = Mark::new((table_address(&place.table), place.hash));
        Self { place, role, mark, keeps_degraded: false }
    }

    /// Ends the call with `landing`; `keep` stores its value, if nothing has changed since it began.
    pub(super) fn end(&mut self, landing: FlightResult, keep: impl FnOnce(&Table, &mut Vec<Arc<Stored>>)) {
        let mut dropped = Vec::new();
        let table = &self.place.table;
        match std::mem::replace(&mut self.role, Role::Ended) {
            Role::Leads(flight) => table.flights.land(flight, landing, || keep(table, &mut dropped)),
            Role::Alone(changes) => table.flights.keep_alone(changes, || keep(table, &mut dropped)),
            Role::Ended => {}
        }
    }

    pub(super) fn succeeded(&mut self, value: Erased, weight: u64) {
        let stored = Stored::new(self.place.key.clone(), value.clone(), weight);
        let hash = self.place.hash;
        let is_kept = self.keeps_degraded || !self.mark.is_degraded();
        self.end(FlightResult::Value(value, None), |table, dropped| {
            if is_kept {
                table.store(hash, stored, dropped);
            }
        });
    }

    /// Returns the stale value that answers in place of an error of this class.
    ///
    /// It notes the failure, so that for a while no call tries again, and reports the answer.
    pub(super) fn stale(&mut self, class: Classification) -> Option<Erased> {
        let stored = may_answer(class.category).then(|| self.place.stale())??;
        // If a client waits no longer, others may still try.
        if !class.is_of_request() {
            stored.note_failure(class);
        }
        note_stale(&self.place.table, &self.place.point, &stored, class);
        self.end(FlightResult::Value(stored.value.clone(), None), |_, _| {});
        Some(stored.value.clone())
    }

    /// Ends the call with a failure, and notes the time that the call had: waiters with more time do not take an error
    /// that only says that the leader's was over.
    pub(super) fn failed(&mut self, class: Classification, error: Option<SharedError>) {
        let is_out_of_time = matches!(class.category, Category::Timeout | Category::Cancelled);
        let is_out_of_time = is_out_of_time || self.mark.is_out_of_time();
        let failure = Failure { class, error, left: self.place.left, is_out_of_time };
        // A value that was deleted, or may no longer be seen, answers no later error.
        let is_gone = matches!(class.category, Category::NotFound | Category::Auth);
        let hashes = [Some(self.place.hash), self.place.plain];
        self.end(FlightResult::Failed(Arc::new(failure)), |table, dropped| {
            if is_gone {
                hashes.into_iter().flatten().for_each(|hash| table.remove(hash, dropped));
            }
        });
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let Role::Leads(flight) = self.role else { return };
        // A timeout of this stack ends the refresh: it has failed.
        if is_cut(self.place.stack) && self.stale(Classification::new(Category::Timeout)).is_some() {
            return;
        }
        self.role = Role::Ended;
        self.place.table.flights.abandon(flight);
    }
}
