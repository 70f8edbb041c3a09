//! Records in this process's memory: for tests, and for steps that need not outlive the process.
//!
//! Every operation holds one lock for its whole transaction and calls the rule. Rules write only after everything was
//! checked, so that a failing one has written nothing. Records are kept as their bytes and decoded at each read, so
//! that a test of this store runs the same checks as one of a store on disk.

use super::owners::{self, CounterWatch};
use super::rules::{self, Life, PAGE_BYTES, Rows};
use super::{
    Capabilities, Claim, Claimed, Completion, Cursor, Page, Quarantined, Query, Release, Store, StoreError,
    Work,
};
use crate::base::sync::locked;
use crate::durable::record::key::place;
use crate::durable::record::{Millis, Record};
use std::collections::BTreeMap;
use std::future::ready;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, UNIX_EPOCH};

/// A store that keeps records in memory: everything is lost with the process.
///
/// It follows the same rules as every store, so that tests see the same answers. Its clock is the time of
/// day, or that of the test world of the thread that asks.
///
/// # Examples
///
/// ```
/// use resilience::durable::{MemoryStore, use_store};
/// use std::sync::Arc;
///
/// # let _world = resilience::testing::isolate();
/// use_store(Arc::new(MemoryStore::new()));
/// let done: Result<u32, resilience::Rejected> = resilience::Checkpoint::new("shop::price").call("a", || Ok(1));
/// assert_eq!(done.unwrap(), 1);
/// ```
#[derive(Debug)]
pub struct MemoryStore {
    tables: Mutex<Tables>,
    owner: String,
    identity: String,
}

/// The tables under the lock: the rows, the quarantine and the counters.
#[derive(Debug, Default)]
struct Tables {
    own: String,
    rows: BTreeMap<String, Vec<u8>>,
    quarantine: Vec<Quarantined>,
    quarantined: u64,
    fence: u64,
    /// Other owners, which only tests have: when each was last seen to write.
    watch: CounterWatch,
}

impl Default for MemoryStore {
    fn default() -> Self {
        let owner = owners::new_name();
        let tables = Mutex::new(Tables { own: owner.clone(), ..Tables::default() });
        let identity = format!("{:016x}{:016x}", owners::random(), owners::random());
        Self { tables, owner, identity }
    }
}

impl MemoryStore {
    /// Creates an empty store, with an identity of its own.
    ///
    /// # Examples
    ///
    /// Two stores share nothing:
    ///
    /// ```
    /// use resilience::durable::{MemoryStore, Record, Store};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let (one, other) = (MemoryStore::new(), MemoryStore::new());
    /// one.cas(None, Record::new("c/page:7")).await?;
    /// assert!(one.get("c/page:7").await?.is_some() && other.get("c/page:7").await?.is_none());
    /// # Ok::<(), resilience::durable::StoreError>(())
    /// # }).unwrap();
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        locked(&self.tables)
    }

    /// Applies `rule` under the lock, before the future is made: what comes back is ready, and dropping it undoes
    /// nothing.
    fn apply<T>(&self, rule: impl FnOnce(&mut Tables) -> Result<T, StoreError>) -> Work<'_, T>
    where
        T: Send + 'static,
    {
        Box::pin(ready(rule(&mut self.tables())))
    }
}

/// Returns the time by the clock of the calling thread: the test world's if there is one, so that records age when a
/// test moves its clock.
fn now() -> Millis {
    let since = crate::base::clock::time_of_day().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}

impl Tables {
    fn read(&self, key: &str) -> Result<Option<Record>, StoreError> {
        let corrupt = |reason| StoreError::Corrupt { key: key.to_owned(), reason };
        self.rows.get(key).map(|bytes| Record::decode(key, bytes).map_err(corrupt)).transpose()
    }

    /// Returns the keys that begin with `prefix`, in the order of their bytes.
    fn keys(&self, prefix: &str) -> Vec<String> {
        let keys = self.rows.range(prefix.to_owned()..).map(|(key, _)| key);
        keys.take_while(|key| key.starts_with(prefix)).cloned().collect()
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

    fn quarantine(&mut self, key: &str, why: &'static str) -> Result<(), StoreError> {
        if let Some(bytes) = self.rows.remove(key) {
            self.quarantined += 1;
            let entry = Quarantined::new(self.quarantined, key, now(), why, bytes.len());
            self.quarantine.push(Quarantined { bytes: Some(bytes), ..entry });
        }
        Ok(())
    }

    fn remove_all(&mut self, prefix: &str) -> Result<(), StoreError> {
        for key in self.keys(prefix) {
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

    fn is_dead(&mut self, owner: &str, lease: Duration) -> Result<Life, StoreError> {
        if owner == self.own {
            return Ok(Life::Alive(lease));
        }
        Ok(self.watch.look(owner, None, lease, Duration::MAX, crate::base::clock::now()))
    }

    fn forget_owner(&mut self, owner: &str) -> Result<(), StoreError> {
        self.watch.forget(owner);
        Ok(())
    }

    fn progress(&mut self, prefix: &str) -> Result<u64, StoreError> {
        let keys = self.keys(prefix);
        let part = |key: &String| self.read(key).ok().flatten().map_or(0, |record| record.progress_part());
        Ok(keys.iter().map(part).fold(0, u64::wrapping_add))
    }
}

impl Store for MemoryStore {
    fn get<'a>(&'a self, key: &'a str) -> Work<'a, Option<Record>> {
        self.apply(|tables| tables.get(key))
    }

    fn claim(&self, claim: Claim) -> Work<'_, Claimed> {
        self.apply(|tables| {
            let claimed = rules::claim(tables, &claim)?;
            // Only tests claim for other owners, and none of these has a heartbeat.
            if matches!(claimed, Claimed::Held(_)) && claim.owner != tables.own {
                tables.watch.forget(&claim.owner);
                tables.is_dead(&claim.owner, claim.lease)?;
            }
            Ok(claimed)
        })
    }

    fn renew(&self, _: Duration) -> Work<'_, ()> {
        Box::pin(ready(Ok(())))
    }

    fn complete(&self, completion: Completion) -> Work<'_, Record> {
        self.apply(|tables| rules::complete(tables, &completion))
    }

