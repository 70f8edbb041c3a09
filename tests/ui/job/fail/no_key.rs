use resilience::*;

#[job]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

fn main() {}
