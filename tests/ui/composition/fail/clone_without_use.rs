use resilience::*;
use std::io;

#[circuit_breaker(clone(name))]
fn load(name: String) -> io::Result<usize> {
    Ok(name.len())
}

fn main() {}
