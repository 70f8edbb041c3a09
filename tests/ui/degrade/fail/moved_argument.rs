use resilience::*;
use std::io;

struct Plan(u32);

impl Simplify for Plan {
    fn simplify(&self, level: u32) -> Option<Self> {
        self.0.checked_sub(level).map(Plan)
    }
}

#[degrade(plan)]
fn run(plan: Plan) -> io::Result<u32> {
    let moved = plan;
    Ok(moved.0)
}

fn main() {}
