use resilience::*;

#[job("import:{idd}")]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

fn main() {}
