use resilience::*;

#[timeout = "2s"]
async fn load(id: u32) -> std::io::Result<u32> {
    Ok(id)
}

#[circuit_breaker(threshold = 3)]
#[with_retry = 3]
fn below(id: u32) -> std::io::Result<u32> {
    Ok(id)
}

#[checkpoint = "page:{id}"]
fn step(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

fn main() {}
