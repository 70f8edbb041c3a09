use resilience::*;
use std::io;

#[with_fallback(cached)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

async fn cached(id: u32) -> Option<u32> {
    Some(id)
}

fn main() {}
