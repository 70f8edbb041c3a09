use resilience::*;
use std::io;

#[circuit_breaker(threshold = LIMIT)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

const LIMIT: u32 = 0;

fn main() {}
