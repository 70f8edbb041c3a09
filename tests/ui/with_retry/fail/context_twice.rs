use resilience::*;
use std::io;

#[with_retry(context(id, size = 1, id = 2))]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
