use resilience::*;

#[cached(ttl = 60s)]
fn load(id: u32) -> u32 {
    id
}

fn main() {}
