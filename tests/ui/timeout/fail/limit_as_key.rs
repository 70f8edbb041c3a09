use resilience::*;
use std::io;

#[timeout(duration = 2s)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
