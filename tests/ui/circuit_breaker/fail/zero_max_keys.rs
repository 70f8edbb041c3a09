use resilience::*;
use std::io;

#[circuit_breaker(key = id, max_keys = 0)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
