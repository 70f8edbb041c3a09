//! The history of errors: every failed attempt, with what `context(..)` says of it.

use resilience::classify::history;
use resilience::classify::{ErrorRecord, report};
use resilience::{Category, Classification, testing, with_retry};
use std::fmt;
use std::io;
use std::time::Duration;

#[with_retry(max = 2, base = 0s, context(tenant, size = body.len()))]
fn upload(tenant: &str, body: &[u8]) -> io::Result<()> {
    let _ = (tenant, body);
    Err(io::ErrorKind::TimedOut.into())
}

#[with_retry(max = 1, base = 0s)]
async fn ping() -> Option<()> {
    None
}

#[test]
fn every_failed_attempt_is_recorded_with_its_context() {
    let _world = testing::isolate();
    assert!(upload("acme", b"abc").is_err());
    let records = history().records();
    let attempts: Vec<_> =
        records.iter().map(|record| (&*record.point, record.category, record.attempt)).collect();
    assert_eq!(attempts, [1, 2, 3].map(|attempt| ("context::upload", Category::Timeout, attempt)));
    let pairs: Vec<_> = records[0].context.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(pairs, [("tenant", "acme"), ("size", "3")]);
    assert_eq!(history().count(Category::Timeout), 3);
    assert_eq!(history().count_at("context::upload", Category::Timeout), 3);
}

#[with_retry(max = 0, context(sum = a + 1, wide = a as u64, either = a == 1 || a == 2))]
fn operators(a: u32) -> Option<u32> {
    let _ = a;
    None
}

#[test]
fn a_context_may_be_any_expression() {
    let _world = testing::isolate();
    assert_eq!(operators(1), None);
    let records = history().records();
    let pairs: Vec<_> = records[0].context.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(pairs, [("sum", "2"), ("wide", "1"), ("either", "true")]);
}

#[with_retry(max = 0, context(r#type, r#fn = r#type + 1))]
fn raw(r#type: u32) -> Option<u32> {
    let _ = r#type;
    None
}

#[test]
fn a_raw_name_is_recorded_without_its_prefix() {
    let _world = testing::isolate();
    assert_eq!(raw(1), None);
    let records = history().records();
    let pairs: Vec<_> = records[0].context.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(pairs, [("type", "1"), ("fn", "2")]);
}

#[tokio::test(start_paused = true)]
async fn a_missing_value_is_recorded_as_unknown() {
    let _world = testing::isolate();
    assert_eq!(ping().await, None);
    assert_eq!(history().count_at("context::ping", Category::Unknown), 2);
}

#[test]
fn records_of_all_functions_and_components_are_in_order() {
    let world = testing::isolate();
    let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
    assert_eq!(operators(1), None);
    report("mailer", &refused());
    assert!(upload("acme", b"").is_err());
    world.advance(Duration::from_secs(1));
    assert_eq!(operators(1), None);
    let records = history().records();
    let points: Vec<_> = records.iter().map(|record| record.point.rsplit("::").next().unwrap()).collect();
    assert_eq!(points, ["operators", "mailer", "upload", "upload", "upload", "operators"]);
    let passed = records[5].at.duration_since(records[0].at).unwrap();
    assert!(passed >= Duration::from_millis(990), "{passed:?}");
    let counts: Vec<_> = history().patterns().into_iter().map(|pattern| pattern.count).collect();
    assert_eq!(counts, [3, 2, 1]);
    history().clear();
    assert!(history().records().is_empty() && history().patterns().is_empty());
    assert_eq!(
        history().count(Category::Timeout) + history().count_at("context::upload", Category::Timeout),
        0
    );
}

#[test]
fn the_limit_of_the_process_can_be_set() {
    let _world = testing::isolate();
    (0..60).for_each(|_| assert!(upload("acme", b"").is_err()));
    assert_eq!(history().records().len(), 100);
    history().set_limit(5);
    assert_eq!(history().records().len(), 5);
    let class = Classification::new(Category::Auth);
    history().record(ErrorRecord::new("login", &class));
    let records = history().records();
    assert_eq!((records.len(), &*records[4].point), (5, "login"));
    history().set_limit(0);
    assert!(upload("acme", b"").is_err());
    assert!(history().records().is_empty());
    assert_eq!(history().count(Category::Timeout), 60 + 50 + 1, "counts go on");
    history().set_limit(1_000);
    (0..60).for_each(|_| assert!(upload("acme", b"").is_err()));
    assert_eq!(history().records().len(), 60);
}

#[test]
fn a_long_text_of_a_context_is_cut_off() {
    #[with_retry(max = 0, context(body))]
    fn send(body: &str) -> Option<()> {
        let _ = body;
        None
    }
    let _world = testing::isolate();
    assert_eq!(send(&"\u{fc}".repeat(1_000_000)), None);
    assert_eq!(send("short"), None);
    let class = Classification::new(Category::Auth);
    let record = (0..1_000).fold(ErrorRecord::new("login", &class), |record, n| {
        record.context("k".repeat(n), "v".repeat(1_000))
    });
    history().record(record.code("c".repeat(1_000)));
    let records = history().records();
    assert_eq!(records[0].context[0].1, "\u{fc}".repeat(128));
    assert_eq!(records[1].context[0].1, "short");
    assert_eq!(records[2].context.len(), 32);
    assert!(records[2].context.iter().all(|(name, value)| name.len() <= 256 && value.len() == 256));
    assert_eq!(records[2].code.as_ref().map(String::len), Some(256));
}

/// A value whose text is made by calls that fail and look at the history themselves.
struct Nested;

impl fmt::Display for Nested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let _ = (nested(false), upload("acme", b""));
        write!(f, "{} records", history().records().len())
    }
}

#[with_retry(max = 0, context(about = NestedIf(outer)))]
fn nested(outer: bool) -> Option<()> {
    let _ = outer;
    None
}

struct NestedIf(bool);

impl fmt::Display for NestedIf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 { Nested.fmt(f) } else { f.write_str("inner") }
    }
}

#[test]
fn texts_are_formatted_outside_locks() {
    let _world = testing::isolate();
    assert_eq!(nested(true), None);
    let last = history().records().pop().unwrap();
    assert_eq!(last.context[0].1, "4 records");
}

#[test]
fn concurrent_failures_are_all_counted() {
    #[with_retry(max = 0)]
    fn a() -> Option<()> {
        None
    }
    #[with_retry(max = 0)]
    fn b() -> Option<()> {
        None
    }
    std::thread::scope(|scope| {
        for call in [a, b, a, b] {
            scope.spawn(move || (0..500).for_each(|_| assert_eq!(call(), None)));
        }
    });
    let count = |name: &str| {
        let name = format!("context::{name}");
        history().count_at(&name, Category::Unknown)
    };
    assert_eq!((count("a"), count("b")), (1_000, 1_000));
}
