use resilience::*;

#[job("import:{id}", queue = "slow", max_attempts = 3, with = client, rollback = undo)]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

fn main() {}
