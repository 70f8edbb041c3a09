use resilience::*;
use std::io;

#[with_retry(backoff = -2.0)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
