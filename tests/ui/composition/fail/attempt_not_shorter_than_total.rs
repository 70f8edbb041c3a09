use resilience::*;
use std::io;

#[timeout(2s)]
#[with_retry(max = 1, base = 10ms)]
#[timeout(2s)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
