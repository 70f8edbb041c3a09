//! Deleting the finished jobs whose time is over.

use crate::durable::record::key::place;
use crate::durable::record::{Millis, Record, Status};
use crate::durable::store::{Query, Store, StoreError};
use std::sync::Arc;

/// Deletes the finished jobs whose `ttl` is over, with all that belongs to them.
pub(crate) async fn forget_old(store: &Arc<dyn Store>) -> Result<(), StoreError> {
    let now = store.now().await?;
    forget(store, usize::MAX, |record| record.is_expired(now)).await.map(drop)
}

/// Deletes the first of them: what a start-up has time for.
pub(crate) async fn forget_first(store: &Arc<dyn Store>) -> Result<(), StoreError> {
    let now = store.now().await?;
    forget(store, 1, |record| record.is_expired(now)).await.map(drop)
}

/// Deletes the jobs that ended before `before`, with all that belongs to them; returns how many.
pub(crate) async fn forget_ended_before(store: &Arc<dyn Store>, before: Millis) -> Result<usize, StoreError> {
    forget(store, usize::MAX, |record| record.completed < before).await
}

async fn forget(
    store: &Arc<dyn Store>,
    pages: usize,
    is_old: impl Fn(&Record) -> bool,
) -> Result<usize, StoreError> {
    let ended = [Status::Done, Status::Failed, Status::RolledBack, Status::Dead];
    let mut query = Query::new(place::JOBS).only(&ended).limit(1_000);
    let mut count = 0;
    for _ in 0..pages {
        let page = store.list(query.clone()).await?;
        for record in page.records.into_iter().filter(&is_old) {
            let id = place::id(&record.key).to_owned();
            match store.remove(record.key, place::of_job(&id)).await {
                Ok(_) => count += 1,
                // Begun again meanwhile.
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        match page.next {
            Some(next) => query.after = next,
            None => break,
        }
    }
    Ok(count)
}
