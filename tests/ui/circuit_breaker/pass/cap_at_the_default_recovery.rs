use resilience::{CircuitBreaker, circuit_breaker};
use std::io;
use std::time::Duration;

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
