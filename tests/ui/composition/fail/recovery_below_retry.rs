use resilience::*;

#[with_retry]
#[with_recovery(on(corrupt, skip))]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

fn main() {}
