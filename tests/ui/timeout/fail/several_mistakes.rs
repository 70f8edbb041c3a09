use resilience::*;
use std::io;

#[timeout(2, growth = -1.0, threads = 0, colour = red)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
