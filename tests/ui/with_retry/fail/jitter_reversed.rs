use resilience::*;
use std::io;

#[with_retry(jitter = 1.2..0.8)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
