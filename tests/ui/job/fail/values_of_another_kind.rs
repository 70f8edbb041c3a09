use resilience::*;

#[job("import:{id}", max_recoveries = 3s, rerun = 1, on = 5, was = old)]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

fn main() {}
