use resilience::*;
use std::io;

#[circuit_breaker(slow = 2s)]
#[timeout(2s)]
async fn below(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[timeout(1s)]
#[circuit_breaker(slow = 2s)]
async fn above(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
