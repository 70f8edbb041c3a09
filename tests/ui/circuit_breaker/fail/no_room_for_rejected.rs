use resilience::*;

#[circuit_breaker(threshold = 5)]
fn load(id: u32) -> Result<u32, String> {
    Ok(id)
}

fn main() {}
