use resilience::*;

#[checkpoint("page:{id}", inputs(size))]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

fn main() {}
