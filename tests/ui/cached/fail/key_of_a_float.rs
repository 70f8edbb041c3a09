use resilience::*;
use std::io;

#[cached(ttl = 60s)]
fn load(id: u32, scale: f64) -> io::Result<u32> {
    Ok((f64::from(id) * scale) as u32)
}

fn main() {}
