use resilience::*;
use std::io;

#[with_retry(max = 3)]
fn load(name: String) -> io::Result<usize> {
    let moved = name;
    Ok(moved.len())
}

fn main() {}
