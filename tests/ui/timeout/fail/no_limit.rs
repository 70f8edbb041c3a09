use resilience::*;
use std::io;

#[timeout()]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
