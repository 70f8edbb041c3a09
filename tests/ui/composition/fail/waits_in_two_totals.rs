use resilience::*;
use std::io;

#[timeout(60s)]
#[timeout(1s)]
#[with_retry(max = 8, backoff = constant, base = 1s)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
