use resilience::*;
use std::io;

#[timeout(2s, growth = 2.0, growth = 3.0)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
