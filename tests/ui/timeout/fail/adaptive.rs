use resilience::*;
use std::io;

#[timeout(adaptive, floor = 100ms)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
