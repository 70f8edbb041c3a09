use resilience::*;

#[circuit_breaker(threshold = 5)]
fn load(id: u32) -> u32 {
    id
}

fn main() {}
