use resilience::*;
use std::io;

#[chaos(rate = 2%, fault = "down")]
fn run(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
