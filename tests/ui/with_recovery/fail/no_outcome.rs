use resilience::*;

#[with_recovery(on(corrupt, skip))]
fn load(id: u32) -> u32 {
    id
}

fn main() {}
