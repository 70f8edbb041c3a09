use resilience::*;

fn undo(_: u32) {}

#[checkpoint("page:{id}", rollback = undo)]
fn load<T: std::fmt::Display>(id: T) -> Result<u32, Rejected> {
    let _ = id;
    Ok(1)
}

fn main() {}
