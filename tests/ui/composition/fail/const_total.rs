use resilience::*;
use std::io;

const TOTAL: std::time::Duration = std::time::Duration::from_secs(1);

#[timeout(TOTAL)]
#[with_retry(max = 9, base = 100ms)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
