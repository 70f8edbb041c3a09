use resilience::*;

fn undo(id: u32) -> u32 {
    id
}

#[checkpoint("page:{id}", rollback = undo)]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

fn main() {}
