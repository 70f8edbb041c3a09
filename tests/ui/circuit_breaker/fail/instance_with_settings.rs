use resilience::*;
use std::io;

#[circuit_breaker(instance = BREAKER, threshold = 5)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

static BREAKER: policy::CircuitBreaker = policy::CircuitBreaker::new("b");

fn main() {}
