use resilience::*;
use std::io;

#[with_retry(clone(nam))]
fn load(name: String) -> io::Result<usize> {
    Ok(name.len())
}

fn main() {}
