use resilience::*;
use std::io;

#[with_retry(base = 0.0000000001s)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
