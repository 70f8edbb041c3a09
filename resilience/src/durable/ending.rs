//! The shutdown of the process for jobs, leases and stores.

use crate::durable::lease::{end, heartbeat, hold, key_lock};
use crate::durable::recovery::{pool, sweep};
pub(crate) use crate::durable::scope::{Scope, current as caller};
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

/// Releases all leases but those of `callers`, and writes the ends that are owed to the stores.
///
/// In this order: running code releases its lease, then the owed ends are written, then the drops that are
/// under way.
pub(crate) async fn give_back(callers: &[Scope]) {
    under_way::interrupt(callers).await;
    for store in heartbeat::stores() {
        end::write_owed_ends(&store).await;
        hold::settled(&store).await;
    }
}

/// Flushes the stores.
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
