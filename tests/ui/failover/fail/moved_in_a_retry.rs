use resilience::*;
use std::io;

#[with_retry]
#[failover(model = ["a", "b"])]
fn ask(model: String) -> io::Result<String> {
    Ok(model)
}

fn main() {}
