use resilience::*;
use std::io;

#[with_retry(max = 3, max = 4)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
