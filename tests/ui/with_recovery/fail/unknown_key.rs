use resilience::*;

#[with_recovery(on(corrupt, skip), otherwize = escalate)]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

fn main() {}
