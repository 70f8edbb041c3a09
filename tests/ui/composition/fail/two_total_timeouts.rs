use resilience::*;
use std::io;

#[timeout(5s)]
#[timeout(9s)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
