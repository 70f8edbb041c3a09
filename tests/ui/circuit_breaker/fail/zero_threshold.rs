use resilience::*;
use std::io;

#[circuit_breaker(threshold = 0)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
