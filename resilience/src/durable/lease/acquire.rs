//! Asking a store for a lease: one caller of this process at a time, and waiting for the holders of others.
//!
//! The order matters. First the ends that this process still owes the store: one may be of this very key. Then the lock
//! of the key in this process, so that a hundred callers in one process make one claim. Then the heartbeat, since a
//! claim that nothing keeps must not be made, and the claim. After `Busy` it is asked again when the other owner's
//! lease may have ended, or after a jittered pause that grows from 10 ms to 250 ms, whichever is first.
//!
//! A caller that is dropped between the claim and its answer would leave a lease that is held by nothing.
//! [`PendingClaim`] waits for the answer in its place, and releases what was granted.
//!
//! # Pauses
//!
//! A waiting caller asks again after half of the pause to the whole of it, drawn at random: a hundred processes that
//! wait for one key do not ask at the same moment. The pause doubles from 10 ms to 250 ms. It is cut to the caller's
//! patience, and to the rest of the other lease that the store reports, so that the key of a dead process is taken over
//! as soon as it is known to be dead.

use super::hold::Lease;
use super::key_lock::{self, KeyLock, lock_key};
use super::{end, heartbeat, hold};
use crate::base::block_on::Mode;
use crate::base::{clock, stopping};
use crate::durable::record::error::Contradiction;
use crate::durable::record::{Record, Status, codec};
use crate::durable::store::{Claim, Claimed, Mismatch, Otherwise, Store, StoreError, Work};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// The answer to a claim, after waiting for whoever was before us.
///
/// Only `Held` is a right to run the body. The lock comes with it, and must be kept as long as the lease: a
/// caller of this process that found the lock free while the lease is held would have to wait for its own process by
/// polling.
pub(crate) enum ClaimResult {
    /// The body may run, under the fence of this record.
    Held(Record, Arc<KeyLock>),
    /// The result is recorded.
    Done(Record),
    /// The patience ended before the other lease did: its owner, and how much of it is left. A holder in this
    /// process is reported with this process as the owner.
    Busy { owner: String, left: Duration },
    /// The work ended without a result; a claim with `restart`, or an operator, lets it run again.
    Stopped(Record),
    /// The record is of another function, version or arguments.
    Mismatch(Box<Contradiction>),
}

/// A claim under way. If it is dropped before the store answers, the lease is released as soon as it is
/// granted: no caller would hold it, and all would wait for its end.
///
/// It takes a clone of the lock along, so that no other caller of this process claims the key before the lease that
/// no caller waits for has been given back.
#[must_use]
pub(crate) struct PendingClaim {
    store: Arc<dyn Store>,
    /// The status of the record if the answer is not taken.
    status: Status,
    answer: Option<Work<'static, Claimed>>,
    takes_lease: bool,
    length: Duration,
    lock: Option<Arc<KeyLock>>,
    /// The process that asks: in a fork's child no answer comes.
    process: u32,
}

impl PendingClaim {
    /// Creates the claim; the store is asked at the first poll. A claim that takes a lease first makes sure that the
    /// heartbeat runs.
    pub(crate) fn new(
        store: &Arc<dyn Store>,
        claim: Claim,
        status: Status,
        lock: Option<Arc<KeyLock>>,
    ) -> Self {
        let (asked, takes_lease, length) = (store.clone(), claim.holder.is_none(), claim.lease);
        let answer: Work<'static, Claimed> = Box::pin(async move {
            if takes_lease {
                heartbeat::ready(&asked, length).await?;
            }
            asked.claim(claim).await
        });
        Self {
            store: store.clone(),
            status,
            answer: Some(answer),
            takes_lease,
            length,
            lock,
            process: std::process::id(),
        }
    }
}

impl Future for PendingClaim {
    type Output = Result<Claimed, StoreError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(answer) = &mut self.answer else { return Poll::Pending };
        let answer = ready!(answer.as_mut().poll(cx));
        self.answer = None;
        Poll::Ready(answer)
    }
}

impl Drop for PendingClaim {
    fn drop(&mut self) {
        let Some(answer) = self.answer.take() else { return };
        // A step of a job has no lease of its own.
        if !self.takes_lease || self.process != std::process::id() {
            return;
        }
        let (store, lock, status, length) = (self.store.clone(), self.lock.take(), self.status, self.length);
        let of = store.clone();
        hold::finish(&of, async move {
            if let Ok(Claimed::Held(record)) = answer.await {
                Lease::new(store, record.key, record.fence, length, lock, status).give_back().await;
            }
        });
    }
}

