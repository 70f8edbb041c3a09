use resilience::{CircuitBreaker, circuit_breaker, defaults};
use std::io;
use std::time::Duration;

// What the attribute takes for the default where `recovery` is not written.
const _: () = assert!(defaults::circuit_breaker::RECOVERY.as_nanos() == 60_000_000_000);

const QUICK: CircuitBreaker = CircuitBreaker::new("quick").recovery(Duration::from_secs(5));

#[circuit_breaker(cap = 60s)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[circuit_breaker(policy = QUICK, cap = 10s)]
fn from_a_policy(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
