use resilience::*;
use std::io;

static BREAKER: CircuitBreaker = CircuitBreaker::new("breaker");

#[cached(instance = BREAKER)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
