use resilience::*;
use std::io;

#[with_retry(max = 3)]
#[with_fallback(value = 1)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
