//! Many different keys, and many rows: what the library keeps of them in memory does not grow with their number.
//!
//! `MILLION_KEYS=1000000 cargo test --test store million -- --nocapture` prints what it measures; without the variable
//! there are fewer, so that it takes seconds.

use crate::common::{Error, Scratch, block_on, child, given_dir};
use resilience::checkpoints;
use resilience::durable::store::{
    Capabilities, Claim, Claimed, Completion, Cursor, Page, Quarantined, Query, Release, Work,
};
use resilience::durable::{Record, SqliteStore, Status, Store, use_store};
use resilience::jobs::{self, Filter};
use resilience::{Checkpoint, Job, Progress};
use std::fs;
use std::future::ready;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How much memory a process may need more for many keys than for a few.
const FLAT: u64 = 12 << 20;

/// How many keys there are.
fn keys(few: u64) -> u64 {
    std::env::var("MILLION_KEYS").ok().and_then(|keys| keys.parse().ok()).unwrap_or(few)
}

/// The bytes of memory that this process has.
fn memory() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").expect("its memory");
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("a number") * 4_096
}

/// A store that keeps nothing of what is recorded in it, and has as many jobs as asked for.
#[derive(Debug)]
struct Endless {
    fence: AtomicU64,
    jobs: u64,
}

fn done<'a, T: Send + 'a>(value: T) -> Work<'a, T> {
    Box::pin(ready(Ok(value)))
}

impl Endless {
    fn new(jobs: u64) -> Arc<Self> {
        Arc::new(Self { fence: AtomicU64::new(1), jobs })
    }

    fn record(&self, key: String, status: Status) -> Record {
        let fence = self.fence.fetch_add(1, Ordering::Relaxed);
        let mut record = Record::new(key);
        (record.status, record.owner, record.function) = (status, self.owner(), "job".to_owned());
        (record.fence, record.incarnation, record.attempts) = (fence, fence, 1);
        record
    }
}

impl Store for Endless {
    fn get<'a>(&'a self, _: &'a str) -> Work<'a, Option<Record>> {
        done(None)
    }

    fn claim(&self, claim: Claim) -> Work<'_, Claimed> {
        done(Claimed::Held(self.record(claim.key, Status::Running)))
    }

    fn renew(&self, _: Duration) -> Work<'_, ()> {
        done(())
    }

    fn complete(&self, completion: Completion) -> Work<'_, Record> {
        done(self.record(completion.key, completion.status))
    }

    fn put_cursor(&self, _: Cursor) -> Work<'_, ()> {
        done(())
    }

    fn release(&self, _: Release) -> Work<'_, ()> {
        done(())
    }

    fn cas(&self, _: Option<u64>, record: Record) -> Work<'_, Record> {
        done(record)
    }

    fn list(&self, query: Query) -> Work<'_, Page> {
        let mut page = Page::default();
        if query.prefix != "j/" {
            return done(page);
        }
        let first = query.after.strip_prefix("j/").map_or(0, |after| after.parse::<u64>().unwrap_or(0) + 1);
        let last = (first + query.limit as u64).min(self.jobs);
        page.records =
            (first..last).map(|id| self.record(format!("j/{id:09}"), Status::Interrupted)).collect();
        page.next = (last < self.jobs).then(|| format!("j/{:09}", last - 1));
        done(page)
    }

    fn delete_older_than<'a>(&'a self, _: &'a str, _: u64, _: usize) -> Work<'a, usize> {
        done(0)
    }

    fn delete_expired(&self, _: usize) -> Work<'_, usize> {
        done(0)
    }

    fn remove(&self, _: String, _: Vec<String>) -> Work<'_, bool> {
        done(true)
    }

    fn remove_ended(&self, _: Vec<String>, _: u64) -> Work<'_, usize> {
        done(0)
    }

    fn quarantine(&self, _: Option<u64>, _: usize) -> Work<'_, Vec<Quarantined>> {
        done(Vec::new())
    }

    fn quarantined(&self, _: u64) -> Work<'_, Option<Quarantined>> {
        done(None)
    }

    fn remove_quarantined(&self, _: u64) -> Work<'_, bool> {
        done(false)
    }

    fn now(&self) -> Work<'_, u64> {
        done(1)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
    }

    fn owner(&self) -> String {
        "this".to_owned()
    }

    fn identity(&self) -> String {
        "endless".to_owned()
    }
}

