use resilience::*;
use std::io;
use std::time::Duration;

const TTL: Duration = Duration::ZERO;

#[cached(ttl = TTL)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
