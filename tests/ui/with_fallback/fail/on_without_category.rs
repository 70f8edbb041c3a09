use resilience::*;
use std::io;

#[with_fallback(value = 1, on())]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
