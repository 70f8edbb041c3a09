use resilience::*;

#[with_lock("load:{id}")]
#[circuit_breaker]
#[with_retry]
#[rate_limit(3, per = 1s)]
fn sync(id: u32) -> Vec<u32> {
    vec![id]
}

#[with_fallback(value = 1)]
#[circuit_breaker]
#[with_retry]
#[bulkhead(3)]
#[timeout(2s)]
async fn later(id: u32) -> u32 {
    id
}

#[failover(id = [1, 2])]
#[timeout(1s)]
async fn other(id: u32) {
    let _ = id;
}

fn main() {}
