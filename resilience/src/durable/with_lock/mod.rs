//! The lock of an annotated function as a lease in a store: `#[with_lock(.., store = ..)]`.
//!
//! | | a file | a lease |
//! |---|---|---|
//! | who shares it | processes of one host | processes that share the store |
//! | a holder that has ended | loses it at once | loses it at once on this host; elsewhere after the length of its lease |
//! | a holder that is stopped | keeps it | keeps it on this host; elsewhere it loses it, and its fence is too low afterwards |
//! | waiters | first come, first served | ask again with a pause of at most 250 ms |
//!
//! The record is at `l/<name>`, and only while the lock is held: the end of the lease removes it. Its settings,
//! counters and events are those of the lock that is a file ([`LockSite`]).

mod held;

pub use held::{LockLease, lock_lease};

use crate::base::block_on::Mode;
use crate::base::clock;
use crate::base::holding::Holds;
use crate::base::scope;
use crate::base::text::About;
use crate::base::world::{World, run_in};
use crate::base::{admission, block_on};
use crate::durable::lease::acquire::{ClaimResult, claim, patience};
use crate::durable::lease::hold::Lease;
use crate::durable::record::Status;
use crate::durable::record::key::place;
use crate::durable::store::{Claim, Release, Store, StoreError};
use crate::event::blocks;
use crate::fs::LockError;
use crate::fs::lock::held::here_quoted;
use crate::fs::lock::holds_words;
use crate::fs::with_lock::{LockSite, NotLocked};
use crate::point::PointName;
use crate::rejected::Rejected;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The most bytes of a name, as of a lock that is a file.
///
/// In bytes. The record's key is longer by its prefix.
const NAME_LIMIT: usize = 1_024;

impl LockSite {
    /// Takes the lock `name` in `store` for sync code, as part of the `attempt`th attempt, from 1.
    ///
    /// # Errors
    ///
    /// If it is not free in time, or the store cannot be used.
    pub fn acquire_lease(
        &'static self,
        name: String,
        attempt: u32,
        store: Arc<dyn Store>,
    ) -> Result<CallLease, Rejected> {
        block_on::block_on(self.take_lease(Mode::Blocking, name, attempt, store))
    }

    /// Takes the lock `name` in `store` for async code.
    ///
    /// # Errors
    ///
    /// Same as [`acquire_lease`](Self::acquire_lease).
    pub async fn acquire_lease_async(
        &'static self,
        name: String,
        attempt: u32,
        store: Arc<dyn Store>,
    ) -> Result<CallLease, Rejected> {
        self.take_lease(Mode::Async, name, attempt, store).await
    }

    /// Asks for the lease, and reports the result in one event, with the time waited if another holder had the lease.
    async fn take_lease(
        &'static self,
        mode: Mode,
        name: String,
        attempt: u32,
        store: Arc<dyn Store>,
    ) -> Result<CallLease, Rejected> {
        let key = PointName::from(name);
        let mut asking =
            LeaseRequest { site: self, attempt, began: clock::now(), waits: false, is_over: false };
        let taken = asking.take(mode, &store, &key).await;
        asking.is_over = true;
        let waited = asking.waits.then(|| clock::now().saturating_duration_since(asking.began));
        match taken {
            Ok(lease) => {
                self.locked(&key, waited);
                let number = held::enter(&key, &self.point().name(), lease.state());
                Ok(CallLease { site: self, key, number, lease: Some(lease), world: World::here() })
            }
            Err(why) => Err(self.refused(key, waited, why)),
        }
    }
}

/// A call on its way to the lease; dropped before it has an answer, it was waiting for admission.
#[derive(Debug)]
struct LeaseRequest {
    site: &'static LockSite,
    attempt: u32,
    began: Instant,
    /// Whether another holder was in the way.
    waits: bool,
    is_over: bool,
}

