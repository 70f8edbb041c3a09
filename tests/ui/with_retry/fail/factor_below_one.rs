use resilience::*;
use std::io;

#[with_retry(backoff = 0.5)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
