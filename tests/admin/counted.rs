//! A store in memory that counts what its listings read, and its writes that remove jobs.

use resilience::durable::store::{
    Capabilities, Claim, Claimed, Completion, Cursor, Page, Quarantined, Query, Release, Work,
};
use resilience::durable::{MemoryStore, Record, Store};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

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

    fn get<'a>(&'a self, key: &'a str) -> Work<'a, Option<Record>> {
        self.inner.get(key)
    }

    fn claim(&self, claim: Claim) -> Work<'_, Claimed> {
        self.inner.claim(claim)
    }

    fn renew(&self, lease: Duration) -> Work<'_, ()> {
        self.inner.renew(lease)
    }

    fn complete(&self, completion: Completion) -> Work<'_, Record> {
        self.inner.complete(completion)
    }

    fn put_cursor(&self, cursor: Cursor) -> Work<'_, ()> {
        self.inner.put_cursor(cursor)
    }

    fn release(&self, release: Release) -> Work<'_, ()> {
        self.inner.release(release)
    }

    fn cas(&self, expected: Option<u64>, record: Record) -> Work<'_, Record> {
        self.inner.cas(expected, record)
    }

    fn delete_older_than<'a>(&'a self, prefix: &'a str, before: u64, limit: usize) -> Work<'a, usize> {
        self.inner.delete_older_than(prefix, before, limit)
    }

    fn delete_expired(&self, limit: usize) -> Work<'_, usize> {
        self.removals.fetch_add(1, Ordering::Relaxed);
        self.inner.delete_expired(limit)
    }

    fn remove(&self, key: String, with: Vec<String>) -> Work<'_, bool> {
        self.inner.remove(key, with)
    }

    fn remove_ended(&self, keys: Vec<String>, before: u64) -> Work<'_, usize> {
        self.removals.fetch_add(1, Ordering::Relaxed);
        self.inner.remove_ended(keys, before)
    }

    fn quarantine(&self, before: Option<u64>, limit: usize) -> Work<'_, Vec<Quarantined>> {
        self.inner.quarantine(before, limit)
    }

    fn quarantined(&self, id: u64) -> Work<'_, Option<Quarantined>> {
        self.inner.quarantined(id)
    }

    fn remove_quarantined(&self, id: u64) -> Work<'_, bool> {
        self.inner.remove_quarantined(id)
    }

    fn now(&self) -> Work<'_, u64> {
        self.inner.now()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn owner(&self) -> String {
        self.inner.owner()
    }

    fn identity(&self) -> String {
        self.inner.identity()
    }
}
