use resilience::*;
use std::io;

#[circuit_breaker(treshold = 5)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
