use resilience::*;

#[with_recovery(on(severity >= hihg, manual))]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

fn main() {}
