use resilience::*;

#[with_retry(max = 3)]
const fn load(id: u32) -> Option<u32> {
    Some(id)
}

fn main() {}
