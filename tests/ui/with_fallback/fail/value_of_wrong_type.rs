use resilience::*;
use std::io;

#[with_fallback(value = "a")]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
