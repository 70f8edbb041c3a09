use resilience::*;

#[checkpoint("page:{id}{n}")]
fn load(id: u32, n: u32) -> Result<u32, Rejected> {
    Ok(id + n)
}

fn main() {}
