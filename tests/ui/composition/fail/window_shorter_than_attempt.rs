use resilience::*;
use std::io;

#[circuit_breaker(threshold = 3, window = 1s)]
#[timeout(2s)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
