#![deny(unused_variables, unused_must_use, dead_code, unreachable_code, unused_mut)]

use resilience::with_retry;
use std::io;

#[with_retry(max = 3)]
fn load(id: u32, unused: u32) -> io::Result<u32> {
    let forgotten = 1;
    let mut never_changed = 2;
    std::fs::read_to_string("x");
    return Ok(id + never_changed);
    Ok(0)
}

fn main() {}
