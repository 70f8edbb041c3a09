//! The ends of leases in the store, and the ends that the store did not take yet.
//!
//! The end of a body that has run must reach the store even if the store is down for an hour. [`completed`] tries a few
//! times within about a second; after that the end is kept in `OWED` with its lease, and [`write_owed_ends`] writes it
//! at the next claim, heartbeat or look. The same completion twice changes nothing, so that an answer which was lost
//! does no harm.
//!
//! Only an outage makes an end owed ([`StoreError::is_outage`]). `Fenced` means that the key has another holder: the
//! end came too late, and another run decides. Any other error is the caller's to report, and writing the same again
//! would fail again.
//!
//! An owed end keeps two things alive: its `LeaseState`, so that the heartbeat goes on keeping the lease, and the
//! lock of its key, so that no caller of this process claims the key in between.

use super::key_lock::KeyLock;
use super::state::LeaseState;
use crate::base::block_on::Mode;
use crate::base::of_process::OfProcess;
use crate::base::sync::locked;
use crate::durable::record::{Record, Status};
use crate::durable::store::{self, Completion, Release, Store, StoreError, writes};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The end of a lease in the store.
#[derive(Clone, Debug)]
pub(super) enum LeaseEnd {
    /// Dropped, as this status; the note is made of the record.
    Dropped(Status, Option<fn(&Record) -> Vec<u8>>),
    /// Without a result.
    Released(Box<Release>),
    /// With one; work that goes on, the undoing of a job, goes on without this holder.
    Completed(Arc<Completion>),
}

impl LeaseEnd {
    /// Writes the end. It can be called again after any error.
    ///
    /// A completion that leaves the record held is followed by a release as `Interrupted`, so that another process
    /// takes over the remaining work.
    pub(super) async fn reach(self, state: &LeaseState, store: &Arc<dyn Store>) -> Result<(), StoreError> {
        let (status, note_of) = match self {
            Self::Completed(completion) => {
                writes::complete(&**store, Completion::clone(&completion)).await?;
                if !completion.status.is_held() {
                    return Ok(());
                }
                (Status::Interrupted, None)
            }
            Self::Released(release) => return store.release(*release).await,
            Self::Dropped(status, note_of) => (status, note_of),
        };
        let release = Release::new(state.key.clone(), state.fence, status);
        let Some(note_of) = note_of else { return store.release(release).await };
        let record = store.get(&state.key).await?;
        let is_ours = |record: &Record| record.status.is_held() && record.fence == state.fence;
        match record.filter(is_ours) {
            Some(record) => store.release(Release { note: note_of(&record), ..release }).await,
            None => Ok(()),
        }
    }
}

/// Writes a completion, and retries for a while if the store is down: a repeated completion changes nothing.
///
/// The pauses are 50 ms, 200 ms and 1 s. Only [`StoreError::Unavailable`] is retried; every other answer is
/// returned at once.
///
/// # Errors
///
/// The answer to the last try.
pub(crate) async fn completed(
    mode: Mode,
    store: &Arc<dyn Store>,
    completion: &Completion,
) -> Result<Record, StoreError> {
    const WAITS: [Duration; 3] =
        [Duration::from_millis(50), Duration::from_millis(200), Duration::from_secs(1)];
    crate::durable::moment::reached("before complete");
    for wait in WAITS {
        match writes::complete(&**store, completion.clone()).await {
            Err(StoreError::Unavailable(_)) => mode.pause(wait).await,
            answered => return answered,
        }
    }
    writes::complete(&**store, completion.clone()).await
}

/// Releases the lease of a job whose body runs on; its record becomes `Interrupted`, with this note.
pub(crate) async fn give_back(lease: &LeaseState, note_of: fn(&Record) -> Vec<u8>) -> Result<(), StoreError> {
    LeaseEnd::Dropped(Status::Interrupted, Some(note_of)).reach(lease, &lease.store).await
}

/// Keeps the end of a lease that the store did not take because it is out of order.
///
/// In a fork's child nothing is kept: the lease is the parent's.
pub(super) fn settle(
    ended: Result<(), StoreError>,
    state: Arc<LeaseState>,
    end: LeaseEnd,
    lock: Option<Arc<KeyLock>>,
) {
    let is_own = state.process == std::process::id();
    if is_own && ended.is_err_and(|error| error.is_outage()) {
        locked(&OWED).push(OwedEnd { state, end, _lock: lock });
    }
}

/// The ends that the stores did not take yet. Their leases are kept until then: no other process may treat them as
/// those of a process that is gone.
static OWED: OfProcess<Mutex<Vec<OwedEnd>>> = OfProcess::locked(Vec::new());

/// One end that is owed, and the values that it keeps alive.
#[derive(Debug)]
struct OwedEnd {
    state: Arc<LeaseState>,
    end: LeaseEnd,
    _lock: Option<Arc<KeyLock>>,
}

/// Ends the leases whose end `store` did not take before, by this handle: the one before may have failed permanently.
///
/// It stops at the first outage: the others would fail, too. Ends that could not be written are kept.
pub(crate) async fn write_owed_ends(store: &Arc<dyn Store>) {
    /// A guard that keeps the ends that were not written, also where the caller was dropped.
    struct UnpaidEnds(Vec<OwedEnd>);
    impl Drop for UnpaidEnds {
        fn drop(&mut self) {
            locked(&OWED).append(&mut self.0);
        }
    }
    let mut unpaid = {
        let mut owed = locked(&OWED);
        if owed.is_empty() {
            return;
        }
        UnpaidEnds(owed.extract_if(.., |owed| store::same(&owed.state.store, store)).collect())
    };
    while let Some(owed) = unpaid.0.last() {
        match owed.end.clone().reach(&owed.state, store).await {
            Err(error) if error.is_outage() => break,
            _ => drop(unpaid.0.pop()),
        }
    }
}
