use resilience::*;

#[checkpoint("page:{id + 1}")]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

fn main() {}
