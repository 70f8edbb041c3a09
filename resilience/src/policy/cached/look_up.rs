//! The way of a call: it is answered from the cache, waits for another call of its key, or runs.
//!
//! | the stored value | a call of the key runs | this call |
//! |---|---|---|
//! | fresh | | returns it |
//! | stale, a refresh failed a moment ago | | returns it |
//! | stale, a refresh failed earlier | yes | returns it |
//! | stale, a refresh failed earlier | no | runs |
//! | any other, or none | yes | waits |
//! | any other, or none | no | runs |
//!
//! A call inside of the call of its own key runs without waiting: it would wait for itself. So does one whose hash is
//! that of another key's flight.
//!
//! The look at the table and the start of a flight are two steps. Between them another call may land: so a flight is
//! only started if the entry is still the same, and otherwise the call looks again.

use super::Cache;
use super::call::{Call, CallContext, note_stale, table_address};
use super::flight::{NONE, Role};
use super::key::{BorrowedKey, KeyShape, OwnedKey};
use super::table::{Erased, Failed, Freshness, Stamp, Stored, Table, freshness};
use super::wait::WaitForLeader;
use crate::base::clock::now_nanos;
use crate::base::marks;
use crate::base::scope::{Stack, remaining};
use std::sync::Arc;

/// The result of a look-up.
///
/// The answer is shared with the table, and cloned for the caller outside of all locks.
pub(super) enum LookUpResult {
    Answer(Erased),
    Run(Call),
    Wait(WaitForLeader),
}

/// Returns the time left, and when it ends.
///
/// In nanoseconds; both are [`NONE`] where no timeout limits the call.
pub(super) fn time_left() -> (u64, u64) {
    remaining().map_or((NONE, NONE), |left| {
        let left = crate::base::scope::nanos(left);
        (left, now_nanos().saturating_add(left))
    })
}

impl Cache {
    /// Looks up `key`, and decides what the call does.
    pub(super) fn look_up(&self, shape: &KeyShape, key: &dyn BorrowedKey, stack: Stack) -> LookUpResult {
        let table = self.table();
        let look_up = LookUp { cache: self, table, shape, key, hash: table.hash(shape, key), stack };
        if self.is_off() {
            return look_up.bypass();
        }
        let mut owned = None;
        loop {
            if let Some(found) = look_up.run(&mut owned) {
                return found;
            }
        }
    }

    /// Answers with a stale value although nothing failed in this call.
    #[cold]
    fn answer_stale(&self, table: &Table, stored: &Stored, failed: Failed) -> LookUpResult {
        note_stale(table, &self.owner, stored, failed.class);
        LookUpResult::Answer(stored.value.clone())
    }
}

/// A call that looks for its key.
struct LookUp<'a> {
    cache: &'a Cache,
    table: &'a Arc<Table>,
    shape: &'a KeyShape,
    key: &'a dyn BorrowedKey,
    hash: u64,
    stack: Stack,
}

impl LookUp<'_> {
    fn is(&self, owned: &OwnedKey) -> bool {
        owned.shape == *self.shape && self.key.is(owned)
    }

    /// Looks at the table and its flights; `None` if they changed in between, so that the call looks again.
    fn run(&self, owned: &mut Option<Arc<OwnedKey>>) -> Option<LookUpResult> {
        let entry = self.table.entry(self.hash);
        let (stored, plain) = self.find(entry.clone());
        // A stale value whose refresh has failed: one call tries again, and the others are answered.
        let mut failing = None;
        if let Some(stored) = &stored {
            let now = Stamp::now();
            match freshness(&self.cache.config(), stored.at.age(now)) {
                Freshness::Fresh => return Some(LookUpResult::Answer(stored.value.clone())),
                Freshness::Stale => failing = stored.failed().map(|failed| (stored, failed)),
                Freshness::Over => {}
            }
            if let Some((stored, failed)) = failing.filter(|(_, failed)| failed.holds(now)) {
                return Some(self.cache.answer_stale(self.table, stored, failed));
            }
        }
        let is_inside = marks::is_inside((table_address(self.table), self.hash));
        let current = if is_inside { None } else { self.table.flights.current(self.hash) };
        if let (Some((stored, failed)), Some(_)) = (failing, &current) {
            return Some(self.cache.answer_stale(self.table, stored, failed));
        }
        let owned = owned.get_or_insert_with(|| {
            self.table.note(self.shape);
            Arc::new(self.key.owned(self.shape))
        });
        let (left, ends) = time_left();
        let place = self.place(owned.clone(), plain, left);
        match current {
            None if is_inside => Some(self.alone(place)),
            Some((_, other)) if !self.is(&other) => Some(self.alone(place)),
            Some((flight, _)) => {
                let number = self.table.flights.join(flight, ends)?;
                Some(LookUpResult::Wait(WaitForLeader { place, flight, number, is_over: false }))
            }
            None => {
                let is_unchanged = || self.table.is_still(self.hash, entry.as_ref());
                let flight = self.table.flights.lead(self.hash, place.key.clone(), is_unchanged)?;
                Some(LookUpResult::Run(Call::new(place, Role::Leads(flight))))
            }
        }
    }

    /// Returns the value stored for the key, and its hash for all types of a generic function if that was looked up,
    /// too.
    fn find(&self, entry: Option<Arc<Stored>>) -> (Option<Arc<Stored>>, Option<u64>) {
        let stored = entry.filter(|stored| self.is(&stored.key));
        if stored.is_some() || self.shape.is_plain() || !self.table.has_plain(self.shape.value) {
            return (stored, None);
        }
        let shape = KeyShape::plain(self.shape.value);
        let hash = self.table.hash(&shape, self.key);
        let stored = self.table.find(hash, |owned| owned.shape == shape && self.key.is(owned));
        (stored, Some(hash))
    }

    fn place(&self, key: Arc<OwnedKey>, plain: Option<u64>, left: u64) -> CallContext {
        CallContext {
            table: self.table.clone(),
            point: self.cache.owner.clone(),
            stack: self.stack,
            config: self.cache.config(),
            hash: self.hash,
            plain,
            key,
            left,
        }
    }

    /// Runs as if there were no cache: nothing is looked up, and nothing kept.
    fn bypass(&self) -> LookUpResult {
        let mut place = self.place(Arc::new(self.key.owned(self.shape)), None, time_left().0);
        place.config.stale_if_error = None;
        LookUpResult::Run(Call::new(place, Role::Ended))
    }

    /// Runs without a flight: a call that waited would wait for itself, or for another key with the same hash.
    fn alone(&self, place: CallContext) -> LookUpResult {
        LookUpResult::Run(Call::new(place, Role::Alone(self.table.flights.changes())))
    }
}
