//! The history of errors: every failed attempt, with what `context(..)` says of it.

use resilience::classify::history;
use resilience::{Category, testing, with_retry};
use std::io;

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
fn every_failed_attempt_is_noted_with_its_context() {
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
fn a_context_is_any_expression() {
    let _world = testing::isolate();
    assert_eq!(operators(1), None);
    let records = history().records();
    let pairs: Vec<_> = records[0].context.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(pairs, [("sum", "2"), ("wide", "1"), ("either", "true")]);
}

#[tokio::test(start_paused = true)]
async fn a_missing_value_is_noted_as_unknown() {
    let _world = testing::isolate();
    assert_eq!(ping().await, None);
    assert_eq!(history().count_at("context::ping", Category::Unknown), 2);
}
