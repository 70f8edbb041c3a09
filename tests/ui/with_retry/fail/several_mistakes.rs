use resilience::*;
use std::io;

#[with_retry(max = "3", base = 100, cap = -5s, jitter = some)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
