use resilience::*;
use std::io;

#[with_retry(budget = per_key)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
