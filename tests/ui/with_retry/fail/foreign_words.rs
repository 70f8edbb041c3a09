use resilience::*;
use std::io;

#[with_retry(max_attempts = 4, backoff_factor = 2.0, base_delay = 100ms, deadline = 30s)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
