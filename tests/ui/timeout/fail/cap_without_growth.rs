use resilience::*;
use std::io;

#[timeout(2s, cap = 30s)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
