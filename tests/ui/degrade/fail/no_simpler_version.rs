use resilience::*;
use std::io;

struct Plan(u32);

#[degrade(plan)]
fn run(plan: &Plan) -> io::Result<u32> {
    Ok(plan.0)
}

fn main() {}
