use resilience::*;
use std::io;

#[circuit_breaker(cap = 10s)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
