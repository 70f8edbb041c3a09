//! A store in memory that counts what its listings read, and its writes that remove jobs.

use crate::forward::forward;
use resilience::durable::store::{Page, Query, Work};
use resilience::durable::{MemoryStore, Store};
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Debug, Default)]
pub(crate) struct Counted {
    inner: MemoryStore,
    records: AtomicUsize,
    bytes: AtomicUsize,
    removals: AtomicUsize,
}

impl Counted {
    /// How many records, and how many bytes of values, the listings have read since this was asked last.
    pub(crate) fn read(&self) -> (usize, usize) {
        (self.records.swap(0, Ordering::Relaxed), self.bytes.swap(0, Ordering::Relaxed))
    }

    /// How many writes have removed jobs since this was asked last.
    pub(crate) fn removals(&self) -> usize {
        self.removals.swap(0, Ordering::Relaxed)
    }
}

impl Store for Counted {
    forward! {
        get claim renew complete put_cursor release cas delete_older_than remove quarantine quarantined
        remove_quarantined now capabilities owner identity
    }

    fn list(&self, query: Query) -> Work<'_, Page> {
        Box::pin(async move {
            let page = self.inner.list(query).await?;
            let bytes: usize =
                page.records.iter().map(|record| record.input.len() + record.value.len()).sum();
            self.records.fetch_add(page.records.len(), Ordering::Relaxed);
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
            Ok(page)
        })
    }

    fn delete_expired(&self, limit: usize) -> Work<'_, usize> {
        self.removals.fetch_add(1, Ordering::Relaxed);
        self.inner.delete_expired(limit)
    }

    fn remove_ended(&self, keys: Vec<String>, before: u64) -> Work<'_, usize> {
        self.removals.fetch_add(1, Ordering::Relaxed);
        self.inner.remove_ended(keys, before)
    }
}
