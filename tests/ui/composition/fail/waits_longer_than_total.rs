use resilience::*;
use std::io;

#[timeout(2s)]
#[with_retry(max = 9, base = 100ms)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
