use resilience::*;

fn undo(_: String) {}

#[checkpoint("page:{id}", rollback = undo)]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

fn main() {}
