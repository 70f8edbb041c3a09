use resilience::*;

#[with_recovery(on(corrupt, rolback), otherwise = ignore)]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

fn main() {}