/// Returns how long a caller may wait for another holder: `wait`, or a little less than the enclosing timeouts
/// leave, so that their limit is not what ends the wait.
///
/// The margin is a tenth of the time left, at most 20 ms. With it the caller gets `Busy`, which names the holder,
/// where a timeout would only say that the time is over.
pub(crate) fn patience(wait: Duration) -> Duration {
    match crate::base::scope::remaining() {
        Some(left) => wait.min(left.saturating_sub((left / 10).min(Duration::from_millis(20)))),
        None => wait,
    }
}

/// Claims a key, and waits for at most `patience` while another holder has the lease.
///
/// `dropped` is the status of the record if the caller is dropped while the store answers.
///
/// `reads` says whether recorded bytes are a value of the caller's type: bytes that the type cannot read are replaced
/// if the claim says so (`on_mismatch`), and at most once, since what replaces it was written by this very type.
///
/// # Errors
///
/// Those of the store. They end the wait at once: the step or job decides whether to ask a failing store again.
pub(crate) async fn claim(
    mode: Mode,
    store: &Arc<dyn Store>,
    claim: &Claim,
    dropped: Status,
    reads: fn(&[u8]) -> bool,
    patience: Duration,
) -> Result<ClaimResult, StoreError> {
    const FIRST: Duration = Duration::from_millis(10);
    const LONGEST: Duration = Duration::from_millis(250);

    let started = clock::now();
    end::write_owed_ends(store).await;
    let busy = || ClaimResult::Busy { owner: claim.owner.clone(), left: claim.lease };
    if mode == Mode::Blocking && key_lock::would_wait_for_itself(store, &claim.key) {
        return Ok(busy());
    }
    let Some(Some(lock)) = mode.within(patience, lock_key(mode, store, &claim.key)).await else {
        return Ok(busy());
    };
    let mut pause = FIRST;
    let mut replaces = None;
    loop {
        let request = Claim { replaces, ..claim.clone() };
        let (owner, left) = match PendingClaim::new(store, request, dropped, Some(lock.clone())).await? {
            Claimed::Held(record) => return Ok(ClaimResult::Held(record, lock)),
            // A value of another type is one more thing in which a record can contradict the code.
            Claimed::Done(record)
                if replaces.is_none() && claim.on_mismatch == Otherwise::Rerun && !reads(&record.value) =>
            {
                replaces = Some(record.incarnation);
                continue;
            }
            Claimed::Done(record) => return Ok(ClaimResult::Done(record)),
            Claimed::Stopped(record) => return Ok(ClaimResult::Stopped(record)),
            Claimed::Mismatch { what, stored } => {
                return Ok(ClaimResult::Mismatch(Box::new(contradiction(what, &stored, claim))));
            }
            Claimed::Busy { owner, left } => (owner, left),
        };
        let patience = patience.saturating_sub(clock::now().saturating_duration_since(started));
        if patience.is_zero() || stopping::has_begun() {
            return Ok(ClaimResult::Busy { owner, left });
        }
        let jittered = pause.mul_f64(0.5 + crate::base::rng::uniform() / 2.0);
        mode.pause(jittered.min(patience).min(left.max(Duration::from_millis(1)))).await;
        pause = (pause * 2).min(LONGEST);
    }
}

/// Returns the text about a mismatch: both sides, the inputs that differ by name, and the time of the record. Inputs
/// are shown as hashes: nothing else of them is recorded for a step.
fn contradiction(what: Mismatch, stored: &Record, claim: &Claim) -> Contradiction {
    let hash =
        |inputs: Option<u128>| inputs.map_or("no inputs".to_owned(), |hash| format!("hash {hash:032x}"));
    let (stored_text, current) = match what {
        Mismatch::Function => (format!("`{}`", stored.function), format!("`{}`", claim.function)),
        Mismatch::Version => (stored.version.to_string(), claim.version.to_string()),
        Mismatch::Inputs => (hash(stored.inputs), hash(claim.inputs)),
    };
    let times = [stored.completed, stored.created, stored.updated];
    let recorded = times.into_iter().find(|time| *time > 0).unwrap_or(0);
    let differ = codec::difference(&stored.input, &claim.input, &[]).filter(|_| what == Mismatch::Inputs);
    let names = differ.map_or(Vec::new(), |differ| [differ.changed, differ.removed].concat());
    Contradiction { what, stored: stored_text, current, names, recorded }
}
