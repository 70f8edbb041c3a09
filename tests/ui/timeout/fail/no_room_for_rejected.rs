use resilience::*;

#[timeout(2s)]
async fn load(id: u32) -> Result<u32, u8> {
    Ok(id)
}

fn main() {}
