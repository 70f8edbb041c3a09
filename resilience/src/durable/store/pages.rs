//! Reading a listing to its end, page by page.

use super::{Page, Query, Store, StoreError};
use crate::durable::record::{Corrupt, Record};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

/// Calls `look` with each page of `query`; between two pages other tasks of the thread run.
pub(crate) async fn each_page(
    store: &Arc<dyn Store>,
    mut query: Query,
    mut look: impl FnMut(Page),
) -> Result<(), StoreError> {
    loop {
        let mut page = store.list(query.clone()).await?;
        let next = page.next.take();
        look(page);
        match next {
            Some(next) => query.after = next,
            None => return Ok(()),
        }
        yield_now().await;
    }
}

/// Returns every record under keys that begin with `prefix`, without values, and the keys of damaged ones.
///
/// It keeps all of them in memory. Use it for what belongs to one job, and not for all jobs.
pub(crate) async fn all(
    store: &Arc<dyn Store>,
    prefix: String,
) -> Result<(Vec<Record>, Vec<(String, Corrupt)>), StoreError> {
    let (mut found, mut damaged) = (Vec::new(), Vec::new());
    let query = Query::new(prefix).limit(256);
    each_page(store, query, |page| {
        found.extend(page.records);
        damaged.extend(page.corrupt);
    })
    .await?;
    Ok((found, damaged))
}

/// Lets other tasks of the thread run.
pub(crate) async fn yield_now() {
    let mut has_yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
