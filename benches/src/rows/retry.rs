//! Retries whose first attempt succeeds, and such whose call fails.

use super::{Row, bare, future, sync};
use crate::op::{CallError, FAILS, call};
use backon::{BlockingRetryable, ExponentialBuilder, Retryable};
use resilience::{Budget, Retry, circuit_breaker, with_retry};
use std::time::Duration;
use tokio_retry::strategy::ExponentialBackoff;

pub(super) fn rows() -> Vec<Row> {
    static PLAIN: Retry = Retry::new();
    static BUDGET: Budget = Budget::new();
    static PAID: Retry = Retry::new().budget(&BUDGET);
    vec![
        Row::new("loop by hand").sync(sync!(|x| by_hand(x))).future(future!(|x| by_hand_async(x))),
        Row::new("`#[with_retry(budget = none)]`")
            .sync(sync!(|x| without_budget(x)))
            .future(future!(|x| without_budget_async(x)))
            .at_most(Some(32), Some(60)),
        Row::new("`#[with_retry]`")
            .sync(sync!(|x| retried(x)))
            .future(future!(|x| retried_async(x)))
            .at_most(Some(36), Some(66)),
        Row::new("`#[with_retry(budget = SHARED)]`, which others may have")
            .sync(sync!(|x| sharing(x)))
            .future(future!(|x| sharing_async(x))),
        Row::new("`#[with_retry(throttle = 2.0)]`, which reads the clock")
            .sync(sync!(|x| throttled(x)))
            .future(future!(|x| throttled_async(x))),
        Row::new("`Retry::call`")
            .sync(sync!(|x| PLAIN.call(|| call(x))))
            .future(future!(|x| PLAIN.call_async(async || call(x)))),
        Row::new("`Retry::call`, with a budget")
            .sync(sync!(|x| PAID.call(|| call(x))))
            .future(future!(|x| PAID.call_async(async || call(x)))),
        Row::new("backon")
            .sync(sync!(|x| (|| call(x)).retry(ExponentialBuilder::default()).call()))
            .future(future!(|x| (|| bare(x)).retry(ExponentialBuilder::default()))),
        Row::new("tokio-retry").future(future!(|x| tokio_retry(x))),
        Row::new("tower retry").future(super::tower::retry()),
        Row::new("tower-resilience retry").future(super::tower::resilience_retry()),
    ]
}

/// Rows whose calls fail: the error is classified and recorded, and no retry follows.
pub(super) fn failing() -> Vec<Row> {
    vec![
        Row::new("`#[with_retry(max = 0)]`, the call fails")
            .sync(sync!(|x| fails(x | FAILS)))
            .future(future!(|x| fails_async(x | FAILS)))
            .at_most(Some(600), Some(650)),
        Row::new("`#[with_retry]` over an open breaker")
            .sync(sync!(let () = open(); |x| over_breaker(x)))
            .at_most(Some(600), None),
    ]
}

#[with_retry(max = 0)]
fn fails(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[with_retry(max = 0)]
async fn fails_async(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[with_retry(max = 3, base = 0s)]
#[circuit_breaker(threshold = 1, recovery = 1h, cap = 1h)]
fn over_breaker(x: u64) -> Result<u64, CallError> {
    call(x)
}

fn open() {
    let _ = over_breaker(FAILS);
}

static SHARED: Budget = Budget::new();

#[with_retry(budget = SHARED)]
fn sharing(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[with_retry(budget = SHARED)]
async fn sharing_async(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[with_retry(budget = none)]
fn without_budget(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[with_retry(budget = none)]
async fn without_budget_async(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[with_retry]
fn retried(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[with_retry]
async fn retried_async(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[with_retry(throttle = 2.0)]
fn throttled(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[with_retry(throttle = 2.0)]
async fn throttled_async(x: u64) -> Result<u64, CallError> {
    call(x)
}

const BASE: Duration = Duration::from_millis(100);

fn by_hand(x: u64) -> Result<u64, CallError> {
    let mut retries = 0;
    loop {
        match call(x) {
            Err(_) if retries < 3 => std::thread::sleep(BASE * 2_u32.pow(retries)),
            done => return done,
        }
        retries += 1;
    }
}

async fn by_hand_async(x: u64) -> Result<u64, CallError> {
    let mut retries = 0;
    loop {
        match bare(x).await {
            Err(_) if retries < 3 => tokio::time::sleep(BASE * 2_u32.pow(retries)).await,
            done => return done,
        }
        retries += 1;
    }
}

async fn tokio_retry(x: u64) -> Result<u64, CallError> {
    let waits = ExponentialBackoff::from_millis(100).take(3);
    tokio_retry::Retry::start(waits, || bare(x)).await
}
