//! A crate that writes out each `return`.

#![deny(clippy::implicit_return)]
#![allow(clippy::needless_return, reason = "the other half of the choice")]

use crate::Failure;
use resilience::{
    checkpoint, circuit_breaker, hedge, job, timeout, with_fallback, with_recovery, with_retry,
};

/// A value with every policy of a sync function.
///
/// # Errors
///
/// Never.
#[with_fallback(value = 1)]
#[with_retry(max = 1)]
#[circuit_breaker]
pub fn sync(id: u32) -> Result<u32, Failure> {
    return Ok(id);
}

/// A value with every policy of an async function.
///
/// # Errors
///
/// Never.
#[with_fallback(value = 1)]
#[timeout(10s)]
#[with_retry(max = 1)]
#[circuit_breaker]
#[timeout(1s)]
pub async fn later(id: u32) -> Result<u32, Failure> {
    return Ok(id);
}

/// A value that a second call may give.
///
/// # Errors
///
/// Never.
#[hedge(after = 50ms, idempotent)]
pub async fn hedged(id: u32) -> Result<u32, Failure> {
    return Ok(id);
}

/// A value by way of a future.
#[with_retry(max = 1)]
pub fn future(id: u32) -> impl Future<Output = Result<u32, Failure>> {
    return async move {
        return Ok(id);
    };
}

/// A value that is recorded.
///
/// # Errors
///
/// If it cannot be recorded.
#[checkpoint("explicit:{id}")]
pub fn step(id: u32) -> Result<u32, Failure> {
    return Ok(id);
}

/// A value that is recorded by a job.
///
/// # Errors
///
/// If it cannot be recorded.
#[with_recovery(otherwise = escalate)]
#[job("explicit-job:{id}")]
pub async fn recorded(id: u32) -> Result<u32, Failure> {
    return Ok(id);
}
