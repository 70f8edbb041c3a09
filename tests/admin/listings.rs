//! Pages: bounded, complete, and without values unless asked.

use crate::common::{Error, Scratch, block_on};
use crate::counted::Counted;
use resilience::checkpoints;
use resilience::durable::store::Liveness;
use resilience::durable::{MemoryStore, Record, SqliteStore, Status, Store};
use resilience::job;
use resilience::jobs::{self, Filter};
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// A job as a store keeps it.
fn job(id: &str, status: Status) -> Record {
    let mut record = Record::new(format!("j/{id}"));
    (record.status, record.function) = (status, "a-job".to_owned());
    record
}

/// `record`, changed.
fn with(mut record: Record, change: impl FnOnce(&mut Record)) -> Record {
    change(&mut record);
    record
}

fn put(store: &dyn Store, record: Record) {
    block_on(store.cas(None, record)).expect("a record");
}

fn stores(scratch: &Scratch) -> [Arc<dyn Store>; 2] {
    [Arc::new(MemoryStore::new()), Arc::new(SqliteStore::open(scratch.path("state")).expect("a store"))]
}

#[test]
fn a_page_reads_as_many_heads_as_it_has_jobs() {
    let store = Arc::new(Counted::default());
    for id in 0..40 {
        put(
            &*store,
            with(job(&format!("fat:{id:02}"), Status::Failed), |job| job.input = vec![b' '; 1 << 20]),
        );
    }
    let jobs = jobs::blocking::of(store.clone());
    let page = jobs.list(Filter::new().limit(10)).expect("a page");
    assert_eq!((page.len(), page.next.as_deref()), (10, Some("fat:09")));
    assert_eq!(store.read(), (10, 0), "ten heads");
    assert!(page.iter().all(|job| job.input.is_none() && job.result.is_none()));
    let page = jobs.list(Filter::new().limit(40).values()).expect("a page");
    assert!(page.len() < 8, "a page ends after 4 MiB: {}", page.len());
    assert_eq!(page.next.as_ref(), page.last().map(|job| &job.id));
    assert!(store.read().1 < 10 << 20, "and no more is read");
    assert_eq!(page[0].input.as_ref().map(String::len), Some(1 << 20));
    assert_eq!(jobs.count().expect("a count").of(Status::Failed), 40);
    assert_eq!(store.read(), (40, 0), "counting reads no values");
}

#[test]
fn pages_join_without_gaps_for_any_ids() {
    let scratch = Scratch::new();
    for store in stores(&scratch) {
        let ids = ["", "%", "a", "a/b", "a0", "ä", "j/", "z"];
        ids.iter().for_each(|id| put(&*store, job(id, Status::Done)));
        for limit in 1..=ids.len() + 1 {
            let jobs = jobs::blocking::of(store.clone());
            let (mut filter, mut found) = (Filter::new().limit(limit), Vec::new());
            loop {
                let page = jobs.list(filter.clone()).expect("a page");
                assert!(page.len() <= limit);
                found.extend(page.items.into_iter().map(|job| job.id));
                let Some(next) = page.next else { break };
                filter = filter.after(next);
            }
            let mut expected = ids.to_vec();
            expected.sort_unstable();
            assert_eq!(found, expected, "pages of {limit}");
        }
    }
}

#[test]
fn steps_and_cursors_are_listed_by_key_without_gaps() {
    let scratch = Scratch::new();
    for store in stores(&scratch) {
        for key in ["c/a", "c/b", "c/d", "p//a", "p//b", "p//c", "s/job/a", "p/job/x"] {
            put(
                &*store,
                with(Record::new(key), |step| (step.value, step.status) = (b"1".to_vec(), Status::Done)),
            );
        }
        let steps = checkpoints::blocking::of(store.clone());
        let expected = [("a", false), ("a", true), ("b", false), ("b", true), ("c", true), ("d", false)];
        for limit in 1..8 {
            let (mut filter, mut found) = (Filter::new().limit(limit), Vec::new());
            loop {
                let page = steps.list(filter.clone()).expect("a page");
                found.extend(page.items.into_iter().map(|step| (step.key, step.is_cursor)));
                let Some(next) = page.next else { break };
                filter = filter.after(next);
            }
            let found: Vec<_> = found.iter().map(|(key, is_cursor)| (key.as_str(), *is_cursor)).collect();
            assert_eq!(found, expected, "pages of {limit}");
        }
        assert_eq!(steps.list("b").expect("a page").len(), 2);
        let of_job = steps.clone().in_job("job").list(Filter::new().values()).expect("a page");
        let of_job: Vec<_> = of_job.iter().map(|step| (&*step.key, step.value.as_deref())).collect();
        assert_eq!(of_job, [("a", Some("1")), ("x", Some("1"))]);
        assert!(steps.list("").expect("a page").iter().all(|step| step.value.is_none()));
    }
}

