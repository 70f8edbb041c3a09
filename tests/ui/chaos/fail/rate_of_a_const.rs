use resilience::*;

const RATE: f64 = 1.5;

#[chaos(rate = RATE, panic)]
fn run(id: u32) -> Option<u32> {
    Some(id)
}

fn main() {}
