use resilience::*;
use std::io;

#[circuit_breaker(treshold = 3)]
fn load(id: u32) -> io::Result<u32> {
    let text: &str = id;
    Ok(text.len() as u32)
}

fn caller() -> io::Result<u32> {
    load(1)
}

fn main() {}
