//! What the shutdown of the process does with jobs, leases and stores.

use crate::durable::lease::{end, heartbeat, hold, key_lock};
use crate::durable::recovery::{pool, sweep};
pub(crate) use crate::durable::scope::Scope;
use crate::durable::scope::current;
use crate::durable::store::StoreError;
use crate::durable::under_way;
pub(crate) use crate::durable::under_way::{is_over, left};

/// Admits no further job, step of a job or sweep, and ends the waits for leases.
///
/// Waits are woken after the flag is set, so that none of them misses it.
pub(crate) fn begin() {
    under_way::close();
    key_lock::wake_all();
    pool::pool().stop();
    sweep::stop();
}

/// What the running code is part of: a shutdown that it begins does not wait for it.
pub(crate) fn caller() -> Scope {
    current()
}

/// Gives all leases back but those of `callers`, and writes what the stores are still owed.
///
/// In this order: what runs gives its lease back, then the ends that were owed are written, then the drops that are
/// under way.
pub(crate) async fn give_back(callers: &[Scope]) {
    under_way::interrupt(callers).await;
    for store in heartbeat::stores() {
        end::pay(&store).await;
        hold::settled(&store).await;
    }
}

/// Brings what is written in the stores to its place.
///
/// # Errors
///
/// Of the first store that cannot.
pub(crate) async fn flush() -> Result<(), StoreError> {
    let mut flushed = Ok(());
    for store in heartbeat::stores() {
        flushed = flushed.and(store.flush().await);
    }
    flushed
}
