use resilience::*;
use std::io;

#[with_retry(name = "a")]
#[circuit_breaker(name = "b")]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
