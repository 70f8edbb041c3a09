use resilience::*;

#[job("page:{id}")]
#[checkpoint("page:{id}")]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

fn main() {}
