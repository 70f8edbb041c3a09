use resilience::*;
use std::io;

#[with_retry(max = 3)]
fn load(id: u32) -> io::Result<u32> {
    let x = ;
    Ok(id)
}

fn caller() -> io::Result<u32> {
    load(1)
}

fn main() {}
