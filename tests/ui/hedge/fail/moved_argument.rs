use resilience::*;
use std::io;

#[hedge(after = 50ms, idempotent)]
async fn load(name: String) -> io::Result<String> {
    let moved = name;
    Ok(moved)
}

fn main() {}
