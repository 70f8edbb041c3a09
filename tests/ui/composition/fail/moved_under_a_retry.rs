use resilience::*;
use std::io;

#[with_retry]
#[circuit_breaker]
fn sync(name: String) -> io::Result<String> {
    Ok(name)
}

#[with_retry]
#[failover(model = ["a", "b"])]
#[bulkhead(3)]
async fn later(model: &str, name: String) -> io::Result<String> {
    let _ = model;
    Ok(name)
}

fn main() {}
