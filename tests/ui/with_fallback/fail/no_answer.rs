use resilience::*;
use std::io;

#[with_fallback(cached)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn cached(id: u32) -> u32 {
    id
}

fn main() {}
