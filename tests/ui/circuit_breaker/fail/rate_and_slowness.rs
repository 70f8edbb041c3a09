use resilience::*;
use std::io;

#[circuit_breaker(rate = 50%, window = 60s, min_calls = 20, slow = 2s, slow_rate = 80%)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
