use resilience::*;
use std::io;

#[timeout(LIMIT)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

const LIMIT: std::time::Duration = std::time::Duration::ZERO;

fn main() {}
