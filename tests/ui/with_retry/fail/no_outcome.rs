use resilience::*;

#[with_retry(max = 3)]
fn load(id: u32) -> u32 {
    id
}

fn main() {}
