use resilience::*;
use std::io;

#[with_retry(on(timeout, max = 5), on(timeout, max = 6))]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
