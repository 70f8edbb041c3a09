use resilience::*;
use std::io;

#[circuit_breaker(max_keys = 10)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
