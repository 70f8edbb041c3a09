use resilience::*;
use std::io;

#[timeout(2)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