/// Does `work` for a few of `keys`, and then for all of them, which may take no more memory.
fn is_flat(what: &str, keys: u64, mut work: impl FnMut(u64)) {
    (0..keys / 20).for_each(&mut work);
    let before = memory();
    (keys / 20..keys).for_each(&mut work);
    let grown = memory().saturating_sub(before);
    println!("{what}: {keys} of them took {grown} bytes more than the first of twenty parts");
    assert!(grown < FLAT, "{what}: {grown} bytes");
}

/// Follows a listing to its end; how many items it had.
fn listed(jobs: &jobs::blocking::Jobs) -> u64 {
    let (mut filter, mut count) = (Filter::new(), 0);
    loop {
        let page = jobs.list(filter.clone()).expect("a page");
        count += page.len() as u64;
        let Some(next) = page.next else { return count };
        filter = filter.after(next);
    }
}

#[test]
#[ignore = "run by others, in a process of its own"]
fn has_many_keys() {
    let Some(_) = given_dir() else { return };
    const STEP: Checkpoint = Checkpoint::new("step");
    let keys = keys(10_000);
    use_store(Endless::new(0));
    is_flat("steps", keys, |n| {
        STEP.call(format!("step:{n}"), || Ok::<_, Error>(n)).map(drop).expect("a step")
    });
    is_flat("async steps", keys, |n| {
        let step = STEP.call_async(format!("step:{n}"), async || Ok::<_, Error>(n));
        block_on(step).map(drop).expect("a step");
    });
    is_flat("jobs", keys, |n| {
        let body = |n| STEP.call("step", || Ok::<_, Error>(n));
        Job::run_blocking(&format!("job:{n}"), n, body).map(drop).expect("a job");
    });
    is_flat("cursors", keys, |n| {
        let mut cursor = Progress::<u64>::open(&format!("cursor:{n}"));
        cursor.save_blocking(&n).expect("a cursor");
        cursor.finish_blocking().expect("a cursor");
    });
    is_flat("looks", keys, |n| {
        assert_eq!(checkpoints::blocking::load::<u64>(&format!("step:{n}")), Ok(None));
        assert!(jobs::blocking::get(&format!("job:{n}")).expect("a store").is_none());
    });
    println!("all flat");
}

#[test]
#[ignore = "run by others, in a process of its own"]
fn has_many_rows() {
    let Some(dir) = given_dir() else { return };
    let rows = keys(10_000);
    let endless = jobs::blocking::of(Endless::new(rows));
    let before = memory();
    assert_eq!(listed(&endless), rows);
    assert_eq!(endless.count().expect("a count").of(Status::Interrupted), rows);
    let grown = memory().saturating_sub(before);
    println!("{rows} rows of a store that makes them: {grown} bytes");
    assert!(grown < FLAT, "{grown} bytes");

    let store = Arc::new(SqliteStore::open(dir.join("state")).expect("a store"));
    for first in (0..rows).step_by(500) {
        let records = (first..rows.min(first + 500)).map(|id| {
            let mut record = Record::new(format!("j/{id:09}"));
            (record.status, record.function) = (Status::Done, "job".to_owned());
            store.cas(None, record)
        });
        let written = block_on(futures::future::join_all(records));
        assert!(written.into_iter().all(|written| written.is_ok()));
    }
    let jobs = jobs::blocking::of(store);
    let before = memory();
    assert_eq!(listed(&jobs), rows);
    assert_eq!(jobs.count().expect("a count").of(Status::Done), rows);
    let grown = memory().saturating_sub(before);
    println!("{rows} rows of a file: {grown} bytes");
    assert!(grown < FLAT, "{grown} bytes");
    println!("all flat");
}

fn runs(name: &str) {
    let scratch = Scratch::new();
    let dir: &Path = &scratch.path("");
    let output = child(name, dir).output().expect("a process");
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}");
    assert!(output.status.success() && text.contains("all flat"), "{text}\n{output:?}");
}

#[test]
fn memory_does_not_grow_with_the_number_of_keys() {
    runs("million::has_many_keys");
}

#[test]
fn memory_does_not_grow_with_the_number_of_listed_rows() {
    runs("million::has_many_rows");
}
