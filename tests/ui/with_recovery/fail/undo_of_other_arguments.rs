use resilience::*;

fn undo(_: String) {}

#[with_recovery(on(corrupt, rollback), rollback = undo)]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

fn main() {}
