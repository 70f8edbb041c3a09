use resilience::*;

#[checkpoint("page:{id}")]
#[with_fallback(value = 0)]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

fn main() {}
