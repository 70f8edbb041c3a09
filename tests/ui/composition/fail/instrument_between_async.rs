use resilience::*;
use std::io;

#[with_retry(max = 3)]
#[tracing::instrument]
#[timeout(2s)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
