//! What policies and jobs raise by themselves, and how often.

use crate::common::Scratch;
use resilience::alerts::{self, Alert, AlertLevel, Follower, Raised};
use resilience::durable::{MemoryStore, Progress, SqliteStore, use_store};
use resilience::{Budget, CircuitBreaker, CircuitBreakers, Rejected, checkpoint, job, testing, with_retry};
use std::io::{Error, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

/// The alerts that are written by now.
fn written() -> Vec<Alert> {
    assert!(alerts::flush(Duration::from_secs(1)));
    alerts::recent(1000).expect("a look").alerts
}

fn fail(breaker: &CircuitBreaker) {
    let failed: Result<(), Error> = breaker.call(|| Err(ErrorKind::ConnectionReset.into()));
    assert!(failed.is_err());
}

#[test]
fn an_opened_breaker_warns_without_disk_access_in_the_call() {
    static SEARCH: CircuitBreaker = CircuitBreaker::new("search").threshold(1);
    let (_world, scratch) = (testing::isolate(), Scratch::new());
    alerts::use_dir(scratch.path("state"));
    fail(&SEARCH);
    assert!(!scratch.path("state").exists());
    let alert = written().remove(0);
    assert_eq!(
        (alert.level, &*alert.component, &*alert.message),
        (AlertLevel::Warning, "search", "a circuit breaker opened")
    );
    assert_eq!(
        (&alert.details["point"], &alert.details["category"]),
        (&"search".into(), &"connection".into())
    );
    assert_eq!((&alert.details["failures"], &alert.details["key"]), (&1.into(), &().into()));
}

#[test]
fn breakers_of_many_keys_share_one_line_with_a_count() {
    static HOSTS: CircuitBreakers = CircuitBreakers::new().threshold(1);
    let (world, scratch) = (testing::isolate(), Scratch::new());
    alerts::use_dir(scratch.path(""));
    for n in 0..100 {
        let host = HOSTS.get(&format!("CANARY-{n}"));
        let failed: Result<(), Error> = host.call(|| Err(ErrorKind::ConnectionReset.into()));
        assert!(failed.is_err());
    }
    let alerts = written();
    assert_eq!(alerts.len(), 1);
    let key = alerts[0].details["key"].as_str().expect("a hash");
    assert!(key.len() == 8 && key.bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}");
    world.advance(Duration::from_secs(60));
    let alerts = written();
    assert_eq!((alerts.len(), &alerts[1].details["suppressed"]), (2, &99.into()));
}

#[test]
fn an_empty_budget_is_a_warning() {
    static BUDGET: Budget = Budget::new();
    #[with_retry(max = 3, base = 1ms, budget = BUDGET, name = "quote")]
    fn quote() -> Result<(), Error> {
        Err(ErrorKind::ConnectionReset.into())
    }
    let (_world, scratch) = (testing::isolate(), Scratch::new());
    alerts::use_dir(scratch.path(""));
    (0..1000).for_each(|_| assert!(quote().is_err()));
    let alert = written().remove(0);
    assert_eq!((&*alert.component, &*alert.message), ("quote", "the retry budget is used up"));
    assert!(alert.details["attempt"].is_u64(), "{alert}");
    assert!(alert.details["key"].is_null(), "{alert}");
}

#[test]
fn the_warning_of_an_empty_budget_has_the_hash_of_its_key() {
    #[with_retry(max = 3, base = 1ms, name = "quote of")]
    #[resilience::circuit_breaker(threshold = 1_000_000, key = host)]
    fn quote_of(host: &str) -> Result<(), Error> {
        let _ = host;
        Err(ErrorKind::ConnectionReset.into())
    }
    let (_world, scratch) = (testing::isolate(), Scratch::new());
    alerts::use_dir(scratch.path(""));
    (0..1000).for_each(|_| assert!(quote_of("a.example").is_err()));
    let alert = written().remove(0);
    assert_eq!((&*alert.component, &*alert.message), ("quote of", "the retry budget is used up"));
    assert_eq!(alert.details["key"].as_str().map(str::len), Some(8), "{alert}");
    assert!(!alert.to_string().contains("a.example"), "{alert}");
}

#[derive(Debug)]
struct Down;

impl From<Rejected> for Down {
    fn from(_: Rejected) -> Self {
        Self
    }
}

impl resilience::Classify for Down {
    fn classify(&self) -> resilience::Classification {
        resilience::Classification::new(resilience::Category::Auth)
    }
}

#[resilience::with_recovery(otherwise = escalate, name = "fetch")]
fn fetch() -> Result<u32, Down> {
    Err(Down)
}

#[resilience::job("import:{id}", name = "import")]
fn import(id: &str) -> Result<u32, Down> {
    let _ = id;
    fetch().or_else(|_| fetch())
}

#[test]
fn critical_alerts_of_different_jobs_are_all_written() {
    let (_world, scratch) = (testing::isolate(), Scratch::new());
    use_store(Arc::new(MemoryStore::new()));
    alerts::use_dir(scratch.path(""));
    for id in ["7", "8\n\"9\""] {
        assert!(import(id).is_err());
    }
    let alerts: Vec<_> = written().into_iter().filter(|alert| alert.message == "escalated").collect();
    let jobs: Vec<_> = alerts.iter().map(|alert| alert.job().expect("a job")).collect();
    assert_eq!(jobs.len(), 2, "{jobs:?}");
    assert_eq!(jobs[0], "import:7");
    assert!(
        alerts.iter().all(|alert| alert.level == AlertLevel::Critical && alert.details["reason"] == "auth")
    );
    // Each is a record for a person, too.
    let open: Vec<_> = alerts::escalations().expect("a look").into_iter().map(|open| open.alert).collect();
    assert_eq!(open, alerts);
}

#[checkpoint("page:{n}", name = "page")]
fn page(n: u32) -> Result<u32, Rejected> {
    Ok(n)
}

#[job("book:{n}", name = "book")]
fn book(n: u32) -> Result<u32, Rejected> {
    Ok(n)
}

#[test]
fn a_damaged_record_that_a_call_finds_is_critical() {
    let (_world, scratch) = (testing::isolate(), Scratch::new());
    alerts::use_dir(scratch.path("alerts"));
    let dir = scratch.path("state");
    use_store(Arc::new(SqliteStore::open(&dir).expect("a store")));
    let mut rows = Progress::<u32>::open("rows");
    assert!(page(1).is_ok() && book(1).is_ok() && rows.save_blocking(&7).is_ok());
    drop(rows);
    let tables = rusqlite::Connection::open(dir.join("store.sqlite")).expect("the tables");
    let change = "UPDATE records SET head = x'00', body = x'' WHERE key LIKE '%page:1%' OR key LIKE '%book:1%' \
                  OR key LIKE '%rows%'";
    assert_eq!(tables.execute(change, []).expect("a change"), 3);
    for _ in 0..2 {
        assert!(page(1).is_err() && book(1).is_err());
        assert!(Progress::<u32>::open("rows").restore_blocking().is_err());
    }
    let found: Vec<_> = written()
        .into_iter()
        .filter(|alert| (alert.level, &*alert.message) == (AlertLevel::Critical, "a record is damaged"))
        .map(|alert| (alert.component.clone(), alert.job().map(str::to_owned)))
        .collect();
    let (page, cursor) = (("page".to_owned(), None), ("progress".to_owned(), None));
    assert_eq!(found, [page, ("book".to_owned(), Some("book:1".to_owned())), cursor]);
}

#[test]
fn frequent_alerts_are_suppressed_and_counted() {
    let (world, scratch) = (testing::isolate(), Scratch::new());
    alerts::use_dir(scratch.path(""));
    let raise = || alerts::raise(AlertLevel::Warning, "a", "b", &[]);
    assert_eq!(raise(), Raised::Written);
    (0..41).for_each(|_| assert_eq!(raise(), Raised::HeldBack));
    world.advance(Duration::from_secs(60));
    assert_eq!(raise(), Raised::Written);
    let suppressed: Vec<_> = written().iter().map(|alert| alert.details["suppressed"].clone()).collect();
    assert_eq!(suppressed, [0, 41]);
}

#[test]
fn a_full_queue_loses_the_oldest_warnings_and_counts_them() {
    let (_world, scratch) = (testing::isolate(), Scratch::new());
    alerts::use_dir(scratch.path(""));
    let breakers: Vec<_> =
        (0..1500).map(|n| CircuitBreaker::new(format!("b{n}").leak()).threshold(1)).collect();
    breakers.iter().for_each(fail);
    assert!(alerts::flush(Duration::from_secs(1)));
    let alerts = Follower::new(scratch.path("")).next().expect("a look");
    assert_eq!(
        (alerts.len(), &*alerts[0].message, &alerts[0].details["lost"]),
        (1001, "alerts were lost", &"500".into())
    );
    assert_eq!((&*alerts[1].component, &*alerts[1000].component), ("b500", "b1499"));
}
