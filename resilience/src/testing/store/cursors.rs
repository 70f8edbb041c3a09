//! The progress of a holder's work.
//!
//! A cursor is written only under the lease of its job, or its own; one of an earlier holder is refused by its fence.

use super::{Verdict, cases, claim, fenced, hold, lapsed, ok, present, same};
use crate::durable::Record;
use crate::durable::store::rules::VALUE_LIMIT;
use crate::durable::store::{Cursor, Holder, Store, StoreError};

cases![
    a_cursor_is_recorded_and_updated,
    a_cursor_of_a_lost_lease_is_refused,
    a_cursor_that_is_too_large_is_refused,
];

/// Returns a cursor of the job `holder`, at `value`.
fn cursor(holder: &Record, value: &[u8]) -> Cursor {
    let holder = Holder { key: holder.key.clone(), fence: holder.fence };
    Cursor { key: "p/job/rows".to_owned(), holder, value: value.to_vec() }
}

/// The last cursor counts, and writing it leaves the record of the job as it is.
async fn a_cursor_is_recorded_and_updated(store: &dyn Store) -> Verdict {
    let job = hold(store, claim(store, "job")).await?;
    for value in [b"1", b"2"] {
        ok(store.put_cursor(cursor(&job, value)).await, "a cursor")?;
        same(present(store, "p/job/rows").await?.value, value.to_vec(), "the cursor")?;
    }
    same(present(store, "job").await?.status, job.status, "the job goes on")
}

/// An earlier holder would set the work back, and its successor would repeat finished work.
async fn a_cursor_of_a_lost_lease_is_refused(store: &dyn Store) -> Verdict {
    let late = lapsed(store, "job").await?;
    ok(store.put_cursor(cursor(&late, b"1")).await, "a cursor of a lease that was not taken")?;
    hold(store, claim(store, "job")).await?;
    fenced(store.put_cursor(cursor(&late, b"2")).await, "job", "a late cursor")?;
    same(present(store, "p/job/rows").await?.value, b"1".to_vec(), "the cursor stays")
}

/// The limit is that of values: a cursor is written often.
async fn a_cursor_that_is_too_large_is_refused(store: &dyn Store) -> Verdict {
    let job = hold(store, claim(store, "job")).await?;
    let refused = Err(StoreError::TooLarge { bytes: VALUE_LIMIT + 1 });
    let large = cursor(&job, &vec![0; VALUE_LIMIT + 1]);
    same(store.put_cursor(large).await, refused, "a cursor over 1 MiB")?;
    same(ok(store.get("p/job/rows").await, "a read")?, None, "it leaves nothing behind")
}
