use resilience::*;

#[job("import:{id}")]
fn load(id: u32, (a, b): (u32, u32)) -> Result<u32, Rejected> {
    Ok(id + a + b)
}

fn main() {}
