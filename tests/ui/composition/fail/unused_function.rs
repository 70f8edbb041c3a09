//! A function that nobody calls is told so, with policies or without.

#![deny(dead_code)]

use resilience::{Rejected, circuit_breaker, with_fallback, with_retry};

#[with_retry(max = 2)]
fn retried() -> Result<u32, Rejected> {
    Ok(1)
}

#[with_fallback(value = 0)]
#[circuit_breaker(threshold = 3)]
async fn answered() -> Result<u32, Rejected> {
    Ok(1)
}

fn main() {}