impl LeaseRequest {
    /// Returns the name and a lock that this very code holds are looked at before the store is asked. The first claim
    /// waits for nothing, so that a free lock is taken without an event of waiting.
    ///
    /// # Errors
    ///
    /// Why it has no lease, in words.
    async fn take(&mut self, mode: Mode, store: &Arc<dyn Store>, name: &str) -> Result<Lease, NotLocked> {
        if !(1..=NAME_LIMIT).contains(&name.len()) {
            let words = format!("a name of a lock has 1 to 1,024 bytes, and this one has {}", name.len());
            return Err(NotLocked { words, may_be_free: false });
        }
        let key = place::lock(name);
        if held::is_held_here(store, &key) {
            return Err(LockError::reentered(name).into());
        }
        let config = self.site.config();
        // All functions that name the lock share it.
        let request = Claim { lease: config.lease, ..Claim::new(key, store.owner(), "with_lock") };
        let asked = ask(mode, store, &request, Duration::ZERO).await?;
        let asked = match asked {
            Err(_) if !config.wait.is_zero() => {
                self.wait(mode, store, &request, patience(config.wait)).await?
            }
            asked => asked,
        };
        asked.map_err(|(owner, left)| {
            let waited = About(clock::now().saturating_duration_since(self.began));
            let (holds, left) = (holds_words(&here_quoted()), About(left));
            let owner = if owner == store.owner() {
                "this process".to_owned()
            } else {
                format!("the process {owner}")
            };
            NotLocked::busy(format!(
                "the lock {name:?} was not free within {waited}: {owner} has a lease for up to {left}{holds}"
            ))
        })
    }

    /// Waits under the rules of admission: a timeout around the function does not count this time as that of the
    /// service, and a call whose timeout has passed does not begin.
    async fn wait(
        &mut self,
        mode: Mode,
        store: &Arc<dyn Store>,
        request: &Claim,
        limit: Duration,
    ) -> Result<Result<Lease, (String, Duration)>, NotLocked> {
        self.waits = true;
        let point = self.site.point();
        if mode == Mode::Blocking {
            blocks(&point.name());
        }
        admission::waits(point.stack(), self.attempt);
        let asked = ask(mode, store, request, limit).await;
        if !admission::admitted(point.stack()) {
            // A lease that was taken in between is released when it is dropped.
            drop(asked);
            return Err(NotLocked::left());
        }
        asked
    }
}

impl Drop for LeaseRequest {
    fn drop(&mut self) {
        if !self.is_over {
            scope::dropped_waiting(self.site.point().stack(), self.attempt);
        }
    }
}

/// Asks for the lease, and waits for at most `limit` while another holder has it; then returns its name and how much of
/// its lease is left.
///
/// # Errors
///
/// Why the store cannot be used, in words.
async fn ask(
    mode: Mode,
    store: &Arc<dyn Store>,
    request: &Claim,
    limit: Duration,
) -> Result<Result<Lease, (String, Duration)>, NotLocked> {
    match claim(mode, store, request, Status::Free, |_| true, limit).await {
        Ok(ClaimResult::Held(record, lock)) => {
            let (key, length) = (record.key, request.lease);
            Ok(Ok(Lease::new(store.clone(), key, record.fence, length, Some(lock), Status::Free)))
        }
        Ok(ClaimResult::Busy { owner, left }) => Ok(Err((owner, left))),
        Ok(ClaimResult::Done(_) | ClaimResult::Stopped(_) | ClaimResult::Mismatch(_)) => {
            let words =
                format!("the record at {:?} of the store is not that of a lock: remove it", request.key);
            Err(NotLocked { words, may_be_free: false })
        }
        Err(error) => Err(NotLocked::busy(error.to_string())),
    }
}

/// The lease of a call, given back when this is dropped.
#[derive(Debug)]
#[doc(hidden)]
pub struct CallLease {
    site: &'static LockSite,
    key: PointName,
    /// By which the running code holds it.
    number: usize,
    lease: Option<Lease>,
    world: Option<World>,
}

impl CallLease {
    /// Releases the lease, and reports if it was lost. If this is dropped before the store has answered, the lease is
    /// released without the caller.
    pub async fn end(mut self) {
        let Some(mut lease) = self.lease.take() else { return };
        let state = lease.state().clone();
        let released = lease.release(Release::new(state.key.clone(), state.fence, Status::Free)).await;
        let is_lost = match released {
            Ok(()) => false,
            Err(StoreError::Fenced { .. }) => true,
            // Only the store could say.
            Err(_) => state.loss.is_lost(),
        };
        self.report(is_lost);
    }

    /// Ends like [`end`](Self::end), from sync code.
    pub fn end_blocking(self) {
        block_on::block_on(self.end());
    }

    /// Reports in the world that the lock was taken in: the lease may be dropped by another thread.
    fn report(&self, is_lost: bool) {
        if is_lost {
            run_in(self.world.as_ref(), || self.site.lost(self.key.clone(), "its lease was taken over"));
        }
    }
}

impl Holds for CallLease {
    fn number(&self) -> usize {
        self.number
    }
}

impl Drop for CallLease {
    fn drop(&mut self) {
        // A guard that was taken out has been reported on.
        let is_lost =
            self.lease.as_ref().is_some_and(|lease| lease.state().is_own() && lease.state().loss.is_lost());
        self.report(is_lost);
        held::leave(self.number);
    }
}
