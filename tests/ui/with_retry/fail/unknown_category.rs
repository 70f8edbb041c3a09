use resilience::*;
use std::io;

#[with_retry(on(rate_limit, max = 5))]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
