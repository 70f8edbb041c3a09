use resilience::*;

#[with_fallback(value = 1)]
fn load(id: u32) -> u32 {
    id
}

fn main() {}
