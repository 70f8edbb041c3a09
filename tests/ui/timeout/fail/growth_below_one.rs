use resilience::*;
use std::io;

#[with_retry(max = 1)]
#[timeout(2s, growth = 0.5)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
