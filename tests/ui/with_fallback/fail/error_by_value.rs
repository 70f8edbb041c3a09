use resilience::*;
use std::io;

#[with_fallback(cached(error))]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn cached(_: io::Error) -> Option<u32> {
    Some(1)
}

fn main() {}
