use resilience::*;
use std::io;

#[failover(shard = ["a", "b"])]
fn ask(shard: u8) -> io::Result<u8> {
    Ok(shard)
}

fn main() {}
