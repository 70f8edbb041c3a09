//! Records in this process's memory: for tests, and for steps that need not outlive the process.

use super::rules::{self, Rows};
use super::{Aside, Capabilities, Claim, Claimed, Completion, Cursor, Page, Query, Store, StoreError, Work};
use crate::durable::record::{Millis, Record, Status};
use std::collections::BTreeMap;
use std::future::ready;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

/// A store in memory: everything is lost with the process.
///
/// Its clock is the time of day, or that of the test world of the thread that asks.
#[derive(Debug, Default)]
pub struct MemoryStore {
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    rows: BTreeMap<String, Vec<u8>>,
    aside: Vec<Aside>,
    fence: u64,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply<T>(&self, rule: impl FnOnce(&mut Tables) -> Result<T, StoreError>) -> Work<'_, T>
    where
        T: Send + 'static,
    {
        Box::pin(ready(rule(&mut self.tables())))
    }
}

fn now() -> Millis {
    let since = crate::clock::time_of_day().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}

impl Tables {
    fn read(&self, key: &str) -> Result<Option<Record>, StoreError> {
        let corrupt = |reason| StoreError::Corrupt { key: key.to_owned(), reason };
        self.rows.get(key).map(|bytes| Record::decode(key, bytes).map_err(corrupt)).transpose()
    }

    fn keys(&self, prefix: &str, after: &str) -> Vec<String> {
        let keys = self.rows.range(prefix.to_owned()..).map(|(key, _)| key);
        keys.take_while(|key| key.starts_with(prefix)).filter(|key| key.as_str() > after).cloned().collect()
    }
}

impl Rows for Tables {
    fn get(&mut self, key: &str) -> Result<Option<Record>, StoreError> {
        self.read(key)
    }

    fn put(&mut self, record: &Record) -> Result<(), StoreError> {
        self.rows.insert(record.key.clone(), record.encode());
        Ok(())
    }

    fn set_aside(&mut self, key: &str, why: &'static str) -> Result<(), StoreError> {
        if let Some(bytes) = self.rows.remove(key) {
            self.aside.push(Aside { key: key.to_owned(), at: now(), why: why.to_owned(), bytes });
        }
        Ok(())
    }

    fn remove_all(&mut self, prefix: &str) -> Result<(), StoreError> {
        for key in self.keys(prefix, "") {
            self.rows.remove(&key);
        }
        Ok(())
    }

    fn remove(&mut self, key: &str) -> Result<(), StoreError> {
        self.rows.remove(key);
        Ok(())
    }

    fn next_fence(&mut self) -> Result<u64, StoreError> {
        self.fence += 1;
        Ok(self.fence)
    }

    fn now(&self) -> Millis {
        now()
    }

    fn is_gone(&self, _: &str) -> bool {
        false
    }
}

impl Store for MemoryStore {
    fn get<'a>(&'a self, key: &'a str) -> Work<'a, Option<Record>> {
        self.apply(|tables| tables.get(key))
    }

    fn claim(&self, claim: Claim) -> Work<'_, Claimed> {
        self.apply(|tables| rules::claim(tables, &claim))
    }

    fn renew<'a>(&'a self, key: &'a str, fence: u64, lease: Duration) -> Work<'a, ()> {
        self.apply(|tables| rules::renew(tables, key, fence, lease))
    }

    fn complete(&self, completion: Completion) -> Work<'_, Record> {
        self.apply(|tables| rules::complete(tables, &completion))
    }

    fn put_cursor(&self, cursor: Cursor) -> Work<'_, ()> {
        self.apply(|tables| rules::put_cursor(tables, &cursor))
    }

    fn release<'a>(&'a self, key: &'a str, fence: u64, status: Status) -> Work<'a, ()> {
        self.apply(|tables| rules::release(tables, key, fence, status))
    }

    fn cas(&self, expected: Option<u64>, record: Record) -> Work<'_, Record> {
        self.apply(|tables| rules::cas(tables, expected, record))
    }

    fn list(&self, query: Query) -> Work<'_, Page> {
        self.apply(|tables| {
            let mut page = Page::default();
            let mut last = String::new();
            for key in tables.keys(&query.prefix, &query.after) {
                if page.records.len() + page.corrupt.len() == query.size() {
                    page.next = Some(last);
                    break;
                }
                match tables.read(&key) {
                    Ok(Some(record)) if query.admits(record.status) => page.records.push(record),
                    Err(StoreError::Corrupt { key, reason }) => page.corrupt.push((key, reason)),
                    _ => {}
                }
                last = key;
            }
            Ok(page)
        })
    }

    fn delete_older_than<'a>(&'a self, prefix: &'a str, before: Millis, limit: usize) -> Work<'a, usize> {
        self.apply(|tables| {
            let old = |key: &String| {
                let record = tables.read(key).ok().flatten();
                record.is_some_and(|record| record.has_ended_before(before))
            };
            let keys: Vec<_> = tables.keys(prefix, "").into_iter().filter(old).take(limit).collect();
            for key in &keys {
                tables.rows.remove(key);
            }
            Ok(keys.len())
        })
    }

    fn remove(&self, key: String, with: Vec<String>) -> Work<'_, bool> {
        self.apply(|tables| rules::remove(tables, &key, &with))
    }

    fn aside(&self, limit: usize) -> Work<'_, Vec<Aside>> {
        self.apply(|tables| Ok(tables.aside.iter().rev().take(limit).cloned().collect()))
    }

    fn now(&self) -> Work<'_, Millis> {
        Box::pin(ready(Ok(now())))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
    }
}
