use resilience::*;

#[with_recovery(on(corrupt, skip), on(timeout, corrupt, escalate), on(timeout, manul))]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

fn main() {}
