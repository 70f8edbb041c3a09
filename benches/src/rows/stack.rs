//! All four policies at once, and the fallback alone.

use super::{Row, bare, future, sync};
use crate::op::{CallError, Failed, call};
use backon::{ExponentialBuilder, Retryable};
use resilience::{Fallback, circuit_breaker, timeout, with_fallback, with_retry};
use std::time::Duration;

/// Returns the row of the fallback alone, then those of stacks.
pub(super) fn rows() -> Vec<Row> {
    static PLAIN: Fallback = Fallback::new("plain");
    vec![
        Row::new("`#[with_fallback(value = 1)]` alone")
            .sync(sync!(|x| answered(x)))
            .future(future!(|x| answered_async(x))),
        Row::new("`Fallback::or_else`").sync(sync!(|x| PLAIN.or_else(call(x), |_| Some(1)))),
        Row::new("retry and breaker").sync(sync!(|x| two(x))).future(future!(|x| two_async(x))),
        Row::new("the four attributes").future(future!(|x| four(x))).at_most(None, Some(290)),
        Row::new("five: a total timeout, too").future(future!(|x| five(x))),
        Row::new("backon, failsafe and tokio's timeout")
            .future(future!(let breaker = super::peers::failsafe(); |x| peers(&breaker, x))),
        Row::new("tower, with failsafe as its breaker").future(super::tower::stack()),
        Row::new("tower-resilience, four layers").future(super::tower::resilience_stack()),
    ]
}

#[with_fallback(value = 1)]
fn answered(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[with_fallback(value = 1)]
async fn answered_async(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[with_retry]
#[circuit_breaker(threshold = 5)]
fn two(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[with_retry]
#[circuit_breaker(threshold = 5)]
async fn two_async(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[with_fallback(value = 1)]
#[with_retry]
#[circuit_breaker(threshold = 5)]
#[timeout(2s)]
async fn four(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[with_fallback(value = 1)]
#[timeout(10s)]
#[with_retry]
#[circuit_breaker(threshold = 5)]
#[timeout(2s)]
async fn five(x: u64) -> Result<u64, CallError> {
    call(x)
}

async fn peers<B: failsafe::futures::CircuitBreaker>(breaker: &B, x: u64) -> Result<u64, CallError> {
    let attempt = || async {
        let limited = async {
            tokio::time::timeout(Duration::from_secs(2), bare(x)).await.unwrap_or(Err(Failed(0).into()))
        };
        breaker.call(limited).await.map_err(|_| CallError::from(Failed(0)))
    };
    attempt.retry(ExponentialBuilder::default()).await.or(Ok(1))
}
