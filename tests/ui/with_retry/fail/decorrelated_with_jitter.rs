use resilience::*;
use std::io;

#[with_retry(backoff = decorrelated, jitter = full)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
