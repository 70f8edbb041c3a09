use resilience::*;

struct Plan(u32);

impl Simplify for Plan {
    fn simplify(&self, level: u32) -> Option<Self> {
        self.0.checked_sub(level).map(Plan)
    }
}

#[degrade(plan)]
#[timeout(1s, thread)]
fn run(plan: Plan, text: String) -> Result<usize, Rejected> {
    Ok(plan.0 as usize + text.len())
}

fn main() {}
