use resilience::*;
use std::io;

#[circuit_breaker(key = id)]
fn load(id: (u32, u32)) -> io::Result<u32> {
    Ok(id.0)
}

fn main() {}
