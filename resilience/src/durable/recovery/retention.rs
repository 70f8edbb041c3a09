//! Deleting the finished jobs and steps whose time is over.
//!
//! Only `Done` and `RolledBack` records go by their time; records that wait for a person or a run stay, however old.
//! The index of expiry has only rows that expire, and each transaction deletes at most 100 records, so that a store
//! with a million finished jobs is cleaned without holding up its writers.

use crate::durable::record::key::place;
use crate::durable::record::{Millis, Status};
use crate::durable::store::{Query, Store, StoreError};
use std::sync::Arc;

/// The number of records that one transaction deletes: others wait for it.
const BATCH: usize = 100;

/// Deletes the finished jobs and the steps whose `ttl` is over, with all that belongs to them, and old entries of the
/// quarantine.
///
/// It goes on until a transaction finds nothing more, so that a store that was not swept for a month is clean after
/// one turn.
pub(crate) async fn forget_old(store: &Arc<dyn Store>) -> Result<(), StoreError> {
    while store.delete_expired(BATCH).await? > 0 {}
    Ok(())
}

/// Deletes the first of them: what a start-up has time for.
pub(crate) async fn forget_first(store: &Arc<dyn Store>) -> Result<(), StoreError> {
    store.delete_expired(BATCH).await.map(drop)
}

/// Deletes the jobs that were done or undone before `before`, with all that belongs to them; returns their number.
///
/// For operators: it also deletes what has no `ttl`. The store compares the times again in its transaction, so that a
/// job which was called again since the listing stays.
pub(crate) async fn forget_ended_before(store: &Arc<dyn Store>, before: Millis) -> Result<usize, StoreError> {
    let mut query = Query::new(place::JOBS).only(&[Status::Done, Status::RolledBack]).limit(1_000);
    let mut count = 0;
    loop {
        let page = store.list(query.clone()).await?;
        let old = page.records.into_iter().filter(|record| record.completed < before);
        let keys: Vec<_> = old.map(|record| record.key).collect();
        for keys in keys.chunks(BATCH) {
            count += store.remove_ended(keys.to_vec(), before).await?;
        }
        match page.next {
            Some(next) => query.after = next,
            None => return Ok(count),
        }
    }
}
