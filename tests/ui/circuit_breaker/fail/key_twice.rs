use resilience::*;
use std::io;

#[circuit_breaker(threshold = 3, threshold = 4)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
