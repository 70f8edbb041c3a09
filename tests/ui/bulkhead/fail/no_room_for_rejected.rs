use resilience::bulkhead;

#[derive(Debug)]
struct Own;

#[bulkhead(16)]
fn load(id: u32) -> Result<u32, Own> {
    Ok(id)
}

#[bulkhead(16, wait = 1s)]
async fn later(id: u32) -> Result<u32, Own> {
    Ok(id)
}

fn main() {}
