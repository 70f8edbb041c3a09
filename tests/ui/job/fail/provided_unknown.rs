use resilience::*;

#[job("import:{id}", provided(client))]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

fn main() {}
