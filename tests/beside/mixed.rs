//! One function for each attribute that needs no feature, in the forms whose expansion depends on features.

use resilience::{
    Rejected, Simplify, bulkhead, chaos, circuit_breaker, degrade, failover, hedge, rate_limit, timeout,
    with_fallback, with_retry,
};
use std::fmt;
use std::time::Duration;

#[derive(Debug)]
enum Error {
    Fault,
    Rejected(Rejected),
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault => f.write_str("a fault"),
            Self::Rejected(rejected) => rejected.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

#[with_retry(max = 2, base = 1ms, give_up_after = 10s)]
#[chaos(rate = 100%, fault = Error::Fault, lost = Error::Fault, latency = 1ms)]
fn retried(n: u32) -> Result<u32, Error> {
    Ok(n)
}

#[chaos(rate = 100%, panic)]
fn alone(n: u32) -> Option<u32> {
    Some(n)
}

#[with_retry(max = 2, timed)]
#[bulkhead(4, wait = 1s)]
#[rate_limit(100, per = 1s)]
#[chaos(rate = 100%, fault = Error::Fault)]
fn admitted(n: u32) -> Result<u32, Error> {
    Ok(n)
}

#[with_fallback(value = 7)]
#[with_retry(max = 2, base = 1ms, timed)]
#[circuit_breaker(rate = 50%, window = 60s)]
#[timeout(1s, growth = 2.0)]
#[bulkhead(4, wait = 1s)]
#[rate_limit(100, per = 1s, wait = 1s)]
async fn stacked(n: u32) -> Result<u32, Error> {
    tokio::task::yield_now().await;
    Ok(n)
}

#[timeout(1s, thread)]
fn on_thread(n: u32) -> Result<u32, Error> {
    Ok(n)
}

#[timeout(adaptive, floor = 100ms, cap = 10s)]
#[hedge(after = 100ms, idempotent)]
async fn hedged(n: u32) -> Result<u32, Error> {
    tokio::time::sleep(Duration::from_millis(1)).await;
    Ok(n)
}

#[failover(n = [1, 2], on(unknown))]
fn failed_over(n: u32) -> Result<u32, Error> {
    if n < 2 { Err(Error::Fault) } else { Ok(n) }
}

struct Size(u32);

impl Simplify for Size {
    fn simplify(&self, level: u32) -> Option<Self> {
        self.0.checked_sub(level).map(Self)
    }
}

#[degrade(size, on(unknown))]
fn degraded(size: &Size) -> Result<u32, Error> {
    if size.0 > 2 { Err(Error::Fault) } else { Ok(size.0) }
}

pub fn run() {
    assert_eq!(retried(1).unwrap(), 1);
    assert_eq!(alone(1), Some(1));
    assert_eq!(admitted(2).unwrap(), 2);
    assert_eq!(on_thread(3).unwrap(), 3);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert_eq!(runtime.block_on(stacked(4)).unwrap(), 4);
    assert_eq!(runtime.block_on(hedged(5)).unwrap(), 5);
    assert_eq!(failed_over(0).unwrap(), 2);
    assert!(degraded(&Size(4)).is_ok_and(|size| size == 2));
}
