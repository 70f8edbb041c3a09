use resilience::*;
use std::io;

#[with_retry(when = 3)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
