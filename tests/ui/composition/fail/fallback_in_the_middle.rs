use resilience::*;
use std::io;

#[timeout(10s)]
#[with_retry(max = 3)]
#[with_fallback(value = 1)]
#[timeout(2s)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
