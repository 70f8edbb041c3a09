use resilience::*;
use std::io;

#[circuit_breaker(threshold = 3)]
#[with_fallback(value = 1)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