#[test]
fn a_filter_selects_by_state_age_name_and_owner() {
    let scratch = Scratch::new();
    for store in stores(&scratch) {
        for id in 0..600 {
            let status = if id % 100 == 0 { Status::Manual } else { Status::Done };
            put(&*store, job(&format!("n:{id:03}"), status));
        }
        let mine = with(job("running:1", Status::Running), |job| job.owner = store.owner());
        put(&*store, mine);
        put(&*store, with(job("running:2", Status::Running), |job| job.owner = "1-foreign".to_owned()));
        put(&*store, with(job("x", Status::Done), |job| job.function = "another".to_owned()));
        let ids = |filter: Filter| -> Vec<String> {
            let page = jobs::blocking::of(store.clone()).list(filter).expect("a page");
            page.into_iter().map(|job| job.id).collect()
        };
        assert_eq!(ids(Filter::new().status(&[Status::Manual])).len(), 6);
        assert_eq!(ids(Filter::new().name("another")), ["x"]);
        assert_eq!(ids(Filter::from("running:")).len(), 2);
        assert_eq!(ids(Filter::new().owner(&[Liveness::Alive])), ["running:1"]);
        assert_eq!(ids(Filter::new().owner(&[Liveness::Unknown, Liveness::Dead])), ["running:2"]);
        assert_eq!(ids(Filter::new().older_than(Duration::from_secs(3_600))), [""; 0]);
        assert_eq!(ids(Filter::new().older_than(Duration::ZERO).limit(5)).len(), 5);
        assert_eq!(ids(Filter::new().limit(usize::MAX)).len(), 603, "at most 1,000");
        let counts = jobs::blocking::of(store.clone()).count().expect("a count");
        assert_eq!((counts.total(), counts.of(Status::Running), counts.of(Status::Dead)), (603, 2, 0));
        assert_eq!(counts.to_string(), "running 2, done 595, manual 6");
    }
}

#[test]
fn a_listing_yields_to_other_tasks() {
    let scratch = Scratch::new();
    for store in stores(&scratch) {
        for id in 0..1_100 {
            put(&*store, job(&format!("n:{id:04}"), Status::Done));
        }
        let pauses = |work: &mut dyn FnMut(&mut Context<'_>) -> bool| {
            let mut cx = Context::from_waker(Waker::noop());
            let mut pauses = 0;
            while !work(&mut cx) {
                pauses += 1;
            }
            pauses
        };
        let jobs = jobs::of(store.clone());
        let mut list = pin!(jobs.list(Filter::new().name("of none")));
        let paused =
            pauses(&mut |cx| matches!(list.as_mut().poll(cx), Poll::Ready(Ok(page)) if page.is_empty()));
        assert!(paused >= 4, "it read 1,100 records at once, or with {paused} pauses");
        let mut count = pin!(jobs.count());
        assert!(pauses(&mut |cx| count.as_mut().poll(cx).is_ready()) >= 4);
    }
}

#[test]
fn a_rare_status_is_found_by_short_queries() {
    let scratch = Scratch::new();
    let store = SqliteStore::open(scratch.path("state")).expect("a store");
    drop(store.clone());
    let mut tables = rusqlite::Connection::open(scratch.path("state/store.sqlite")).expect("the tables");
    let tx = tables.transaction().expect("a transaction");
    for id in 0..5_000 {
        let record = job(&format!("n:{id:04}"), if id == 4_321 { Status::Dead } else { Status::Failed });
        let (head, body) = record.encode_parts();
        let values = rusqlite::params![record.key, record.status.code(), head, body];
        let sql = "INSERT INTO records VALUES (?1, ?2, 0, 0, 0, 0, ?3, ?4)";
        tx.execute(sql, values).expect("a row");
    }
    tx.commit().expect("the rows");
    let mut query = resilience::durable::store::Query::new("j/").only(&[Status::Dead]);
    let mut pages = 0;
    let mut found = Vec::new();
    loop {
        let page = block_on(store.list(query.clone())).expect("a page");
        pages += 1;
        found.extend(page.records.into_iter().map(|record| record.key));
        let Some(next) = page.next else { break };
        query.after = next;
    }
    assert_eq!(found, ["j/n:4321"]);
    assert!((2..=5).contains(&pages), "{pages} pages");
    let jobs = jobs::blocking::of(Arc::new(store));
    let page = jobs.list(Filter::new().status(&[Status::Dead])).expect("a page");
    assert_eq!((page.len(), page.next.as_deref()), (1, None));
}

static STORE: OnceLock<Arc<SqliteStore>> = OnceLock::new();
static BEGUN: AtomicU32 = AtomicU32::new(0);

#[job("dropped:{id}", store = STORE.get().expect("a store"))]
async fn dropped(id: u32) -> Result<u32, Error> {
    BEGUN.store(id, Ordering::SeqCst);
    pending().await
}

#[test]
fn a_job_whose_call_was_dropped_does_not_run_in_a_listing() {
    let scratch = Scratch::new();
    let store = Arc::new(SqliteStore::open(scratch.path("state")).expect("a store"));
    let jobs = jobs::blocking::of(STORE.get_or_init(|| store).clone());
    for id in 1..=30 {
        let mut call = Box::pin(dropped(id));
        block_on(poll_fn(|cx| {
            assert!(call.as_mut().poll(cx).is_pending());
            if BEGUN.load(Ordering::SeqCst) == id { Poll::Ready(()) } else { Poll::Pending }
        }));
        drop(call);
        let key = format!("dropped:{id}");
        let found = match id % 3 {
            0 => jobs.list(key).expect("a page").first().map(|job| job.status),
            1 => jobs.get(&key).expect("an answer").map(|job| job.status),
            _ => jobs.count().expect("a count").by_status.keys().next().copied(),
        };
        assert_eq!(found, Some(Status::Interrupted), "{id}");
    }
}
