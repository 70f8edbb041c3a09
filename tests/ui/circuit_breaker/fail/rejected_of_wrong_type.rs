use resilience::*;

#[circuit_breaker(rejected = |r| r.to_string())]
fn load(id: u32) -> Result<u32, u8> {
    Ok(id as u32)
}

fn main() {}
