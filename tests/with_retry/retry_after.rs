//! The other side says when to come back.

use crate::twins::{Script, always, fails, millis, steps};
use resilience::{Category, Classification, with_retry};
use std::time::Duration;

fn busy(wait: Duration) -> Classification {
    Classification::new(Category::RateLimited).retry_after(wait)
}

fn seconds(n: u64) -> Script {
    fails(1, busy(Duration::from_secs(n)))
}

twins!(exact: with_retry(max = 3, jitter = none));
twins!(spread: with_retry(max = 3));

#[test]
fn retry_after_replaces_a_shorter_backoff_and_may_exceed_cap() {
    assert_eq!(exact(&seconds(3)).waits, millis([3_000]));
    assert_eq!(exact(&seconds(30)).waits, millis([30_000]));
}

#[test]
fn a_longer_backoff_is_kept() {
    twins!(patient: with_retry(max = 3, base = 5s, jitter = none));
    assert_eq!(patient(&seconds(1)).waits, millis([5_000]));
}

#[test]
fn jitter_adds_up_to_a_tenth_to_retry_after() {
    let waits: Vec<_> = (0..60).flat_map(|seed| spread(&seconds(30).seed(seed)).waits).collect();
    assert_eq!(waits.len(), 60);
    assert!(waits.iter().all(|wait| *wait >= Duration::from_secs(30) && *wait <= Duration::from_secs(33)));
    assert!(waits.iter().any(|wait| *wait > Duration::from_secs(32)), "nothing is added");
    assert!(waits.iter().any(|wait| *wait < Duration::from_secs(31)), "the same is added to all");
}

#[test]
fn jitter_of_a_longer_backoff_never_goes_below_retry_after() {
    twins!(jittered: with_retry(max = 1, base = 5s));
    let waits: Vec<_> = (0..60).flat_map(|seed| jittered(&seconds(2).seed(seed)).waits).collect();
    assert!(waits.iter().all(|wait| *wait >= Duration::from_secs(2)), "{waits:?}");
}

#[test]
fn a_retry_after_beyond_its_cap_gives_up_at_once() {
    assert_eq!(exact(&seconds(60)).outcome, Ok(2));
    let seen = exact(&seconds(61));
    assert_eq!((seen.calls, seen.waits), (1, vec![]));
    assert_eq!(seen.outcome.unwrap_err().call, 1);
    twins!(low: with_retry(max = 3, retry_after_cap = 2s, jitter = none));
    assert_eq!(low(&seconds(2)).outcome, Ok(2));
    assert_eq!(low(&seconds(3)).calls, 1);
    twins!(high: with_retry(max = 3, retry_after_cap = 2h, jitter = none));
    assert_eq!(high(&seconds(3600)).waits, millis([3_600_000]));
}

#[test]
fn an_extreme_retry_after_gives_up_at_once() {
    for wait in [Duration::MAX, Duration::from_secs(u64::MAX)] {
        for call in [exact, spread] {
            let seen = call(&fails(1, busy(wait)));
            assert_eq!((seen.calls, seen.elapsed), (1, Duration::ZERO));
        }
    }
}

#[test]
fn a_retry_after_beyond_give_up_after_gives_up_at_once() {
    twins!(hurried: with_retry(max = 3, give_up_after = 10s, jitter = none));
    assert_eq!(hurried(&seconds(9)).outcome, Ok(2));
    let seen = hurried(&seconds(11));
    assert_eq!((seen.calls, seen.elapsed), (1, Duration::ZERO));
}

#[test]
fn a_retry_after_of_zero_is_ignored() {
    assert_eq!(exact(&seconds(0)).waits, millis([100]));
}

#[test]
fn retry_after_does_not_make_a_permanent_error_retryable() {
    let class = Classification::new(Category::Permanent).retry_after(Duration::from_secs(1));
    assert_eq!(exact(&always(class)).calls, 1);
}

#[test]
fn retry_after_applies_only_to_its_own_error() {
    let script = steps([Some(busy(Duration::from_secs(7))), Some(Category::Transient.into()), None]);
    assert_eq!(exact(&script).waits[0], Duration::from_secs(7));
    assert!(exact(&script).waits[1] <= Duration::from_millis(200));
}

#[test]
fn any_category_may_have_retry_after() {
    let class = Classification::new(Category::Unavailable).retry_after(Duration::from_secs(4));
    assert_eq!(exact(&fails(1, class)).waits, millis([4_000]));
}
