use resilience::*;
use std::io;

#[circuit_breaker(threshold = 0, recovery = 1, probes = -1, colour = red)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
