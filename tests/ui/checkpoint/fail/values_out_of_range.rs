use resilience::*;

#[checkpoint("page:{id}", ttl = 0s, lease = 1ms, wait = 5, version = -1)]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

fn main() {}
