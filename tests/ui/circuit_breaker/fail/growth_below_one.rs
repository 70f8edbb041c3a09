use resilience::*;
use std::io;

#[circuit_breaker(growth = 0.5)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
