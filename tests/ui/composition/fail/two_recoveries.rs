use resilience::*;

#[with_recovery(on(corrupt, skip))]
#[with_recovery(on(invalid, skip))]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

fn main() {}