    fn put_cursor(&self, cursor: Cursor) -> Work<'_, ()> {
        self.apply(|tables| rules::put_cursor(tables, &cursor))
    }

    fn release(&self, release: Release) -> Work<'_, ()> {
        self.apply(|tables| rules::release(tables, &release))
    }

    fn cas(&self, expected: Option<u64>, record: Record) -> Work<'_, Record> {
        self.apply(|tables| rules::cas(tables, expected, record))
    }

    fn list(&self, query: Query) -> Work<'_, Page> {
        self.apply(|tables| {
            let mut page = Page::default();
            let (mut last, mut bytes): (&str, usize) = ("", 0);
            let from = query.prefix.as_str().max(query.after.as_str());
            let keys = tables.rows.range::<str, _>((Bound::Included(from), Bound::Unbounded));
            let keys = keys.map(|(key, _)| key.as_str()).take_while(|key| key.starts_with(&query.prefix));
            for key in keys.filter(|key| *key > query.after.as_str()) {
                if page.records.len() + page.corrupt.len() == query.size() || bytes > PAGE_BYTES {
                    page.next = Some(last.to_owned());
                    break;
                }
                match tables.read(key) {
                    Ok(Some(record)) if query.admits(record.status) => {
                        let record = query.shaped(record);
                        bytes += record.note.len() + record.input.len() + record.value.len();
                        page.records.push(record);
                    }
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
                record.and_then(|record| record.ended()).is_some_and(|ended| ended < before)
            };
            let keys: Vec<_> = tables.keys(prefix).into_iter().filter(old).take(limit).collect();
            for key in &keys {
                tables.rows.remove(key);
            }
            Ok(keys.len())
        })
    }

    fn delete_expired(&self, limit: usize) -> Work<'_, usize> {
        self.apply(|tables| {
            let now = now();
            let expired = |key: &String| {
                let record = tables.read(key).ok().flatten();
                rules::is_kept_for_a_time(key) && record.is_some_and(|record| record.is_expired(now))
            };
            let keys: Vec<_> = tables.keys("").into_iter().filter(expired).take(limit).collect();
            for key in &keys {
                rules::remove(tables, key, &place::parts_of(key))?;
            }
            let before = now.saturating_sub(rules::QUARANTINE);
            let mut count = keys.len();
            tables.quarantine.retain(|entry| {
                let goes = entry.at < before && count < limit;
                count += usize::from(goes);
                !goes
            });
            Ok(count)
        })
    }

    fn remove(&self, key: String, with: Vec<String>) -> Work<'_, bool> {
        self.apply(|tables| rules::remove(tables, &key, &with))
    }

    fn remove_ended(&self, keys: Vec<String>, before: Millis) -> Work<'_, usize> {
        self.apply(|tables| rules::remove_ended(tables, &keys, before))
    }

    fn quarantine(&self, before: Option<u64>, limit: usize) -> Work<'_, Vec<Quarantined>> {
        self.apply(|tables| {
            let older = tables.quarantine.iter().rev().filter(|entry| before.is_none_or(|id| entry.id < id));
            let head = |entry: &Quarantined| {
                Quarantined::new(entry.id, entry.key.clone(), entry.at, entry.why.clone(), entry.size)
            };
            Ok(older.take(limit).map(head).collect())
        })
    }

    fn quarantined(&self, id: u64) -> Work<'_, Option<Quarantined>> {
        self.apply(|tables| Ok(tables.quarantine.iter().find(|entry| entry.id == id).cloned()))
    }

    fn remove_quarantined(&self, id: u64) -> Work<'_, bool> {
        self.apply(|tables| {
            let before = tables.quarantine.len();
            tables.quarantine.retain(|entry| entry.id != id);
            Ok(tables.quarantine.len() < before)
        })
    }

    fn now(&self) -> Work<'_, Millis> {
        Box::pin(ready(Ok(now())))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
    }

    fn kind(&self) -> &'static str {
        "memory"
    }

    fn owner(&self) -> String {
        self.owner.clone()
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }
}
