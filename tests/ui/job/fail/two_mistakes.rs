use resilience::*;

#[job("import:{idd}", lease = 0s)]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

fn main() {}
