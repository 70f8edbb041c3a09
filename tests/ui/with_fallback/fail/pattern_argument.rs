use resilience::*;
use std::io;

#[with_fallback(cached)]
fn load((id, _): (u32, u32)) -> io::Result<u32> {
    Ok(id)
}

fn cached(id: (u32, u32)) -> Option<u32> {
    Some(id.0)
}

fn main() {}
