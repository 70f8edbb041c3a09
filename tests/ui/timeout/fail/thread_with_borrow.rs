use resilience::*;
use std::io;

#[timeout(2s, thread)]
fn load(name: &str) -> io::Result<usize> {
    Ok(name.len())
}

fn main() {}
