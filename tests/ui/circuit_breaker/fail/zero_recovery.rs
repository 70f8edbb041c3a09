use resilience::*;
use std::io;

#[circuit_breaker(recovery = 0s)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
