//! Writing what steps, jobs and loops record, and measuring it with the feature `ops`.
//!
//! A write takes thousands of times as long as a reading of the clock, so each is measured. A write whose caller was
//! dropped before the store answered is in no number: it may have happened or not.

use super::{Completion, Cursor, Store, StoreError, Work};
#[cfg(feature = "ops")]
use crate::base::clock::now;
#[cfg(feature = "ops")]
use crate::base::guarded::guarded;
#[cfg(feature = "ops")]
use crate::base::of_process::OfProcess;
#[cfg(feature = "ops")]
use crate::base::site::Site;
#[cfg(feature = "ops")]
use crate::base::sync::locked;
use crate::durable::record::Record;
#[cfg(feature = "ops")]
use crate::point::Times;
#[cfg(feature = "ops")]
use std::collections::BTreeMap;
#[cfg(feature = "ops")]
use std::sync::Mutex;

/// Records how the work under a lease ended; see [`Store::complete`].
///
/// # Errors
///
/// The store's.
pub(crate) async fn complete(store: &dyn Store, completion: Completion) -> Result<Record, StoreError> {
    written(store, store.complete(completion)).await
}

/// Records how far work has come; see [`Store::put_cursor`].
///
/// # Errors
///
/// The store's.
pub(crate) async fn put_cursor(store: &dyn Store, cursor: Cursor) -> Result<(), StoreError> {
    written(store, store.put_cursor(cursor)).await
}

#[cfg(not(feature = "ops"))]
async fn written<T>(_: &dyn Store, write: Work<'_, T>) -> Result<T, StoreError> {
    write.await
}

#[cfg(feature = "ops")]
async fn written<T>(store: &dyn Store, write: Work<'_, T>) -> Result<T, StoreError> {
    let since = now();
    let written = write.await;
    let took = now().saturating_duration_since(since);
    let result = written.as_ref().err().map_or("ok", StoreError::as_str);
    // The code of a store may panic, and the write has been answered.
    let kind = guarded(|| store.kind()).unwrap_or(OTHER);
    let mut all = locked(&WRITES);
    let is_known = all.contains_key(&(kind, result));
    let kind = if is_known || all.len() < MOST { kind } else { OTHER };
    all.entry((kind, result)).or_default().record(took);
    drop(all);
    written
}

/// The kind of a store that does not say which it is.
#[cfg(feature = "ops")]
const OTHER: &str = "other";

/// The most rows of named kinds: a program has a few kinds of stores.
#[cfg(feature = "ops")]
const MOST: usize = 100;

/// The durations of writes, by kind of store and by result.
#[cfg(feature = "ops")]
type Writes = BTreeMap<(&'static str, &'static str), Times>;

#[cfg(feature = "ops")]
static WRITES: Site<OfProcess<Mutex<Writes>>> =
    Site::new(OfProcess::locked(BTreeMap::new()), || OfProcess::locked(BTreeMap::new()));

/// Returns the durations so far, by kind of store and by result.
#[cfg(feature = "ops")]
pub(crate) fn writes() -> Writes {
    locked(&WRITES).clone()
}

#[cfg(all(test, feature = "ops", feature = "testing", not(loom)))]
mod tests {
    use super::*;
    use crate::durable::MemoryStore;
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    fn seen() -> Vec<(&'static str, &'static str, u64, Duration)> {
        writes().into_iter().map(|((kind, result), times)| (kind, result, times.count(), times.sum)).collect()
    }

    #[test]
    fn a_write_is_measured_unless_its_caller_drops_it() {
        let world = crate::testing::isolate();
        let store = MemoryStore::new();
        let cx = &mut Context::from_waker(Waker::noop());
        for (seconds, answer) in [(2, Ok(())), (3, Err(StoreError::Full)), (4, Ok(()))] {
            let mut polls = 0;
            let write: Work<'_, ()> = Box::pin(poll_fn(move |_| {
                polls += 1;
                if polls > 1 { Poll::Ready(answer.clone()) } else { Poll::Pending }
            }));
            let mut call = pin!(written(&store, write));
            assert!(call.as_mut().poll(cx).is_pending());
            world.advance(Duration::from_secs(seconds));
            if seconds < 4 {
                assert!(call.as_mut().poll(cx).is_ready());
            }
        }
        assert_eq!(
            seen(),
            [("memory", "full", 1, Duration::from_secs(3)), ("memory", "ok", 1, Duration::from_secs(2))]
        );
    }
}
