use resilience::{Budget, Event, Retry, presets, with_retry};
use std::io;
use std::time::Duration;

static SHARED: Budget = Budget::new();
const TIMES: u32 = 4;
const SLOW: Retry = presets::SLOW;

fn heard(_: &Event) {}

fn waits(n: u32) -> Duration {
    Duration::from_millis(u64::from(n))
}

#[with_retry(
    max = TIMES,
    backoff = 1.5,
    base = 10ms,
    cap = 1.5s,
    jitter = 0.8..1.2,
    give_up_after = 2m,
    retry_after_cap = 1h,
    idempotent = false,
    budget = SHARED,
    on(rate_limited, max = 8, base = 1s),
    on(rejected, max = 1),
    when = |e| e.kind() != io::ErrorKind::NotFound,
    unless = |e| e.kind() == io::ErrorKind::PermissionDenied,
    on_retry = heard,
    on_give_up = heard,
    name = "every::key",
    when_ok = |value| *value == 0,
    timed,
    context(id),
    clone(text)
)]
fn all(id: u32, text: String) -> io::Result<u32> {
    drop(text);
    Ok(id)
}

#[with_retry(policy = SLOW, backoff = waits)]
async fn from_a_policy(id: u32) -> Option<u32> {
    Some(id)
}

#[with_retry(backoff = linear)]
fn linear(id: u32) -> Option<u32> {
    Some(id)
}

#[with_retry(backoff = self::linear_waits)]
fn path_wins_with_self(id: u32) -> Option<u32> {
    Some(id)
}

fn linear_waits(_: u32) -> Duration {
    Duration::ZERO
}

fn main() {
    assert_eq!(all(1, String::new()).unwrap(), 1);
    let _ = from_a_policy(1);
    assert_eq!((linear(1), path_wins_with_self(1)), (Some(1), Some(1)));
}
