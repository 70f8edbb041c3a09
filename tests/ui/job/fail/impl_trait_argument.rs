use resilience::*;

#[job("import:{id}")]
fn load(id: u32, names: impl Iterator<Item = u32>) -> Result<u32, Rejected> {
    Ok(id + names.count() as u32)
}

fn main() {}
