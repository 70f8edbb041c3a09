use resilience::*;

#[with_retry(throttle = 2.0)]
fn load(id: u32) -> Result<u32, u8> {
    Ok(id)
}

fn main() {}
