use resilience::*;
use std::io;

#[circuit_breaker(failure_threshold = 5, recovery_timeout = 60s, success_threshold = 2, half_open_max_calls = 3)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
