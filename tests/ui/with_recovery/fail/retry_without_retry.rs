use resilience::*;

#[with_recovery(on(corrupt, rollback), otherwise = retry)]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

fn main() {}
