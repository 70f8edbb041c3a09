use resilience::*;

#[with_fallback(value = 1)]
const fn load(id: u32) -> Option<u32> {
    Some(id)
}

fn main() {}
