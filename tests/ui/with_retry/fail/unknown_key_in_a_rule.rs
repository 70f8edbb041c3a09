use resilience::*;
use std::io;

#[with_retry(on(timeout, maks = 3, name = "load", budget = none))]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
