use resilience::*;

#[with_recovery(on(corupt, skip))]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

fn main() {}
