use resilience::*;
use std::io;

const MODELS: &[&str] = &[];

#[failover(model = MODELS)]
fn ask(model: &str) -> io::Result<usize> {
    Ok(model.len())
}

fn main() {}
