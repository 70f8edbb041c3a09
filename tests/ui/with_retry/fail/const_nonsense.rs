use resilience::*;
use std::io;

#[with_retry(backoff = FACTOR)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

const FACTOR: f64 = f64::NAN;

fn main() {}
