use resilience::*;

#[job("import:{id}")]
#[timeout(2s, thread)]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

fn main() {}
