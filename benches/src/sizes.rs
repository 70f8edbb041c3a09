//! Bytes: the future of an annotated function, and what a breaker keeps.

use crate::op::{CallError, Failed, call};
use resilience::{CircuitBreaker, Fallback, Retry, Timeout};
use resilience::{circuit_breaker, failover, hedge, timeout, with_fallback, with_retry};
use std::future::Future;
use std::hint::black_box;
use std::time::Duration;

/// The body of all functions: 256 bytes that live through a wait.
macro_rules! body {
    ($x:ident) => {{
        let kept = black_box([$x as u8; 256]);
        tokio::task::yield_now().await;
        call(u64::from(black_box(kept)[0]))
    }};
}

async fn plain(x: u64) -> Result<u64, CallError> {
    body!(x)
}

#[with_fallback(value = 1)]
async fn fallback(x: u64) -> Result<u64, CallError> {
    body!(x)
}

#[with_retry]
async fn retry(x: u64) -> Result<u64, CallError> {
    body!(x)
}

#[circuit_breaker(threshold = 5)]
async fn breaker(x: u64) -> Result<u64, CallError> {
    body!(x)
}

#[timeout(2s)]
async fn limited(x: u64) -> Result<u64, CallError> {
    body!(x)
}

#[hedge(after = 50ms, idempotent)]
async fn hedged(x: u64) -> Result<u64, CallError> {
    body!(x)
}

#[failover(x = [1, 2, 3])]
async fn failing_over(x: u64) -> Result<u64, CallError> {
    body!(x)
}

#[with_fallback(value = 1)]
#[with_retry]
#[circuit_breaker(threshold = 5)]
#[timeout(2s)]
async fn four(x: u64) -> Result<u64, CallError> {
    body!(x)
}

#[with_fallback(value = 1)]
#[timeout(10s)]
#[with_retry]
#[circuit_breaker(threshold = 5)]
#[timeout(2s)]
async fn five(x: u64) -> Result<u64, CallError> {
    body!(x)
}

async fn tokio_timeout(x: u64) -> Result<u64, CallError> {
    tokio::time::timeout(Duration::from_secs(2), plain(x)).await.unwrap_or(Err(Failed(0).into()))
}

async fn backon(x: u64) -> Result<u64, CallError> {
    use backon::{ExponentialBuilder, Retryable};
    (|| plain(x)).retry(ExponentialBuilder::default()).await
}

/// Prints both tables; returns how many rows are larger than allowed.
pub(crate) fn print() -> usize {
    let body = size_of_val(&plain(1));
    println!("| future | bytes | over the body's | at most | |\n|---|--:|--:|--:|---|");
    println!("| the body itself | {body} | | | |");
    let futures = [
        row("`#[with_fallback]`", body, &fallback(1), Some(40)),
        row("`#[with_retry]`", body, &retry(1), Some(40)),
        row("`#[circuit_breaker]`", body, &breaker(1), Some(40)),
        row("`#[timeout]`", body, &limited(1), Some(40 + 112)),
        row("`#[hedge]`", body, &hedged(1), Some(40 + 112)),
        row("`#[failover]`, three values", body, &failing_over(1), None),
        row("the four attributes", body, &four(1), Some(200)),
        row("five: a total timeout, too", body, &five(1), None),
        row("tokio's timeout", body, &tokio_timeout(1), None),
        row("backon", body, &backon(1), None),
    ];
    println!("\n| value | bytes | at most | |\n|---|--:|--:|---|");
    let values = [
        value("`Rejected`", size_of::<resilience::Rejected>(), Some(24)),
        value("`CircuitBreaker`", size_of::<CircuitBreaker>(), None),
        value("`Retry`", size_of::<Retry>(), None),
        value("`Timeout`", size_of::<Timeout>(), None),
        value("`Fallback`", size_of::<Fallback>(), None),
    ];
    futures.into_iter().chain(values).filter(|is_over| *is_over).count()
}

fn row(name: &str, body: usize, future: &impl Future, bar: Option<usize>) -> bool {
    let size = size_of_val(future);
    let more = size.saturating_sub(body);
    println!("| {name} | {size} | +{more} | {} | {} |", text(bar), verdict(more, bar));
    bar.is_some_and(|bar| more > bar)
}

fn value(name: &str, size: usize, bar: Option<usize>) -> bool {
    println!("| {name} | {size} | {} | {} |", text(bar), verdict(size, bar));
    bar.is_some_and(|bar| size > bar)
}

fn text(bar: Option<usize>) -> String {
    bar.map_or_else(String::new, |bar| bar.to_string())
}

fn verdict(size: usize, bar: Option<usize>) -> &'static str {
    match bar {
        None => "",
        Some(bar) if size <= bar => "ok",
        Some(_) => "**over**",
    }
}
