use resilience::*;

#[job("import:{id}", max_recovery = 3, rerum = true)]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

fn main() {}
