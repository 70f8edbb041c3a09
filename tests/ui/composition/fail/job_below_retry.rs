use resilience::*;

#[with_retry]
#[job("import:{id}")]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

fn main() {}
