use resilience::*;
use std::io;

#[with_retry(name = "")]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
