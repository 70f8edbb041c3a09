use resilience::*;
use std::io;

#[with_fallback(cahced)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
