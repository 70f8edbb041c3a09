use resilience::*;

#[with_recovery(strategy = retry, default = escalate, fallback = other, max = 3)]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

fn main() {}
