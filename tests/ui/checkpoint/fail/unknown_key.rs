use resilience::*;

#[checkpoint("page:{id}", lese = 10s, versoin = 2)]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

fn main() {}
